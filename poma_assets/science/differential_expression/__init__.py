"""DESeq2 (PyDESeq2) and edgeR (pyedger) models and their agreement."""
