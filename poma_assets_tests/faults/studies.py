"""Small studies for the harness, and the states from which faults begin."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from poma_assets.storage.simulated_study import TINY, write_simulated_study

_GENES, _REPLICATES = 60, 2
_TREATMENTS = ("DMSO", "pomalidomide")
_CONFIG = "name: counts\nprofile: small_reference\ncount_matrix: counts.tsv\ngene_sets: [own.gmt]\n"
_READS = replace(TINY, read_pairs_per_sample=1500)

Change = Callable[[Path], None]


@dataclass(frozen=True)
class State:
    """Where faults begin: a study, how far it has been run, and what was changed since.

    ``write`` writes the study, which is then run if ``change`` is given; ``change`` leaves something to do.
    """

    name: str
    write: Change
    change: Change | None = None
    has_reads: bool = False


def write_counts_study(study: Path, seed: int = 1) -> None:
    """A study that begins at a count matrix: two arms of two samples, sixty genes, three gene sets."""
    study.mkdir(parents=True)
    write_counts(study, seed)
    header = "sample\ttreatment\tcell_line\tcell_context\tsensitivity\ttime_h"
    rows = [f"{name}\t{treatment}\tMM.1S\tmyeloma\tsensitive\t24" for name, treatment in _sheet()]
    (study / "samples.tsv").write_text("\n".join([header, *rows, ""]))
    (study / "contrasts.tsv").write_text("id\tvariable\treference\ttarget\npom\ttreatment\tDMSO\tpomalidomide\n")
    write_gene_sets(study, 15)
    (study / "poma.yaml").write_text(_CONFIG)


def write_counts(study: Path, seed: int) -> None:
    """The count matrix of the study, other counts for another seed: every table then has other rows."""
    draw = random.Random(seed)
    lines = ["\t".join(["gene", "symbol", *(name for name, _ in _sheet())])]
    for number, symbol in enumerate(_symbols()):
        mean, identifier = draw.uniform(100, 900), "ENSG00000137265" if not number else f"ENSG{number:011d}"
        factor = 0.25 if number < 15 else 4 if number < 30 else 1
        means = [mean * (factor if treatment == _TREATMENTS[1] else 1) for _, treatment in _sheet()]
        lines.append("\t".join([identifier, symbol, *(str(int(value * draw.uniform(0.8, 1.25))) for value in means)]))
    (study / "counts.tsv").write_text("\n".join(lines) + "\n")


def write_gene_sets(study: Path, size: int) -> None:
    """Three gene sets, two of ``size`` genes."""
    sets = {"falling": _symbols()[:size], "rising": _symbols()[size : 2 * size], "others": _symbols()[2 * size :]}
    (study / "own.gmt").write_text("".join("\t".join([name, name, *genes]) + "\n" for name, genes in sets.items()))


def write_reads_study(study: Path) -> None:
    """A study of four samples of few reads, of which the sheet names three; `add_last_sample` adds the other."""
    write_simulated_study(study, size=_READS, seed=1, jobs=2)
    sheet = pd.read_csv(study / "samples.tsv", sep="\t", dtype=str, keep_default_na=False)
    contrasts = pd.read_csv(study / "contrasts.tsv", sep="\t", dtype=str, keep_default_na=False)
    line = contrasts.loc[0, "subset"].split("=")[1].split(";")[0]
    sheet = sheet[sheet["cell_line"] == line]
    sheet.to_csv(study / "all_samples.tsv.txt", sep="\t", index=False)
    sheet.iloc[:-1].to_csv(study / "samples.tsv", sep="\t", index=False)
    contrasts.iloc[:1].to_csv(study / "contrasts.tsv", sep="\t", index=False)
    (study / "own.gmt").write_text("set\tset\t" + "\t".join(f"GENE{i}" for i in range(20)) + "\n")
    config = (study / "poma.yaml").read_text()
    (study / "poma.yaml").write_text(config.replace("[go_bp]", "[own.gmt]"))
    shutil.rmtree(study / "truth")


def add_last_sample(study: Path) -> None:
    """Let the sheet name all samples."""
    shutil.copyfile(study / "all_samples.tsv.txt", study / "samples.tsv")


def _unchanged(study: Path) -> None:
    del study


NEW = State("new", write_counts_study)
OTHER_SETS = State("other gene sets", write_counts_study, lambda study: write_gene_sets(study, 12))
CHANGED = State("other counts", write_counts_study, lambda study: write_counts(study, 2))
MIXED = (OTHER_SETS, OTHER_SETS, CHANGED, OTHER_SETS, OTHER_SETS, OTHER_SETS, NEW)
"""Mostly the one with the least to do: the same lines of code at a third of the cost."""
DONE = State("done", write_counts_study, _unchanged)
ONE_MORE_SAMPLE = State("one more sample", write_reads_study, add_last_sample, has_reads=True)
READS_DONE = State("reads done", write_reads_study, _unchanged, has_reads=True)


def copy_study(source: Path, target: Path) -> None:
    """Copy a study as `cp -a` does; its links to its own reads lead to the copy's."""
    shutil.copytree(source, target, symlinks=True)
    for link in _links(target):
        aim = Path(os.readlink(link))
        if aim.is_relative_to(source):
            link.unlink()
            link.symlink_to(target / aim.relative_to(source))


def _links(folder: Path) -> Iterable[Path]:
    return [path for path in folder.rglob("*") if path.is_symlink()]


def _symbols() -> list[str]:
    return ["IRF4", *(f"GENE{i}" for i in range(1, _GENES))]


def _sheet() -> list[tuple[str, str]]:
    return [(f"{treatment[:3]}_{i}", treatment) for treatment in _TREATMENTS for i in range(1, _REPLICATES + 1)]
