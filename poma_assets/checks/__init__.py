"""Asset checks, mirroring ``assets``: their names are true sentences."""
