"""Commands that validate, plan, run and tell the state of a study."""

from __future__ import annotations

import json
import signal
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from poma_assets.cli.cleaning import size_text
from poma_assets.cli.context import JsonOption, StudyOption, err, open_study, out
from poma_assets.cli.run_values import Failure, run_values
from poma_assets.science.errors import InputError
from poma_assets.science.tables import listing, near_miss
from poma_assets.vocabulary import CONTRAST_ASSETS, PLACES, SAMPLE_ASSETS

if TYPE_CHECKING:
    from poma_assets.launcher import Summary
    from poma_assets.resources import StudyResource

_PHASES = {
    "reference": "reference",
    "counts": "samples",
    "matrix": "cohort",
    "verdicts": "contrasts",
    "reports": "reports",
}


_MANY_SAMPLES = 50
"""Of more samples than these, `poma status` shows those that need attention."""

_MARKS = {"ok": "[green]ok[/]   ", "note": "[dim]note[/] ", "warning": "[yellow]warn[/] ", "error": "[red]error[/]"}


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(check)
    app.command()(plan)
    app.command()(run)
    app.command()(status)


def check(study: StudyOption = None, as_json: JsonOption = False) -> None:
    """Validate sheet, contrasts, designs, reference and tools. Runs nothing.

    Exit status: 0; 2 if something must be mended before a run.
    """
    from poma_assets.preflight import check_study

    lines = check_study(open_study(study))
    if as_json:
        print(json.dumps([asdict(line) for line in lines], indent=2))
    for line in () if as_json else lines:
        out.print(f"{_MARKS[line.severity]} {escape(line.text)}", soft_wrap=True)
    if any(line.severity == "error" for line in lines):
        raise typer.Exit(2)


def plan(study: StudyOption = None, as_json: JsonOption = False) -> None:
    """Say what `poma run` would run and why, and what is reused."""
    from poma_assets.launcher import needed_nodes
    from poma_assets.planning import partitions_of, stale_steps

    resource = open_study(study)
    nodes = needed_nodes(resource)
    stale = stale_steps(nodes, resource)
    total = sum(len(partitions_of(node.name, resource)) for node in nodes)
    if as_json:
        print(json.dumps([vars(step) for step in stale], indent=2))
        return
    for step in stale:
        label = f"{step.asset} [{step.partition}]" if step.partition else step.asset
        out.print(escape(f"{label:<48} {step.reason}"), soft_wrap=True)
    out.print(f"{len(stale)} of {total} steps would run; {total - len(stale)} are reused.")


def run(
    study: StudyOption = None,
    samples: Annotated[str, typer.Option(help="Only these samples' steps, separated by commas.")] = "",
    jobs: Annotated[int, typer.Option(help="Samples at once; 0: as cores and memory allow.", min=0)] = 0,
    until: Annotated[
        str, typer.Option(help=f"Stop after: {', '.join(_PHASES)}.", autocompletion=lambda: list(_PHASES))
    ] = "reports",
    htseq: Annotated[bool, typer.Option("--htseq", help="Count by htseq-count too.")] = False,
    leave_out: Annotated[str, typer.Option(help="Samples whose own steps are not tried, separated by commas.")] = "",
    on: Annotated[
        str,
        typer.Option(help="Where: here, celery or slurm (docs/deployment.md).", autocompletion=lambda: list(PLACES)),
    ] = "",
    as_json: JsonOption = False,
) -> None:
    """Run what is stale, as Dagster runs; what is up to date is reused.

    With --json: what ran and what failed, as one object on standard output; the progress goes to standard error.
    """
    if until not in _PHASES:
        raise InputError("--until is unknown", found=until, expected=", ".join(_PHASES))
    from poma_assets.preflight import require_sound

    resource = open_study(study)
    wanted = _known_samples(resource, "--samples", samples) or None
    unwanted = _known_samples(resource, "--leave-out", leave_out)
    require_sound(resource)
    summary = launch(resource, samples=wanted, leave_out=unwanted, jobs=jobs, until=_PHASES[until], htseq=htseq, on=on)
    if as_json:
        print(json.dumps(summary_values(resource, summary), indent=2))
    else:
        tell(resource, summary)
    if not summary.succeeded:
        raise typer.Exit(1)


def _known_samples(resource: StudyResource, option: str, text: str) -> list[str]:
    """The samples that an option names, separated by commas."""
    known = list(resource.sheet.samples["sample_id"])
    named = [name.strip() for name in text.split(",") if name.strip()]
    for name in named:
        if name not in known:
            alike = near_miss(name, known)
            fix = f"Is {alike!r} meant?" if alike else None
            raise InputError(f"{option} names an unknown sample", found=name, expected=listing(known), fix=fix)
    return named


def launch(
    resource: StudyResource,
    *,
    samples: list[str] | None = None,
    leave_out: Sequence[str] = (),
    jobs: int = 0,
    until: str = "reports",
    htseq: bool = False,
    on: str = "",
) -> Summary:
    """Launch the study's stale steps with a progress display that fits the output."""
    from poma_assets.cli.progress import LiveProgress, PlainProgress
    from poma_assets.clusters.choice import chosen_pool
    from poma_assets.instance_storage import plain_history_errors
    from poma_assets.launcher import Launcher

    pool = chosen_pool(resource, on)
    display = LiveProgress(err) if err.is_terminal else PlainProgress(err)
    try:
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        with display as progress, plain_history_errors(resource.study.dagster_home):
            return Launcher(resource, progress, jobs=jobs or None, pool=pool).run(
                samples=samples, leave_out=leave_out, until=until, htseq=htseq
            )
    except KeyboardInterrupt:
        raise typer.Exit(130) from None


def tell(resource: StudyResource, summary: Summary) -> None:
    """Say what a launch did, and where to look."""
    from poma_assets.study_update import FAILED_LINE

    if summary.runs == 0 and summary.succeeded:
        out.print("Everything is up to date; nothing ran.")
    else:
        up_to_date = f"; {summary.unchanged} more turned out to be up to date" if summary.unchanged else ""
        out.print(f"{summary.steps} steps in {summary.runs} runs{up_to_date}.")
    for label, step, message in summary.failures:
        err.print(f"[bold red]{FAILED_LINE}[/]{escape(label)}, {escape(step)}: {escape(message)}", soft_wrap=True)
    if summary.failures:
        err.print(
            f"Logs: {escape(str(resource.study.results_dir / 'logs'))}; the runs with all their events: `poma ui`",
            soft_wrap=True,
        )
    if summary.not_reached:
        err.print(f"not reached: {', '.join(summary.not_reached)}")
    report = _study_report(resource)
    if summary.succeeded and report.is_file():
        out.print(f"Report: {report}", soft_wrap=True)


def summary_values(resource: StudyResource, summary: Summary) -> dict[str, object]:
    """What a launch did, for programs: each failure with its sample or contrast, its step and its log."""
    return run_values(
        _study_report(resource),
        runs=summary.runs,
        steps=summary.steps,
        unchanged=summary.unchanged,
        failures=[_failure(resource, *failure) for failure in summary.failures],
        not_reached=summary.not_reached,
    )


def _failure(resource: StudyResource, label: str, step: str, message: str) -> Failure:
    """``log`` is that of the step's program; None where none was started."""
    of_contrast = step in CONTRAST_ASSETS or (step not in SAMPLE_ASSETS and label in resource.contrasts)
    of_sample = not of_contrast and label in resource.sample_rows
    log = resource.log_path(step, label if of_sample or of_contrast else "")
    return {
        "sample": label if of_sample else None,
        "contrast": label if of_contrast else None,
        "asset": step,
        "message": message,
        "log": str(log) if log.is_file() else None,
    }


def _study_report(resource: StudyResource) -> Path:
    return resource.study.reports_dir / "study" / "study_report.html"


def status(
    study: StudyOption = None,
    as_json: JsonOption = False,
    show_all: Annotated[bool, typer.Option("--all", help="Show every sample, however many there are.")] = False,
) -> None:
    """Show the samples and contrasts: what is done, what is stale, what was left out and why."""
    from poma_assets.study_status import needs_attention, study_status

    state = study_status(open_study(study))
    if as_json:
        print(json.dumps(state, indent=2, default=str))
        return
    table = _state_table("sample", "steps done", "stale", "quality", "in the matrix")
    samples, told = state["samples"], len(state["samples"])
    if told > _MANY_SAMPLES and not show_all:
        samples = [row for row in samples if needs_attention(row)][:_MANY_SAMPLES]
    for row in samples:
        table.add_row(*(escape(str(row[key])) for key in ("sample", "done", "stale", "quality", "included")))
    out.print(table)
    if len(samples) < told:
        out.print(f"{told - len(samples)} more samples; those that need attention come first. All of them: --all")
    table = _state_table("contrast", "steps done", "stale", "verdicts")
    for row in state["contrasts"]:
        table.add_row(*(escape(str(row[key])) for key in ("contrast", "done", "stale", "verdicts")))
    out.print(table)
    stale = ", ".join(state["stale_cohort_assets"]) or "none"
    out.print(f"Stale cohort assets and reports: {stale}")
    kinds = ", ".join(f"{kind} {size_text(size)}" for kind, size in state["disk"].items() if size)
    out.print(f"Disk: {size_text(state['disk_bytes'])} in {escape(state['results'])} ({kinds})", soft_wrap=True)


def _state_table(*headings: str) -> Table:
    """A table whose names are broken where the terminal is narrow, and never shortened."""
    table = Table(box=None, header_style="bold")
    for heading in headings:
        table.add_column(heading, overflow="fold")
    return table
