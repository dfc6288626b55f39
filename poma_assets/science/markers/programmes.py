"""Programmes of whole cell populations (proliferation, death, stress, interferon), reported beside the markers.

A marker may change because the drug acts on it, or because other cells are left: fewer that cycle, more that die.
Programmes are scored per contrast and said in remarks; a verdict is never changed by them.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from typing import Final

import numpy as np
import pandas as pd
import scipy

from poma_assets.science.errors import HypothesisError
from poma_assets.science.markers.residual_correlation import PRESET_CORRELATION, Residuals, wald_z
from poma_assets.science.markers.response_score import find_genes
from poma_assets.science.markers.set_tests import MINIMUM_OTHER_GENES, competitive_rank_test, mean_effect
from poma_assets.science.markers.statistics import benjamini_hochberg
from poma_assets.science.tables import listing

PROGRAMME_COLUMNS: Final = (
    "contrast_id",
    "programme",
    "version",
    "n_genes",
    "n_listed",
    "log2_fold_change",
    "ci_low",
    "ci_high",
    "correlation",
    "p_value",
    "p_adjusted",
    "moved",
)
LISTED_COLUMNS: Final = ("programme", "gene_symbol", "ensembl_gene_id", "version")
MINIMUM_PROGRAMME_GENES: Final = 5
MOVED_BELOW: Final = 0.05
SMALLEST_MOVE_LOG2: Final = math.log2(1.1)
"""Mean changes below 1.1-fold are not worth a remark, however certain."""
EARLY_H: Final = 24.0
"""Hours of treatment up to which direct targets are expected to move and programmes usually not yet."""
PROLIFERATION, DEATH, STRESS, INTERFERON = "proliferation", "apoptosis", "unfolded_protein_response", "interferon"
_WORDS: Final = {
    PROLIFERATION: "proliferation programme",
    DEATH: "death programme (apoptosis)",
    STRESS: "unfolded-protein (ER stress) programme",
    INTERFERON: "interferon programme",
}


def programme_scores(
    contrast_id: str,
    deseq2: pd.DataFrame,
    programmes: pd.DataFrame,
    residuals: Residuals,
    *,
    leave_out: Collection[str] = (),
) -> pd.DataFrame:
    """Score the programmes in one contrast.

    The effect is the mean log2 fold change of the genes, its interval allows for the correlation of their residuals;
    p is two-sided from the competitive rank test of `set_tests`, its normal quantile read as Student's t with the
    residual degrees of freedom that the correlation was estimated from.

    Parameters
    ----------
    contrast_id
        The contrast, for the result.
    deseq2
        Rows of the table ``de_results`` for this contrast, engine deseq2.
    programmes
        Columns `LISTED_COLUMNS`: the shipped ``programmes.tsv`` or one like it.
    residuals
        Of the contrast's design (`residual_correlation.design_residuals`).
    leave_out
        Symbols of the markers beside which the programmes are reported, so that none speaks for itself.

    Returns
    -------
    pandas.DataFrame
        Columns `PROGRAMME_COLUMNS`, one row per programme in the order of the table. Numbers are NaN with fewer than
        `MINIMUM_PROGRAMME_GENES` tested genes. `moved`: p adjusted over the programmes below 0.05, the 95 % interval
        without 0 and the mean change at least 1.1-fold.

    Raises
    ------
    HypothesisError
        The table of programmes lacks columns.
    """
    missing = [column for column in LISTED_COLUMNS if column not in programmes.columns]
    if missing:
        expected = ", ".join(LISTED_COLUMNS)
        raise HypothesisError("the table of programmes lacks columns", found=listing(missing), expected=expected)
    z = wald_z(deseq2)
    tested = deseq2.set_index(deseq2["gene_id"].astype(str)).loc[z.index]
    rows: list[list[object]] = []
    for name, listed in programmes.groupby("programme", sort=False):
        found = find_genes(listed[~listed["gene_symbol"].isin(list(leave_out))], tested["gene_name"].astype(str))
        version = "; ".join(sorted(set(listed["version"].astype(str))))
        numbers = _score(z, tested, found.to_list(), residuals)
        rows.append([contrast_id, name, version, len(found), len(listed), *numbers])
    frame = pd.DataFrame(rows, columns=list(PROGRAMME_COLUMNS[:-2]))
    frame["p_adjusted"] = benjamini_hochberg(frame["p_value"])
    frame["moved"] = (
        (frame["p_adjusted"] < MOVED_BELOW)
        & (frame["ci_low"] * frame["ci_high"] > 0)
        & (frame["log2_fold_change"].abs() >= SMALLEST_MOVE_LOG2)
    )
    return frame[list(PROGRAMME_COLUMNS)]


def _score(
    z: pd.Series, tested: pd.DataFrame, genes: list[str], residuals: Residuals
) -> tuple[float, float, float, float, float]:
    """Return mean effect, its interval, the correlation and p."""
    in_set = z.index.isin(genes)
    if len(genes) < MINIMUM_PROGRAMME_GENES or int((~in_set).sum()) < MINIMUM_OTHER_GENES:
        return math.nan, math.nan, math.nan, math.nan, math.nan
    correlation = max(residuals.mean_correlation(genes, np.ones(len(genes))), PRESET_CORRELATION)
    members = tested.loc[genes]
    errors = members["standard_error"].to_numpy(dtype=float)
    effect, error = mean_effect(members["log2_fold_change"].to_numpy(dtype=float), errors, correlation)
    p_up, p_down = competitive_rank_test(z.to_numpy(dtype=float), in_set, correlation)
    freedom = residuals.degrees_of_freedom or math.inf
    p = min(1.0, 2 * float(scipy.stats.t.sf(scipy.stats.norm.isf(min(p_up, p_down)), freedom)))
    half = float(scipy.stats.t.ppf(0.975, freedom)) * error
    return effect, effect - half, effect + half, correlation, p


def programme_remarks(scores: pd.DataFrame, gene: str, effect: float, time_h: Sequence[float]) -> list[str]:
    """Say beside a marker's effect which programmes moved with it and what that may explain.

    Parameters
    ----------
    scores
        As from `programme_scores` for the marker's contrast.
    gene
        Symbol of the marker.
    effect
        Its log2 fold change, unshrunken.
    time_h
        Hours of treatment in the contrast; empty if not recorded.

    Returns
    -------
    list of str
        One sentence without a full stop per programme that could explain a part of the change; empty if none moved.
    """
    if not math.isfinite(effect) or effect == 0:
        return []
    change = f"{gene} {_change(effect)}"
    when = _when(time_h)
    remarks = []
    for row in scores[scores["moved"].astype(bool)].to_dict("records"):
        name, size = str(row["programme"]), float(row["log2_fold_change"])
        meaning = _meaning(name, effect, size)
        if meaning:
            link = "as well" if effect * size > 0 else "at the same time"
            remarks.append(f"{change}; the {_WORDS.get(name, name)} {_change(size)} {link} ({when}): {meaning}")
    return remarks


def programme_summary(scores: pd.DataFrame, time_h: Sequence[float]) -> str:
    """Say in one sentence, for a contrast, which programmes moved."""
    moved = scores[scores["moved"].astype(bool)]
    assessed = scores[scores["log2_fold_change"].notna()]
    if assessed.empty:
        return "No programme could be scored: too few of their genes were tested."
    if moved.empty:
        names = ", ".join(_WORDS.get(str(name), str(name)) for name in assessed["programme"])
        return f"No programme moved ({_when(time_h)}; scored: {names})."
    changes = [
        f"the {_WORDS.get(str(name), str(name))} {_change(float(size))}"
        for name, size in zip(moved["programme"], moved["log2_fold_change"], strict=True)
    ]
    text = "; ".join(changes)
    return f"{text[0].upper()}{text[1:]} ({_when(time_h)})."


def _meaning(programme: str, effect: float, size: float) -> str | None:
    """Return what a programme's move may say about a marker's change; None if nothing."""
    way = "fall" if effect < 0 else "rise"
    if programme == PROLIFERATION and effect * size > 0:
        return f"a part of the {way} may be {'fewer' if size < 0 else 'more'} cycling cells"
    if programme == DEATH and size > 0:
        return f"a part of the {way} may be dying cells"
    if programme == STRESS and size > 0:
        return f"a part of the {way} may be a response to stress"
    if programme == INTERFERON and effect * size > 0:
        return f"a part of the {way} may be an interferon response in general"
    return None


def _change(effect: float) -> str:
    return f"{'rose' if effect > 0 else 'fell'} {2 ** abs(effect):.1f}-fold"


def _when(time_h: Sequence[float]) -> str:
    times = sorted(time for time in time_h if time > 0)
    if not times:
        return "time of treatment not recorded"
    hours = " and ".join(f"{time:g}" for time in times) + " h"
    if times[-1] <= EARLY_H:
        return f"{hours}, when direct targets move and programmes usually do not yet"
    return hours
