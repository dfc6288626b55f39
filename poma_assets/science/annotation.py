"""The reference: genes of a GTF file, sequences of a FASTA file, and whether the two belong together.

Text lines in, tables out. Reading and unpacking the files belongs to the callers.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from poma_assets.science.errors import ReferenceFilesError
from poma_assets.science.gene_ids import strip_version
from poma_assets.science.tables import listing

_GENE_ID = re.compile(r'(?:^|[;\s])gene_id\s+(?:"([^"]*)"|([^\s;"]+))')
_NAMES = tuple(
    re.compile(rf'(?:^|[;\s]){key}\s+(?:"([^"]*)"|([^\s;"]+))') for key in ("gene_name", "gene_symbol", "gene")
)
_BIOTYPES = tuple(re.compile(rf'(?:^|[;\s]){key}\s+(?:"([^"]*)"|([^\s;"]+))') for key in ("gene_biotype", "gene_type"))
_GTF_FIELDS = 9
_MOST_DIGITS = 10
_GFF3_FIX = "Convert it to GTF first, for example: gffread genes.gff3 -T -o genes.gtf"


@dataclass
class _Genes:
    """Genes in order of appearance, and their exons as columns (gene number, sequence number, from, to)."""

    numbers: dict[str, int] = field(default_factory=dict)
    raw_numbers: dict[str, int] = field(default_factory=dict)
    sequences: dict[str, int] = field(default_factory=dict)
    names: dict[int, str] = field(default_factory=dict)
    biotypes: dict[int, str] = field(default_factory=dict)
    strands: dict[int, str] = field(default_factory=dict)
    gene: array[int] = field(default_factory=lambda: array("q"))
    sequence: array[int] = field(default_factory=lambda: array("q"))
    start: array[int] = field(default_factory=lambda: array("q"))
    end: array[int] = field(default_factory=lambda: array("q"))

    def number(self, raw: str, attributes: str, strand: str) -> int:
        """Number of a gene; its name and biotype are read where it is seen first, or first has them."""
        number = self.raw_numbers.get(raw)
        if number is None:
            number = self.numbers.setdefault(strip_version(raw), len(self.numbers))
            self.raw_numbers[raw] = number
            self.strands.setdefault(number, strand)
            self.describe(number, attributes)
        return number

    def describe(self, number: int, attributes: str) -> None:
        """Take name and biotype from an attribute column, where they are not known yet."""
        for found, patterns in ((self.names, _NAMES), (self.biotypes, _BIOTYPES)):
            if number not in found:
                text = next((hit for pattern in patterns if (hit := _attribute(pattern, attributes))), None)
                if text:
                    found[number] = text


def parse_gtf_genes(lines: Iterable[str], *, source: str) -> pd.DataFrame:
    """Read the genes of a GTF file from its exon and gene lines.

    Parameters
    ----------
    lines
        Lines of the file.
    source
        Its name, for messages.

    Returns
    -------
    pandas.DataFrame
        One row per gene with exons, in the order of the file; columns of the table ``genes``. Place and
        strand are those of its exons on the first sequence that has them; ``length_bp`` is the length of the
        union of all its exons. The name is ``gene_name``, ``gene_symbol`` or ``gene``, else the gene id; the
        biotype ``gene_biotype`` or ``gene_type``, else None. Versions of Ensembl ids are cut off.

    Raises
    ------
    ReferenceFilesError
        GFF3 instead of GTF, wrong number of fields, no gene_id, start after end, no exon lines; with line.
    """
    genes = _Genes()
    number = 0
    for number, line in enumerate(lines, start=1):
        if line.startswith("#"):
            _refuse_gff3_header(line, number, source)
        elif "\0" in line:
            raise ReferenceFilesError(
                "this is not a text file", where=f"{source}, line {number}", found="a NUL byte", expected="a GTF file"
            )
        elif line.count("\t") != _GTF_FIELDS - 1:
            _require_blank(line, number, source)
        elif "\texon\t" in line:
            _add_exon(genes, line, number, source)
        elif "\tgene\t" in line:
            _add_gene_line(genes, line)
    if not genes.gene:
        raise ReferenceFilesError(
            "the annotation has no exon lines",
            where=source,
            found=f"{number} lines without 'exon' in the third column",
            expected="a GTF file with exon lines",
            fix="Check that this is the complete annotation, not an empty or truncated download",
        )
    return _gene_frame(genes)


def _add_exon(genes: _Genes, line: str, number: int, source: str) -> None:
    sequence, _, feature, start_text, end_text, _, strand, _, attributes = line.split("\t")
    if feature != "exon":
        return
    raw = _attribute(_GENE_ID, attributes)
    if not raw:
        raise _no_gene_id(attributes, number, source)
    if not (_is_place(start_text) and _is_place(end_text) and 1 <= int(start_text) <= int(end_text)):
        raise ReferenceFilesError(
            "an exon does not go from a first to a last base",
            where=f"{source}, line {number}",
            found=f"start {start_text}, end {end_text}",
            expected="whole numbers, 1 or more, with start not after end",
        )
    genes.gene.append(genes.number(raw, attributes, strand))
    genes.sequence.append(genes.sequences.setdefault(sequence, len(genes.sequences)))
    genes.start.append(int(start_text))
    genes.end.append(int(end_text))


def _add_gene_line(genes: _Genes, line: str) -> None:
    fields = line.split("\t")
    raw = _attribute(_GENE_ID, fields[8]) if fields[2] == "gene" else None
    if raw:
        genes.describe(genes.number(raw, fields[8], fields[6]), fields[8])


def _gene_frame(genes: _Genes) -> pd.DataFrame:
    gene, sequence, start, end = (
        np.frombuffer(column, dtype=np.int64) for column in (genes.gene, genes.sequence, genes.start, genes.end)
    )
    length = _union_lengths(gene, sequence, start, end, len(genes.numbers))
    # Exons on a second sequence (trans-spliced or duplicated genes) count in the length, not in the place.
    first = np.full(len(genes.numbers), -1)
    first[gene[::-1]] = sequence[::-1]
    here = sequence == first[gene]
    lowest = np.full(len(genes.numbers), np.iinfo(np.int64).max)
    highest = np.zeros(len(genes.numbers), dtype=np.int64)
    np.minimum.at(lowest, gene[here], start[here])
    np.maximum.at(highest, gene[here], end[here])
    ids, sequences = list(genes.numbers), list(genes.sequences)
    with_exons = np.flatnonzero(first >= 0)
    return pd.DataFrame(
        {
            "gene_id": [ids[number] for number in with_exons],
            "gene_name": [genes.names.get(int(number), ids[number]) for number in with_exons],
            "biotype": pd.Series([genes.biotypes.get(int(number)) for number in with_exons], dtype=object),
            "chromosome": [sequences[first[number]] for number in with_exons],
            "start_bp": lowest[with_exons],
            "end_bp": highest[with_exons],
            "strand": [genes.strands[int(number)] for number in with_exons],
            "length_bp": length[with_exons],
        }
    )


def _union_lengths(
    gene: NDArray[np.int64],
    sequence: NDArray[np.int64],
    start: NDArray[np.int64],
    end: NDArray[np.int64],
    n_genes: int,
) -> NDArray[np.int64]:
    """Length of the union of the intervals of each gene, summed over sequences."""
    order = np.lexsort((start, sequence, gene))
    gene, sequence, start, end = gene[order], sequence[order], start[order], end[order]
    block = np.cumsum(np.r_[True, (gene[1:] != gene[:-1]) | (sequence[1:] != sequence[:-1])], dtype=np.int64)
    # An offset per block makes one running maximum serve all blocks.
    offset = block * (int(end.max()) + 1)
    reached = np.maximum.accumulate(end + offset) - offset
    before = np.r_[np.int64(0), np.where(block[1:] == block[:-1], reached[:-1], 0)]
    gained = np.maximum(0, end - np.maximum(start - 1, before))
    total = np.zeros(n_genes, dtype=np.int64)
    np.add.at(total, gene, gained)
    return total


def fasta_contigs(lines: Iterable[str], *, source: str) -> dict[str, int]:
    """Read names (the first word of a header) and lengths in bases of the sequences of a FASTA file.

    Raises
    ------
    ReferenceFilesError
        No FASTA at all, nameless, repeated or empty sequences; with line.
    """
    contigs: dict[str, int] = {}
    name, length, header_line = "", 0, 0
    for number, line in enumerate(lines, start=1):
        if line.startswith(">"):
            if "\0" in line:
                where = f"{source}, line {number}"
                raise ReferenceFilesError("this is not a text file", where=where, found="a NUL byte", expected="FASTA")
            _finish_contig(contigs, name, length, header_line, source)
            words = line[1:].split(maxsplit=1)
            name, length, header_line = words[0] if words else "", 0, number
            _check_contig_name(name, contigs, number, source)
        elif name:
            length += len(line.rstrip())
        elif line.strip():
            raise ReferenceFilesError(
                "this is no FASTA file",
                where=f"{source}, line {number}",
                found=repr(line[:40]),
                expected="a line that begins with '>'",
                fix="Give the genome as FASTA (plain or .gz)"
                + (", not reads in FASTQ format" if line.startswith("@") else ""),
            )
    _finish_contig(contigs, name, length, header_line, source)
    if not contigs:
        raise ReferenceFilesError("the genome is empty", where=source, expected="at least one sequence")
    return contigs


def _check_contig_name(name: str, contigs: Mapping[str, int], number: int, source: str) -> None:
    where = f"{source}, line {number}"
    if not name:
        raise ReferenceFilesError("a sequence has no name", where=where, expected="a name after '>'")
    if name in contigs:
        raise ReferenceFilesError(
            f"the sequence {name!r} is there twice",
            where=where,
            expected="every name once",
            fix="Check whether files were joined twice",
        )


def _finish_contig(contigs: dict[str, int], name: str, length: int, line: int, source: str) -> None:
    if not name:
        return
    if length == 0:
        raise ReferenceFilesError(
            f"the sequence {name!r} has no bases",
            where=f"{source}, line {line}",
            fix="The download may be incomplete: compare its checksum",
        )
    contigs[name] = length


def check_names(
    contigs: Mapping[str, int], gtf_seqnames: Iterable[str], *, genome_source: str, annotation_source: str
) -> list[str]:
    """Check that an annotation belongs to a genome.

    Parameters
    ----------
    contigs
        Length of every sequence of the genome, in bases.
    gtf_seqnames
        Lines of the GTF file (then the ends of exons are checked as well), or sequence names alone.
    genome_source, annotation_source
        Names of the files, for messages.

    Returns
    -------
    list of str
        Warnings: sequences of the annotation that the genome has not.

    Raises
    ------
    ReferenceFilesError
        No sequence name in common, or an exon beyond the end of its sequence (with its line).
    """
    seen: dict[str, int] = {}
    for number, line in enumerate(gtf_seqnames, start=1):
        if line.startswith("#") or not line.strip():
            continue
        fields = line.split("\t", 5)
        name = fields[0].strip()
        seen.setdefault(name, number)
        is_exon = len(fields) > 4 and fields[2] == "exon" and _is_place(fields[4])
        if is_exon and int(fields[4]) > contigs.get(name, int(fields[4])):
            raise _beyond_end(name, fields[4], contigs[name], number, genome_source, annotation_source)
    absent = [name for name in seen if name not in contigs]
    if seen and len(absent) == len(seen):
        raise _nothing_in_common(list(contigs), absent, genome_source, annotation_source)
    if not absent:
        return []
    return [
        f"{len(absent)} of {len(seen)} sequences of {annotation_source} are not in {genome_source}, "
        f"so that their genes cannot get reads: {listing(absent, 6)}"
    ]


def _beyond_end(
    name: str, end: str, length: int, number: int, genome_source: str, annotation_source: str
) -> ReferenceFilesError:
    return ReferenceFilesError(
        f"an exon lies beyond the end of sequence {name!r}",
        where=f"{annotation_source}, line {number}",
        found=f"end {end}",
        expected=f"at most {length}, the length of {name!r} in {genome_source}",
        fix="Genome and annotation are of different assemblies: take both from one release of one source",
    )


def _nothing_in_common(
    contigs: list[str], names: list[str], genome_source: str, annotation_source: str
) -> ReferenceFilesError:
    fix = "Take genome and annotation from one release of one source (both GENCODE, or both Ensembl)"
    what = f"no sequence of the annotation {annotation_source} is in the genome {genome_source}"
    prefixed = {"chr" + name for name in names} | ({"chrM"} if "MT" in names else set())
    if set(contigs) & prefixed:
        what += ": the genome writes 'chr1' where the annotation writes '1'"
        fix += ", or put 'chr' before the names of the GTF: awk '/^#/{print;next}{print \"chr\"$0}' genes.gtf"
    elif {"chr" + name for name in contigs} & set(names):
        what += ": the annotation writes 'chr1' where the genome writes '1'"
        fix += ", or cut 'chr' from the names of the GTF: sed 's/^chr//' genes.gtf"
    return ReferenceFilesError(
        what,
        found=f"annotation: {listing(names, 4)}; genome: {listing(contigs, 4)}",
        expected="the same sequence names in both",
        fix=fix,
    )


def _is_place(text: str) -> bool:
    """Whether this is a whole number that a base of a sequence can have."""
    return text.isdecimal() and len(text) <= _MOST_DIGITS


def _attribute(pattern: re.Pattern[str], attributes: str) -> str | None:
    match = pattern.search(attributes)
    return (match[1] or match[2] or "").strip() or None if match else None


def _refuse_gff3_header(line: str, number: int, source: str) -> None:
    if line.startswith("##gff-version") and line.split()[-1].startswith("3"):
        raise ReferenceFilesError(
            "this is GFF3, not GTF",
            where=f"{source}, line {number}",
            found=repr(line.strip()),
            expected="GTF (GFF version 2)",
            fix=_GFF3_FIX,
        )


def _require_blank(line: str, number: int, source: str) -> None:
    if not line.strip():
        return
    count = line.count("\t") + 1
    raise ReferenceFilesError(
        "the line is no line of a GTF file",
        where=f"{source}, line {number}",
        found=f"{count} field{'s' if count > 1 else ''}: {line.strip()[:60]!r}",
        expected=f"{_GTF_FIELDS} fields separated by tabs",
        fix="The file may be truncated or in another format; BED and GenePred must be converted first",
    )


def _no_gene_id(attributes: str, number: int, source: str) -> ReferenceFilesError:
    is_gff3 = re.search(r"(?:^|;)\s*(?:ID|Parent)=", attributes) is not None
    return ReferenceFilesError(
        "this is GFF3, not GTF" if is_gff3 else "an exon has no gene_id",
        where=f"{source}, line {number}",
        found=repr(attributes.strip()[:80]),
        expected='gene_id "..."; in the ninth column',
        fix=_GFF3_FIX if is_gff3 else "Every exon must name its gene, since counts are per gene",
    )
