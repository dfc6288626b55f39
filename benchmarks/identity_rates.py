"""How often exchanged and copied samples are found, and how often there is a false alarm, on simulated counts.

``python benchmarks/identity_rates.py [--repetitions 200] [--genes 15000]``. Counts are negative binomial with a
dispersion of 0.02 + 1 / mean, scattered around it (standard deviation 0.5 on the natural log scale); libraries differ
in depth by 20 %. Changed genes have a mean above 20 and change by the given log2, up or down. A common factor (RNA
quality, say) moves a fifth of the genes, with normal loadings of the given standard deviation (natural log); a batch
effect likewise, with as many batches as replicates, each with one sample of every arm. A second line differs from the
first in 1,000 genes by one log2, and the drug does nothing in it.

Arms: "false alarm" with right labels; "found" when the first samples of vehicle and drug are exchanged: both are named,
with each other, and nobody else is. "Blocks" is status mismatch, "at least warns" is mismatch or warn. Near duplicates:
two cultures of the given variation, beside a third and a fourth of 0.1.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass

import numpy as np
import pandas as pd

from poma_assets.science.markers.near_duplicates import near_duplicates
from poma_assets.science.markers.relatedness import relatedness
from poma_assets.science.simulation.expression import choose_genes, draw_counts, plant_effects
from poma_assets.science.simulation.study import DEMO
from poma_assets.science.simulation.study_design import simulated_samples
from poma_assets.storage.simulated_study import read_gene_tables

SHARE_OF_A_FACTOR = 0.2
LINE_GENES = 1000


@dataclass(frozen=True)
class Truth:
    """A study of two arms, or of four: the same in a second line, where the drug does nothing."""

    replicates: int = 3
    changed: int = 0
    log2: float = 1.0
    factor: float = 0.0
    batch: float = 0.0
    two_lines: bool = False

    def __str__(self) -> str:
        parts = [f"{self.replicates} an arm", f"{self.changed} genes by {self.log2:g}" if self.changed else "no effect"]
        parts += [f"common factor {self.factor:g}"] if self.factor else []
        parts += [f"batches {self.batch:g}"] if self.batch else []
        parts += ["second line"] if self.two_lines else []
        return ", ".join(parts)


TRUTHS = (
    Truth(),
    Truth(factor=0.1),
    Truth(factor=0.3),
    Truth(factor=1.0),
    Truth(batch=0.3),
    Truth(4, factor=0.3),
    Truth(6, factor=0.3),
    Truth(factor=0.3, two_lines=True),
    Truth(changed=30),
    Truth(changed=100),
    Truth(changed=200),
    Truth(changed=500),
    Truth(changed=500, log2=0.585),
    Truth(changed=2000, log2=0.585),
    Truth(changed=100, two_lines=True),
    Truth(changed=500, log2=0.585, two_lines=True),
    Truth(changed=500, factor=0.1),
    Truth(changed=500, factor=0.3),
    Truth(changed=500, batch=0.1),
    Truth(changed=500, batch=0.3),
    Truth(4, changed=100),
    Truth(6, changed=100),
    Truth(6, changed=500, factor=0.3),
)
VARIATIONS = (0.0, 0.02, 0.03, 0.04, 0.05, 0.1)
LIBRARIES = ((700, 55_000), (15_000, 2_000_000), (15_000, 20_000_000))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repetitions", type=int, default=200)
    parser.add_argument("--genes", type=int, default=15_000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    started = time.process_time()
    print(f"{arguments.repetitions} repetitions (without effect five times as many), seed {arguments.seed}\n")
    print(f"| {arguments.genes} genes | false alarm: blocks | at least warns | exchange found: blocks |", end="")
    print(" at least warns | wrong sample named |\n|---|---:|---:|---:|---:|---:|")
    for number, truth in enumerate(TRUTHS):
        repetitions = arguments.repetitions * (1 if truth.changed else 5)
        streams = [np.random.default_rng([arguments.seed, number, i]) for i in range(repetitions)]
        rates = np.mean([arm_outcome(truth, arguments.genes, rng) for rng in streams], axis=0)
        found = [f"{rate:.1%}" for rate in rates[2:]] if truth.changed else ["-", "-", "-"]
        print(f"| {truth} | {rates[0]:.2%} | {rates[1]:.2%} | {' | '.join(found)} |", flush=True)
    print(
        "\n| two cultures | genes, fragments | mismatch | warn | match | not assessed |\n|---|---|---:|---:|---:|---:|"
    )
    for genes, fragments in LIBRARIES:
        for name in (*VARIATIONS, "equal counts", "70 % of the reads"):
            shares = duplicate_outcomes(name, genes, fragments, arguments.repetitions, arguments.seed)
            words = f"variation {name:g}" if isinstance(name, float) else name
            print(
                f"| {words} | {genes}, {fragments:.0e} | {' | '.join(f'{share:.1%}' for share in shares)} |", flush=True
            )
    demo_rates(arguments.repetitions)
    print(f"\n{time.process_time() - started:.0f} CPU s")


def demo_rates(repetitions: int) -> None:
    """The demo study with other seeds, before its reads: 12 samples, four arms."""
    studies = [demo_counts(seed) for seed in range(1, repetitions + 1)]
    quiet = np.mean([alarms(relatedness(*study)).empty for study in studies])
    print(f"\n| demo study, {repetitions} seeds | blocks | at least warns |\n|---|---:|---:|")
    print(f"| right labels | | {1 - quiet:.1%} |")
    for exchanged in (
        ["MM1S_DMSO_3", "MM1S_POM_3"],
        ["MM1S_DMSO_2", "MM1SPR_DMSO_2"],
        ["MM1SPR_DMSO_1", "MM1SPR_POM_1"],
    ):
        rates = np.mean([exchange_outcome(*study, exchanged) for study in studies], axis=0)
        print(f"| {' and '.join(exchanged)} exchanged | {rates[0]:.1%} | {rates[1]:.1%} |")


def demo_counts(seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    streams = [np.random.default_rng([seed, part]) for part in range(4)]
    identities, members = choose_genes(
        *read_gene_tables(),
        streams[0],
        n_background=DEMO.n_background_genes,
        n_terms=DEMO.n_go_terms,
        genes_per_term=DEMO.genes_per_go_term,
    )
    effects, rows = plant_effects(identities, members, streams[1]), simulated_samples(DEMO.replicates, streams[2])
    counts = draw_counts(effects, rows, read_pairs=DEMO.read_pairs_per_sample, rng=streams[3])
    arms = [(row.sample_id, row.cell_line, row.treatment, row.dose_um, float(row.time_h)) for row in rows]
    samples = pd.DataFrame(arms, columns=["sample_id", "cell_line", "treatment", "dose_um", "time_h"])
    samples = samples.assign(cell_context="myeloma", batch=None, donor=None, metadata="{}")
    return pd.DataFrame(counts, columns=list(samples["sample_id"])), samples


def arm_outcome(truth: Truth, genes: int, rng: np.random.Generator) -> tuple[bool, ...]:
    """False alarm (blocks, warns), exchange found (blocks, warns), wrong sample named."""
    counts, samples = draw(truth, genes, rng)
    plain = alarms(relatedness(counts, samples))
    blocks = bool((plain["status"] == "mismatch").any())
    found = exchange_outcome(counts, samples, ["A1", "B1"]) if truth.changed else (False, False, False)
    return blocks, len(plain) > 0, *found


def exchange_outcome(counts: pd.DataFrame, samples: pd.DataFrame, exchanged: list[str]) -> tuple[bool, bool, bool]:
    """Exchange found (blocks, warns), wrong sample named."""
    counts = counts.copy()
    counts[exchanged] = counts[exchanged[::-1]].to_numpy()
    found = alarms(relatedness(counts, samples))
    right = set(found.index) == set(exchanged) and set(found["rule"]) == {"swap"}
    blocks = right and bool((found["status"] == "mismatch").all())
    return blocks, right, len(set(found.index) - set(exchanged)) > 0


def alarms(frame: pd.DataFrame) -> pd.DataFrame:
    return frame[frame["status"].isin(["mismatch", "warn"])].set_index("sample_id")


def draw(truth: Truth, genes: int, rng: np.random.Generator) -> tuple[pd.DataFrame, pd.DataFrame]:
    n = truth.replicates
    arms = "ABCD" if truth.two_lines else "AB"
    names = [f"{arm}{i}" for arm in arms for i in range(1, n + 1)]
    mean = np.exp(rng.normal(4.5, 1.8, genes))
    dispersion = (0.02 + 1.0 / mean) * np.exp(rng.normal(0.0, 0.5, genes))
    drug = planted(mean, truth.changed, truth.log2, rng)
    line = planted(mean, LINE_GENES if truth.two_lines else 0, 1.0, rng)
    log_mean = np.log(mean)[:, None] + rng.normal(0.0, 0.2, len(names))
    log_mean = log_mean + np.outer(drug, [name[0] == "B" for name in names])
    log_mean = log_mean + np.outer(line, [name[0] in "CD" for name in names])
    if truth.factor:
        log_mean = log_mean + loadings(truth.factor, (genes, 1), rng) * rng.normal(size=len(names))
    if truth.batch:
        log_mean = log_mean + np.tile(loadings(truth.batch, (genes, n), rng), len(arms))
    counts = rng.poisson(rng.gamma(1.0 / dispersion[:, None], np.exp(log_mean) * dispersion[:, None]))
    samples = pd.DataFrame({"sample_id": names})
    samples["cell_line"] = ["second" if name[0] in "CD" else "first" for name in names]
    samples["treatment"] = ["drug" if name[0] in "BD" else "vehicle" for name in names]
    samples = samples.assign(cell_context="myeloma", dose_um=np.nan, time_h=24.0)
    return pd.DataFrame(counts, columns=names), samples.assign(batch=None, donor=None, metadata="{}")


def planted(mean: np.ndarray, changed: int, log2: float, rng: np.random.Generator) -> np.ndarray:
    effect = np.zeros(len(mean))
    genes = rng.choice(np.flatnonzero(mean > 20), changed, replace=False)
    effect[genes] = rng.choice([-1.0, 1.0], changed) * log2 * np.log(2)
    return effect


def loadings(size: float, shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    return rng.normal(0.0, size, shape) * (rng.random(shape) < SHARE_OF_A_FACTOR)


def duplicate_outcomes(kind: float | str, genes: int, fragments: int, repetitions: int, seed: int) -> list[float]:
    statuses = []
    for i in range(repetitions):
        rng = np.random.default_rng([seed, genes, fragments, i])
        mean = np.exp(rng.normal(4.0, 1.8, genes))
        mean *= fragments / mean.sum()
        columns = {name: culture(rng, mean, 0.1) for name in ("S1", "S3", "S4")}
        if kind == "equal counts":
            columns["S2"] = columns["S1"]
        elif isinstance(kind, str):
            columns["S2"] = rng.binomial(columns["S1"], 0.7)
        else:
            columns["S1"], columns["S2"] = (culture(rng, mean * depth, kind) for depth in (1.0, rng.uniform(0.5, 2.0)))
        frame = near_duplicates(pd.DataFrame(columns), pd.DataFrame({"sample_id": list(columns)}))
        statuses.append(frame.set_index("sample_id").loc["S1", "status"])
    return [statuses.count(status) / repetitions for status in ("mismatch", "warn", "match", "not_assessed")]


def culture(rng: np.random.Generator, mean: np.ndarray, variation: float) -> np.ndarray:
    own = rng.gamma(1.0 / variation**2, variation**2, len(mean)) if variation else 1.0
    return rng.poisson(mean * own)


if __name__ == "__main__":
    main()
