"""Running on other machines: pools beside the local one that hand runs to Celery or to Slurm (decision 15)."""
