"""Reference genomes that are published in releases: which files a release has, and their checksums.

GENCODE and Ensembl give the same genes; sequences are named ``chr1`` by GENCODE, ``1`` by Ensembl. Of both the
primary assembly is taken: chromosomes and unplaced scaffolds without haplotypes, as STAR's manual advises.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from poma_assets.science.bsd_sum import bsd_text
from poma_assets.science.errors import InputError, ReferenceFilesError
from poma_assets.science.tables import near_miss

ORGANISMS = ("human", "mouse")
_BSD_SUM = re.compile(r"[0-9]{1,5} [0-9]{1,12}")


@dataclass(frozen=True)
class ReferenceFile:
    """A file of a release: its path below the service's address, and the path of the list of its checksum."""

    path: str
    checksums: str

    @property
    def name(self) -> str:
        """The file's own name."""
        return self.path.rpartition("/")[2]


@dataclass(frozen=True)
class ReferenceRelease:
    """A release of one organism, resolved to files.

    Attributes
    ----------
    service, release, organism
        What it is: gencode or ensembl; as the service numbers it (``M38`` for a mouse release of GENCODE).
    genome, annotation
        FASTA of the primary assembly, and the GTF that belongs to it; both gzip.
    """

    service: str
    release: str
    organism: str
    genome: ReferenceFile
    annotation: ReferenceFile

    @property
    def key(self) -> str:
        """Name of its folder in the cache."""
        return f"{self.service}-{self.release}-{self.organism}"


@dataclass(frozen=True)
class ReferenceService:
    """A service that publishes references.

    Attributes
    ----------
    name
        As ``poma reference fetch`` takes it.
    address, variable
        Its public address; the environment variable that names another.
    default_release
        By organism, where none is asked for: both services' releases of September 2025, with equal genes.
    """

    name: str
    address: str
    variable: str
    default_release: Mapping[str, str]


SERVICES: Mapping[str, ReferenceService] = {
    service.name: service
    for service in (
        ReferenceService(
            "gencode",
            "https://ftp.ebi.ac.uk/pub/databases/gencode",
            "POMA_GENCODE_URL",
            {"human": "49", "mouse": "M38"},
        ),
        ReferenceService(
            "ensembl", "https://ftp.ensembl.org/pub", "POMA_ENSEMBL_URL", {"human": "115", "mouse": "115"}
        ),
    )
}
"""The services by name."""

# Service, organism: first release with this assembly, assembly; the newest first.
_ASSEMBLIES: Mapping[tuple[str, str], tuple[tuple[int, str], ...]] = {
    ("gencode", "human"): ((20, "GRCh38"),),
    ("gencode", "mouse"): ((26, "GRCm39"), (2, "GRCm38")),
    ("ensembl", "human"): ((76, "GRCh38"),),
    ("ensembl", "mouse"): ((103, "GRCm39"), (68, "GRCm38")),
}


def find_release(service: str, release: str | None = None, organism: str = "human") -> ReferenceRelease:
    """The files of a release.

    Parameters
    ----------
    service
        gencode or ensembl.
    release
        Such as ``49``, ``v49`` or ``M38``; None for the default.
    organism
        human or mouse.

    Raises
    ------
    InputError
        A service, organism or release that is not known, or one with an assembly of long ago.
    """
    if service not in SERVICES:
        raise _not_known("reference", service, tuple(SERVICES))
    if organism not in ORGANISMS:
        raise _not_known("organism", organism, ORGANISMS)
    asked = release or SERVICES[service].default_release[organism]
    match = re.fullmatch(r"v?(M?)(\d{1,3})", asked.strip(), re.IGNORECASE)
    marked_as_mouse = bool(match and match[1])
    if match is None or (marked_as_mouse and (service, organism) != ("gencode", "mouse")):
        default = SERVICES[service].default_release[organism]
        hint = " for human; add --organism mouse" if marked_as_mouse and service == "gencode" else ""
        raise InputError(
            f"{service} has no such release{hint}", found=repr(asked), expected=f"a number such as {default}"
        )
    number = int(match[2])
    assembly = next((name for first, name in _ASSEMBLIES[service, organism] if number >= first), None)
    if assembly is None:
        first, oldest = _ASSEMBLIES[service, organism][-1]
        raise InputError(
            f"this release of {service} has another assembly",
            found=f"release {number} of {organism}",
            expected=f"{first} or later ({oldest})",
            fix="Download the files yourself, and name them under 'reference:' in poma.yaml.",
        )
    return _RESOLVERS[service](number, organism, assembly)


def _gencode(number: int, organism: str, assembly: str) -> ReferenceRelease:
    release = f"M{number}" if organism == "mouse" else str(number)
    folder = f"Gencode_{organism}/release_{release}"
    genome, annotation = (
        ReferenceFile(f"{folder}/{name}", f"{folder}/MD5SUMS")
        for name in (
            f"{assembly}.primary_assembly.genome.fa.gz",
            f"gencode.v{release}.primary_assembly.annotation.gtf.gz",
        )
    )
    return ReferenceRelease("gencode", release, organism, genome, annotation)


def _ensembl(number: int, organism: str, assembly: str) -> ReferenceRelease:
    species = {"human": "Homo_sapiens", "mouse": "Mus_musculus"}[organism]
    dna, gtf = (f"release-{number}/{part}" for part in (f"fasta/{species.lower()}/dna", f"gtf/{species.lower()}"))
    genome = ReferenceFile(f"{dna}/{species}.{assembly}.dna.primary_assembly.fa.gz", f"{dna}/CHECKSUMS")
    annotation = ReferenceFile(f"{gtf}/{species}.{assembly}.{number}.gtf.gz", f"{gtf}/CHECKSUMS")
    return ReferenceRelease("ensembl", str(number), organism, genome, annotation)


_RESOLVERS: Mapping[str, Callable[[int, str, str], ReferenceRelease]] = {"gencode": _gencode, "ensembl": _ensembl}


def find_checksum(text: str, name: str, *, source: str) -> str:
    """The checksum of a file in a list of ``md5sum`` (GENCODE) or of ``sum`` (Ensembl).

    Parameters
    ----------
    text
        The list, one file a line.
    name
        The file's own name.
    source
        The list's address, for messages.

    Returns
    -------
    str
        As `download` takes it: ``md5:...`` or ``bsd:SUM BLOCKS``.

    Raises
    ------
    ReferenceFilesError
        The list does not name the file.
    """
    for line in text.splitlines():
        words = line.split()
        if len(words) < 2 or words[-1].lstrip("*").rpartition("/")[2] != name:
            continue
        if re.fullmatch("[0-9a-f]{32}", words[0].lower()):
            return f"md5:{words[0].lower()}"
        if len(words) > 2 and _BSD_SUM.fullmatch(f"{words[0]} {words[1]}"):
            return f"bsd:{bsd_text(int(words[0]), int(words[1]))}"
    raise ReferenceFilesError(
        f"the list of checksums does not name {name}",
        where=source,
        found=f"{len(text.splitlines())} lines",
        expected="a line of md5sum or sum with this name",
        fix="Is this release complete? Try another one with --release.",
    )


def _not_known(what: str, found: str, known: tuple[str, ...]) -> InputError:
    alike = near_miss(found, known)
    return InputError(
        f"this {what} cannot be fetched",
        found=repr(found),
        expected=" or ".join(known),
        fix=f"Did you mean {alike!r}?" if alike else "Name your own files under 'reference:' in poma.yaml.",
    )
