"""Which samples responded: the signature's score of single samples relative to their vehicle samples.

A contrast averages its replicates; here a dead drug aliquot or two exchanged samples of one replicate show.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import Final

import numpy as np
import pandas as pd

from poma_assets.science.errors import CountsError
from poma_assets.science.markers.residual_correlation import arm_labels, recorded_texts
from poma_assets.science.markers.response_score import (
    MINIMUM_GENES,
    check_signature,
    find_genes,
    genes_in_window,
    signature_name,
)
from poma_assets.science.tables import listing

SAMPLE_RESPONSE_COLUMNS: Final = (
    "sample_id",
    "signature",
    "n_genes",
    "score",
    "reference_samples",
    "time_matched",
)
MINIMUM_MEAN_LOG2: Final = 1.0
"""Genes below this mean expression (log2 of CPM + 1: 1 CPM) are not scored, as in the floor of the verdicts."""
REPLICATES_FALL_BELOW: Final = 0.25
"""A sample is suspected where its score is below this share of the median of its arm's other samples."""

NOISE_WIDTHS: Final = 3.0


def sample_response_scores(
    expression: pd.DataFrame,
    samples: pd.DataFrame,
    signature: pd.DataFrame,
    vehicle: Collection[str],
    gene_names: pd.Series | None = None,
) -> pd.DataFrame:
    """Score every sample: the mean over signature genes of direction x (value - vehicle mean) / scale.

    The vehicle samples are those of the same line (of the same cell_context where no line is recorded) and time; of
    any time where there are none, and `time_matched` says so. A vehicle sample is compared with the others.
    The scale of a gene is its standard deviation within the study's vehicle arms (all arms, where no vehicle has a
    replicate) plus the median of that over all genes (Tusher, Tibshirani and Chu 2001), since a few replicates estimate
    it badly. The score is descriptive: it has no p.

    Parameters
    ----------
    expression
        Genes x samples: `normalisation.log2_counts_per_million` or variance-stabilised values, index ``gene_id``.
    samples
        Rows of the table ``samples``: sample_id, cell_line, cell_context, treatment, dose_um, time_h. Those without
        expression values are left out.
    signature
        As for `response_score.response_scores`; genes count within their window for the sample's time.
    vehicle
        Levels of treatment that are vehicle.
    gene_names
        Symbol by gene id, for genes of the signature whose Ensembl id is not there.

    Returns
    -------
    pandas.DataFrame
        Columns `SAMPLE_RESPONSE_COLUMNS`, one row per sample in the order of `samples`; reference samples separated
        by semicolons. The score is NaN without a vehicle sample to compare with or with fewer than `MINIMUM_GENES`
        signature genes.

    Raises
    ------
    HypothesisError
        The signature is none.
    CountsError
        No sample has expression values.
    """
    check_signature(signature)
    present = samples[samples["sample_id"].isin(expression.columns)].set_index("sample_id", drop=False)
    if present.empty:
        raise CountsError("no sample has expression values", found=listing(samples["sample_id"]))
    values = expression[list(present.index)]
    values = values[(values.mean(axis=1) >= MINIMUM_MEAN_LOG2) & values.notna().all(axis=1)]
    names = pd.Series(values.index.astype(str), index=values.index.astype(str))
    found = find_genes(signature, names if gene_names is None else gene_names.reindex(values.index).fillna(""))
    scale = _gene_scale(values, arm_labels(present), present["treatment"].isin(list(vehicle)))
    rows = []
    for sample in present.index:
        references, time_matched = _reference_samples(present, str(sample), vehicle)
        time = _number(present.at[sample, "time_h"])
        listed = genes_in_window(signature, () if math.isnan(time) else (time,))
        chosen = found.reindex(listed.index).dropna()
        signs = np.where(listed.loc[chosen.index, "direction"] == "up", 1.0, -1.0)
        score = math.nan
        if references and len(chosen) >= MINIMUM_GENES:
            own = values.loc[chosen]
            distance = own[sample].to_numpy(dtype=float) - own[references].to_numpy(dtype=float).mean(axis=1)
            score = float((signs * distance / scale[chosen].to_numpy(dtype=float)).mean())
        rows.append((sample, signature_name(signature), len(chosen), score, ";".join(references), time_matched))
    return pd.DataFrame(rows, columns=list(SAMPLE_RESPONSE_COLUMNS))


def silent_samples(scores: pd.DataFrame, samples: pd.DataFrame, vehicle: Collection[str]) -> dict[str, str]:
    """Name the treated samples that did not respond where the others of their arm did.

    A sample is named if its score is below `REPLICATES_FALL_BELOW` of the median of the other samples of its arm and
    every one of those is above `NOISE_WIDTHS` times the noise: the root mean square of the study's vehicle scores, at
    least ``0.5 / sqrt(n_genes)``. One sample against one tells nothing, so an arm needs three.

    Parameters
    ----------
    scores
        As from `sample_response_scores`.
    samples, vehicle
        As given there.

    Returns
    -------
    dict
        Sentence by sample id.
    """
    indexed = scores.set_index("sample_id")
    score, n_genes = indexed["score"].astype(float), indexed["n_genes"].astype(float)
    table = samples.set_index("sample_id", drop=False).loc[list(score.index)]
    is_vehicle = table["treatment"].isin(list(vehicle))
    vehicle_scores = score[is_vehicle].dropna()
    spread = math.sqrt(float((vehicle_scores**2).mean())) if len(vehicle_scores) else 0.0
    sentences = {}
    for _, arm in table[~is_vehicle].groupby(arm_labels(table), sort=False):
        for sample in arm.index if len(arm) > 2 else ():
            others = score[[other for other in arm.index if other != sample]]
            noise = max(spread, 0.5 / math.sqrt(max(n_genes[sample], 1.0)))
            responded = bool((others > NOISE_WIDTHS * noise).all())
            if responded and score[sample] < REPLICATES_FALL_BELOW * float(others.median()):
                sentences[str(sample)] = _sentence(str(sample), float(score[sample]), others)
    return sentences


def _sentence(sample: str, score: float, others: pd.Series) -> str:
    found = ", ".join(f"{name} {value:.1f}" for name, value in others.items())
    return (
        f"{sample} shows no response (score {score:.1f}, vehicle 0) where the other samples of its arm do ({found}): "
        "was it treated, and is it the sample that the sheet says?"
    )


def _reference_samples(samples: pd.DataFrame, sample: str, vehicle: Collection[str]) -> tuple[list[str], bool | None]:
    """Return the other vehicle samples of the same cells, of the same time if possible, and whether it is the same."""
    cells = "cell_line" if recorded_texts(samples["cell_line"])[sample] else "cell_context"
    alike = _same(samples[cells], sample) & samples["treatment"].isin(list(vehicle)) & (samples.index != sample)
    at_time = alike & _same(samples["time_h"], sample)
    chosen = at_time if at_time.any() else alike
    known = bool(chosen.any()) and bool(recorded_texts(samples["time_h"])[sample])
    return [str(name) for name in samples.index[chosen]], bool(at_time.any()) if known else None


def _same(column: pd.Series, sample: str) -> pd.Series:
    texts = recorded_texts(column)
    return texts.eq(str(texts[sample]))


def _gene_scale(values: pd.DataFrame, arms: pd.Series, is_vehicle: pd.Series) -> pd.Series:
    """Return the standard deviation within arms plus its median over genes.

    That of the vehicle arms, so that a sample which did not respond hides nothing; of all arms where no vehicle
    has a replicate; over all samples where no arm has.
    """
    for chosen in (arms[is_vehicle], arms, pd.Series("", index=arms.index)):
        freedom = len(chosen) - chosen.nunique()
        if freedom > 0:
            break
    within = values[list(chosen.index)].T
    squares = (within - within.groupby(chosen).transform("mean")).pow(2).sum()
    deviation = np.sqrt(squares / max(freedom, 1))
    scale: pd.Series = (deviation + deviation.median()).clip(lower=1e-6)
    return scale


def _number(value: object) -> float:
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else math.nan
