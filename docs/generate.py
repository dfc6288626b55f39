"""Writes the parts of the documentation that the code knows best: ``python docs/generate.py``; a test compares.

``command-line.md`` as a whole, and the table of thresholds in ``quality.md``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
from typer import Context
from typer.core import TyperArgument, TyperCommand, TyperGroup, TyperOption

from poma_assets.cli.app import command_line
from poma_assets.cli.examples import EXAMPLES
from poma_assets.science.quality_gates import PROFILES
from poma_assets.storage.package_data import data_file

DOCS = Path(__file__).resolve().parent
_BLOCK = re.compile(r"(<!-- thresholds -->\n).*?(<!-- end of thresholds -->)", re.DOTALL)
_KINDS = {"<str>": "TEXT", "<int>": "N", "<int range>": "N", "<list[str]>": "TEXT"}
_INTRODUCTION = """\
# Command line
Written by `python docs/generate.py` from the commands themselves; a test compares. `poma COMMAND --help` shows it, too.

Exit status: 0 if what was asked for succeeded; 2 for bad input (nothing was run); 1 otherwise; 3 where
`poma verdicts` finds other verdicts than `--expect` and `--fail-on` ask for; 130 after Ctrl-C.

Errors are one line: where, what, found, expected, what to do. `--debug`, anywhere on the line, shows the traceback.
Colours are for terminals; `NO_COLOR=1` turns them off. Into a pipe nothing is shortened.

**Completion** by the tab key, for `poma` and `./poma`: `source <(poma completion bash)` in this shell; for good, see
[completion](#poma-completion).
"""


def command_line_page() -> str:
    """The page of all commands: by family, each with its options and examples."""
    parts, family = [_INTRODUCTION], ""
    for name, command in _commands(command_line()):
        if EXAMPLES[name][0] != family:
            family = EXAMPLES[name][0]
            parts.append(f"## {family}\n")
        parts.append(_section(name, command))
    return "\n".join(parts)


def quality_page() -> str:
    """The page of quality control with the table of thresholds of now."""
    text = (DOCS / "quality.md").read_text(encoding="utf-8")
    return _BLOCK.sub(lambda match: match[1] + _thresholds() + match[2], text)


def _commands(group: TyperGroup, prefix: str = "") -> Iterator[tuple[str, TyperCommand]]:
    order = list(EXAMPLES)
    for name, command in sorted(group.commands.items(), key=lambda item: order.index(prefix + item[0])):
        if isinstance(command, TyperGroup):
            yield from _commands(command, f"{prefix}{name} ")
        else:
            yield prefix + name, command


def _section(name: str, command: TyperCommand) -> str:
    context = Context(command)
    rows = []
    for parameter in command.params:
        if isinstance(parameter, TyperArgument):
            called = parameter.metavar or str(parameter.name).upper()
        elif isinstance(parameter, TyperOption):
            kind = "" if parameter.is_flag else parameter.metavar or _KINDS[parameter.display_type(context)]
            called = f"{', '.join(parameter.opts)} {kind}".strip()
        default = "" if parameter.default in (None, False, "", 0) or callable(parameter.default) else parameter.default
        rows.append(f"| `{_cell(called)}` | {_cell(parameter.help or '')} | {f'`{default}`' if default else ''} |")
    lines = [f"### poma {name}", "", command.help or "", ""]
    if rows:
        lines += ["| argument or option | what | default |", "|---|---|---|", *rows, ""]
    return "\n".join([*lines, "```sh", *EXAMPLES[name][1], "```", ""])


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _thresholds() -> str:
    table = pd.read_csv(data_file("markers", "qc_thresholds.tsv"), sep="\t", dtype=str, keep_default_na=False)
    small = PROFILES["small_reference"]
    lines = ["| metric | warn | fail | with `small_reference` | note |", "|---|---|---|---|---|"]
    for row in table.itertuples(index=False):
        of_profile = ""
        if row.metric in small:
            named = zip(("warn", "fail"), small[row.metric], strict=True)
            of_profile = ", ".join(f"{word} `{rule}`" for word, rule in named if rule) or "no rule"
        warn, fail = (f"`{rule}`" if rule else "" for rule in (row.warn, row.fail))
        lines.append(f"| `{row.metric}` | {warn} | {fail} | {of_profile} | {_cell(row.note)} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Write the pages."""
    for name, text in (("command-line.md", command_line_page()), ("quality.md", quality_page())):
        (DOCS / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
