"""Gene sets that were fetched into a study: dated GMT files, each with a note of where it comes from.

``gene_sets/kegg_hsa.2026-11-22.gmt.gz`` and, beside it, ``kegg_hsa.2026-11-22.json``. Fetching them belongs to
``tools/gene_set_services.py``.
"""

from __future__ import annotations

import gzip
import json
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from datetime import date
from pathlib import Path

from poma_assets.science.enrichment.gmt import parse_gmt
from poma_assets.science.errors import GeneSetError
from poma_assets.storage.package_data import GeneSetProvenance, read_gene_sets
from poma_assets.storage.staging import move_into_place, plain_storage_errors, work_folder

FOLDER = "gene_sets"
"""Folder of the cache in the study."""

_GMT, _NOTE = ".gmt.gz", ".json"


@dataclass(frozen=True)
class FetchedGeneSets:
    """Gene sets as a service gave them.

    Attributes
    ----------
    gmt
        GMT text.
    source
        The address.
    release
        What the service says about its version; empty if nothing.
    unmapped
        Genes without a symbol, left out.
    note
        What was done to the genes' names, in a sentence; empty if nothing.
    """

    gmt: str
    source: str
    release: str
    unmapped: tuple[str, ...] = ()
    note: str = ""


def cached_name(name: str, day: date) -> str:
    """What ``poma.yaml`` writes for gene sets fetched on a day."""
    return f"{FOLDER}/{name}.{day.isoformat()}{_GMT}"


def store_gene_sets(
    study_root: Path, name: str, day: date, fetched: FetchedGeneSets, *, licence: str
) -> GeneSetProvenance:
    """Write gene sets and their note into the study, both whole or not at all.

    Parameters
    ----------
    study_root
        The study folder.
    name
        Name without date and suffix, for example ``kegg_hsa``.
    day
        Day of the fetch.
    fetched
        The gene sets; equal text gives equal files.
    licence
        Licence or terms of use, in a few words.

    Raises
    ------
    GeneSetError
        If the text is not GMT; nothing is written then.
    StorageError
        If the folder cannot be written.
    """
    collection = parse_gmt(fetched.gmt, name=name, source=fetched.source)
    provenance = GeneSetProvenance(
        name=cached_name(name, day),
        n_sets=len(collection.sets),
        n_genes=len(collection.genes),
        source=fetched.source,
        release=fetched.release,
        date=day.isoformat(),
        licence=licence,
        sha256=collection.sha256,
        unmapped=fetched.unmapped,
    )
    target = study_root / provenance.name
    with plain_storage_errors(target), work_folder(target) as folder:
        data, note = folder / "data", folder / "note"
        data.write_bytes(gzip.compress(fetched.gmt.encode("utf-8"), mtime=0))
        note.write_text(json.dumps(asdict(provenance), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        # The note last: gene sets whose note does not fit them are fetched again.
        move_into_place({data: target, note: _note_path(target)})
    return provenance


def cached_gene_sets(study_root: Path) -> list[GeneSetProvenance]:
    """Notes of all gene sets in the cache, by name and day; files without a readable note are left out."""
    notes = (_read_note(path) for path in sorted((study_root / FOLDER).glob(f"*{_GMT}")))
    return [note for note in notes if note is not None]


def find_cached(study_root: Path, name: str, day: date) -> GeneSetProvenance | None:
    """Gene sets fetched on a day, if they are there and as they were fetched."""
    note = _read_note(study_root / cached_name(name, day))
    return note if note is not None and is_intact(note, study_root) else None


def is_intact(provenance: GeneSetProvenance, study_root: Path) -> bool:
    """Whether the file still has the content that the note tells of."""
    try:
        return read_gene_sets(provenance.name, study_root).sha256 == provenance.sha256
    except GeneSetError:
        return False


def _note_path(gmt: Path) -> Path:
    return gmt.with_name(gmt.name.removesuffix(_GMT) + _NOTE)


def _read_note(gmt: Path) -> GeneSetProvenance | None:
    with suppress(OSError, ValueError, TypeError, KeyError):
        values = json.loads(_note_path(gmt).read_text(encoding="utf-8"))
        known = {field.name: values[field.name] for field in fields(GeneSetProvenance)}
        known["name"] = f"{FOLDER}/{gmt.name}"
        return GeneSetProvenance(**{**known, "unmapped": tuple(known["unmapped"])})
    return None
