"""Draw the counts of this folder: negative binomial, seeded, with planted effects. Run before make_reference.R.

Per study: ``counts.tsv.gz``, ``samples.tsv`` and ``truth.tsv.gz`` (mean and dispersion that the counts were drawn
with, what was planted, and the log2 effect of every planted column).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd

HERE = Path(__file__).parent
FIRST_SEED = 20261122
OUTLIER_FOLD = 60
BLOCKS = {"batch", "donor", "line"}


@dataclass(frozen=True)
class Study:
    """Factors with their levels, planted columns as {name: {factor: level}}, and how the counts are drawn."""

    factors: dict[str, list[str]]
    planted: dict[str, dict[str, str]]
    genes: int = 300
    log_mean: float = 4.0
    scatter: float = 0.6
    outliers: int = 0
    zero_in_every_gene: bool = False
    rising_dispersion: bool = False
    replicates: int = 1

    def samples(self) -> pd.DataFrame:
        levels = {**self.factors, "replicate": [str(i + 1) for i in range(self.replicates)]}
        table = pd.DataFrame(list(product(*levels.values())), columns=list(levels))
        return table.set_index(ids("sample", len(table)))


DRUG = {"drug": {"condition": "drug"}}
CONDITION = {"condition": ["control", "drug"]}
BATCH = {"batch": ["b1", "b2"]}
STUDIES = {
    "n6_two_groups": Study(CONDITION, DRUG, replicates=3, outliers=2),
    "n6_paired": Study({**CONDITION, "donor": ["d1", "d2", "d3"]}, DRUG, scatter=1.3),
    "n8_low_counts": Study(CONDITION, DRUG, replicates=4, log_mean=1.5, genes=400, outliers=2),
    "n8_sparse": Study(CONDITION, DRUG, replicates=4, log_mean=2.0, genes=200, zero_in_every_gene=True),
    "n8_two_batches": Study({**CONDITION, **BATCH}, DRUG, replicates=2),
    "n24_three_levels": Study(
        {"treatment": ["vehicle", "low", "high"]},
        {"low": {"treatment": "low"}, "high": {"treatment": "high"}},
        replicates=8,
        outliers=12,
    ),
    "n24_interaction": Study(
        {"line": ["mm1s", "u266"], "treatment": ["vehicle", "drug"], **BATCH},
        {"drug": {"treatment": "drug"}, "drug_u266": {"treatment": "drug", "line": "u266"}},
        replicates=3,
        outliers=6,
    ),
    "n100_two_batches": Study({**CONDITION, **BATCH}, DRUG, replicates=25, log_mean=3.5, genes=200, outliers=10),
    "n8_rising_dispersion": Study(CONDITION, DRUG, replicates=4, rising_dispersion=True),
}


def ids(prefix: str, number: int) -> pd.Index:
    return pd.Index([f"{prefix}{i:03d}" for i in range(number)], name=f"{prefix}_id")


def draw(study: Study, samples: pd.DataFrame, rng: np.random.Generator) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return counts (genes x samples) and truth: log-normal means, dispersions that scatter around a trend."""
    genes = study.genes
    mean = np.exp(rng.normal(study.log_mean, 1.8, genes))
    trend = 0.02 + 0.05 * np.sqrt(mean / 100) if study.rising_dispersion else 0.03 + 2.0 / mean
    dispersion = trend * np.exp(rng.normal(0.0, study.scatter, genes))
    truth = pd.DataFrame({"mean": mean, "dispersion": dispersion, "planted": ""}, index=ids("gene", genes))
    log2 = np.repeat(np.log2(mean)[:, None], len(samples), axis=1)
    for name, levels in study.planted.items():
        size = rng.choice([-1, 1], genes) * rng.uniform(0.8, 2.5, genes)
        truth[f"effect_{name}"] = np.where(rng.random(genes) < 0.2, size, 0.0)
        log2 += np.outer(truth[f"effect_{name}"], has(samples, levels))
    for block in sorted(BLOCKS & set(samples)):
        for level in sorted(set(samples[block]))[1:]:
            log2 += np.outer(rng.normal(0.0, 0.4, genes), samples[block] == level)
    mu = 2**log2 * rng.uniform(0.6, 1.6, len(samples))
    alpha = dispersion[:, None]
    counts = rng.negative_binomial(1 / alpha, 1 / (1 + mu * alpha))
    if study.zero_in_every_gene:
        counts[np.arange(genes), rng.integers(0, len(samples), genes)] = 0
    for gene in range(20, 20 + 9 * study.outliers, 9):
        counts[gene, rng.integers(len(samples))] = OUTLIER_FOLD * max(int(counts[gene].max()), 20)
        truth.loc[truth.index[gene], "planted"] = "outlier"
    return pd.DataFrame(counts, index=truth.index, columns=samples.index), truth


def plant_empty_groups(study: Study, samples: pd.DataFrame, counts: pd.DataFrame, truth: pd.DataFrame) -> None:
    """Empty genes or groups of samples: the engines treat them apart."""
    treated = has(samples, next(iter(study.planted.values())))
    everywhere = np.ones(len(samples), dtype=bool)
    plans = [("gene003", "all_zero", everywhere), ("gene005", "zero_in_treated", treated)]
    plans += [("gene006", "zero_in_others", ~treated)]
    if "treatment" in samples and samples.treatment.nunique() == 3:
        plans += [("gene007", "only_in_high", (samples.treatment != "high").to_numpy())]
        plans += [("gene008", "only_in_vehicle", (samples.treatment != "vehicle").to_numpy())]
        plans += [("gene010", "emptied", everywhere)]
    for gene, what, empty in plans:
        counts.loc[gene, empty] = 0
        truth.loc[gene, "planted"] = what
    if "gene010" in truth.index[truth.planted == "emptied"]:
        counts.loc["gene010", "sample002"] = 3000  # replaced by the trimmed mean, 0: no fragment is left
    counts.loc["gene004"] = 0
    counts.loc["gene004", "sample000"] = 1
    truth.loc["gene004", "planted"] = "one_fragment"


def has(samples: pd.DataFrame, levels: dict[str, str]) -> np.ndarray:
    return np.logical_and.reduce([samples[factor] == level for factor, level in levels.items()])


def main() -> None:
    gzip = {"method": "gzip", "mtime": 1}
    for seed, (name, study) in enumerate(STUDIES.items(), start=FIRST_SEED):
        samples = study.samples()
        counts, truth = draw(study, samples, np.random.default_rng(seed))
        plant_empty_groups(study, samples, counts, truth)
        folder = HERE / name
        folder.mkdir(exist_ok=True)
        counts.to_csv(folder / "counts.tsv.gz", sep="\t", compression=gzip)
        truth.to_csv(folder / "truth.tsv.gz", sep="\t", float_format="%.6g", compression=gzip)
        samples.to_csv(folder / "samples.tsv", sep="\t")


if __name__ == "__main__":
    main()
