"""Every bad input of counts with the sentence that poma answers: the source of ``docs/bad-input.md``.

Write the document anew after a message has changed:
``python poma_assets_tests/science/bad_input_cases.py > docs/bad-input.md``
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from poma_assets.science.count_tables import parse_count_table, parse_sample_counts
from poma_assets.science.count_validation import align_samples
from poma_assets.science.differential_expression.contrast_tests import wald_test
from poma_assets.science.differential_expression.deseq2 import fit_deseq2
from poma_assets.science.differential_expression.edger import edger_ql
from poma_assets.science.errors import PomaError

SAMPLES = ("S1", "S2", "S3", "S4", "S5", "S6")
DRUG = np.array([0.0, 1.0])
SALMON = "Name\tLength\tEffectiveLength\tTPM\tNumReads\n"
RSEM = "gene_id\ttranscript_id(s)\tlength\teffective_length\texpected_count\tTPM\tFPKM\n"


NORMALISED = "gene\tS1\n" + "".join(f"G{i}\t{100 + 1.37 * i}\n" for i in range(1, 100)) + "G100\t80.5\n"


def small_counts() -> pd.DataFrame:
    """40 genes x 6 samples, negative binomial without effects."""
    rng = np.random.default_rng(1)
    means = rng.uniform(50, 2000, (40, 1))
    counts = rng.negative_binomial(10, 10 / (10 + means), (40, 6))
    return pd.DataFrame(counts, index=[f"G{i}" for i in range(1, 41)], columns=list(SAMPLES))


def small_design() -> pd.DataFrame:
    """Three vehicle samples and three treated ones."""
    treated = [0.0, 0.0, 0.0, 1.0, 1.0, 1.0]
    return pd.DataFrame({"Intercept": 1.0, "treatment[pom]": treated}, index=list(SAMPLES))


@dataclass(frozen=True)
class FileCase:
    """A given count matrix, what the message must name, and whether ``round_counts`` is true."""

    case: str
    text: str
    names: str
    rounded: bool = False
    one_sample: bool = False


FILES = (
    FileCase(
        "a count with decimals (RSEM, salmon, kallisto)", "gene\tS1\tS2\nA\t100.4\t7\nB\t33\t20\n", "line 2, column S1"
    ),
    FileCase("the same with `round_counts: true`", "gene\tS1\tS2\nA\t100.4\t7\nB\t33\t20\n", "line 2, column S1", True),
    FileCase("nearly every value with decimals, with `round_counts: true`", NORMALISED, "WARNING: 100%", True),
    FileCase("TPM or CPM", "gene\tS1\tS2\nA\t600000.5\t1.5\nB\t399999.5\t999998.5\n", "line 2, column S1"),
    FileCase("TPM with `round_counts: true`", "gene\tS1\nA\t600000.5\nB\t399999.5\n", "line 2, column S1", True),
    FileCase("rounded TPM or CPM", "gene\tS1\tS2\nA\t600000\t1\nB\t400000\t999999\n", "1,000,000"),
    FileCase("logarithms", "gene\tS1\tS2\nA\t2.51\t11.2\nB\t0\t3.5\n", "line 2, column S1"),
    FileCase("log ratios, centred values", "gene\tS1\tS2\nA\t2.5\t-1.1\nB\t0\t3.5\n", "line 2, column S1"),
    FileCase("a negative count", "gene\tS1\tS2\nA\t2\t3\nB\t-4\t3\n", "line 3, column S1"),
    FileCase("an empty cell", "gene\tS1\tS2\nA\t2\t\nB\t4\t3\n", "line 2, column S2"),
    FileCase("NaN or NA", "gene\tS1\tS2\nA\t2\t3\nB\tNaN\t3\n", "line 3, column S1"),
    FileCase("infinity", "gene\tS1\tS2\nA\t2\t3\nB\tinf\t3\n", "line 3, column S1"),
    FileCase("text for a number", "gene\tS1\tS2\nA\t2\t3\nB\tmany\t3\n", "line 3, column S1"),
    FileCase("a decimal comma", "gene\tS1\tS2\nA\t2\t3\nB\t1,5\t3\n", "line 3, column S1"),
    FileCase("a decimal comma in a CSV file", "gene,S1,S2\nA,2,3\nB,1,5,3\n", "line 3"),
    FileCase("separated by semicolons", "gene;S1;S2\nA;2;3\n", "line 1"),
    FileCase("a number too large to be exact", "gene\tS1\nA\t9007199254740993\n", "line 2, column S1"),
    FileCase("a gene twice", "gene\tS1\nA\t1\nB\t2\nA\t3\n", "line 4"),
    FileCase(
        "ids that differ only in their version",
        "gene\tS1\nENSG00000136997.1\t1\nENSG00000136997.2\t2\n",
        "ENSG00000136997.2",
    ),
    FileCase("a sample twice", "gene\tS1\tS1\nA\t1\t2\n", "S1"),
    FileCase("a gene without id", "gene\tS1\nA\t1\n\t2\n", "line 3"),
    FileCase("symbols that a spreadsheet made dates of", "gene\tS1\n1-Mar\t1\n2-Sep\t2\n", "1-Mar, 2-Sep"),
    FileCase(
        "the same in German, and as days counted from 1900",
        "gene\tS1\n01. Mrz\t1\n44806\t2\nMYC\t3\nIRF4\t4\nKRAS\t5\n",
        "01. Mrz, 44806",
    ),
    FileCase("the same, twice", "gene\tS1\n1-Mar\t1\n1-Mar\t2\n", "1-Mar"),
    FileCase("a row cut off", "gene\tS1\tS2\nA\t1\t2\nB\t3\n", "line 3"),
    FileCase("an empty row", "gene\tS1\nA\t1\n\nB\t2\n", "line 3"),
    FileCase("no genes", "gene\tS1\tS2\n", "counts.tsv"),
    FileCase("no samples", "gene\tgene_name\nA\tMYC\n", "line 1"),
    FileCase("an empty file", "", "counts.tsv"),
    FileCase("rows of htseq-count that are no genes", "gene\tS1\nA\t1\n__no_feature\t2\n", "__no_feature"),
    FileCase("a column of text", "gene\tS1\tremark\nA\t1\tgood\n", "remark"),
    FileCase(
        "kallisto's abundance.tsv", "target_id\tlength\teff_length\test_counts\ttpm\nT1\t9\t7\t3.5\t1\n", "transcripts"
    ),
    FileCase(
        "salmon's quant.sf for a sample",
        f"{SALMON}ENST00000380956.9\t900\t700\t10.5\t812\n",
        "transcripts",
        one_sample=True,
    ),
    FileCase(
        "RSEM's genes.results for a sample",
        f"{RSEM}ENSG2\tT1\t90\t70\t812.37\t1.5\t1.2\n",
        "line 2, column expected_count",
        one_sample=True,
    ),
    FileCase("a table of several samples for one", "gene\tS1\tS2\nA\t1\t2\n", "3 columns", one_sample=True),
)

SHEETS = (
    ("a sample of the sheet without a column", ["S1", "S2"], ["S1", "S2", "S9"], "S9"),
    ("a column that is not in the sheet", ["S1", "S2", "S9"], ["S1", "S2"], "S9"),
    ("names that R has changed", ["S.1", "X2S"], ["S-1", "2S"], "'S.1' is what R makes of 'S-1'"),
    (
        "another sample's column is much alike",
        ["pom_24h_1", "pom_24h_2"],
        ["pom_24h_1", "pom_24h_2", "pom_24h_3"],
        "pom_24h_3",
    ),
    (
        "columns that are BAM files (featureCounts)",
        ["/data/S1.bam", "/data/S2.bam"],
        ["S1", "S2"],
        "/data/S1.bam is S1",
    ),
    ("a name in other letters", ["s1", "S2"], ["S1", "S2"], "Did you mean 's1'"),
)


@dataclass(frozen=True)
class EngineCase:
    """Counts and a design that reach an engine, and what the message of each engine must name (None: it works)."""

    case: str
    change: Callable[[pd.DataFrame, pd.DataFrame], tuple[pd.DataFrame, pd.DataFrame]]
    deseq2: str | None
    edger: str | None


def _set(counts: pd.DataFrame, value: object) -> pd.DataFrame:
    changed = counts.astype(object)
    changed.loc["G3", "S2"] = value
    return changed


ENGINES = (
    EngineCase("a sample without counts", lambda c, d: (c.assign(S2=0), d), "sample S2", "sample S2"),
    EngineCase("all counts 0", lambda c, d: (c * 0, d), "S1, S2, S3", "S1, S2, S3"),
    EngineCase("a count with decimals", lambda c, d: (_set(c, 8.5), d), "gene G3, sample S2", "gene G3, sample S2"),
    EngineCase("a negative count", lambda c, d: (_set(c, -8), d), "gene G3, sample S2", "gene G3, sample S2"),
    EngineCase("a missing count", lambda c, d: (_set(c, np.nan), d), "gene G3, sample S2", "gene G3, sample S2"),
    EngineCase("an infinite count", lambda c, d: (_set(c, np.inf), d), "gene G3, sample S2", "gene G3, sample S2"),
    EngineCase("text for a count", lambda c, d: (_set(c, "many"), d), "gene G3, sample S2", "gene G3, sample S2"),
    EngineCase("a count too large", lambda c, d: (_set(c, 10**16), d), "gene G3, sample S2", "gene G3, sample S2"),
    EngineCase("TPM", lambda c, d: (c / c.sum() * 1e6, d), "gene G1, sample S1", "gene G1, sample S1"),
    EngineCase("logarithms", lambda c, d: (np.log2(c + 1.0), d), "gene G1, sample S1", "gene G1, sample S1"),
    EngineCase("a gene twice", lambda c, d: (c.rename(index={"G2": "G1"}), d), "G1", "G1"),
    EngineCase("a sample twice in the counts", lambda c, d: (c.rename(columns={"S2": "S1"}), d), "S1", "S1"),
    EngineCase("a sample twice in the design", lambda c, d: (c, d.rename(index={"S2": "S1"})), "S1", "S1"),
    EngineCase(
        "a sample of the design without column", lambda c, d: (c.drop(columns="S2"), d), "sample S2", "sample S2"
    ),
    EngineCase("a column that is not in the design", lambda c, d: (c.assign(S9=0), d), None, None),
    EngineCase("columns in another order", lambda c, d: (c[c.columns[::-1]], d), None, None),
    EngineCase("no genes", lambda c, d: (c.iloc[:0], d), "0 genes", "0 genes"),
    EngineCase("no samples", lambda c, d: (c, d.iloc[:0]), "0 samples", "0 samples"),
    EngineCase("one gene", lambda c, d: (c.iloc[:1], d), "1 gene", "1 of 1 genes"),
    EngineCase("two genes", lambda c, d: (c.iloc[:2], d), None, "2 of 2 genes"),
    EngineCase("three genes", lambda c, d: (c.iloc[:3], d), None, None),
    EngineCase(
        "no gene with more than a few counts", lambda c, d: ((c > 500).astype(int) + 1, d), "40 genes", "0 of 40 genes"
    ),
    EngineCase("the same count everywhere", lambda c, d: (c * 0 + 700, d), "40 genes", None),
    EngineCase("samples that are copies of one", lambda c, d: (c.apply(lambda column: c["S1"]), d), "40 genes", None),
    EngineCase(
        "one level only", lambda c, d: (c, d.assign(**{"treatment[pom]": 1.0})), "treatment[pom]", "treatment[pom]"
    ),
    EngineCase(
        "missing metadata", lambda c, d: (c, d.replace({"treatment[pom]": {0.0: np.nan}})), "S1, S2, S3", "S1, S2, S3"
    ),
    EngineCase(
        "confounded factors", lambda c, d: (c, d.assign(**{"batch[2]": d["treatment[pom]"]})), "batch[2]", "batch[2]"
    ),
    EngineCase("no replicates", lambda c, d: (c, d.loc[["S1", "S4"]]), "2 samples for 2", "2 samples for 2"),
    EngineCase("an arm of one sample", lambda c, d: (c, d.iloc[:4]), None, None),
    EngineCase(
        "levels with blanks, dashes, digits first, other letters",
        lambda c, d: (c, d.rename(columns={"treatment[pom]": "treatment 1[2-Pomalidomid µM/ß]"})),
        None,
        None,
    ),
    EngineCase(
        "sample names with blanks, dashes, digits first",
        lambda c, d: (c.rename(columns={"S1": "1 a-b"}), d.rename(index={"S1": "1 a-b"})),
        None,
        None,
    ),
)


def file_answer(case: FileCase) -> str:
    """The error, or the notes of a file that is read."""
    try:
        if case.one_sample:
            return " ".join(parse_sample_counts(case.text, source="S1.txt", round_fractional=case.rounded).notes)
        return " ".join(parse_count_table(case.text, source="counts.tsv", round_fractional=case.rounded).notes)
    except PomaError as error:
        return str(error)


def sheet_answer(columns: list[str], samples: list[str], genes: Sequence[str] = ("A",)) -> str:
    """The error, or the notes, when a matrix meets a sheet."""
    try:
        return " ".join(align_samples(pd.DataFrame(0, list(genes), columns), samples, source="counts.tsv").notes)
    except PomaError as error:
        return str(error)


def deseq2_results(counts: pd.DataFrame, design: pd.DataFrame) -> pd.DataFrame:
    """The test of the last coefficient by DESeq2."""
    weights = np.eye(max(1, design.shape[1]))[-1]
    return wald_test(fit_deseq2(counts, design), weights, alpha=0.05)


def edger_results(counts: pd.DataFrame, design: pd.DataFrame) -> pd.DataFrame:
    """The test of the last coefficient by edgeR."""
    return edger_ql(counts, design, np.eye(max(1, design.shape[1]))[-1])


def engine_answer(case: EngineCase, run: Callable[[pd.DataFrame, pd.DataFrame], pd.DataFrame]) -> str:
    """The error of an engine, or that there are results."""
    try:
        results = run(*case.change(small_counts(), small_design()))
    except PomaError as error:
        return str(error)
    return f"results for {int(results['p_value'].notna().sum())} genes"


def _table(header: tuple[str, ...], rows: list[tuple[str, ...]]) -> list[str]:
    lines = [header, tuple("---" for _ in header), *rows]
    return ["| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines] + [""]


def document() -> str:
    """Return ``docs/bad-input.md``."""
    engines = []
    for case in ENGINES:
        deseq2, edger = engine_answer(case, deseq2_results), engine_answer(case, edger_results)
        engines.append((case.case, deseq2 if deseq2 == edger else f"DESeq2: {deseq2}<br>edgeR: {edger}"))
    lines = [
        "# What poma says of bad counts",
        "",
        "Made by `python poma_assets_tests/science/bad_input_cases.py > docs/bad-input.md` from what poma really",
        "answers; a test compares. An error stops the step before any engine sees the counts; with a note it goes on.",
        "What is said of designs, in the words of the sheet, is in [designs.md](designs.md).",
        "",
        "## A file of counts",
        "",
        *_table(("given", "answer"), [(case.case, file_answer(case)) for case in FILES]),
        "## A matrix and the sample sheet",
        "Samples are matched by name, never by position.",
        "",
        *_table(
            ("given", "answer"),
            [
                *((name, sheet_answer(columns, samples)) for name, columns, samples, _ in SHEETS),
                ("samples in rows, genes in columns", sheet_answer(["MYC", "IRF4"], ["S1", "S2"], ["S1", "S2"])),
            ],
        ),
        "## Counts and a design before an engine",
        "The last line of defence, for both engines; 40 genes and 6 samples.",
        "",
        *_table(("given", "answer"), engines),
    ]
    return "\n".join(lines).rstrip() + "\n"


if __name__ == "__main__":
    sys.stdout.write(document())
