"""Commands to begin with: the demo, a simulated study, a new study of one's own."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from poma_assets.cli.context import err, open_study, out
from poma_assets.cli.running import launch, tell
from poma_assets.cli.verdicts import print_verdicts, read_verdicts
from poma_assets.science.errors import InputError


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(demo)
    app.command()(init)
    app.command()(simulate)


def demo(
    directory: Annotated[Path, typer.Argument(help="Folder of the demo study.")] = Path("demo_study"),
    jobs: Annotated[int, typer.Option(help="Samples at once; 0: as cores and memory allow.", min=0)] = 0,
    seed: Annotated[int, typer.Option(help="Seed of the simulation.")] = 1,
) -> None:
    """Simulate a study with planted truth, run the whole chain on it, and compare the verdicts with the truth."""
    from poma_assets.planted_truth import compare_with_truth
    from poma_assets.preflight import require_sound

    begun = time.monotonic()
    if not (directory / "poma.yaml").is_file():
        _simulate(directory, "demo", seed)
    resource = open_study(directory)
    require_sound(resource)
    summary = launch(resource, jobs=jobs)
    if summary.succeeded:
        verdicts = read_verdicts(resource)
        print_verdicts(verdicts)
        agreeing, differing = compare_with_truth(verdicts, resource.study.root / "truth" / "expected_verdicts.tsv")
        out.print(f"Planted verdicts: {agreeing} of {agreeing + len(differing)} came out as planted.")
        for line in differing:
            err.print(f"[bold red]differs[/] {line}", soft_wrap=True)
        if differing:
            raise typer.Exit(1)
    tell(resource, summary)
    out.print(f"Took {time.monotonic() - begun:.0f} s. Next: `./poma ui --study {directory}`", soft_wrap=True)
    if not summary.succeeded:
        raise typer.Exit(1)


def simulate(
    directory: Annotated[Path, typer.Argument(help="Folder of the new study.")],
    size: Annotated[str, typer.Option(help="demo or tiny.")] = "demo",
    seed: Annotated[int, typer.Option(help="Same seed, same bytes.")] = 1,
) -> None:
    """Write a simulated study with planted truth: genome, annotation, reads, sheets, expected verdicts."""
    if (directory / "poma.yaml").exists():
        raise InputError("there is a study already", where=str(directory), fix="Name another folder.")
    _simulate(directory, size, seed)
    out.print(f"Study: {directory.resolve()}", soft_wrap=True)


def _simulate(directory: Path, size: str, seed: int) -> None:
    from poma_assets.storage.simulated_study import DEMO, TINY, write_simulated_study

    sizes = {"demo": DEMO, "tiny": TINY}
    if size not in sizes:
        raise InputError("--size is unknown", found=size, expected=", ".join(sizes))
    err.print(f"simulating a study in {directory} (synthetic reads with planted truth)", soft_wrap=True)
    write_simulated_study(directory, size=sizes[size], seed=seed)


def init(
    directory: Annotated[Path, typer.Argument(help="Folder of the new study.")],
    reads: Annotated[
        Path | None, typer.Option(help="Folder of FASTQ files: pairs and lanes are found by name.")
    ] = None,
    genome: Annotated[Path | None, typer.Option(help="Genome FASTA (plain or .gz).")] = None,
    annotation: Annotated[Path | None, typer.Option(help="Annotation GTF (plain or .gz).")] = None,
    name: Annotated[str, typer.Option(help="Name of the study; default: of the folder.")] = "",
    organism: Annotated[str, typer.Option(help="Organism.")] = "human",
    profile: Annotated[str, typer.Option(help="Quality profile: human_poly_a or small_reference.")] = "human_poly_a",
) -> None:
    """Make a study folder of your own: poma.yaml, a sample sheet from the FASTQ files found, a contrasts file."""
    from poma_assets.storage.study_template import write_study_template

    written = write_study_template(
        directory,
        name=name or directory.resolve().name,
        organism=organism,
        profile=profile,
        reads=reads,
        genome=genome,
        annotation=annotation,
    )
    for path, what in written.items():
        out.print(f"{path}: {what}", soft_wrap=True)
    out.print("Next: fill in the columns of samples.tsv, declare contrasts, then `poma check` and `poma run`.")
