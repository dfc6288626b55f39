"""Counts that a study begins at instead of reads: a matrix named in ``poma.yaml``, or one table per sample."""

from functools import lru_cache
from pathlib import Path

import pandas as pd

from poma_assets.resources import StudyResource
from poma_assets.science.count_tables import CountMatrix, SampleCounts, parse_count_table, parse_sample_counts
from poma_assets.science.count_validation import align_samples
from poma_assets.science.gene_agreement import compare_genes
from poma_assets.science.gene_ids import strip_version
from poma_assets.storage.package_data import read_gene_ids
from poma_assets.storage.text_files import read_counts_text

_UNKNOWN = ("biotype", "chromosome", "start_bp", "end_bp", "strand", "length_bp")


def given_counts_path(study: StudyResource, sample: str) -> Path | None:
    """Path of the count table that the sheet gives instead of reads; None for a sample with reads."""
    units = study.sheet.units
    given = [text for text in units.loc[units["sample_id"] == sample, "counts"] if isinstance(text, str)]
    return study.study.resolve_unit_path(given[0]) if given else None


def read_given_sample(study: StudyResource, path: Path) -> SampleCounts:
    """One sample's given counts.

    Raises
    ------
    CountsError
        If the file is no count table of one sample.
    """
    return parse_sample_counts(
        read_counts_text(path), source=str(path), round_fractional=study.study.config.round_counts
    )


def examine_given_samples(study: StudyResource) -> list[str]:
    """Read every sample's given table before anything runs; return what was rounded, left out or differs.

    Raises
    ------
    CountsError
        If a file is no count table of one sample, or the samples' genes are not the same.
    """
    tables = {}
    for sample in study.sheet.samples["sample_id"]:
        path = given_counts_path(study, sample)
        if path is not None:
            tables[str(sample)] = read_given_sample(study, path)
    notes = [note for table in tables.values() for note in table.notes]
    return notes + compare_genes({sample: table.counts.index for sample, table in tables.items()})


def read_given_matrix(study: StudyResource) -> CountMatrix | None:
    """The count matrix that the study begins at, columns in the order of the sheet; None if there is none.

    Raises
    ------
    CountsError
        If the file is no matrix of counts, or lacks samples of the sheet.
    """
    path = study.study.count_matrix_path
    if path is None:
        return None
    modified_ns = path.stat().st_mtime_ns if path.is_file() else 0
    return _aligned_matrix(path, modified_ns, study.study.config.round_counts, tuple(study.sheet.samples["sample_id"]))


@lru_cache(maxsize=1)
def _aligned_matrix(path: Path, modified_ns: int, round_fractional: bool, samples: tuple[str, ...]) -> CountMatrix:
    """Read the matrix once in a process: the quality of every sample looks at its column."""
    matrix = parse_count_table(read_counts_text(path), source=str(path), round_fractional=round_fractional)
    aligned = align_samples(matrix.counts, list(samples), source=str(path))
    return CountMatrix(aligned.counts, matrix.gene_names, (*matrix.notes, *aligned.notes))


def given_genes(study: StudyResource) -> pd.DataFrame:
    """Genes of a study without annotation: symbols that stand beside the counts, else of the shipped human id table.

    Returns
    -------
    DataFrame
        Columns of the table ``genes``; place, biotype and length are not known.
    """
    table = read_gene_ids()
    known = table.loc[table["ensembl_gene_id"] != ""].drop_duplicates("ensembl_gene_id")
    symbols = known.set_index("ensembl_gene_id")["gene_symbol"]
    matrix = read_given_matrix(study)
    ids = symbols.index if matrix is None else matrix.counts.index
    names = pd.Series([symbols.get(strip_version(gene), gene) for gene in ids], index=ids, dtype=object)
    if matrix is not None and matrix.gene_names is not None:
        names.update(matrix.gene_names)
    genes = pd.DataFrame({"gene_id": ids.astype(str), "gene_name": names.to_numpy()})
    return genes.assign(**dict.fromkeys(_UNKNOWN, None))
