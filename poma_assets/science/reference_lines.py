"""The lines of ``poma.yaml`` that name the reference: making them, and putting them into a text that has none.

Everything else in the text, comments included, stays as the user wrote it.
"""

from __future__ import annotations

import yaml

from poma_assets.science.errors import ConfigError
from poma_assets.science.unfilled import FILL_IN
from poma_assets.science.yaml_text import Entry, compose, entries, scalar_text

_SOURCE = "poma.yaml"
_KEYS = ("genome", "annotation")


def reference_lines(genome: str, annotation: str) -> list[str]:
    """The section of ``poma.yaml`` that names a genome FASTA and an annotation GTF."""
    return ["reference:", *(f"  {line}" for line in _pairs(genome, annotation))]


def names_reference(text: str) -> bool:
    """Whether ``poma.yaml`` names a genome or an annotation already.

    Raises
    ------
    ConfigError
        It is no YAML.
    """
    given = _given(_section(text))
    return any(not value.startswith(FILL_IN) for value in given.values())


def with_reference(text: str, genome: str, annotation: str) -> str:
    """The text of ``poma.yaml`` with a reference named.

    Parameters
    ----------
    text
        A configuration that names none (`names_reference`).
    genome, annotation
        Paths.

    Raises
    ------
    ConfigError
        It is no YAML, or the section is written in a way that cannot be added to.
    """
    entry = _section(text)
    made = _added(text.splitlines(), entry, _pairs(genome, annotation))
    if made is None or not _differ_in_reference_only(text, made, genome, annotation):
        raise ConfigError(
            "'reference' is written in a way that cannot be added to",
            where=f"{_SOURCE}, line {entry.line}" if entry else _SOURCE,
            fix="Write the lines by hand: " + "; ".join(_pairs(genome, annotation)),
        )
    return made


def _added(lines: list[str], entry: Entry | None, pairs: list[str]) -> str | None:
    """The lines with these two added, in the place of those that `FILL_IN` stands in; None if there is no place."""
    if entry is None:
        return "\n".join([*lines, "reference:", *(f"  {pair}" for pair in pairs)]) + "\n"
    indent, unnamed, node = "  ", list[int](), entry.value
    if isinstance(node, yaml.MappingNode) and not node.flow_style:
        own = entries(node, source=_SOURCE, error=ConfigError)
        indent = " " * (next(iter(own.values())).column - 1)
        unnamed = [own[key].line - 1 for key in _KEYS if key in own]
    elif not isinstance(node, yaml.ScalarNode) or scalar_text(node):
        return None
    kept = [line for number, line in enumerate(lines) if number not in unnamed]
    return "\n".join([*kept[: entry.line], *(indent + pair for pair in pairs), *kept[entry.line :]]) + "\n"


def _differ_in_reference_only(before: str, after: str, genome: str, annotation: str) -> bool:
    try:
        old, new = yaml.safe_load(before) or {}, yaml.safe_load(after)
    except (yaml.YAMLError, ValueError, TypeError, AttributeError, RecursionError):
        return False
    section = {**(old.get("reference") or {}), "genome": genome, "annotation": annotation}
    return bool(new == {**old, "reference": section})


def _section(text: str) -> Entry | None:
    node = compose(text, source=_SOURCE, error=ConfigError)
    if not isinstance(node, yaml.MappingNode):
        return None
    return entries(node, source=_SOURCE, error=ConfigError).get("reference")


def _given(entry: Entry | None) -> dict[str, str]:
    if entry is None or not isinstance(entry.value, yaml.MappingNode):
        return {}
    own = entries(entry.value, source=_SOURCE, error=ConfigError)
    texts = {key: scalar_text(own[key].value) for key in _KEYS if key in own}
    return {key: text for key, text in texts.items() if text}


def _pairs(genome: str, annotation: str) -> list[str]:
    text = yaml.safe_dump(
        {"genome": genome, "annotation": annotation}, sort_keys=False, width=10_000, allow_unicode=True
    )
    return text.splitlines()
