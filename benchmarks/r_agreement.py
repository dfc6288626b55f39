"""How far our DESeq2 and edgeR agree with R's on a real count table; R is run live.

``python benchmarks/r_agreement.py DIR [--strip-suffix fb]`` looks for a table of counts (``*counts*.tsv``, genes in
rows) and one of samples (``*annotation*.csv``) in DIR. The defaults are those of pasilla, ``~ type + condition``,
genes with 10 counts or more; its annotation names samples ``treated1fb`` where the counts say ``treated1``, which is
what ``--strip-suffix fb`` is for. Exits with 1 if a target is missed.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

from poma_assets.science.differential_expression.contrast_tests import wald_test
from poma_assets.science.differential_expression.deseq2 import fit_deseq2
from poma_assets.science.differential_expression.edger import edger_ql

HERE = Path(__file__).parent
BIG_EFFECT_LOG2 = 1.0
TARGETS = {
    # measure: (smallest or largest value allowed, whether more is better)
    "DESeq2: Jaccard, FDR": (0.99, True),
    "DESeq2: Jaccard, FDR and abs(log2FC) > 1": (0.99, True),
    "DESeq2: median absolute difference of log2FC": (1e-4, False),
    "DESeq2: share of genes whose p is missing on one side": (0.005, False),
    "DESeq2: share of genes whose adjusted p is missing on one side": (0.005, False),
    "edgeR: Jaccard, FDR": (0.999, True),
    "edgeR: Jaccard, FDR and abs(log2FC) > 1": (0.999, True),
    "edgeR: median absolute difference of log2FC": (1e-4, False),
    "edgeR: share of genes whose p is missing on one side": (0.005, False),
    "edgeR: share of genes whose adjusted p is missing on one side": (0.005, False),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--design", default="~ type + condition")
    parser.add_argument("--contrast", nargs=3, default=["condition", "treated", "untreated"])
    parser.add_argument("--strip-suffix", default="", help="taken off the sample names of the annotation")
    parser.add_argument("--fewest-counts", type=int, default=10, help="genes with fewer counts in all are left out")
    parser.add_argument("--alpha", type=float, default=0.05)
    arguments = parser.parse_args()
    counts, samples = read_tables(arguments.folder, arguments.strip_suffix)
    counts = counts[counts.sum(axis=1) >= arguments.fewest_counts]
    with tempfile.TemporaryDirectory() as folder:
        theirs, design, versions = run_r(Path(folder), counts, samples, arguments)
    variable, target, _ = arguments.contrast
    weights = (design.columns == f"{variable}{target}").astype(float)
    ours = {
        "DESeq2": wald_test(fit_deseq2(counts, design), weights, alpha=arguments.alpha),
        "edgeR": edger_ql(counts, design, weights),
    }
    print(f"{len(counts):,} genes x {counts.shape[1]} samples, {arguments.design}, FDR {arguments.alpha}; {versions}\n")
    print("| measure | value | target |\n|---|---:|---:|")
    missed = 0
    for engine, results in ours.items():
        for measure, value in agreement(results, theirs[engine], arguments.alpha).items():
            missed += report(f"{engine}: {measure}", value)
    sys.exit(1 if missed else 0)


def report(measure: str, value: float) -> bool:
    limit, more_is_better = TARGETS.get(measure, (np.nan, True))
    missed = value < limit if more_is_better else value > limit
    wanted = "" if np.isnan(limit) else f"{'>=' if more_is_better else '<='} {limit:g}"
    print(f"| {measure} | {value:.4g} | {wanted}{' MISSED' if missed else ''} |")
    return bool(missed)


def read_tables(folder: Path, suffix: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    counts = pd.read_csv(only(folder, "*counts*.tsv*"), sep="\t", index_col=0)
    samples = pd.read_csv(only(folder, "*annotation*.csv"), index_col=0)
    samples.index = pd.Index([name.removesuffix(suffix) for name in samples.index], name="sample_id")
    absent = set(samples.index) ^ set(counts.columns)
    if absent:
        raise SystemExit(f"Samples that are only in the counts or only in the annotation: {', '.join(sorted(absent))}")
    return counts[samples.index], samples


def only(folder: Path, pattern: str) -> Path:
    found = sorted(folder.glob(pattern))
    if len(found) != 1:
        raise SystemExit(f"{folder}: expected one file {pattern}, found {len(found)}")
    return found[0]


def run_r(
    folder: Path, counts: pd.DataFrame, samples: pd.DataFrame, arguments: argparse.Namespace
) -> tuple[dict[str, pd.DataFrame], pd.DataFrame, str]:
    counts.to_csv(folder / "counts.tsv", sep="\t")
    samples.to_csv(folder / "samples.tsv", sep="\t")
    command = ["Rscript", str(HERE / "r_tables.R"), str(folder), arguments.design, *arguments.contrast]
    subprocess.run([*command, str(arguments.alpha)], check=True)
    tables = {
        name: pd.read_csv(folder / f"{name}.tsv", sep="\t", index_col=0) for name in ("deseq2", "edger", "design")
    }
    edger = tables["edger"].rename(columns={"logFC": "log2FoldChange", "PValue": "pvalue", "FDR": "padj"})
    versions = ", ".join((folder / "versions.txt").read_text().splitlines())
    return {"DESeq2": tables["deseq2"], "edgeR": edger.reindex(counts.index)}, tables["design"], versions


def agreement(ours: pd.DataFrame, theirs: pd.DataFrame, alpha: float) -> dict[str, float]:
    found = [ours["p_adjusted"] < alpha, theirs["padj"] < alpha]
    big = [
        found[0] & (ours["log2_fold_change"].abs() > BIG_EFFECT_LOG2),
        found[1] & (theirs["log2FoldChange"].abs() > BIG_EFFECT_LOG2),
    ]
    difference = (ours["log2_fold_change"] - theirs["log2FoldChange"]).abs()
    both = ours["p_value"].notna() & theirs["pvalue"].notna()
    ratio = (ours["p_value"][both] / theirs["pvalue"][both] - 1).abs()
    return {
        "genes at FDR, ours": float(found[0].sum()),
        "genes at FDR, R": float(found[1].sum()),
        "Jaccard, FDR": jaccard(*found),
        "Jaccard, FDR and abs(log2FC) > 1": jaccard(*big),
        "median absolute difference of log2FC": float(difference.median()),
        "largest absolute difference of log2FC of genes with mean >= 10": float(
            difference[ours["base_mean"] >= 10].max()
        ),
        "median relative difference of p": float(ratio.median()),
        "share of genes whose p is missing on one side": float(
            (ours["p_value"].isna() != theirs["pvalue"].isna()).mean()
        ),
        "share of genes whose adjusted p is missing on one side": float(
            (ours["p_adjusted"].isna() != theirs["padj"].isna()).mean()
        ),
    }


def jaccard(one: pd.Series, other: pd.Series) -> float:
    union = int((one | other).sum())
    return float((one & other).sum() / union) if union else 1.0


if __name__ == "__main__":
    main()
