"""Finds the small data files that ship with the package, and reads gene-set files, shipped or the user's.

What the files mean belongs to ``science``; here only where they are and how they are opened.
"""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path

from poma_assets.science.enrichment.gmt import GeneSetCollection, parse_gmt
from poma_assets.science.errors import GeneSetError, StorageError

SHIPPED_GENE_SETS = {"go_bp": "go_bp.symbols.gmt.gz"}
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


def read_gene_sets(name_or_path: str, study_root: Path) -> GeneSetCollection:
    """Gene sets by shipped name (``go_bp``) or from a GMT file.

    Parameters
    ----------
    name_or_path
        ``go_bp``, or the path of a ``.gmt`` or ``.gmt.gz`` file, relative to the study folder or absolute.
    study_root
        The study folder.

    Returns
    -------
    GeneSetCollection
        Named as shipped, or after the file without its suffix.

    Raises
    ------
    GeneSetError
        If the name is unknown, the file is missing, unreadable or damaged, or is not a GMT file.
    """
    if name_or_path in SHIPPED_GENE_SETS:
        path = data_file("gene_sets", SHIPPED_GENE_SETS[name_or_path])
        return parse_gmt(_read_text(path), name=name_or_path, source=str(path))
    path = study_root / name_or_path
    suffix = next((end for end in sorted(_SUFFIXES, key=len) if path.name.lower().endswith(end)), None)
    if suffix is None:
        raise GeneSetError(
            "Unknown gene sets",
            found=repr(name_or_path),
            expected=f"{', '.join(SHIPPED_GENE_SETS)} or the path of a file in {' or '.join(_SUFFIXES)}",
        )
    return parse_gmt(_read_text(path), name=path.name[: -len(suffix)], source=str(path))


def _read_text(path: Path) -> str:
    """Text of a plain or gzip-compressed file; told apart by content, so that a wrong suffix does no harm."""
    try:
        content = path.read_bytes()
        if content.startswith(b"\x1f\x8b"):
            content = gzip.decompress(content)
        return content.decode("utf-8")
    except FileNotFoundError as error:
        raise GeneSetError(
            "The gene-set file is missing",
            where=str(path),
            fix="Paths are relative to the study folder; mend the path in poma.yaml.",
        ) from error
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise GeneSetError(
            "The gzip file is truncated or damaged", where=str(path), found=error, fix="Get the file again."
        ) from error
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise GeneSetError(
            "This is not a text file in UTF-8",
            where=f"{path}, line {line}",
            found=f"byte 0x{error.object[error.start]:02x}",
            expected="a GMT file",
        ) from error
    except OSError as error:
        raise GeneSetError("The gene-set file cannot be read", where=str(path), found=error.strerror) from error
