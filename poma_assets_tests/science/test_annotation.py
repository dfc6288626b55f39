import pytest

from poma_assets.science.annotation import check_names, fasta_contigs, parse_gtf_genes
from poma_assets.science.errors import ReferenceFilesError
from poma_assets.storage.schema import TABLES


def line(feature: str, start: int, end: int, attributes: str, seqname: str = "chr1", strand: str = "+") -> str:
    return f"{seqname}\ttest\t{feature}\t{start}\t{end}\t.\t{strand}\t.\t{attributes}\n"


def refused(lines: list[str]) -> str:
    with pytest.raises(ReferenceFilesError) as caught:
        parse_gtf_genes(lines, source="genes.gtf")
    return str(caught.value)


def test_union_length_by_hand() -> None:
    # 1-10, 5-20 and 15-18 make 20 bases, 30-30 one more; 21 in all.
    exons = [(30, 30), (5, 20), (1, 10), (15, 18)]
    genes = parse_gtf_genes([line("exon", *exon, 'gene_id "g";') for exon in exons], source="x")
    assert genes["length_bp"].tolist() == [21]
    assert genes[["start_bp", "end_bp"]].to_numpy().tolist() == [[1, 30]]


def test_union_lengths_agree_with_sets_of_bases() -> None:
    exons = [(f"g{(i * 7) % 5}", f"chr{(i * 3) % 2}", (i * 37) % 200 + 1, (i * 53) % 40) for i in range(200)]
    bases: dict[str, set[tuple[str, int]]] = {}
    for gene, seqname, start, size in exons:
        bases.setdefault(gene, set()).update((seqname, base) for base in range(start, start + size + 1))
    lines = [line("exon", start, start + size, f'gene_id "{gene}";', seqname) for gene, seqname, start, size in exons]
    genes = parse_gtf_genes(lines, source="x").set_index("gene_id")["length_bp"]
    assert genes.to_dict() == {gene: len(covered) for gene, covered in bases.items()}


def test_gencode_ensembl_and_flybase_attributes() -> None:
    lines = [
        "##description: test\n",
        line("gene", 1, 90, 'gene_id "ENSG00000000001.5"; gene_type "protein_coding"; gene_name "AAA";'),
        line("exon", 11, 20, 'gene_id "ENSG00000000001.5"; transcript_id "t";', strand="-"),
        line("exon", 1, 5, 'transcript_id "t"; gene_id "ENSG00000000002"; gene_biotype "lncRNA";', "2"),
        line("exon", 1, 5, 'gene_id "FBgn0031208"; gene_symbol "CG11023";', "chr2L"),
        line("exon", 1, 5, "gene_id R0010W; gene_name FLP1;", "2-micron"),
        line("exon", 7, 8, 'ref_gene_id "no"; gene_id "AC.1"; gene "sym";'),
        "\n",
    ]
    genes = parse_gtf_genes(lines, source="x")
    assert tuple(genes.columns) == TABLES["genes"].column_names
    assert genes[["gene_id", "gene_name", "biotype"]].to_numpy().tolist() == [
        ["ENSG00000000001", "AAA", "protein_coding"],
        ["ENSG00000000002", "ENSG00000000002", "lncRNA"],
        ["FBgn0031208", "CG11023", None],
        ["R0010W", "FLP1", None],
        ["AC.1", "sym", None],
    ]
    assert genes["start_bp"].tolist()[0] == 11


def test_gene_without_exons_is_not_counted_and_so_not_listed() -> None:
    lines = [line("gene", 1, 9, 'gene_id "a";'), line("exon", 1, 9, 'gene_id "b";')]
    assert parse_gtf_genes(lines, source="x")["gene_id"].tolist() == ["b"]


def test_gene_on_two_sequences_has_the_place_of_the_first() -> None:
    lines = [
        line("exon", 100, 109, 'gene_id "a";', "chrX", "-"),
        line("exon", 1, 10, 'gene_id "a";', "chrY"),
    ]
    gene = parse_gtf_genes(lines, source="x").iloc[0]
    assert (gene["chromosome"], gene["start_bp"], gene["end_bp"], gene["strand"], gene["length_bp"]) == (
        "chrX", 100, 109, "-", 20,
    )  # fmt: skip


def test_par_y_is_a_gene_of_its_own() -> None:
    ids = ("ENSG00000182378.15", "ENSG00000182378.15_PAR_Y")
    genes = parse_gtf_genes([line("exon", 1, 5, f'gene_id "{gene}";') for gene in ids], source="x")
    assert genes["gene_id"].tolist() == ["ENSG00000182378", "ENSG00000182378_PAR_Y"]


def test_gtf_messages_name_the_line() -> None:
    good = line("exon", 1, 5, 'gene_id "a";')
    assert refused([good, line("exon", 9, 5, 'gene_id "a";')]) == (
        "genes.gtf, line 2: an exon does not go from a first to a last base (found start 9, "
        "end 5; expected whole "
        "numbers, 1 or more, with start not after end)."
    )
    assert "line 2: an exon has no gene_id (found 'transcript_id \"t\";'" in refused(
        [good, line("exon", 1, 5, 'transcript_id "t";')]
    )
    assert "line 2: the line is no line of a GTF file (found 4 fields" in refused([good, "chr1\ta\texon\t5\n"])
    assert "line 1: this is GFF3, not GTF" in refused(["##gff-version 3\n"])
    gff3 = refused([line("exon", 1, 5, "ID=exon:1;Parent=transcript:t")])
    assert "line 1: this is GFF3, not GTF" in gff3
    assert "gffread genes.gff3 -T -o genes.gtf" in gff3
    assert "has no exon lines (found 1 lines" in refused([line("gene", 1, 5, 'gene_id "a";')])
    assert "has no exon lines (found 0 lines" in refused([])


def test_fasta_names_and_lengths() -> None:
    lines = [">chr1 description\n", "ACGT\r\n", "AC\n", "\n", ">2\n", "N"]
    assert fasta_contigs(lines, source="g.fa") == {"chr1": 6, "2": 1}


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([], "g.fa: the genome is empty"),
        (["ACGT\n"], "g.fa, line 1: this is no FASTA file (found 'ACGT"),
        (["@read\n"], "not reads in FASTQ format"),
        ([">a\n", "A\n", ">a\n", "C\n"], "g.fa, line 3: the sequence 'a' is there twice"),
        ([">a\n", ">b\n", "C\n"], "g.fa, line 1: the sequence 'a' has no bases"),
        ([">a\n"], "g.fa, line 1: the sequence 'a' has no bases"),
        (["> \n", "C\n"], "g.fa, line 1: a sequence has no name"),
    ],
)
def test_fasta_messages(lines: list[str], message: str) -> None:
    with pytest.raises(ReferenceFilesError) as caught:
        fasta_contigs(lines, source="g.fa")
    assert message in str(caught.value)


def check(contigs: dict[str, int], lines: list[str]) -> list[str]:
    return check_names(contigs, lines, genome_source="g.fa", annotation_source="a.gtf")


def test_matching_names_give_no_warning() -> None:
    assert check({"1": 10, "2": 5}, ["#c\n", line("exon", 1, 10, "", "1"), line("CDS", 1, 99, "", "2")]) == []
    assert check({"1": 10}, ["1", "1"]) == []


def test_absent_names_are_a_warning() -> None:
    assert check({"1": 10}, ["1", "GL000", "2"]) == [
        "2 of 3 sequences of a.gtf are not in g.fa, so that their genes cannot get reads: GL000, 2"
    ]


def test_chr_prefix_is_named() -> None:
    with pytest.raises(ReferenceFilesError) as caught:
        check({"1": 10, "MT": 5}, [line("exon", 1, 5, "", "chr1")])
    assert str(caught.value) == (
        "no sequence of the annotation a.gtf is in the genome g.fa: the annotation writes "
        "'chr1' where the genome "
        "writes '1' (found annotation: chr1; genome: 1, MT; expected the same sequence names "
        "in both). Take genome "
        "and annotation from one release of one source (both GENCODE, or both Ensembl), or "
        "cut 'chr' from the "
        "names of the GTF: sed 's/^chr//' genes.gtf"
    )
    with pytest.raises(ReferenceFilesError, match="the genome writes 'chr1' where the annotation writes '1'"):
        check({"chr1": 10}, ["1"])
    with pytest.raises(ReferenceFilesError, match=r"found annotation: x; genome: y"):
        check({"y": 10}, ["x"])


def test_exon_beyond_the_end_names_its_line() -> None:
    with pytest.raises(ReferenceFilesError) as caught:
        check({"1": 10}, ["#\n", line("exon", 1, 10, "", "1"), line("exon", 5, 11, "", "1")])
    assert str(caught.value).startswith(
        "a.gtf, line 3: an exon lies beyond the end of sequence '1' (found end 11; expected at most 10, "
    )
