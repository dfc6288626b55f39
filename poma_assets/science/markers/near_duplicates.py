"""Are two samples too alike to be two cultures: the same counts, the same reads, or one library sequenced twice.

Two runs of one library differ by sampling alone: given the sum of both, the counts of a gene are binomial. Mean
squared deviations of 1 therefore say "one library", those well below 1 "the same reads", and the excess over 1,
which grows with the counts, measures the variation between cultures.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import sqrt
from typing import Final

import numpy as np
import pandas as pd

from poma_assets.science.markers.identity import IDENTITY_COLUMNS
from poma_assets.science.markers.relatedness import stabilised

LEAST_FRAGMENTS: Final = 20
"""Of a gene in both samples together; below, squared deviations are far from normal."""
LEAST_GENES: Final = 100
TECHNICAL_VARIATION: Final = 0.03
"""Coefficient of variation. Cultures of one line reach 0.05 and more (0.1 is usual), one RNA hardly 0.02."""
SHARED_READS_DEVIATION: Final = 0.8
STANDARD_ERRORS: Final = 3.0
LARGEST_WEIGHT: Final = 1 / 0.05**2
"""Genes with more fragments than this tell variations of 0.05 from chance by themselves; they get equal weight."""
NEAREST: Final = 3
EXPECTED: Final = "a culture of its own"


@dataclass(frozen=True)
class PairVariation:
    """How far two samples differ beyond sampling.

    Attributes
    ----------
    genes
        Genes with enough fragments.
    deviation
        Mean squared deviation; 1 for two runs of one library.
    deviation_error, dispersion_error
        Standard errors for two runs of one library, and for a variation of `TECHNICAL_VARIATION`.
    dispersion
        Squared coefficient of variation between the samples; about 0, or below, for one library.
    """

    genes: int
    deviation: float
    deviation_error: float
    dispersion: float
    dispersion_error: float


def pair_variation(first: np.ndarray, second: np.ndarray) -> PairVariation:
    """Estimate what two samples differ beyond sampling, from their counts in the same genes.

    Weighted moments of the binomial deviations, the weights being nearly those of least variance for a
    coefficient of variation of 0.05. Genes that differ for another reason only raise the estimate.
    """
    total = first.astype(float) + second.astype(float)
    share = float(first.sum()) / max(float(total.sum()), 1.0)
    used = total >= LEAST_FRAGMENTS
    binomial = share * (1.0 - share)
    if used.sum() < LEAST_GENES or binomial <= 0:
        return PairVariation(int(used.sum()), np.nan, np.nan, np.nan, np.nan)
    squared = (first[used] - share * total[used]) ** 2 / (binomial * total[used])
    growth = 2.0 * binomial * total[used]
    weights = np.minimum(growth, LARGEST_WEIGHT)
    scale = float((weights * growth).sum())
    dispersion = float((weights * (squared - 1.0)).sum()) / scale
    spread = 2.0 * (weights * (1.0 + TECHNICAL_VARIATION**2 * growth)) ** 2
    n = int(used.sum())
    return PairVariation(n, float(squared.mean()), sqrt(2.0 / n), dispersion, sqrt(float(spread.sum())) / scale)


def near_duplicates(counts: pd.DataFrame, samples: pd.DataFrame) -> pd.DataFrame:
    """Compare each sample with the sample most like it.

    Parameters
    ----------
    counts
        Whole counts as counted (not normalised), genes x samples.
    samples
        Rows of the table ``samples``; those without counts are left out.

    Returns
    -------
    pandas.DataFrame
        Rows of the table ``sample_identity``, one per sample, rule ``near_duplicate``: ``mismatch`` for equal
        counts or shared reads, ``warn`` for two runs of one library, else ``match`` or ``not_assessed``.
    """
    ids = [str(name) for name in samples["sample_id"] if name in counts.columns]
    copies = _copies(counts[ids])
    nearest, pairs = {}, {}
    for sample, others in _nearest(counts[ids]).items():
        if sample not in copies and others:
            tried = {name: pair_variation(counts[sample].to_numpy(), counts[name].to_numpy()) for name in others}
            nearest[sample] = min(tried, key=lambda name: np.nan_to_num(tried[name].dispersion, nan=np.inf))
            pairs[sample] = tried[nearest[sample]]
    # Counts that were scaled down or averaged deviate too little everywhere; that is no sign of shared reads.
    whole = {sample for sample in pairs if _others_deviate(sample, nearest, pairs)}
    rows = []
    for sample in ids:
        if sample in copies:
            status, observed, detail = "mismatch", f"the counts of {', '.join(copies[sample])}", "equal in every gene"
        elif sample not in pairs:
            status, observed, detail = "not_assessed", "not assessed", "no other sample to compare with"
        else:
            status, observed, detail = _judge(nearest[sample], pairs[sample], whole=sample in whole)
        rows.append((sample, "near_duplicate", EXPECTED, observed, status, None, detail))
    return pd.DataFrame(rows, columns=list(IDENTITY_COLUMNS))


def _copies(counts: pd.DataFrame) -> dict[str, list[str]]:
    """Return for each sample the others with the same counts."""
    by_content: dict[bytes, list[str]] = {}
    for sample in counts.columns:
        column = counts[sample].to_numpy(dtype=np.int64)
        if column.any():
            by_content.setdefault(column.tobytes(), []).append(str(sample))
    return {
        sample: [other for other in alike if other != sample]
        for alike in by_content.values()
        if len(alike) > 1
        for sample in alike
    }


def _nearest(counts: pd.DataFrame) -> dict[str, list[str]]:
    """Return a few samples most like each sample; which is most like it beyond sampling is decided later."""
    values = stabilised(counts)
    squares = (values**2).sum(axis=0)
    distances = squares[:, None] + squares[None, :] - 2.0 * (values.T @ values)
    np.fill_diagonal(distances, np.inf)
    names = [str(name) for name in counts.columns]
    order = distances.argsort(axis=1, kind="stable")[:, : min(NEAREST, len(names) - 1)]
    return {name: [names[place] for place in row] for name, row in zip(names, order, strict=True)}


def _others_deviate(sample: str, nearest: Mapping[str, str], pairs: Mapping[str, PairVariation]) -> bool:
    others = [pair.deviation for name, pair in pairs.items() if name not in (sample, nearest[sample])]
    known = [deviation for deviation in others if not np.isnan(deviation)]
    return bool(known) and float(np.median(known)) >= 1.0


def _judge(other: str, pair: PairVariation, *, whole: bool) -> tuple[str, str, str]:
    if np.isnan(pair.deviation):
        return "not_assessed", "not assessed", f"{pair.genes} genes with {LEAST_FRAGMENTS} fragments, too few to tell"
    variation = sqrt(max(pair.dispersion, 0.0))
    detail = f"mean squared deviation from {other} {pair.deviation:.2f} (1 for two runs of one library), "
    detail += f"variation beyond sampling {variation:.3f}"
    limit = TECHNICAL_VARIATION**2
    if pair.deviation + STANDARD_ERRORS * pair.deviation_error < SHARED_READS_DEVIATION:
        return "mismatch" if whole else "warn", f"shares reads with {other}", detail
    if pair.dispersion + STANDARD_ERRORS * pair.dispersion_error < limit:
        return "warn", f"like another run of {other}'s library", detail
    if pair.dispersion - STANDARD_ERRORS * pair.dispersion_error < limit:
        return "not_assessed", "too shallow to tell", detail
    return "match", EXPECTED, detail
