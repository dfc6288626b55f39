"""HTML reports: templates and figures; they read tables and write nothing else."""
