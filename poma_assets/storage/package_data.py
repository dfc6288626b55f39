"""Finds the small data files that ship with the package, and reads gene-set files, shipped or the user's.

What the files mean belongs to ``science``; here only where they are and how they are opened.
"""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from poma_assets.science.enrichment.gmt import GeneSetCollection, parse_gmt
from poma_assets.science.errors import GeneSetError, StorageError
from poma_assets.storage.text_files import LARGEST_GENE_SETS_BYTES, read_text

SHIPPED_GENE_SETS = {name: f"{name}.symbols.gmt.gz" for name in ("go_bp", "go_mf", "go_cc")}
"""Gene sets in ``data/gene_sets``, by the name that a study uses."""

_PACKAGE = Path(__file__).resolve().parent.parent
_SUFFIXES = (".gmt", ".gmt.gz")


def data_file(*parts: str) -> Path:
    """Path of a file that ships with the package.

    In an installed wheel the data are inside the package; in a checkout they are in ``data/`` beside it.

    Parameters
    ----------
    parts
        Path below the data folder, for example ``"gene_sets", "go_bp.symbols.gmt.gz"``.

    Raises
    ------
    StorageError
        If there is no such file.
    """
    candidates = [_PACKAGE / "data", _PACKAGE.parent / "data"]
    for folder in candidates:
        path = folder.joinpath(*parts)
        if path.is_file():
            return path
    raise StorageError(
        "A data file of poma-assets is missing",
        where="/".join(parts),
        expected=" or ".join(str(folder) for folder in candidates),
        fix="The installation is incomplete: install poma-assets again.",
    )


@dataclass(frozen=True)
class GeneSetProvenance:
    """Where the gene sets of one file come from.

    Attributes
    ----------
    name
        As ``poma.yaml`` writes it: a shipped name, or a path below the study folder.
    n_sets, n_genes
        Sets of the file, and different genes in them.
    source
        Database or address.
    release
        What the source calls its version; empty where it does not say.
    date
        Day of the release (shipped) or of the fetch, ``YYYY-MM-DD``.
    licence
        Licence or terms of use.
    sha256
        SHA-256 of the unpacked text.
    unmapped
        Genes of the source that have no symbol and so are left out.
    """

    name: str
    n_sets: int
    n_genes: int
    source: str
    release: str
    date: str
    licence: str
    sha256: str
    unmapped: tuple[str, ...] = ()


def shipped_gene_sets() -> list[GeneSetProvenance]:
    """What ``data/gene_sets/sources.tsv`` says about the shipped gene sets, in its order."""
    text = data_file("gene_sets", "sources.tsv").read_text(encoding="utf-8")
    return [
        GeneSetProvenance(
            name=row["name"],
            n_sets=int(row["n_sets"]),
            n_genes=int(row["n_genes"]),
            source=row["source"],
            release=row["date"],
            date=row["date"],
            licence=row["licence"],
            sha256=row["sha256"],
        )
        for row in csv.DictReader(io.StringIO(text), delimiter="\t")
    ]


def read_gene_ids() -> pd.DataFrame:
    """The shipped table of human genes: ``entrez_id, gene_symbol, ensembl_gene_id``, all text.

    A gene with several Ensembl ids has several rows; a gene without one has none.
    """
    return pd.read_csv(
        data_file("gene_sets", "human_gene_ids.tsv.gz"), sep="\t", dtype=str, keep_default_na=False, na_filter=False
    )


def gene_set_path(name_or_path: str, study_root: Path) -> Path:
    """File of the gene sets that ``poma.yaml`` names; whether it exists is seen when it is read.

    Parameters
    ----------
    name_or_path
        A shipped name (``go_bp``, ``go_mf``, ``go_cc``), or the path of a ``.gmt`` or ``.gmt.gz`` file, relative
        to the study folder or absolute.
    study_root
        The study folder.

    Raises
    ------
    GeneSetError
        If it is neither a shipped name nor a path that ends so.
    """
    if name_or_path in SHIPPED_GENE_SETS:
        return data_file("gene_sets", SHIPPED_GENE_SETS[name_or_path])
    if not name_or_path.lower().endswith(_SUFFIXES):
        raise GeneSetError(
            "Unknown gene sets",
            found=repr(name_or_path),
            expected=f"{', '.join(SHIPPED_GENE_SETS)} or the path of a file in {' or '.join(_SUFFIXES)}",
            fix="`poma gene-sets fetch` gets others, for example kegg, hallmark, reactome, and says what to write.",
        )
    return study_root / Path(name_or_path).expanduser()


def read_gene_sets(name_or_path: str, study_root: Path) -> GeneSetCollection:
    """Gene sets by shipped name (``go_bp``) or from a GMT file.

    Parameters
    ----------
    name_or_path, study_root
        As in `gene_set_path`.

    Returns
    -------
    GeneSetCollection
        Named as shipped, or after the file without its suffix.

    Raises
    ------
    GeneSetError
        If the name is unknown, the file is missing, unreadable or damaged, or is not a GMT file.
    """
    path = gene_set_path(name_or_path, study_root)
    name = name_or_path
    if name not in SHIPPED_GENE_SETS:
        name = path.name[: -len(".gmt.gz" if path.name.lower().endswith(".gz") else ".gmt")]
    fix = "Paths are relative to the study folder; mend the path in poma.yaml."
    text = read_text(path, what="the gene-set file", error=GeneSetError, fix=fix, max_bytes=LARGEST_GENE_SETS_BYTES)
    return parse_gmt(text, name=name, source=str(path))
