"""Pure functions of the field: no Dagster, DuckDB, subprocess or file paths below this package."""
