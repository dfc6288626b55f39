"""The methods text: only what was done, with versions, parameters and the papers to cite."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import pandas as pd

from poma_assets.reports.rendering import listing


@dataclass(frozen=True)
class Citation:
    """A paper or program page to cite."""

    short: str
    full: str
    link: str


CITATIONS: Mapping[str, Citation] = {
    "fastqc": Citation(
        "Andrews 2010",
        "Andrews S. FastQC: a quality control tool for high throughput sequence data. 2010.",
        "https://www.bioinformatics.babraham.ac.uk/projects/fastqc/",
    ),
    "cutadapt": Citation(
        "Martin 2011",
        "Martin M. Cutadapt removes adapter sequences from high-throughput sequencing reads. "
        "EMBnet.journal 2011; 17:10-12.",
        "https://doi.org/10.14806/ej.17.1.200",
    ),
    "fastp": Citation(
        "Chen 2018",
        "Chen S, Zhou Y, Chen Y, Gu J. fastp: an ultra-fast all-in-one FASTQ preprocessor. "
        "Bioinformatics 2018; 34:i884-i890.",
        "https://doi.org/10.1093/bioinformatics/bty560",
    ),
    "star": Citation(
        "Dobin 2013",
        "Dobin A, Davis CA, Schlesinger F, et al. STAR: ultrafast universal RNA-seq aligner. "
        "Bioinformatics 2013; 29:15-21.",
        "https://doi.org/10.1093/bioinformatics/bts635",
    ),
    "featurecounts": Citation(
        "Liao 2014",
        "Liao Y, Smyth GK, Shi W. featureCounts: an efficient general purpose program for assigning sequence "
        "reads to genomic features. Bioinformatics 2014; 30:923-930.",
        "https://doi.org/10.1093/bioinformatics/btt656",
    ),
    "htseq": Citation(
        "Anders 2015",
        "Anders S, Pyl PT, Huber W. HTSeq: a Python framework to work with high-throughput sequencing data. "
        "Bioinformatics 2015; 31:166-169.",
        "https://doi.org/10.1093/bioinformatics/btu638",
    ),
    "deseq2": Citation(
        "Love 2014",
        "Love MI, Huber W, Anders S. Moderated estimation of fold change and dispersion for "
        "RNA-seq data with "
        "DESeq2. Genome Biology 2014; 15:550.",
        "https://doi.org/10.1186/s13059-014-0550-8",
    ),
    "pydeseq2": Citation(
        "Muzellec 2023",
        "Muzellec B, Teleńczuk M, Cabeli V, Andreux M. PyDESeq2: a python package for bulk RNA-seq "
        "differential expression analysis. Bioinformatics 2023; 39:btad547.",
        "https://doi.org/10.1093/bioinformatics/btad547",
    ),
    "apeglm": Citation(
        "Zhu 2019",
        "Zhu A, Ibrahim JG, Love MI. Heavy-tailed prior distributions for sequence count data: removing the "
        "noise and preserving large differences. Bioinformatics 2019; 35:2084-2092.",
        "https://doi.org/10.1093/bioinformatics/bty895",
    ),
    "edger": Citation(
        "Robinson 2010",
        "Robinson MD, McCarthy DJ, Smyth GK. edgeR: a Bioconductor package for differential expression "
        "analysis of digital gene expression data. Bioinformatics 2010; 26:139-140.",
        "https://doi.org/10.1093/bioinformatics/btp616",
    ),
    "gsea": Citation(
        "Subramanian 2005",
        "Subramanian A, Tamayo P, Mootha VK, et al. Gene set enrichment analysis: a knowledge-based approach "
        "for interpreting genome-wide expression profiles. PNAS 2005; 102:15545-15550.",
        "https://doi.org/10.1073/pnas.0506580102",
    ),
    "fdr": Citation(
        "Benjamini and Hochberg 1995",
        "Benjamini Y, Hochberg Y. Controlling the false discovery rate: a practical and powerful approach to "
        "multiple testing. J R Stat Soc B 1995; 57:289-300.",
        "https://doi.org/10.1111/j.2517-6161.1995.tb02031.x",
    ),
    "tost": Citation(
        "Schuirmann 1987",
        "Schuirmann DJ. A comparison of the two one-sided tests procedure and the power approach "
        "for assessing "
        "the equivalence of average bioavailability. J Pharmacokinet Biopharm 1987; 15:657-680.",
        "https://doi.org/10.1007/BF01068419",
    ),
}
"""What to cite, by key."""


class TableSource(Protocol):
    """Anything that gives declared tables by name, thresholds and parameters."""

    @property
    def fdr(self) -> float: ...
    @property
    def log2_fold_change(self) -> float: ...
    @property
    def parameters(self) -> Mapping[str, Any]: ...
    def table(self, name: str) -> pd.DataFrame:
        """Return a declared table; empty if absent."""
        ...


@dataclass(frozen=True)
class MethodsText:
    """Paragraphs and the citations that they name, in the order of first mention."""

    paragraphs: list[str]
    citations: list[Citation]


class _Writer:
    def __init__(self) -> None:
        self.keys: list[str] = []
        self.paragraphs: list[str] = []

    def cite(self, *keys: str) -> str:
        self.keys += [key for key in keys if key not in self.keys]
        return "(" + "; ".join(CITATIONS[key].short for key in keys) + ")"

    def add(self, *sentences: str) -> None:
        text = " ".join(sentence for sentence in sentences if sentence)
        if text:
            self.paragraphs.append(text)


def methods_text(source: TableSource) -> MethodsText:
    """Write the methods of a study or contrast from what its tables show to have been done.

    Parameters
    ----------
    source
        `StudyReportInputs` or `ContrastReportInputs`-like object. A step whose table is absent is not
        mentioned.
    """
    writer = _Writer()
    _reads(source, writer)
    _expression(source, writer)
    _sets(source, writer)
    _verdicts(source, writer)
    return MethodsText(writer.paragraphs, [CITATIONS[key] for key in writer.keys])


def _reads(source: TableSource, writer: _Writer) -> None:
    sentences = []
    if len(source.table("read_quality")):
        sentences.append(f"Reads were assessed with FastQC {writer.cite('fastqc')} before and after trimming.")
    trimmers = sorted(set(source.table("trimming")["trimmer"].dropna().astype(str)))
    if trimmers:
        named = [f"{name} {writer.cite(name)}" if name in CITATIONS else name for name in trimmers]
        sentences.append(f"Adapters and ends of low quality were removed with {listing(named)}.")
    if len(source.table("alignment_quality")):
        sentences.append(f"Reads were aligned to the genome with STAR {writer.cite('star')}.")
    if len(source.table("strandedness")):
        sentences.append("The strandedness of each library was inferred from STAR's gene counts.")
    # Counts may have been given: then the configured counter counted nothing.
    counter = str(source.parameters.get("counter", "")) if len(source.table("alignment_quality")) else ""
    if counter in ("featurecounts", "htseq"):
        name = {"featurecounts": "featureCounts", "htseq": "htseq-count"}[counter]
        sentences.append(f"Fragments per gene were counted with {name} {writer.cite(counter)}.")
    elif counter == "star":
        sentences.append("Fragments per gene were counted by STAR's GeneCounts.")
    writer.add(*sentences)


def _expression(source: TableSource, writer: _Writer) -> None:
    de = source.table("de_results")
    engines = set(de["engine"].dropna().astype(str))
    sentences = []
    if "deseq2" in engines:
        sentences.append(
            "Differential expression was tested with the Wald test of DESeq2 "
            f"{writer.cite('deseq2')} on PyDESeq2 {writer.cite('pydeseq2')}."
        )
    if "edger" in engines:
        sentences.append(f"edgeR's quasi-likelihood test {writer.cite('edger')}, by pyedger, was run beside it.")
    if engines:
        if de["shrunken_log2_fold_change"].notna().any():
            sentences.append(f"Shrunken fold changes were estimated with the apeglm prior {writer.cite('apeglm')}.")
        sentences.append(
            f"P values were adjusted for multiple testing {writer.cite('fdr')}; genes with an "
            f"adjusted p value below {source.fdr:g} and an absolute log2 fold change of at least "
            f"{source.log2_fold_change:g} are called significant. Positive log2 fold changes are higher "
            "in the "
            "target level; unless called shrunken they are maximum-likelihood estimates."
        )
    writer.add(*sentences)


def _sets(source: TableSource, writer: _Writer) -> None:
    enrichment = source.table("enrichment")
    methods = set(enrichment["method"].dropna().astype(str))
    collections = sorted(set(enrichment["collection"].dropna().astype(str)))
    sentences = []
    if "ora" in methods:
        sentences.append(
            "Over-representation among the significant genes was tested by the hypergeometric "
            "distribution with "
            "the tested genes as background."
        )
    if "gsea" in methods:
        sentences.append(
            f"All tested genes, ranked, were searched for enriched sets by gene set enrichment analysis "
            f"{writer.cite('gsea')}."
        )
    if methods:
        sentences.append(f"Collections: {listing(collections)}. P values are adjusted over all tested sets.")
    writer.add(*sentences)


def _verdicts(source: TableSource, writer: _Writer) -> None:
    verdicts = source.table("marker_verdicts")
    if verdicts.empty:
        return
    tables = sorted(set(verdicts["hypotheses_sha256"].dropna().astype(str)))
    version = f" (SHA-256 of the table: {listing(tables)})" if tables else ""
    writer.add(
        f"Marker hypotheses were declared before the run{version}. Each is judged from the "
        "unshrunken estimate "
        "and its standard error: one-sided tests for and against the expected direction, and two "
        "one-sided tests "
        f"for an effect below the smallest effect of interest {writer.cite('tost')}, adjusted over "
        "the testable "
        "panel of the contrast. A verdict of 'contradicted, absent' needs that equivalence to be "
        "shown; a large "
        "p value alone is never evidence of absence."
    )
