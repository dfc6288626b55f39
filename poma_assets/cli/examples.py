"""What the help of every command shows beside its options: examples that may be copied, and the family it is of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import typer
from typer.models import CommandInfo

BEGIN, RUN, RESULTS, INPUTS, MACHINE = "Begin", "Run", "Results", "Inputs", "This machine"

EXAMPLES: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "demo": (BEGIN, ("poma demo", "poma demo /tmp/demo --jobs 2")),
    "init": (
        BEGIN,
        (
            "poma init my_study --reads /data/fastq --genome genome.fa.gz --annotation genes.gtf.gz",
            "poma init my_study --from-nf-core samplesheet.csv",
            "poma init public_study --count-matrix GSE12345_counts.tsv.gz",
            "poma init fly_study --reads reads --organism fly",
        ),
    ),
    "simulate": (BEGIN, ("poma simulate small_study --size tiny --seed 7",)),
    "check": (RUN, ("poma check", "poma check --study my_study --json")),
    "plan": (RUN, ("poma plan", "poma plan --study my_study --json")),
    "run": (
        RUN,
        (
            "poma run",
            "poma run --jobs 2 --until counts",
            "poma run --samples S1,S2 --until counts",
            "poma run --leave-out S7",
            "poma run --on celery",
            "poma run --json",
        ),
    ),
    "worker": (RUN, ("poma worker", "poma worker --queues star --at-once 2", "poma worker --queues default")),
    "status": (RUN, ("poma status", "poma status --all", "poma status --study my_study --json")),
    "watch": (RUN, ("poma watch", "poma watch --study my_study --every 60")),
    "ui": (RUN, ("poma ui", "poma ui --port 3001 --watch", "poma ui --study my_study")),
    "verdicts": (
        RESULTS,
        (
            "poma verdicts",
            "poma verdicts IRF4 MYC --contrast pom_24h",
            "poma verdicts --history IRF4",
            "poma verdicts --expect IRF4=confirmed --fail-on contradicted",
        ),
    ),
    "query": (
        RESULTS,
        (
            'poma query "SHOW TABLES"',
            'poma query "SELECT * FROM v_top_genes WHERE rank <= 5"',
            'poma query --csv "FROM v_sample_overview"',
        ),
    ),
    "report": (RESULTS, ("poma report", "poma report --json")),
    "export": (
        RESULTS,
        (
            "poma export --to tables --format parquet",
            "poma export --to for_scanpy --format h5ad",
            "poma export --to for_r --format summarizedexperiment --force",
        ),
    ),
    "explain": (RESULTS, ("poma explain gene_counts", "poma explain de_results --study my_study", "poma explain")),
    "inbox": (INPUTS, ("poma inbox", "poma inbox --accept S9,S10")),
    "gene-sets": (INPUTS, ()),
    "gene-sets list": (INPUTS, ("poma gene-sets list",)),
    "gene-sets fetch": (INPUTS, ("poma gene-sets fetch kegg", "poma gene-sets fetch reactome --study my_study")),
    "gene-sets show": (INPUTS, ("poma gene-sets show go_bp interferon",)),
    "reference": (INPUTS, ()),
    "reference fetch": (
        INPUTS,
        ("poma reference fetch gencode --study my_study", "poma reference fetch ensembl --release 115"),
    ),
    "reference list": (INPUTS, ("poma reference list",)),
    "clean": (MACHINE, ("poma clean --dry-run", "poma clean --withdrawn", "poma clean --all-intermediate --yes")),
    "migrate": (MACHINE, ()),
    "migrate warehouse": (
        MACHINE,
        (
            "poma migrate warehouse --to 'ducklake:postgres:host=db.lab dbname=poma schema=my_study'",
            "poma migrate warehouse --to duckdb --study my_study",
        ),
    ),
    "notify": (MACHINE, ("poma notify", "poma notify --test", "poma notify --test --json")),
    "doctor": (MACHINE, ("poma doctor", "poma doctor --study my_study", "poma doctor --json")),
    "completion": (
        MACHINE,
        (
            "poma completion bash > ~/.local/share/bash-completion/completions/poma",
            "poma completion zsh > ~/.zfunc/_poma",
            "poma completion fish > ~/.config/fish/completions/poma.fish",
        ),
    ),
    "test": (MACHINE, ("poma test", "poma test --pytest-only")),
}
"""Command -> its family and examples."""


def teach(app: typer.Typer) -> None:
    """Put family and examples into the help of every command and group of commands."""
    _teach(app.registered_commands, "")
    for group in app.registered_groups:
        name = group.name if isinstance(group.name, str) else ""
        if group.typer_instance is not None:
            group.rich_help_panel = EXAMPLES[name][0]
            _teach(group.typer_instance.registered_commands, f"{name} ")


def _teach(commands: Iterable[CommandInfo], prefix: str) -> None:
    for command in commands:
        called = command.name or (command.callback.__name__ if command.callback else "")
        family, lines = EXAMPLES[prefix + called.replace("_", "-")]
        command.rich_help_panel = None if prefix else family
        # Lines in between are what the help's Markdown joins into one list.
        command.epilog = "\n\n".join(["**Examples:**", "", *(f"- `{line}`" for line in lines)])
