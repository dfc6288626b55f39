"""Releases of GENCODE and Ensembl: their files as the services lay them out, and their lists of checksums."""

from __future__ import annotations

import pytest

from poma_assets.science.errors import InputError, ReferenceFilesError
from poma_assets.science.reference_releases import SERVICES, find_checksum, find_release


@pytest.mark.parametrize(
    ("asked", "genome", "annotation", "checksums"),
    [
        (
            ("gencode", "47", "human"),
            "Gencode_human/release_47/GRCh38.primary_assembly.genome.fa.gz",
            "Gencode_human/release_47/gencode.v47.primary_assembly.annotation.gtf.gz",
            ["Gencode_human/release_47/MD5SUMS"] * 2,
        ),
        (
            ("gencode", "M36", "mouse"),
            "Gencode_mouse/release_M36/GRCm39.primary_assembly.genome.fa.gz",
            "Gencode_mouse/release_M36/gencode.vM36.primary_assembly.annotation.gtf.gz",
            ["Gencode_mouse/release_M36/MD5SUMS"] * 2,
        ),
        (
            ("gencode", "25", "mouse"),
            "Gencode_mouse/release_M25/GRCm38.primary_assembly.genome.fa.gz",
            "Gencode_mouse/release_M25/gencode.vM25.primary_assembly.annotation.gtf.gz",
            ["Gencode_mouse/release_M25/MD5SUMS"] * 2,
        ),
        (
            ("ensembl", "113", "human"),
            "release-113/fasta/homo_sapiens/dna/Homo_sapiens.GRCh38.dna.primary_assembly.fa.gz",
            "release-113/gtf/homo_sapiens/Homo_sapiens.GRCh38.113.gtf.gz",
            ["release-113/fasta/homo_sapiens/dna/CHECKSUMS", "release-113/gtf/homo_sapiens/CHECKSUMS"],
        ),
        (
            ("ensembl", "102", "mouse"),
            "release-102/fasta/mus_musculus/dna/Mus_musculus.GRCm38.dna.primary_assembly.fa.gz",
            "release-102/gtf/mus_musculus/Mus_musculus.GRCm38.102.gtf.gz",
            ["release-102/fasta/mus_musculus/dna/CHECKSUMS", "release-102/gtf/mus_musculus/CHECKSUMS"],
        ),
    ],
)
def test_files_lie_where_the_services_have_them(asked, genome, annotation, checksums):
    release = find_release(*asked)
    assert (release.genome.path, release.annotation.path) == (genome, annotation)
    assert [release.genome.checksums, release.annotation.checksums] == checksums


@pytest.mark.parametrize(("service", "organism"), [(s, o) for s in SERVICES for o in ("human", "mouse")])
def test_without_a_release_the_default_is_taken(service, organism):
    release = find_release(service, None, organism)
    assert release.release == SERVICES[service].default_release[organism]
    assert release.key == f"{service}-{release.release}-{organism}"


@pytest.mark.parametrize(("written", "release"), [("v49", "49"), ("49", "49"), ("V49", "49")])
def test_releases_may_be_written_as_people_write_them(written, release):
    assert find_release("gencode", written).release == release
    assert find_release("gencode", "vM38", "mouse") == find_release("gencode", "38", "mouse")


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        (("gencod", None, "human"), "Did you mean 'gencode'?"),
        (("refseq", None, "human"), "gencode or ensembl"),
        (("gencode", None, "fly"), "human or mouse"),
        (("gencode", "M38", "human"), "add --organism mouse"),
        (("ensembl", "M38", "mouse"), "a number such as 115"),
        (("gencode", "latest", "human"), "a number such as 49"),
        (("gencode", "19", "human"), "20 or later (GRCh38)"),
        (("ensembl", "75", "human"), "76 or later (GRCh38)"),
        (("gencode", "../47", "human"), "no such release"),
    ],
)
def test_what_there_is_not_is_said(asked, says):
    with pytest.raises(InputError) as caught:
        find_release(*asked)
    assert says in str(caught.value)


def test_checksums_are_found_in_lists_of_both_kinds():
    md5sums = f"{'A' * 32}  gencode.v47.annotation.gtf.gz\n{'b' * 32}  ./x.gtf.gz\n{'c' * 32} *y.fa.gz\n"
    assert find_checksum(md5sums, "x.gtf.gz", source="") == f"md5:{'b' * 32}"
    assert find_checksum(md5sums, "y.fa.gz", source="") == f"md5:{'c' * 32}"
    assert find_checksum(md5sums, "gencode.v47.annotation.gtf.gz", source="") == f"md5:{'a' * 32}"
    checksums = "01144 861305 Homo.dna.chromosome.1.fa.gz\n00007     3 Homo.fa.gz\n"
    assert find_checksum(checksums, "Homo.fa.gz", source="") == "bsd:7 3"


@pytest.mark.parametrize("text", ["", "<html>404</html>", f"{'b' * 32}  other.gz\n", "sum of x.gz\n", "x.gz\n"])
def test_a_list_without_the_file_is_refused(text):
    with pytest.raises(ReferenceFilesError, match=r"does not name x\.gz"):
        find_checksum(text, "x.gz", source="https://ena/CHECKSUMS")
