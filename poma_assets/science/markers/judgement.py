"""What the steps of judging hand to each other: the facts of a contrast and the judgement in the making."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from poma_assets.science.markers.hypotheses import Hypothesis


@dataclass(frozen=True)
class ContrastFacts:
    """What is known about a contrast apart from the counts.

    ``kind`` is drug_vs_vehicle, resistant_vs_sensitive_at_vehicle, drug_by_sensitivity_interaction or
    other. ``cell_contexts`` and ``sensitivities`` are those declared for its samples (empty: not
    recorded). ``time_h`` holds the hours of treatment that occur. ``n_reference`` and ``n_target`` count
    biological replicates. ``vehicle_time_matched`` is None where times are not recorded.
    """

    contrast_id: str
    kind: str
    cell_contexts: frozenset[str]
    sensitivities: frozenset[str]
    time_h: tuple[float, ...]
    n_reference: int
    n_target: int
    reference_samples: tuple[str, ...]
    target_samples: tuple[str, ...]
    vehicle_time_matched: bool | None

    @property
    def samples(self) -> tuple[str, ...]:
        """Samples of both arms, reference first."""
        return (*self.reference_samples, *self.target_samples)


@dataclass(frozen=True)
class GateStop:
    """Why a hypothesis cannot be tested: the sub-verdict and the reason in words."""

    sub_verdict: str
    reason: str


@dataclass(frozen=True)
class Estimate:
    """A marker's estimates, log2; NaN where there are none. ``problem`` says why there are none."""

    gene_id: str | None = None
    effect: float = math.nan
    standard_error: float = math.nan
    status: str | None = None
    edger_effect: float = math.nan
    edger_fdr: float = math.nan
    problem: str | None = None

    @property
    def engines_agree(self) -> bool | None:
        """Whether both engines see the same direction; None if one of them has no estimate."""
        if math.isnan(self.effect) or math.isnan(self.edger_effect):
            return None
        return self.effect * self.edger_effect > 0


@dataclass
class Judgement:
    """One row of the verdict table while it is being made."""

    hypothesis: Hypothesis
    estimate: Estimate
    stop: GateStop | None = None
    members_used: int | None = None
    members_total: int | None = None
    p_confirm: float = math.nan
    p_opposite: float = math.nan
    p_equivalence: float = math.nan
    q_confirm: float = math.nan
    q_opposite: float = math.nan
    q_equivalence: float = math.nan
    verdict: str = ""
    sub_verdict: str = ""
    reason: str = ""
    labels: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)

    @property
    def testable(self) -> bool:
        """Whether the hypothesis passed every gate and enters the adjustment."""
        return self.stop is None and not self.verdict

    @property
    def is_set(self) -> bool:
        """Whether this row judges a set of genes."""
        return self.members_total is not None

    def settle(self, verdict: str, sub_verdict: str, reason: str = "") -> None:
        """Set the verdict, and a reason where the numbers alone do not give it."""
        self.verdict, self.sub_verdict, self.reason = verdict, sub_verdict, reason

    def flag(self, label: str, remark: str) -> None:
        """Add a label and the words for it."""
        self.labels.append(label)
        self.remarks.append(remark)
