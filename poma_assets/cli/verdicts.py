"""The command `poma verdicts`: what the data say of each marker now, how it came to that, and a status for scripts."""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from poma_assets.cli.context import JsonOption, StudyOption, err, open_study, out
from poma_assets.science.errors import InputError, StorageError
from poma_assets.science.markers.change_causes import FIRST_JUDGED
from poma_assets.science.row_records import row_records
from poma_assets.science.tables import listing, near_miss

if TYPE_CHECKING:
    import pandas as pd

    from poma_assets.resources import StudyResource

UNMET_STATUS = 3
"""Exit status where the verdicts are not those that --expect and --fail-on ask for."""

_STYLES = {"confirmed": "green", "contradicted": "red", "inconclusive": "yellow", "not_testable": "dim"}
_SYMBOLS = {"confirmed": "+", "contradicted": "x", "inconclusive": "?", "not_testable": "-"}
_SET_MEMBER = "judged_as_set"
_FURTHER_FIGURES = re.compile(r" Standard error | For the record: ")
_TABLE_WIDTH = 110
_MAX_NAMED = 3
_INDENT = "    "
_EXPECTATION = "MARKER=VERDICT, for example IRF4=confirmed or IRF4=confirmed/strong"


@dataclass(frozen=True)
class Wanted:
    """A verdict as asked for on the command line; with ``sub_verdict`` only that kind of it."""

    verdict: str
    sub_verdict: str | None = None

    def rows(self, frame: pd.DataFrame) -> pd.Series[bool]:
        """Say of every row whether it has this verdict."""
        found = frame["verdict"] == self.verdict
        return found if self.sub_verdict is None else found & (frame["sub_verdict"] == self.sub_verdict)


def verdicts(
    markers: Annotated[
        list[str] | None, typer.Argument(metavar="MARKER", help="Only these markers (symbol or hypothesis id).")
    ] = None,
    study: StudyOption = None,
    contrast: Annotated[str, typer.Option(help="Only this contrast.")] = "",
    verdict: Annotated[
        list[str] | None, typer.Option(metavar="VERDICT[/SUB]", help="Only this verdict: confirmed, ...; repeatable.")
    ] = None,
    history: Annotated[
        bool, typer.Option("--history", help="Every change with its cause and run, newest last.")
    ] = False,
    everything: Annotated[bool, typer.Option("--all", help="Members of sets too, and the whole sentences.")] = False,
    fail_on: Annotated[
        list[str] | None, typer.Option(metavar="VERDICT[/SUB]", help="Exit 3 if a marker has this verdict; repeatable.")
    ] = None,
    expect: Annotated[
        list[str] | None, typer.Option(metavar="MARKER=VERDICT[/SUB]", help="Exit 3 if it is not so; repeatable.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Print the marker verdicts, each with its reason in one sentence; or how they changed.

    Exit status: 0; 2 for a wrong argument; 3 where the verdicts are not those that --expect and --fail-on ask for.
    `poma verdicts --contrast pom --expect IRF4=confirmed --fail-on contradicted` is a test for scripts.
    """
    resource = open_study(study)
    shown, failing = [parse_wanted(text) for text in verdict or ()], [parse_wanted(text) for text in fail_on or ()]
    expected = [_parse_expectation(text) for text in expect or ()]
    if history:
        if failing or expected:
            raise InputError("--expect and --fail-on ask for the verdicts of now", fix="Leave --history out.")
        changes = read_history(resource, contrast)
        changes = _with_verdict(_of_markers(changes, markers), shown)
        print_history_json(changes) if as_json else print_history(changes, collapse=not markers)
        return
    frame = read_verdicts(resource, contrast)
    chosen = _of_markers(frame, markers)
    unmet = [line for wanted in failing for line in _found(chosen, wanted)]
    unmet += [line for marker, wanted in expected for line in _missed(_of_markers(frame, [marker]), wanted)]
    chosen = _with_verdict(chosen, shown)
    if as_json:
        print(chosen.to_json(orient="records", indent=2))
    else:
        print_verdicts(chosen, everything=everything, set_members=bool(everything or markers))
    for line in unmet:
        err.print(escape(line), soft_wrap=True)
    if unmet:
        raise typer.Exit(UNMET_STATUS)


def read_verdicts(resource: StudyResource, contrast: str = "") -> pd.DataFrame:
    """Verdicts of the study, or of one contrast: contrasts in the order of their file, decided verdicts first."""
    import pandas as pd

    declared = list(resource.contrasts)
    _require_contrast(contrast, declared)
    frame = resource.warehouse.read("marker_verdicts", {"contrast_id": contrast or declared})
    if frame.empty:
        raise StorageError("there are no verdicts yet", where=str(resource.study.root), fix="Run `poma run` first.")
    ranks = pd.DataFrame(
        {
            "contrast": frame["contrast_id"].map(declared.index),
            "identity": frame["policy"] == "identity",
            "verdict": frame["verdict"].map(list(_SYMBOLS).index),
            "marker": frame["gene_symbol"],
        }
    )
    return frame.loc[ranks.sort_values(list(ranks.columns), kind="stable").index].reset_index(drop=True)


def read_history(resource: StudyResource, contrast: str = "") -> pd.DataFrame:
    """Every recorded change of a verdict, newest last; contrasts that are no longer declared included."""
    frame = resource.warehouse.read("verdict_history")
    _require_contrast(contrast, dict.fromkeys([*resource.contrasts, *frame["contrast_id"]]))
    frame = frame[frame["contrast_id"] == contrast] if contrast else frame
    if frame.empty:
        fix = "Run `poma run` first."
        raise StorageError("there is no history of verdicts yet", where=str(resource.study.root), fix=fix)
    return frame.sort_values(["recorded_at", "contrast_id", "gene_symbol"], kind="stable").reset_index(drop=True)


def parse_wanted(text: str) -> Wanted:
    """Read ``VERDICT`` or ``VERDICT/SUB``.

    Raises
    ------
    InputError
        If there is no such verdict.
    """
    verdict, _, sub_verdict = text.partition("/")
    if verdict not in _SYMBOLS:
        raise _unknown("verdict", verdict, _SYMBOLS)
    return Wanted(verdict, sub_verdict or None)


def _parse_expectation(text: str) -> tuple[str, Wanted]:
    marker, equals, wanted = text.partition("=")
    if not (marker and equals and wanted):
        raise InputError("--expect is not of the form that is asked for", found=repr(text), expected=_EXPECTATION)
    return marker, parse_wanted(wanted)


def _require_contrast(contrast: str, known: Iterable[str]) -> None:
    names = list(known)
    if contrast and contrast not in names:
        raise _unknown("contrast", contrast, names)


def _unknown(what: str, name: str, known: Iterable[str]) -> InputError:
    alike = near_miss(name, known)
    return InputError(
        f"the {what} is unknown",
        found=repr(name),
        expected=listing(known),
        fix=f"Did you mean {alike!r}?" if alike else None,
    )


def _of_markers(frame: pd.DataFrame, markers: list[str] | None) -> pd.DataFrame:
    """Rows of the named markers, by symbol or hypothesis id; all rows if none is named."""
    if not markers:
        return frame
    symbols, hypotheses = set(frame["gene_symbol"]), set(frame["hypothesis_id"])
    for marker in markers:
        if marker not in symbols | hypotheses:
            raise _unknown("marker", marker, sorted(symbols))
    return frame[frame["gene_symbol"].isin(markers) | frame["hypothesis_id"].isin(markers)]


def _with_verdict(frame: pd.DataFrame, wanted: list[Wanted]) -> pd.DataFrame:
    if not wanted:
        return frame
    import pandas as pd

    return frame[pd.concat([one.rows(frame) for one in wanted], axis=1).any(axis=1)]


def _found(frame: pd.DataFrame, wanted: Wanted) -> list[str]:
    return [
        f"{_where(row)} is {_words(row['verdict'], row['sub_verdict'])}"
        for row in row_records(frame[wanted.rows(frame)])
    ]


def _missed(frame: pd.DataFrame, wanted: Wanted) -> list[str]:
    asked = _words(wanted.verdict, wanted.sub_verdict)
    rows = row_records(frame[~wanted.rows(frame)])
    return [f"{_where(row)} is {_words(row['verdict'], row['sub_verdict'])}, expected {asked}" for row in rows]


def _where(row: dict[str, Any]) -> str:
    return f"{row['gene_symbol']} in {row['contrast_id']}"


def _words(verdict: object, sub_verdict: object) -> str:
    parts = [str(part).replace("_", " ") for part in (verdict, sub_verdict) if isinstance(part, str) and part]
    return ", ".join(parts)


def _number(value: Any) -> str:
    import pandas as pd

    return "–" if pd.isna(value) else f"{value:+.2f}"


def print_verdicts(frame: pd.DataFrame, *, everything: bool = False, set_members: bool | None = None) -> None:
    """Print each contrast's verdicts with their reasons: a table, or two lines a verdict on a narrow terminal.

    Parameters
    ----------
    frame
        Rows as from `read_verdicts`.
    everything
        Print whole sentences, not only what decided.
    set_members
        Print genes that are judged as a set, too; by default where everything is asked for.
    """
    if not (everything if set_members is None else set_members):
        frame = frame.loc[frame["sub_verdict"] != _SET_MEMBER]
    if frame.empty:
        out.print("no such verdict")
    for contrast, rows in frame.groupby("contrast_id", sort=False):
        out.print(f"[bold]{escape(str(contrast))}[/]")
        if out.width >= _TABLE_WIDTH:
            out.print(_verdict_table(rows, everything))
        else:
            for row in row_records(rows):
                _print_verdict(row, everything)
        out.print()


def _reason(row: dict[str, Any], everything: bool) -> str:
    sentence = str(row["sentence"])
    return sentence if everything else _FURTHER_FIGURES.split(sentence)[0]


def _verdict_table(rows: pd.DataFrame, everything: bool) -> Table:
    table = Table("", "marker", "verdict", "log2 FC", "why", box=None, padding=(0, 1), header_style="dim")
    for row in row_records(rows):
        table.add_row(
            _SYMBOLS.get(row["verdict"], ""),
            escape(str(row["gene_symbol"])),
            _words(row["verdict"], row["sub_verdict"]),
            _number(row["log2_fold_change"]),
            escape(_reason(row, everything)),
            style=_STYLES.get(row["verdict"], ""),
        )
    return table


def _print_verdict(row: dict[str, Any], everything: bool) -> None:
    symbol, style = _SYMBOLS.get(row["verdict"], ""), _STYLES.get(row["verdict"], "")
    head = f"{symbol} [bold]{escape(str(row['gene_symbol']))}[/]  {_words(row['verdict'], row['sub_verdict'])}"
    out.print(f"{head}  log2 FC {_number(row['log2_fold_change'])}", style=style)
    _print_indented(_reason(row, everything))


def print_history_json(changes: pd.DataFrame) -> None:
    """Print the changes as JSON: declared hypothesis and grounds as objects, the path of the run in the UI."""
    records = json.loads(changes.to_json(orient="records", date_format="iso"))
    for record in records:
        record |= {name: json.loads(record[name]) for name in ("hypothesis", "judged_from")}
        record["run_path"] = run_path(record["run_id"])
    print(json.dumps(records, indent=2, ensure_ascii=False))


def print_history(changes: pd.DataFrame, *, collapse: bool = False) -> None:
    """Print the changes by run and cause, newest last; with ``collapse`` only the number of those first judged."""
    if changes.empty:
        out.print("no such change")
    for (moment, contrast, run), rows in changes.groupby(["recorded_at", "contrast_id", "run_id"], sort=False):
        out.print(f"{moment:%Y-%m-%d %H:%M} UTC  [bold]{escape(str(contrast))}[/]", soft_wrap=True)
        for cause, alike in rows.groupby("cause", sort=False):
            if collapse and cause == FIRST_JUDGED:
                _print_indented(_first_judged(alike))
                continue
            _print_indented(str(cause))
            for row in row_records(alike):
                _print_change(row)
        out.print(f"{_INDENT}[dim]run {run_path(run)}[/]", soft_wrap=True)


def _first_judged(rows: pd.DataFrame) -> str:
    names = f" ({', '.join(rows['gene_symbol'])})" if len(rows) <= _MAX_NAMED else ""
    return f"{len(rows)} {'hypothesis' if len(rows) == 1 else 'hypotheses'} {FIRST_JUDGED}{names}"


def _print_change(row: dict[str, Any]) -> None:
    now = _words(row["verdict"], row["sub_verdict"])
    before = _words(row["previous_verdict"], row["previous_sub_verdict"])
    change = f"{before} -> {now}" if before else now
    text = f"{row['gene_symbol']}  {change}  log2 FC {_number(row['log2_fold_change'])}"
    _print_indented(text, style=_STYLES.get(row["verdict"], ""), depth=2)


def _print_indented(text: str, *, style: str = "", depth: int = 1) -> None:
    """Print a text of which every line begins with the same indent, broken at the width of the terminal."""
    indent = depth * _INDENT
    lines = textwrap.wrap(text, out.width, initial_indent=indent, subsequent_indent=indent)
    out.print(escape("\n".join(lines)), style=style, soft_wrap=True)


def run_path(run_id: object) -> str:
    """Path of the run's page in the Dagster UI, which `poma ui` serves."""
    return f"/runs/{run_id}"
