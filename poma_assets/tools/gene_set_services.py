"""Fetching gene sets from the services that publish them: KEGG's REST service, and GMT files of any address.

Keeping them in a study belongs to ``storage/gene_set_cache.py``; the form of KEGG's tables to
``science/enrichment/kegg_tables.py``.
"""

from __future__ import annotations

import gzip
import io
import os
import re
import tempfile
import time
import zipfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar
from urllib.parse import unquote, urlsplit

from poma_assets.science.enrichment import kegg_tables
from poma_assets.science.errors import GeneSetError, InputError
from poma_assets.science.secret_texts import without_secrets
from poma_assets.science.tables import near_miss
from poma_assets.storage.gene_set_cache import FetchedGeneSets
from poma_assets.tools.download import Download, DownloadError, OnWait, Patience, download, fetch_text

OnStep = Callable[[str], None]

_LARGEST_FILE_BYTES = 256 * 1024**2
_LARGEST_TEXT_BYTES = 1024**3
_KEGG_INTERVAL_S = 0.35
_ENDINGS = re.compile(r"(\.(gmt|txt|gz|zip))+$", re.IGNORECASE)
_REACTOME_ID = re.compile(r"R-[A-Z]{3}-\d+")


_Value = TypeVar("_Value")


class _Parser(Protocol[_Value]):
    """A parser of ``kegg_tables``."""

    def __call__(self, text: str, organism: str, *, source: str) -> dict[str, _Value]: ...


@dataclass(frozen=True)
class GeneSetService:
    """A service that publishes gene sets.

    Attributes
    ----------
    name
        As ``poma gene-sets fetch`` takes it.
    address
        Its public address; the environment variable ``variable`` names another.
    licence
        In a few words, kept with the file.
    terms
        What the user must know before use, in a sentence.
    """

    name: str
    address: str
    variable: str
    licence: str
    terms: str

    def address_or(self, given: str) -> str:
        """The address given, else that of the environment, else the public one."""
        return (given or os.environ.get(self.variable, "") or self.address).rstrip("/")


SERVICES: Mapping[str, GeneSetService] = {
    service.name: service
    for service in (
        GeneSetService(
            name="kegg",
            address="https://rest.kegg.jp",
            variable="POMA_KEGG_URL",
            licence="KEGG: academic use only, not to be passed on",
            terms="KEGG's service is for academic use by academic users only; any other use needs a licence, and the "
            "file must not be passed on (https://www.kegg.jp/kegg/legal.html).",
        ),
        GeneSetService(
            name="hallmark",
            address="https://data.broadinstitute.org/gsea-msigdb/msigdb/release/2024.1.Hs/h.all.v2024.1.Hs.symbols.gmt",
            variable="POMA_HALLMARK_URL",
            licence="CC BY 4.0 (MSigDB, Broad Institute and UC San Diego)",
            terms="MSigDB's hallmark sets are under CC BY 4.0: cite Liberzon et al. 2015 "
            "(https://doi.org/10.1016/j.cels.2015.12.004).",
        ),
        GeneSetService(
            name="reactome",
            address="https://reactome.org/download/current/ReactomePathways.gmt.zip",
            variable="POMA_REACTOME_URL",
            licence="CC0 (Reactome)",
            terms="Reactome's data are in the public domain (CC0); it asks to be cited (https://reactome.org/license).",
        ),
    )
}
"""The services by name."""


def service_of(name_or_address: str) -> GeneSetService:
    """The service of this name, or the one that an address makes.

    Raises
    ------
    InputError
        If it is neither.
    """
    if name_or_address in SERVICES:
        return SERVICES[name_or_address]
    if "://" in name_or_address:
        return GeneSetService(_name_of_address(name_or_address), name_or_address, "", "", "")
    alike = near_miss(name_or_address, SERVICES)
    raise InputError(
        "these gene sets cannot be fetched",
        found=repr(name_or_address),
        expected=f"{', '.join(SERVICES)} or the address of a GMT file",
        fix=f"Did you mean {alike!r}?" if alike else None,
    )


def fetch_kegg(
    address: str,
    organism: str,
    symbol_by_entrez: Mapping[str, str],
    *,
    patience: Patience | None = None,
    on_step: OnStep | None = None,
    on_wait: OnWait | None = None,
) -> FetchedGeneSets:
    """Ask KEGG's REST service for the pathways of an organism and their genes: four requests, three a second at most.

    Parameters
    ----------
    address
        Base of the service, such as ``https://rest.kegg.jp``.
    organism
        KEGG's code: hsa, mmu, ...
    symbol_by_entrez
        Entrez id -> symbol; used for human (hsa), whose genes KEGG names by Entrez id.
    patience, on_wait
        As in `download`.
    on_step
        Called with each address before it is asked.

    Raises
    ------
    InputError
        If the code or the address has not the right form.
    GeneSetError
        If an answer is not a table of KEGG.
    DownloadError
        If the service does not answer, or does not know the organism.
    """
    if not kegg_tables.ORGANISM_CODE.fullmatch(organism):
        raise InputError("this is no organism of KEGG", found=repr(organism), expected="a code such as hsa or mmu")
    address = address.rstrip("/")
    service = _KeggService(address, patience, on_step, on_wait)
    release = kegg_tables.parse_release(service.ask("info/pathway"))
    pathways = service.table("list/pathway", organism, kegg_tables.parse_pathways)
    links = service.table("link/pathway", organism, kegg_tables.parse_links)
    symbols = service.table("list", organism, kegg_tables.parse_gene_symbols)
    table = symbol_by_entrez if organism == "hsa" else {}
    sets = kegg_tables.kegg_gene_sets(pathways, links, symbols, table, source=address)
    note = (
        f"symbols of {sets.n_genes:,} genes: {sets.n_by_table:,} by Entrez id from the shipped table, "
        f"{sets.n_by_kegg:,} from KEGG's own list, {len(sets.without_symbol):,} have none and are left out"
    )
    unmapped = tuple(f"{organism}:{gene}" for gene in sets.without_symbol)
    return FetchedGeneSets(sets.gmt, without_secrets(address), release, unmapped, note)


def fetch_gmt_file(
    url: str,
    *,
    checksum: str | None = None,
    patience: Patience | None = None,
    on_step: OnStep | None = None,
    on_wait: OnWait | None = None,
) -> FetchedGeneSets:
    """Fetch a GMT file: plain, gzip, or a zip archive with one GMT file in it.

    Files with Reactome's ids in the second column (name, R-HSA id, genes) are turned to id, name, genes: names may
    be there twice, ids are not.

    Raises
    ------
    InputError
        If the address or the checksum has not the right form.
    GeneSetError
        If it is not such a file.
    DownloadError
        If the server does not give it.
    """
    if on_step is not None:
        on_step(without_secrets(url))
    with tempfile.TemporaryDirectory(prefix="poma-gene-sets-") as folder:
        path = Path(folder) / "file"
        got: Download = download(
            url, path, checksum=checksum, max_bytes=_LARGEST_FILE_BYTES, patience=patience, on_wait=on_wait
        )
        content = path.read_bytes()
    text = _decoded(_unpacked(content, url), url)
    release = f"file of {got.last_modified}" if got.last_modified else ""
    return FetchedGeneSets(_ids_first(text), without_secrets(url), release)


@dataclass
class _KeggService:
    """The REST service, asked politely: KEGG allows three requests a second."""

    address: str
    patience: Patience | None
    on_step: OnStep | None
    on_wait: OnWait | None
    _next_s: float = 0.0

    def table(self, operation: str, organism: str, parse: _Parser[_Value]) -> dict[str, _Value]:
        path = f"{operation}/{organism}"
        return parse(self.ask(path, organism), organism, source=f"{self.address}/{path}")

    def ask(self, path: str, organism: str | None = None) -> str:
        url = f"{self.address}/{path}"
        time.sleep(max(0.0, self._next_s - time.monotonic()))
        if self.on_step is not None:
            self.on_step(without_secrets(url))
        try:
            return fetch_text(url, patience=self.patience, on_wait=self.on_wait)
        except DownloadError as error:
            if organism is not None and str(error.found).startswith(("HTTP 400", "HTTP 404")):
                raise DownloadError(
                    f"KEGG does not know the organism {organism!r}",
                    where=url,
                    found=error.found,
                    fix="Give its code, such as hsa (human) or mmu (mouse).",
                ) from error
            raise
        finally:
            self._next_s = time.monotonic() + _KEGG_INTERVAL_S


def _name_of_address(url: str) -> str:
    """Name for the gene sets of an address: its last part without ``.gmt``, ``.gz``, ``.zip``."""
    last = _ENDINGS.sub("", unquote(urlsplit(url).path).rstrip("/").rpartition("/")[2])
    return re.sub(r"[^A-Za-z0-9._-]+", "_", last).strip("._-") or "gene_sets"


def _unpacked(content: bytes, url: str) -> bytes:
    """Content of a zip archive's GMT file or of a gzip file; other content as it is."""
    try:
        if content.startswith(b"PK\x03\x04"):
            with zipfile.ZipFile(io.BytesIO(content)) as archive:
                return _member(archive, url)
        if content.startswith(b"\x1f\x8b"):
            with gzip.GzipFile(fileobj=io.BytesIO(content)) as file:
                text = file.read(_LARGEST_TEXT_BYTES + 1)
            if len(text) > _LARGEST_TEXT_BYTES:
                raise _too_large(url)
            return text
    except (zipfile.BadZipFile, gzip.BadGzipFile, zlib.error, EOFError) as error:
        raise GeneSetError(
            "the compressed file is damaged", where=url, found=str(error), fix="Fetch it again."
        ) from error
    return content


def _member(archive: zipfile.ZipFile, url: str) -> bytes:
    members = [
        member
        for member in archive.infolist()
        if member.filename.lower().endswith(".gmt") and not member.filename.startswith("__MACOSX/")
    ]
    if len(members) != 1 or members[0].flag_bits & 1:
        raise GeneSetError(
            "the zip archive is not one GMT file",
            where=url,
            found=", ".join(name for name in archive.namelist()[:5]) or "nothing",
            expected="one file that ends in .gmt, without password",
            fix="Unpack it yourself and name the GMT file in poma.yaml.",
        )
    if members[0].file_size > _LARGEST_TEXT_BYTES:
        raise _too_large(url)
    return archive.read(members[0])


def _too_large(url: str) -> GeneSetError:
    return GeneSetError(
        "the unpacked file is larger than allowed", where=url, expected=f"{_LARGEST_TEXT_BYTES:,} bytes at most"
    )


def _decoded(content: bytes, url: str) -> str:
    if content.lstrip()[:1] == b"<":
        raise GeneSetError(
            "the server answered with a web page, not with gene sets",
            where=url,
            fix="If the address asks for a login, download the file in a web browser, put it into the study and name "
            "it in poma.yaml.",
        )
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise GeneSetError(
            "this is not a text file in UTF-8",
            where=url,
            found=f"byte 0x{content[error.start]:02x} at offset {error.start}",
            expected="a GMT file, plain, gzip or zip",
        ) from error


def _ids_first(text: str) -> str:
    """GMT text with Reactome's ids, if the second column holds them, in the first."""
    rows = [line.split("\t") for line in text.splitlines() if line.strip()]
    if not rows or not all(len(row) > 2 and _REACTOME_ID.fullmatch(row[1].strip()) for row in rows):
        return text
    return "".join("\t".join([row[1].strip(), row[0].strip(), *row[2:]]) + "\n" for row in rows)
