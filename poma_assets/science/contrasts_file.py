"""What a contrast is, and the files that declare contrasts: CSV, TSV and YAML.

The files of nf-core/differentialabundance are taken unchanged. Whether a contrast fits the samples is decided
in ``contrasts``.
"""

from __future__ import annotations

from dataclasses import dataclass

import yaml

from poma_assets.science.errors import ContrastError
from poma_assets.science.subsets import parse_subset, quote_values
from poma_assets.science.tables import (
    IDENTIFIER_RULE,
    identifier_problem,
    is_missing,
    listing,
    near_miss,
    read_delimited,
)
from poma_assets.science.unfilled import refuse_unfilled
from poma_assets.science.yaml_text import compose, entries, position, scalar_text

KINDS = ("drug_vs_vehicle", "resistant_vs_sensitive_at_vehicle", "drug_by_sensitivity_interaction", "other")
_EXCLUDE = ("exclude_samples_col", "exclude_samples_values")
_COLUMNS = (
    *("id", "variable", "reference", "target", "blocking", "subset", "formula", "reduced", "contrast", "kind"),
    *("make_contrasts_str", *_EXCLUDE),
)
_YAML_KEYS = (*_COLUMNS, "comparison", "blocking_factors")
_LIST_KEYS = ("comparison", "blocking", "blocking_factors", "exclude_samples_values")


@dataclass(frozen=True)
class Contrast:
    """One declared comparison.

    Either ``variable`` with ``reference`` and ``target``, or ``formula`` with ``contrast`` (numbers, or an
    expression of coefficient names); with a formula, ``variable``, ``reference`` and ``target`` say which
    samples are the arms. ``reduced`` is the smaller formula of a likelihood-ratio test; ``contrast`` may then
    be missing, and the effect that is shown is the last coefficient which ``reduced`` leaves out.
    ``subset`` restricts the samples: ``column=value[,value][;column!=value]``. ``kind`` is the declared kind,
    None if it is to be found. ``line`` is the line of the file.
    """

    id: str
    variable: str | None
    reference: str | None
    target: str | None
    blocking: tuple[str, ...]
    subset: str | None
    formula: str | None
    contrast: str | None
    kind: str | None
    line: int
    reduced: str | None = None


@dataclass(frozen=True)
class _Declared:
    """A contrast as found in the file: texts by column, lists where YAML has them."""

    line: int
    values: dict[str, str | list[str]]
    place: str

    def text(self, column: str) -> str | None:
        value = self.values.get(column)
        return value if isinstance(value, str) and not is_missing(value) else None

    def items(self, column: str) -> list[str]:
        value = self.values.get(column, "")
        parts = value if isinstance(value, list) else value.split(";")
        return [part.strip() for part in parts if not is_missing(part)]

    def where(self, column: str) -> str:
        return f"{self.place} {column}"


def parse_contrasts(text: str, *, source: str) -> list[Contrast]:
    """Read a contrasts file; the suffix of ``source`` says whether it is YAML or a table (CSV, TSV).

    A file with a header only declares no contrast: `poma init` writes one.

    Raises
    ------
    ContrastError
        Naming file, line, column or key, what was found and what was expected.
    """
    is_yaml = source.lower().endswith((".yaml", ".yml"))
    declared = _from_yaml(text, source) if is_yaml else _from_table(text, source)
    if not declared and not text.strip():
        raise ContrastError(
            "the contrasts file is empty",
            where=source,
            fix="Add a header and a contrast, or delete the file if nothing is compared.",
        )
    return [_contrast(item) for item in declared]


def _from_table(text: str, source: str) -> list[_Declared]:
    table = read_delimited(text, source=source, error=ContrastError, what="contrasts file")
    where = f"{source}, line {table.line}"
    for column in table.columns:
        if column not in _COLUMNS:
            raise _unknown_key("column", column, _COLUMNS, where)
    if "id" not in table.columns:
        raise ContrastError(
            "there is no column 'id'",
            where=where,
            found=f"columns {listing(table.columns)}",
            expected="id, variable, reference, target and, where needed, blocking, subset, formula, contrast",
        )
    refuse_unfilled(table, source=source, error=ContrastError)
    return [_Declared(row.line, dict(row.cells), f"{source}, line {row.line}, column") for row in table.rows]


def _from_yaml(text: str, source: str) -> list[_Declared]:
    root = compose(text, source=source, error=ContrastError)
    if isinstance(root, yaml.MappingNode):
        keys = entries(root, source=source, error=ContrastError)
        if "contrasts" not in keys:
            raise ContrastError("there is no key 'contrasts'", where=f"{source}, line 1", found=f"keys {listing(keys)}")
        root = keys["contrasts"].value
    if root is None:
        return []
    if not isinstance(root, yaml.SequenceNode):
        raise ContrastError(
            "the contrasts are not a list",
            where=f"{source}, line {position(root)[0]}",
            expected="'contrasts:' followed by items that begin with '- id: ...'",
        )
    return [_yaml_contrast(node, source) for node in root.value]


def _yaml_contrast(node: yaml.Node, source: str) -> _Declared:
    line = position(node)[0]
    if not isinstance(node, yaml.MappingNode):
        raise ContrastError(
            "a contrast is not a list of keys",
            where=f"{source}, line {line}",
            found=repr(scalar_text(node)),
            expected="keys such as id and comparison",
        )
    values: dict[str, str | list[str]] = {}
    for key, entry in entries(node, source=source, error=ContrastError).items():
        where = f"{source}, line {entry.line}"
        if key not in _YAML_KEYS:
            raise _unknown_key("key", key, _YAML_KEYS, where)
        if isinstance(entry.value, yaml.SequenceNode) and key in _LIST_KEYS:
            values[key] = [scalar_text(item) or "" for item in entry.value.value]
        elif isinstance(entry.value, yaml.ScalarNode):
            values[key] = scalar_text(entry.value) or ""
        else:
            raise ContrastError(f"the value of {key!r} is not a text", where=where, expected="one value")
    _spread_comparison(values, f"{source}, line {line}, key comparison")
    return _Declared(line, values, f"{source}, line {line}, key")


def _spread_comparison(values: dict[str, str | list[str]], where: str) -> None:
    comparison = values.pop("comparison", None)
    if comparison is None:
        return
    if not isinstance(comparison, list) or len(comparison) != 3:
        raise ContrastError(
            "the comparison has not three parts",
            where=where,
            found=str(comparison),
            expected="[variable, reference, target]",
        )
    values.update(zip(("variable", "reference", "target"), comparison, strict=True))


def _unknown_key(what: str, name: str, known: tuple[str, ...], where: str) -> ContrastError:
    alike = near_miss(name, known)
    return ContrastError(
        f"{what} {name!r} is not known",
        where=where,
        found=repr(name),
        expected=f"one of {', '.join(known)}",
        fix=f"Did you mean {alike!r}?" if alike else f"Delete the {what}",
    )


def _contrast(declared: _Declared) -> Contrast:
    name = _identifier(declared)
    formula = declared.text("formula")
    contrast = declared.text("contrast") or declared.text("make_contrasts_str")
    kind = declared.text("kind")
    if kind is not None and kind not in KINDS:
        raise ContrastError(
            f"contrast {name!r} has a kind that is not known",
            where=declared.where("kind"),
            found=repr(kind),
            expected=f"one of {', '.join(KINDS)}, or nothing",
        )
    reduced = declared.text("reduced")
    if formula is None and (contrast is not None or reduced is not None):
        beside = "the contrast" if reduced is None else "the reduced formula"
        raise _incomplete(declared, name, "formula", f"a formula beside {beside}")
    if formula is not None and contrast is None and reduced is None:
        expected = "the coefficients of the formula that are compared, or a reduced formula to test against"
        raise _incomplete(declared, name, "contrast", expected)
    if formula is None:
        for column in ("variable", "reference", "target"):
            if declared.text(column) is None:
                raise _incomplete(declared, name, column, "variable, reference and target, or a formula")
    blocking = declared.items("blocking") or declared.items("blocking_factors")
    if formula is not None and blocking:
        raise ContrastError(
            f"contrast {name!r} has a formula and blocking factors",
            where=declared.where("blocking"),
            found=";".join(blocking),
            expected="blocking factors as terms of the formula",
            fix=f"Write the formula as '{formula} + {' + '.join(blocking)}' and empty 'blocking'",
        )
    return Contrast(
        id=name,
        variable=declared.text("variable"),
        reference=declared.text("reference"),
        target=declared.text("target"),
        blocking=tuple(dict.fromkeys(blocking)),
        subset=_subset(declared, name),
        formula=formula,
        contrast=contrast,
        kind=kind,
        line=declared.line,
        reduced=reduced,
    )


def _identifier(declared: _Declared) -> str:
    value = declared.values.get("id", "")
    name = value if isinstance(value, str) else ""
    problem = "is missing" if is_missing(name) else identifier_problem(name)
    if problem:
        raise ContrastError(
            f"the id of the contrast {problem}",
            where=declared.where("id"),
            found=repr(name),
            expected=IDENTIFIER_RULE,
            fix="Give the contrast a short id, for example pomalidomide_MM.1S",
        )
    return name


def _subset(declared: _Declared, name: str) -> str | None:
    """The restriction, with nf-core's excluded samples as a condition of it."""
    subset = declared.text("subset")
    parse_subset(subset or "", where=f"{declared.where('subset')}, contrast {name!r}")
    column, values = declared.text(_EXCLUDE[0]), declared.items(_EXCLUDE[1])
    if bool(column) != bool(values):
        missing, given = (_EXCLUDE[0], _EXCLUDE[1]) if values else (_EXCLUDE[1], _EXCLUDE[0])
        raise _incomplete(declared, name, missing, f"a value beside {given}")
    conditions = [subset.rstrip("; ")] if subset else []
    if column:
        conditions.append(f"{column}!={quote_values(values)}")
    return ";".join(conditions) or None


def _incomplete(declared: _Declared, name: str, column: str, expected: str) -> ContrastError:
    return ContrastError(
        f"contrast {name!r} has no {column}",
        where=declared.where(column),
        found="an empty value",
        expected=expected,
    )
