"""What a verdict rests on, and what differs between two of them, in words."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

REFERENCE_SETTINGS: Final = ("genome FASTA", "annotation GTF")
"""Names of the settings that are the reference."""

OVERRIDES_SETTING: Final = "quality overrides"

FIRST_JUDGED: Final = "first judged"
NO_CAUSE: Final = "nothing that is recorded differs: samples, counts, hypothesis, reference, settings, code"

_MAX_NAMED: Final = 4
_FIELD_WORDS: Final = {
    "expected_direction": "direction",
    "min_effect_log2": "smallest effect of interest (log2)",
    "cell_context": "cells",
    "window_start_h": "start of the window (h)",
    "window_end_h": "end of the window (h)",
    "contrast_kind": "kind of contrast",
    "measured_level": "level",
    "ensembl_gene_id": "gene id",
}
_ABSENT: Final = "none"
_READABLE: Final = (" in poma.yaml", " version")
_HASH: Final = re.compile(r"[0-9a-f]{12,64}")


@dataclass(frozen=True)
class Grounds:
    """What the verdicts of one contrast, or one of them, rest on.

    Attributes
    ----------
    reference_samples, target_samples
        Samples of the two arms.
    left_out
        Sample of the sheet outside both arms -> why quality control excluded it; empty if it did not.
    samples
        Sample of an arm -> what is known of it: ``counts`` and ``declared`` (hashes), ``problems`` (words).
    declaration
        The contrast as declared.
    settings
        Parameter or input file -> its value or hash, those of the reference (`REFERENCE_SETTINGS`) included.
    code
        Step or package -> its version.
    hypotheses_sha256
        Hash of the table of hypotheses.
    hypothesis
        The judged hypothesis as declared; empty in the grounds of a whole contrast.
    """

    reference_samples: tuple[str, ...] = ()
    target_samples: tuple[str, ...] = ()
    left_out: Mapping[str, str] = field(default_factory=dict)
    samples: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    declaration: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, str] = field(default_factory=dict)
    code: Mapping[str, str] = field(default_factory=dict)
    hypotheses_sha256: str = ""
    hypothesis: Mapping[str, str] = field(default_factory=dict)

    @property
    def arms(self) -> dict[str, str]:
        """Sample -> its arm, in words."""
        arms = dict.fromkeys(self.reference_samples, "reference")
        return arms | dict.fromkeys(self.target_samples, "target")

    def as_columns(self) -> dict[str, str]:
        """Return the grounds as columns of the table ``verdict_history``."""
        parts = {name: getattr(self, name) for name in ("left_out", "samples", "declaration", "settings", "code")}
        return {
            "reference_samples": ";".join(self.reference_samples),
            "target_samples": ";".join(self.target_samples),
            "hypothesis": json.dumps(dict(self.hypothesis), sort_keys=True),
            "judged_from": json.dumps(parts, sort_keys=True, separators=(",", ":")),
            "hypotheses_sha256": self.hypotheses_sha256,
        }

    @classmethod
    def from_columns(cls, row: Mapping[Any, Any]) -> Grounds:
        """Read the grounds from a row of ``verdict_history``."""
        return cls(
            reference_samples=tuple(filter(None, str(row["reference_samples"]).split(";"))),
            target_samples=tuple(filter(None, str(row["target_samples"]).split(";"))),
            hypotheses_sha256=str(row["hypotheses_sha256"]),
            hypothesis=json.loads(row["hypothesis"]),
            **json.loads(row["judged_from"]),
        )


def explain_change(before: Grounds, after: Grounds) -> str:
    """Name in words what differs between the grounds of two verdicts.

    Parameters
    ----------
    before, after
        Grounds of the earlier and of the later verdict.

    Returns
    -------
    str
        Causes separated by semicolons, the nearest to the data first; `NO_CAUSE` if nothing differs. Counts and
        remarks on samples are named only where neither reference, settings nor code differ, which change them.
    """
    upstream = _reference(before, after) + _settings(before, after) + _code(before, after)
    causes = _samples(before, after)
    if not upstream:
        causes += _sample_content(before, after)
    causes += _declaration(before, after) + _hypothesis(before, after) + upstream
    return "; ".join(causes) or NO_CAUSE


def _samples(before: Grounds, after: Grounds) -> list[str]:
    old, new = before.arms, after.arms
    said: dict[str, list[str]] = {}
    for sample in [name for name in old if name not in new]:
        reason = after.left_out.get(sample)
        if reason:
            words = reason if reason.startswith("excluded") else f"excluded: {reason}"
            said.setdefault(f"{{}} {words}", []).append(sample)
        elif reason is None:
            said.setdefault("{} withdrawn from the sample sheet", []).append(sample)
        else:
            said.setdefault("{} left out by the contrast", []).append(sample)
    for sample in [name for name in new if name not in old]:
        reason = before.left_out.get(sample)
        said.setdefault(f"{{}} taken back (before: {reason})" if reason else "{} added", []).append(sample)
    for sample in [name for name in new if old.get(name, new[name]) != new[name]]:
        said.setdefault(f"{{}} moved from the {old[sample]} to the {new[sample]} arm", []).append(sample)
    return [
        text.replace("{}", _named(names) + (" was" if len(names) == 1 else " were")) for text, names in said.items()
    ]


def _sample_content(before: Grounds, after: Grounds) -> list[str]:
    both = [sample for sample in after.samples if sample in before.samples]
    causes = []
    for part, words in (("counts", "the counts of {} changed"), ("declared", "what the sheet declares of {} changed")):
        changed = [name for name in both if before.samples[name].get(part) != after.samples[name].get(part)]
        if changed:
            causes.append(words.format(_named(changed)))
    for name in both:
        old, new = before.samples[name].get("problems", ""), after.samples[name].get("problems", "")
        if old != new:
            causes.append(f"{name}: {new or 'nothing wrong any more'} (before: {old or 'nothing wrong'})")
    return causes


def _declaration(before: Grounds, after: Grounds) -> list[str]:
    changes = _changes(before.declaration, after.declaration)
    return [f"the contrast is declared otherwise: {changes}"] if changes else []


def _hypothesis(before: Grounds, after: Grounds) -> list[str]:
    changes = _changes(before.hypothesis, after.hypothesis)
    if changes:
        return [f"the hypothesis changed: {changes}"]
    if before.hypotheses_sha256 != after.hypotheses_sha256:
        return ["the table of hypotheses changed elsewhere (other hypotheses share the adjustment)"]
    return []


def _reference(before: Grounds, after: Grounds) -> list[str]:
    changed = [name for name in REFERENCE_SETTINGS if before.settings.get(name) != after.settings.get(name)]
    return [f"the reference changed ({', '.join(changed)})"] if changed else []


def _settings(before: Grounds, after: Grounds) -> list[str]:
    old = {name: text for name, text in before.settings.items() if name not in REFERENCE_SETTINGS}
    new = {name: text for name, text in after.settings.items() if name not in REFERENCE_SETTINGS}
    changed = [name for name in sorted({*old, *new}) if old.get(name) != new.get(name)]
    if _excluded(before) != _excluded(after):
        # The samples' own reasons tell what the overrides did.
        changed = [name for name in changed if name != OVERRIDES_SETTING]
    return [f"{name} changed{_from_to(name, old.get(name), new.get(name))}" for name in changed]


def _excluded(grounds: Grounds) -> dict[str, str]:
    return {sample: reason for sample, reason in grounds.left_out.items() if reason}


def _from_to(name: str, old: str | None, new: str | None) -> str:
    """Name the values of a setting that has readable ones: not a file's or a long value's hash."""
    if not name.endswith(_READABLE) or any(_HASH.fullmatch(text or "") for text in (old, new)):
        return ""
    return f" from {old or _ABSENT} to {new or _ABSENT}"


def _code(before: Grounds, after: Grounds) -> list[str]:
    changes = _changes(before.code, after.code)
    return [f"the program changed: {changes}"] if changes else []


def _changes(before: Mapping[str, str], after: Mapping[str, str]) -> str:
    """Return ``name from old to new``, for all names whose texts differ."""
    return ", ".join(
        f"{_FIELD_WORDS.get(name, name.replace('_', ' '))} from {before.get(name) or _ABSENT} "
        f"to {after.get(name) or _ABSENT}"
        for name in sorted({*before, *after})
        if (before.get(name) or _ABSENT) != (after.get(name) or _ABSENT)
    )


def _named(names: Iterable[str]) -> str:
    """Join names as in a sentence: ``S1, S2 and S3``; beyond four ``S1, S2, S3, S4 and 3 more``."""
    known = list(names)
    if len(known) > _MAX_NAMED + 1:
        known = [*known[:_MAX_NAMED], f"{len(known) - _MAX_NAMED} more"]
    return known[0] if len(known) == 1 else f"{', '.join(known[:-1])} and {known[-1]}"
