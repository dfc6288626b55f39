"""The gates before a verdict, in their order: may this hypothesis be tested on these data at all?

A gate returns a `GateStop`, or None to let the hypothesis pass. What the estimates say is not asked here.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import pandas as pd

from poma_assets.science.errors import CountsError
from poma_assets.science.markers.hypotheses import Hypothesis
from poma_assets.science.markers.judgement import ContrastFacts, GateStop
from poma_assets.science.quality_gates import ANY_METRIC, IDENTITY_METRIC, lifted_by

MINIMUM_REPLICATES: Final = 2
FLOOR_CPM: Final = 1.0
FLOOR_COUNTS: Final = 10
UNDECLARED: Final = frozenset({"", "unknown"})


@dataclass(frozen=True)
class SampleProblems:
    """Samples of the contrast whose identity or quality failed, and problems that a person overrode."""

    blocking: tuple[str, ...]
    overridden: tuple[str, ...]


def applicable(hypotheses: Sequence[Hypothesis], facts: ContrastFacts) -> list[Hypothesis]:
    """Choose the hypotheses that this contrast is about.

    Those for another kind of contrast are left out. A hypothesis for resistant cells is left out of a
    contrast of sensitive cells (and the reverse) if the same gene has one for the declared sensitivity:
    the latter is the answer, the former would only say "not testable".
    """
    of_kind = [h for h in hypotheses if h.contrast_kind in (facts.kind, "none")]
    fitting = {(h.gene_symbol, h.contrast_kind) for h in of_kind if context_gate(h, facts) is None}
    return [
        h for h in of_kind if not (_is_for_other_sensitivity(h, facts) and (h.gene_symbol, h.contrast_kind) in fitting)
    ]


def _is_for_other_sensitivity(hypothesis: Hypothesis, facts: ContrastFacts) -> bool:
    cells_fit = facts.cell_contexts <= {context.cells for context in hypothesis.contexts}
    return cells_fit and len(facts.sensitivities) == 1 and context_gate(hypothesis, facts) is not None


def replication_gate(facts: ContrastFacts, has_estimates: bool) -> GateStop | None:
    """Stop where the contrast has no estimates or an arm has fewer than two biological replicates."""
    if min(facts.n_reference, facts.n_target) < MINIMUM_REPLICATES:
        found = f"{facts.n_reference} against {facts.n_target} biological replicates"
        return GateStop("no_replication", f"{found}; at least {MINIMUM_REPLICATES} an arm are needed")
    if not has_estimates:
        return GateStop("no_replication", "the contrast could not be estimated")
    return None


def context_gate(hypothesis: Hypothesis, facts: ContrastFacts) -> GateStop | None:
    """Stop where the cells are not those, or not declared to be those, of which the hypothesis speaks."""
    expected = " or ".join(str(context) for context in hypothesis.contexts)
    if not facts.cell_contexts:
        return GateStop("context", f"expected in {expected}, but the sample sheet does not record cell_context")
    if not facts.cell_contexts <= {context.cells for context in hypothesis.contexts}:
        found = " and ".join(sorted(facts.cell_contexts))
        return GateStop("context", f"expected in {expected}, not in {found}")
    fitting = [context for context in hypothesis.contexts if context.cells in facts.cell_contexts]
    if any(context.sensitivity is None for context in fitting):
        return None
    if not facts.sensitivities or facts.sensitivities & UNDECLARED:
        return GateStop(
            "context",
            f"expected in {expected}, so the sample sheet must declare sensitivity as sensitive or "
            "resistant (it is never inferred from the name of a line)",
        )
    if not facts.sensitivities <= {context.sensitivity for context in fitting}:
        found = " and ".join(sorted(facts.sensitivities))
        return GateStop("context", f"expected in {expected}, but these samples are declared {found}")
    return None


def protein_gate(hypothesis: Hypothesis) -> GateStop | None:
    """Stop where the hypothesis speaks of protein, of which mRNA says nothing."""
    if hypothesis.measured_level != "protein":
        return None
    return GateStop(
        "protein_level",
        "the drug degrades the protein, and mRNA is no evidence either way; see IRF4 and MYC downstream",
    )


def floor_gate(
    hypothesis: Hypothesis, gene_counts: pd.Series, library_size: pd.Series, facts: ContrastFacts
) -> GateStop | None:
    """Stop where the gene is hardly expressed: CPM >= 1 and >= 10 counts in enough samples.

    Enough is the number of replicates in the smaller arm. A fall needs expression in the reference arm;
    any other expectation needs it in either arm.

    Parameters
    ----------
    gene_counts, library_size
        Counts of the gene, and assigned fragments, by sample.
    """
    arms = {"reference": facts.reference_samples, "target": facts.target_samples}
    if hypothesis.expected_direction == "down":
        del arms["target"]
    expressed = {name: samples_above_floor(gene_counts, library_size, arm) for name, arm in arms.items()}
    needed = min(facts.n_reference, facts.n_target)
    if any(number >= min(needed, max(1, len(arms[name]))) for name, number in expressed.items()):
        return None
    found = " and ".join(f"{n} of {len(arms[name])} samples of the {name} arm" for name, n in expressed.items())
    return GateStop(
        "below_floor", f"CPM >= {FLOOR_CPM:g} and >= {FLOOR_COUNTS} counts in {found}, but needed in {needed}"
    )


def samples_above_floor(gene_counts: pd.Series, library_size: pd.Series, samples: Sequence[str]) -> int:
    """Count the samples with CPM >= 1 and at least 10 counts."""
    counts = gene_counts.loc[list(samples)].to_numpy(dtype=float)
    cpm = counts / library_size.loc[list(samples)].to_numpy(dtype=float) * 1e6
    return int(((cpm >= FLOOR_CPM) & (counts >= FLOOR_COUNTS)).sum())


def require_counts(facts: ContrastFacts, counts: pd.DataFrame, library_size: pd.Series) -> None:
    """Refuse a contrast with samples that have no counts or no library size.

    Raises
    ------
    CountsError
        Names the samples.
    """
    missing = [s for s in facts.samples if s not in counts.columns or s not in library_size.index]
    if missing:
        raise CountsError(
            "samples of the contrast have no counts",
            where=f"marker verdicts of {facts.contrast_id}",
            found=", ".join(missing),
        )


def integrity_gate(problems: SampleProblems) -> GateStop | None:
    """Stop where a sample of the contrast is not what the sheet says, or failed quality control."""
    if not problems.blocking:
        return None
    return GateStop("sample_integrity", "; ".join(problems.blocking))


def sample_problems(
    facts: ContrastFacts,
    identity: pd.DataFrame,
    sample_quality: pd.DataFrame,
    overrides: pd.DataFrame | None,
) -> SampleProblems:
    """Collect what is wrong with the samples of a contrast.

    Parameters
    ----------
    identity, sample_quality
        Rows of the tables of these names; other samples are ignored.
    overrides
        As from `quality_gates.parse_overrides`. A decision ``include`` for the metric (for identity: the
        rule, or ``identity``; for everything: ``all``) lifts the block and is reported.
    """
    samples = set(facts.samples)
    blocking: list[str] = []
    overridden: list[str] = []
    for row in identity.to_dict("records"):
        if row["sample_id"] in samples and row["status"] == "mismatch":
            likelier = row["likelier_line"] if isinstance(row["likelier_line"], str) else ""
            # Rules about arms say what the sample looks like, the others what a rule shows.
            looks = str(row["observed"]).startswith("like ")
            text = f"{row['sample_id']} is not as declared: {'it looks' if looks else str(row['rule']) + ' shows'} "
            better = f" (fits {likelier} better)" if likelier else ""
            text += f"{row['observed']}, expected {row['expected']}{better}"
            lifted = _override(overrides, row["sample_id"], (row["rule"], IDENTITY_METRIC))
            (overridden if lifted else blocking).append(text + lifted)
    for row in sample_quality.to_dict("records"):
        if row["sample_id"] in samples and row["status"] == "fail":
            text = f"{row['sample_id']} failed {row['metric']} ({_value(row['value'])}, fails if {row['fail']})"
            lifted = _override(overrides, row["sample_id"], lifted_by(str(row["metric"])))
            (overridden if lifted else blocking).append(text + lifted)
    return SampleProblems(tuple(blocking), tuple(overridden))


def _value(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _override(overrides: pd.DataFrame | None, sample: str, metrics: Sequence[str]) -> str:
    """Say who overrode a failed metric; empty if nobody did."""
    if overrides is None or overrides.empty:
        return ""
    chosen = overrides[
        (overrides["sample"] == sample)
        & overrides["metric"].isin([*metrics, ANY_METRIC])
        & (overrides["decision"] == "include")
    ]
    if chosen.empty:
        return ""
    row = chosen.iloc[0]
    return f"; included by {row['who']} on {row['date']}: {row['reason']}"


def outside_window(hypothesis: Hypothesis, facts: ContrastFacts) -> str | None:
    """Say why the times of treatment lie outside the hypothesis's window; None if they lie within."""
    start, end = hypothesis.window_start_h, hypothesis.window_end_h
    has_start, has_end = not math.isnan(start), not math.isnan(end)
    if not (has_start or has_end):
        return None
    window = f"{start:g} h or later" if not has_end else f"{start if has_start else 0:g} to {end:g} h"
    times = [time for time in facts.time_h if time > 0]
    if not times:
        return f"the time of treatment is not recorded and the hypothesis speaks of {window}"
    if all((not has_start or time >= start) and (not has_end or time <= end) for time in times):
        return None
    found = " and ".join(f"{time:g}" for time in times)
    return f"the treatment lasted {found} h and the hypothesis speaks of {window}"
