"""Commands to begin with: the demo, a simulated study, a new study of one's own."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from poma_assets.cli.context import JsonOption, err, open_study, out
from poma_assets.cli.running import launch, tell
from poma_assets.cli.verdicts import print_verdicts, read_verdicts
from poma_assets.science.errors import InputError


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(demo)
    app.command()(init)
    app.command()(simulate)


def _profiles() -> list[str]:
    from poma_assets.science.quality_gates import PROFILES

    return list(PROFILES)


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
    size: Annotated[str, typer.Option(help="demo or tiny.", autocompletion=lambda: ["demo", "tiny"])] = "demo",
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
        Path | None, typer.Option(help="Folder of FASTQ files: pairs and lanes are found by name.", metavar="DIR")
    ] = None,
    from_nf_core: Annotated[
        Path | None,
        typer.Option("--from-nf-core", help="Take over a sample sheet of nf-core/rnaseq.", metavar="SHEET"),
    ] = None,
    count_matrix: Annotated[
        Path | None,
        typer.Option("--count-matrix", help="Begin at a table of counts, genes x samples.", metavar="FILE"),
    ] = None,
    genome: Annotated[Path | None, typer.Option(help="Genome FASTA (plain or .gz).", metavar="FILE")] = None,
    annotation: Annotated[Path | None, typer.Option(help="Annotation GTF (plain or .gz).", metavar="FILE")] = None,
    name: Annotated[str, typer.Option(help="Name of the study; default: of the folder.")] = "",
    organism: Annotated[str, typer.Option(help="Organism.")] = "human",
    profile: Annotated[
        str,
        typer.Option(
            help="Quality profile: human_poly_a or small_reference; default: the first for human, else the other.",
            autocompletion=_profiles,
        ),
    ] = "",
    as_json: JsonOption = False,
) -> None:
    """Make a study folder of your own: poma.yaml, a sample sheet of the reads found, a contrasts file.

    What only you know is marked FILL IN; `poma check` and `poma run` refuse until it is filled in.
    """
    from poma_assets.storage.study_template import write_study_template

    rows, left_out = _found_rows(directory, reads=reads, from_nf_core=from_nf_core, count_matrix=count_matrix)
    written = write_study_template(
        directory,
        name=name or directory.resolve().name,
        organism=organism,
        profile=_profile(profile, organism),
        genome=genome,
        annotation=annotation,
        rows=rows,
        count_matrix=count_matrix,
    )
    if as_json:
        found = {"folder": str(directory.resolve()), "files": {str(path): what for path, what in written.items()}}
        print(json.dumps({**found, "left_out": left_out}, indent=2))
        return
    for path, what in written.items():
        out.print(escape(f"{path}: {what}"), soft_wrap=True)
    for file in left_out:
        out.print(escape(f"left out: {file} (reads of no sample)"), soft_wrap=True)
    _tell_next(directory, needs_reference=count_matrix is None and (genome is None or annotation is None))


def _found_rows(
    directory: Path, *, reads: Path | None, from_nf_core: Path | None, count_matrix: Path | None
) -> tuple[list[dict[str, str]], list[str]]:
    """Rows of the new sheet by the one way that is named, and the files that were left out."""
    from poma_assets.storage.study_template import rows_of_counts, rows_of_nf_core, rows_of_reads

    if sum(way is not None for way in (reads, from_nf_core, count_matrix)) > 1:
        what = "--reads, --from-nf-core and --count-matrix are three ways to a sheet"
        raise InputError(what, fix="Give one of them.")
    if reads is not None:
        return rows_of_reads(reads, directory)
    if from_nf_core is not None:
        return rows_of_nf_core(from_nf_core, directory), []
    return (rows_of_counts(count_matrix) if count_matrix is not None else []), []


def _profile(named: str, organism: str) -> str:
    if named and named not in _profiles():
        raise InputError("--profile is unknown", found=named, expected=" or ".join(_profiles()))
    return named or ("human_poly_a" if organism == "human" else "small_reference")


def _tell_next(directory: Path, *, needs_reference: bool) -> None:
    """What to do with the new files, in order."""
    out.print("Next:")
    steps = [f"replace every FILL IN in {directory / 'samples.tsv'} and {directory / 'contrasts.tsv'} (any editor)"]
    if needs_reference:
        steps.append(f"name the reference in poma.yaml, or: poma reference fetch gencode --study {directory}")
    steps.append(f"poma check --study {directory}   (says what is still missing; runs nothing)")
    steps.append(f"poma run --study {directory}")
    for number, step in enumerate(steps, start=1):
        out.print(escape(f"  {number}. {step}"), soft_wrap=True)
