"""Over-representation and gene set enrichment on GO, KEGG and any GMT."""
