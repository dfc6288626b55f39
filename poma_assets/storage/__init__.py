"""DuckDB and the file layout of a study; no Dagster."""
