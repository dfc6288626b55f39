"""Does each sample lie with the replicates of its own arm, or with another arm: mislabelled and exchanged samples.

Two groups of samples are compared at a time, on the genes that vary most among them, chosen without looking at
the labels. A sample's score says on which side of the midpoint of the two groups it lies, with the axis between
them drawn without that sample. Every labelling in which two samples are exchanged, or one is moved, is tried; it
is believed only if under it all samples lie on their side and apart from the other group. Where the two groups do
not differ (a drug that does nothing), no labelling fits, and nothing is said.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Final

import numpy as np
import pandas as pd
import scipy

from poma_assets.science.markers.identity import IDENTITY_COLUMNS
from poma_assets.science.markers.replicates import replicate_groups, spearman

PROCESSING_COLUMNS: Final = ("batch", "donor")
MOST_VARIABLE_GENES: Final = 300
USUAL_DISPERSION: Final = 0.02
"""Of replicates of a cell line (coefficient of variation 0.14); sets where noise stops to grow with expression."""
LEAST_SCORE: Final = 3.0
"""Every sample lies at least so many standard deviations of noise on its side."""
LIKELY_P: Final = 1e-3
"""Of the difference between two groups with the labels corrected: below, a claim is made."""
SURE_P: Final = 1e-4
"""Below, it is sure, in a study of two groups alone."""
SURE_P_AMONG_OTHERS: Final = 1e-5
"""The same with more arms, whose replicates help to say how far replicates scatter along the axis."""
SURE_SEPARATION: Final = 6.0
"""To be sure, the groups must be so many standard deviations apart: samples on a gradient hardly ever are."""
FREE_COMPARISONS: Final = 15
"""With more pairs of groups than these, the limits of p are divided accordingly."""
MINIMUM_SAMPLES: Final = 5
"""Two groups of two can be split in three ways, none of which says who was exchanged with whom."""
ALL_ARMS: Final = " (all arms)"


@dataclass(frozen=True)
class _Fit:
    """How well a labelling separates two groups: the samples' scores, and p of the groups' difference."""

    scores: np.ndarray
    separation: float
    spread: float
    p_value: float

    @property
    def least_score(self) -> float:
        return float(self.scores.min())

    def apart(self, limit: float) -> bool:
        return self.least_score >= LEAST_SCORE and self.p_value < limit


@dataclass(frozen=True)
class _Claim:
    """Samples that fit better with other labels: one moved, or two exchanged, and the group each resembles.

    ``scores`` say how far each lies on the side of that group, in standard deviations of noise.
    """

    samples: tuple[str, ...]
    resembles: tuple[str, ...]
    scores: tuple[float, ...]
    p_value: float
    margin: float
    """How many times p is below the limit for being sure; below 1 it is not."""


@dataclass(frozen=True)
class _Comparison:
    """What comparing two groups showed: are they told apart as declared, and which other labels fit."""

    groups: tuple[str, str]
    apart: bool
    claims: tuple[_Claim, ...]


@dataclass(frozen=True)
class _Study:
    """Arm, line and recorded processing of every sample, and Spearman's correlation of all pairs."""

    arms: pd.Series
    lines: pd.Series
    processing: pd.DataFrame
    similar: pd.DataFrame

    def groupings(self) -> list[Mapping[str, list[str]]]:
        """The arms; and the lines, if every sample has one and they are fewer than the arms."""
        arms = _members(self.arms)
        lines = _members(self.lines + ALL_ARMS)
        whole = (self.lines != "").all() and 1 < len(lines) < len(arms)
        return [arms, lines] if whole else [arms]

    def members(self, group: str) -> list[str]:
        return next((ids[group] for ids in self.groupings() if group in ids), [])

    def has_replicates(self, sample: str) -> bool:
        return int((self.arms == self.arms[sample]).sum()) > 1

    def similarity(self, sample: str, group: str) -> float:
        """Median correlation with the other samples of a group."""
        others = [other for other in self.members(group) if other != sample]
        return float(np.median(self.similar.loc[sample, others].to_numpy(dtype=float)))

    def line_of(self, group: str) -> str:
        """The line of a group; empty if it has several or none."""
        lines = set(self.lines[self.members(group)])
        return str(lines.pop()) if len(lines) == 1 else ""


def _members(labels: pd.Series) -> dict[str, list[str]]:
    return {str(name): list(labels.index[labels == name]) for name in dict.fromkeys(labels)}


def relatedness(counts: pd.DataFrame, samples: pd.DataFrame) -> pd.DataFrame:
    """Compare each sample with its own arm and with the others.

    Parameters
    ----------
    counts
        Genes x samples.
    samples
        Rows of the table ``samples`` for these samples.

    Returns
    -------
    pandas.DataFrame
        Rows of the table ``sample_identity``, one per sample: rule ``swap`` for two samples that look exchanged,
        else ``replicate_group``. Status ``mismatch`` (sure, see `SURE_P`), ``warn`` (p below `LIKELY_P`), ``match``
        (the sample lies with its arm, and apart from another), or ``not_assessed``. Labels that follow a recorded
        batch or donor are no claim.
    """
    present = samples[samples["sample_id"].isin(list(counts.columns))]
    ids = [str(name) for name in present["sample_id"]]
    if len(ids) < 2:
        return pd.DataFrame([_alone(name) for name in ids], columns=list(IDENTITY_COLUMNS))
    lines = pd.Series([_text(value) for value in present["cell_line"]], index=ids, dtype=object)
    arms = replicate_groups(present)
    study = _Study(arms, lines, present[list(PROCESSING_COLUMNS)], spearman(counts[ids]))
    comparisons = _comparisons(stabilised(counts[ids]), study)
    strictness = max(1.0, len(comparisons) / FREE_COMPARISONS)
    claims = _chosen([claim for c in comparisons for claim in c.claims], study, strictness)
    rows = [
        _contradicted(sample, claims[sample], study, strictness)
        if sample in claims
        else _settled(sample, study, comparisons)
        for sample in ids
    ]
    return pd.DataFrame(rows, columns=list(IDENTITY_COLUMNS))


def stabilised(counts: pd.DataFrame) -> np.ndarray:
    """Put counts on a scale where noise between replicates is about 1 for every gene, genes x samples.

    The variance-stabilising transformation of a negative binomial of `USUAL_DISPERSION`, after scaling all
    libraries to their geometric mean (Anscombe 1948, doi:10.1093/biomet/35.3-4.246).
    """
    values = counts.to_numpy(dtype=float)
    sizes = np.maximum(values.sum(axis=0), 1.0)
    scaled = values * (np.exp(np.log(sizes).mean()) / sizes)
    root = np.sqrt(USUAL_DISPERSION)
    return np.asarray(2.0 / root * np.arcsinh(root * np.sqrt(scaled)))


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _comparisons(values: np.ndarray, study: _Study) -> list[_Comparison]:
    """Compare all arms with each other, and the lines as wholes, which have more samples."""
    position = {sample: number for number, sample in enumerate(study.arms.index)}
    found = []
    for groups in study.groupings():
        members = {name: np.array([position[sample] for sample in ids]) for name, ids in groups.items()}
        for first, second in combinations([name for name, rows in members.items() if len(rows) >= 2], 2):
            a, b = members[first], members[second]
            if len(a) + len(b) >= MINIMUM_SAMPLES:
                found.append(_compare((first, second), values, a, b, study))
    return found


def _compare(groups: tuple[str, str], values: np.ndarray, a: np.ndarray, b: np.ndarray, study: _Study) -> _Comparison:
    rows = np.concatenate([a, b])
    ids = [str(name) for name in study.arms.index[rows]]
    processing = study.processing.iloc[rows]
    varying = _most_variable(values, rows)
    products = varying[:, rows].T @ varying[:, rows]
    labels = np.array([-1.0] * len(a) + [1.0] * len(b))
    declared = _fit(products, labels)
    claims = []
    for changed in _other_labels(products, labels):
        other = labels.copy()
        other[list(changed)] *= -1
        fit = _fit(products, other)
        if declared.least_score < 0 and fit.apart(LIKELY_P) and not _is_processing(other, processing):
            resembles = tuple(groups[int(labels[k] < 0)] for k in changed)
            scores = tuple(float(fit.scores[k]) for k in changed)
            margin = _margin(fit, other, varying, rows, study.arms)
            claims.append(_Claim(tuple(ids[k] for k in changed), resembles, scores, fit.p_value, margin))
    return _Comparison(groups, declared.apart(LIKELY_P), tuple(claims))


def _margin(fit: _Fit, labels: np.ndarray, varying: np.ndarray, rows: np.ndarray, arms: pd.Series) -> float:
    """Compare p with the limit for being sure, the replicates of other arms showing the scatter along the axis too.

    A difference of RNA quality, say, scatters them as well, and then the two groups are not that clearly apart. Arms
    with a wrong label of their own scatter, too; so either p will do.
    """
    inside = varying[:, rows]
    axis = inside[:, labels > 0].mean(axis=1) - inside[:, labels < 0].mean(axis=1)
    outside = np.setdiff1d(np.arange(varying.shape[1]), rows)
    places = pd.Series(axis @ varying[:, outside] / np.linalg.norm(axis), index=outside)
    arm_of = arms.iloc[outside].to_numpy()
    within = places - places.groupby(arm_of).transform("mean")
    further = len(outside) - len(set(arm_of))
    if fit.separation < SURE_SEPARATION * fit.spread:
        return 0.0
    if further == 0:
        return (SURE_P if arms.nunique() == 2 else SURE_P_AMONG_OTHERS) / max(fit.p_value, 1e-300)
    own = len(rows) - 2
    pooled = np.sqrt((own * fit.spread**2 + float((within**2).sum())) / (own + further))
    error = max(fit.spread, float(pooled)) * np.sqrt(1.0 / (labels < 0).sum() + 1.0 / (labels > 0).sum())
    among_others = float(scipy.stats.t.sf(fit.separation / error, own + further))
    return SURE_P_AMONG_OTHERS / max(min(among_others, fit.p_value), 1e-300)


def _is_processing(labels: np.ndarray, processing: pd.DataFrame) -> bool:
    """Whether a recorded batch or donor splits the samples like the labels, so that it may be what they show."""
    for column in PROCESSING_COLUMNS:
        recorded = processing[column].fillna("not recorded").to_numpy()
        levels = [labels[recorded == level] for level in dict.fromkeys(recorded)]
        if 1 < len(levels) < len(labels) and all(len(set(level)) == 1 for level in levels):
            return True
    return False


def _most_variable(values: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Return the genes that vary most among the samples of `rows`, for all samples, centred on those."""
    compared = values[:, rows]
    chosen = np.sort(np.argsort(-compared.var(axis=1), kind="stable")[:MOST_VARIABLE_GENES])
    return np.asarray(values[chosen] - compared[chosen].mean(axis=1, keepdims=True))


def _other_labels(products: np.ndarray, labels: np.ndarray) -> Iterator[tuple[int, ...]]:
    """Yield exchanges that point against the two groups, and moves that leave two samples in each."""
    a, b = np.flatnonzero(labels < 0), np.flatnonzero(labels > 0)
    for i in a:
        for j in b:
            rest = (labels > 0) / (len(b) - 1.0) - (labels < 0) / (len(a) - 1.0)
            rest[[i, j]] = 0.0
            if products[j] @ rest < products[i] @ rest:
                yield int(i), int(j)
    yield from ((int(i),) for i in a if len(a) > 2)
    yield from ((int(j),) for j in b if len(b) > 2)


def _fit(products: np.ndarray, labels: np.ndarray) -> _Fit:
    """Score every sample on the axis that the others draw, and compare the groups' scores."""
    scores = labels * _scores_left_out(products, labels)
    a, b = scores[labels < 0], scores[labels > 0]
    degrees = len(scores) - 2
    spread = max(float(np.sqrt((((a - a.mean()) ** 2).sum() + ((b - b.mean()) ** 2).sum()) / degrees)), 1e-9)
    separation = float(a.mean() + b.mean())
    p_value = float(scipy.stats.t.sf(separation / (spread * np.sqrt(1.0 / len(a) + 1.0 / len(b))), degrees))
    return _Fit(scores, separation, spread, p_value)


def _scores_left_out(products: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Distance of each sample from the midpoint, towards the positive group, along an axis drawn without it."""
    positive, negative = (labels > 0).astype(float), (labels < 0).astype(float)
    own = np.diag(products)
    to_positive, to_negative = products @ positive, products @ negative
    # Sums over the others of each sample: what it adds itself is taken out again, so that no sample needs a matrix.
    n_positive, n_negative = positive.sum() - positive, negative.sum() - negative
    within_positive = (positive @ to_positive - positive * (2.0 * to_positive - own)) / n_positive**2
    within_negative = (negative @ to_negative - negative * (2.0 * to_negative - own)) / n_negative**2
    between = (positive @ to_negative - positive * to_negative - negative * to_positive) / (n_positive * n_negative)
    lengths = np.sqrt(np.maximum(within_positive - 2.0 * between + within_negative, 1e-12))
    place = (to_positive - positive * own) / n_positive - (to_negative - negative * own) / n_negative
    return np.asarray((place - (within_positive - within_negative) / 2.0) / lengths)


def _chosen(claims: Sequence[_Claim], study: _Study, strictness: float) -> dict[str, _Claim]:
    """Choose one claim for each sample: an exchange explains two samples at once, so it goes first.

    What is sure goes before what is likely, and arms, which say more, before whole lines. Among several groups
    that one sample could belong to, that of the highest correlation.
    """

    def rank(claim: _Claim) -> tuple[bool, bool, float]:
        return claim.margin < strictness, claim.resembles[0].endswith(ALL_ARMS), claim.p_value

    chosen: dict[str, _Claim] = {}
    likely = [claim for claim in claims if claim.p_value * strictness < LIKELY_P]
    swaps = sorted((c for c in likely if len(c.samples) == 2), key=rank)
    moves = sorted(
        (c for c in likely if len(c.samples) == 1), key=lambda c: -study.similarity(c.samples[0], c.resembles[0])
    )
    for claim in [*swaps, *moves]:
        if not any(sample in chosen for sample in claim.samples):
            chosen |= dict.fromkeys(claim.samples, claim)
    return chosen


def _contradicted(sample: str, claim: _Claim, study: _Study, strictness: float) -> tuple[object, ...]:
    place = claim.samples.index(sample)
    resembled = claim.resembles[place]
    own = str(study.arms[sample])
    status = "warn" if claim.margin < strictness else "mismatch"
    partner = [other for other in claim.samples if other != sample]
    observed = f"like {resembled}"
    if partner:
        observed += f", as if exchanged with {partner[0]}"
    detail = f"lies {claim.scores[place]:.1f} standard deviations of noise on that side (p {claim.p_value:.1g} with "
    detail += f"the labels corrected); median Spearman {study.similarity(sample, resembled):.3f} with it"
    if study.has_replicates(sample):
        detail += f", {study.similarity(sample, own):.3f} with its own arm"
    line = study.line_of(resembled)
    likelier = line if line and line != study.lines[sample] else None
    return sample, "swap" if partner else "replicate_group", own, observed, status, likelier, detail


def _settled(sample: str, study: _Study, comparisons: Sequence[_Comparison]) -> tuple[object, ...]:
    own = str(study.arms[sample])
    of_line = str(study.lines[sample]) + ALL_ARMS
    concerned = [c for c in comparisons if own in c.groups] or [c for c in comparisons if of_line in c.groups]
    apart, alike = (
        [name for c in concerned if c.apart is wanted for name in c.groups if name not in (own, of_line)]
        for wanted in (True, False)
    )
    if not concerned:
        reason = f"needs at least two arms of two replicates, {MINIMUM_SAMPLES} samples together"
        return sample, "replicate_group", own, "not assessed", "not_assessed", None, reason
    detail = f"apart from {'; '.join(apart)}" if apart else "apart from no other arm"
    if alike:
        detail += f"; cannot be told from {'; '.join(alike)}, so an exchange with it would not be seen"
    if not apart:
        return sample, "replicate_group", own, "not told apart", "not_assessed", None, detail
    return sample, "replicate_group", own, f"like {own}", "match", None, detail


def _alone(sample: str) -> tuple[object, ...]:
    return sample, "replicate_group", "its arm", "not assessed", "not_assessed", None, "the only sample"
