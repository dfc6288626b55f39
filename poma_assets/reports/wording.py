"""The sentences of the reports: who entered, what was compared, what was found. Words only, no markup."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import pandas as pd

from poma_assets.reports.palette import VERDICTS
from poma_assets.reports.rendering import is_missing, listing, number, p_value, plural
from poma_assets.reports.rendering import text as cell_text

_MOST_LEVELS = 6
_KINDS = {
    "drug_vs_vehicle": "drug against vehicle",
    "resistant_vs_sensitive_at_vehicle": "resistant against sensitive, both at vehicle",
    "drug_by_sensitivity_interaction": "interaction of drug and sensitivity",
}


def truth_of(value: object) -> bool:
    """Read a cell of a Boolean column; an empty cell is false."""
    return not is_missing(value) and bool(value)


def words(value: object) -> str:
    """Return an internal name in words: underscores become spaces."""
    return str(value).replace("_", " ")


def inclusion_sentence(inclusion: pd.DataFrame, n_samples: int) -> str:
    """Say how many samples of the sheet entered the count matrix.

    Parameters
    ----------
    inclusion
        Rows of ``sample_inclusion``.
    n_samples
        Number of samples in the sheet.
    """
    if inclusion.empty:
        return (
            f"{plural(n_samples, 'sample is', 'samples are')} in the sheet; "
            "which of them enter the count matrix is not decided yet."
        )
    entered = int(inclusion["included"].map(truth_of).sum())
    out = len(inclusion) - entered
    total = max(n_samples, len(inclusion))
    text = f"{plural(total, 'sample is', 'samples are')} in the sheet: {entered} entered the count matrix"
    text += f" and {plural(out, 'was', 'were')} left out." if out else "."
    if waiting := total - len(inclusion):
        text += f" {plural(waiting, 'sample has', 'samples have')} not been judged yet."
    return text


def design_sentence(samples: pd.DataFrame, n_contrasts: int) -> str:
    """Say what was studied: lines, treatments, doses, times, replicates, and how many comparisons."""
    nouns = (
        ("cell_line", "cell line", "cell lines", ""),
        ("treatment", "treatment", "treatments", ""),
        ("dose_um", "dose", "doses", " µM"),
        ("time_h", "time", "times", " h"),
        ("donor", "donor", "donors", ""),
        ("batch", "batch", "batches", ""),
    )
    parts = []
    for column, one, many, unit in nouns:
        levels = list(dict.fromkeys(cell_text(value) for value in samples[column] if not is_missing(value)))
        if levels:
            shown = [*levels[:_MOST_LEVELS], *([f"{len(levels) - _MOST_LEVELS} more"] * (len(levels) > _MOST_LEVELS))]
            parts.append(f"{plural(len(levels), one, many)} ({listing(shown)}{unit})")
    design = f"The study has {listing(parts)}" if parts else "Nothing but the names of the samples is recorded"
    replicates = samples["replicate"].dropna().nunique()
    if replicates > 1:
        design += f", with up to {replicates} replicates"
    return f"{design}; {plural(n_contrasts, 'comparison was', 'comparisons were')} declared."


def inclusion_remarks(inclusion: pd.DataFrame) -> list[tuple[str, bool, str]]:
    """Return (sample, entered, reason) of the samples that were left out or kept with a remark."""
    remarks = []
    for _, row in inclusion.iterrows():
        entered = truth_of(row["included"])
        if not entered or not is_missing(row["reason"]):
            reason = "no reason recorded" if is_missing(row["reason"]) else str(row["reason"])
            remarks.append((str(row["sample_id"]), entered, reason))
    return remarks


def identity_sentence(identity: pd.DataFrame) -> str:
    """Say how the rules of identity came out."""
    counts = identity["status"].astype(str).value_counts()
    found = {name: int(counts.get(name, 0)) for name in ("mismatch", "warn", "match", "not_assessed")}
    named = (
        ("mismatch", "do not match"),
        ("warn", "warn"),
        ("match", "match"),
        ("not_assessed", "could not be assessed"),
    )
    parts = [f"{found[name]} {does}" for name, does in named if found[name]]
    return f"Of {plural(len(identity), 'rule')} looked at, over all samples: {listing(parts)}."


def comparison(contrast: Mapping[str, Any] | pd.Series[Any]) -> str:
    """Say what a contrast compares, from its row of ``contrasts``."""
    if is_missing(contrast.get("variable")):
        if is_missing(contrast.get("formula")):
            return "comparison not described"
        weights = contrast.get("contrast")
        tested = "" if is_missing(weights) else f", tested: {weights}"
        text = f"model {contrast.get('formula')}{tested}"
    else:
        text = f"{contrast.get('target')} against {contrast.get('reference')} ({contrast.get('variable')})"
    if str(contrast.get("effect")) == "slope":
        text += " (the log2 fold change is for one unit of it)"
    if not is_missing(contrast.get("subset")) and contrast.get("subset") != "":
        text += f", samples with {contrast.get('subset')}"
    if not is_missing(contrast.get("blocking")) and contrast.get("blocking") != "":
        text += f", blocked by {listing(str(contrast.get('blocking')).split(';'))}"
    return text


def kind_words(contrast: Mapping[str, Any] | pd.Series[Any]) -> str | None:
    """Return the kind of a contrast in words; ``None`` for other kinds."""
    return _KINDS.get(str(contrast.get("kind")))


def verdict_counts(verdicts: pd.DataFrame) -> dict[str, int]:
    """Count the verdicts in their fixed order, unknown ones last."""
    counts = verdicts["verdict"].astype(str).value_counts()
    order = [v for v in VERDICTS if v in counts.index] + [v for v in counts.index if v not in VERDICTS]
    return {verdict: int(counts[verdict]) for verdict in order}


def verdict_sentence(verdicts: pd.DataFrame) -> str:
    """Say how many hypotheses got which verdict."""
    if verdicts.empty:
        return "No marker was judged."
    parts = [f"{amount} {words(verdict)}" for verdict, amount in verdict_counts(verdicts).items()]
    return f"Of {plural(len(verdicts), 'hypothesis', 'hypotheses')}: {listing(parts)}."


def genes_sentence(
    *, tested: int, total: int, up: int, down: int, fdr: float, log2_fold_change: float, target: str | None
) -> str:
    """Say how many genes differ in a contrast."""
    if not total:
        return "Differential expression has not been computed for this contrast."
    if not tested:
        return f"None of {plural(total, 'gene')} could be tested."
    rule = f"FDR below {fdr:g}"
    if log2_fold_change > 0:
        rule += f" and at least {log2_fold_change:g} in absolute log2 fold change"
    if not up + down:
        return f"None of {plural(tested, 'tested gene')} differs ({rule})."
    side = f" in {target}" if target else ""
    return f"{plural(up + down, 'gene')} of {tested:,} tested differ ({rule}): {up:,} higher and {down:,} lower{side}."


def any_difference_sentence(*, tested: int, passing: int, fdr: float) -> str:
    """Say how many genes a likelihood-ratio test finds to differ at all."""
    if not tested:
        return "No gene could be tested."
    found = f"{plural(passing, 'gene')} of {tested:,} tested" if passing else f"None of {plural(tested, 'tested gene')}"
    return (
        f"{found} {'differs' if passing <= 1 else 'differ'} at all between the models (likelihood-ratio test, FDR "
        f"below {fdr:g}). The test has no direction; the log2 fold change that is shown is of one coefficient."
    )


def response_sentence(response: pd.DataFrame) -> str | None:
    """Say whether the drug's programme is seen; ``None`` where no response score was made."""
    if response.empty:
        return None
    shown = response["exposure_shown"].map(truth_of)
    signature = str(response["signature"].iloc[0])
    p = pd.to_numeric(response["p_value"], errors="coerce")
    score = pd.to_numeric(response["score"], errors="coerce")
    if shown.all():
        text = f"Exposure is shown: the programme of the drug is seen (signature {signature}"
    elif not shown.any():
        text = f"Exposure is not shown: the programme of the drug is not seen (signature {signature}"
    else:
        text = (
            f"Exposure is shown for {int(shown.sum())} of {len(shown)} judged genes, "
            f"each left out of its own score (signature {signature}"
        )
    if score.notna().any():
        text += f"; score {number(score.median())}, largest p {p_value(p.max())}"
    return text + ")."


def agreement_sentence(agreement: pd.DataFrame) -> str:
    """Say how far the two engines agree."""
    if agreement.empty:
        return "There is no second engine to compare with in this contrast."
    kinds = agreement["agreement"].astype(str).value_counts()
    both, opposite = int(kinds.get("both_significant", 0)), int(kinds.get("opposite", 0))
    union = both + opposite + int(kinds.get("deseq2_only", 0)) + int(kinds.get("edger_only", 0))
    if not union:
        return "Neither DESeq2 nor edgeR finds a significant gene."
    text = (
        f"{both:,} of {plural(union, 'gene')} that DESeq2 or edgeR finds significant are so in both, "
        f"in the same direction ({number(100 * both / union, 1)} %)."
    )
    if opposite:
        text += f" {plural(opposite, 'gene is', 'genes are')} significant in opposite directions."
    return text


def enrichment_sentence(enrichment: pd.DataFrame, fdr: float) -> str:
    """Say how many gene sets are enriched by which method."""
    if enrichment.empty:
        return "No gene set was tested in this contrast: too few genes were tested, or no gene set fits them."
    parts = []
    for method, rows in enrichment.groupby(enrichment["method"].astype(str), sort=True):
        adjusted = pd.to_numeric(rows["p_adjusted"], errors="coerce")
        parts.append(f"{int((adjusted < fdr).sum()):,} of {len(rows):,} sets by {str(method).upper()}")
    return f"Enriched at FDR below {fdr:g}: {listing(parts)}."


def anchor(name: str, index: int) -> str:
    """Return an id for the page that is unique by its index and holds no character of a name but letters."""
    return f"c{index}-" + re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:40]
