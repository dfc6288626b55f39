"""ENA's file report, in reports written by hand after real ones."""

from __future__ import annotations

import pytest

from poma_assets.science.ena_report import ArchiveFile, parse_file_report
from poma_assets.science.errors import AccessionError

HEADER = "run_accession\tfastq_ftp\tfastq_md5\tfastq_bytes\tlibrary_layout"
HOST = "ftp.sra.ebi.ac.uk/vol1/fastq"
ONE, TWO, THREE = "a" * 32, "b" * 32, "c" * 32
PAIR = f"SRR1039508\t{HOST}/SRR1039508_1.fastq.gz;{HOST}/SRR1039508_2.fastq.gz\t{ONE};{TWO}\t100;200\tPAIRED"


def parse(*rows, accession="SRR1039508", header=HEADER):
    return parse_file_report("\n".join([header, *rows]) + "\n", accession=accession, source="https://ena/x")


def refused(*rows, **options):
    with pytest.raises(AccessionError) as caught:
        parse(*rows, **options)
    assert caught.value.where == "https://ena/x"
    assert caught.value.exit_status == 2
    return str(caught.value)


def names(run):
    return [file.name for file in run.files]


def test_a_pair_is_read_in_the_order_of_its_reads():
    (run,) = parse(PAIR)
    assert run.run_accession == "SRR1039508"
    assert run.is_paired
    assert run.files == (
        ArchiveFile(f"{HOST}/SRR1039508_1.fastq.gz", ONE, 100),
        ArchiveFile(f"{HOST}/SRR1039508_2.fastq.gz", TWO, 200),
    )
    swapped = f"SRR1039508\t{HOST}/SRR1039508_2.fastq.gz;{HOST}/SRR1039508_1.fastq.gz\t{TWO};{ONE}\t200;100\tPAIRED"
    assert parse(swapped) == [run]


def test_reads_that_lost_their_mate_are_left_out():
    files = ";".join(f"{HOST}/ERR000916{end}.fastq.gz" for end in ("", "_1", "_2"))
    (run,) = parse(f"ERR000916\t{files}\t{ONE};{TWO};{THREE}\t7;100;200\tPAIRED")
    assert [(file.name, file.md5, file.size_bytes) for file in run.files] == [
        ("ERR000916_1.fastq.gz", TWO, 100),
        ("ERR000916_2.fastq.gz", THREE, 200),
    ]


@pytest.mark.parametrize("name", ["SRR1039508.fastq.gz", "SRR1039508_1.fastq.gz"])
def test_a_single_end_run_has_one_file(name):
    (run,) = parse(f"SRR1039508\t{HOST}/{name}\t{ONE}\t100\tSINGLE")
    assert names(run) == [name]
    assert not run.is_paired


def test_an_experiment_gives_all_its_runs_in_natural_order():
    rows = [PAIR.replace("SRR1039508", run) for run in ("SRR1000010", "SRR1000009", "SRR999999")]
    runs = parse(*rows, accession="SRX384345")
    assert [run.run_accession for run in runs] == ["SRR999999", "SRR1000009", "SRR1000010"]


def test_columns_are_found_by_name_and_schemes_are_taken_off():
    row = f"PAIRED\tSRR1039508\t{ONE.upper()};{TWO}\t1;2\tftp://h/SRR1039508_1.fastq.gz;https://h/SRR1039508_2.fastq.gz"
    (run,) = parse(row, header="library_layout\trun_accession\tfastq_md5\tfastq_bytes\tfastq_ftp")
    assert [file.path for file in run.files] == ["h/SRR1039508_1.fastq.gz", "h/SRR1039508_2.fastq.gz"]
    assert run.files[0].md5 == ONE


@pytest.mark.parametrize("text", ["", "\n", HEADER, HEADER + "\n", "run_accession\n"])
def test_an_empty_answer_is_an_accession_that_is_not_known(text):
    with pytest.raises(AccessionError, match="knows no reads of SRR999999999"):
        parse_file_report(text, accession="SRR999999999", source="")


def test_a_run_without_fastq_files_is_said_to_have_none():
    message = refused("SRR1039508\t\t\t\tPAIRED")
    assert "there are no FASTQ files of run SRR1039508" in message
    assert "not released yet, or kept as submitted only" in message
    assert "no FASTQ files of run SRR2" in refused(PAIR, "SRR200000\t\t\t\tPAIRED", accession="SRX384345")


@pytest.mark.parametrize(
    ("files", "layout"),
    [
        (["SRR1039508.fastq.gz"], "PAIRED"),
        (["SRR1039508_1.fastq.gz"], "PAIRED"),
        (["SRR1039508_1.fastq.gz", "SRR1039508_2.fastq.gz", "SRR1039508_3.fastq.gz"], "PAIRED"),
        (["SRR1039508.fastq.gz", "SRR1039508_1.fastq.gz"], "SINGLE"),
        (["SRR1039508_subreads.fastq.gz"], "SINGLE"),
        (["..fastq.gz"], "SINGLE"),
    ],
)
def test_reads_are_not_guessed_among_files(files, layout):
    paths, sums, sizes = (";".join(x) for x in zip(*[(f"{HOST}/{n}", ONE, "1") for n in files], strict=True))
    message = refused(f"SRR1039508\t{paths}\t{sums}\t{sizes}\t{layout}")
    assert "which files of run SRR1039508 are its reads cannot be told" in message
    assert files[0] in message
    assert f"library layout {layout}" in message


@pytest.mark.parametrize(
    ("row", "says"),
    [
        (f"SRR1039508\ta/SRR1039508.fastq.gz\t{ONE};{TWO}\t1\tSINGLE", "1 files, 2 checksums and 1 sizes"),
        ("SRR1039508\ta/SRR1039508.fastq.gz\t123\t1\tSINGLE", "checksum '123'"),
        (f"SRR1039508\ta/SRR1039508.fastq.gz\t{ONE}\tmany\tSINGLE", "size 'many'"),
        (f"../../x\ta/x.fastq.gz\t{ONE}\t1\tSINGLE", "run accession '../../x'"),
        ("SRR1039508", "no FASTQ files"),
    ],
)
def test_a_damaged_answer_is_refused(row, says):
    assert says in refused(row)


@pytest.mark.parametrize(
    "text", ["<html>\n<body>maintenance</body>\n", '{"message": "busy"}\n', "run_accession\nSRR1\n"]
)
def test_an_answer_of_another_kind_is_refused(text):
    with pytest.raises(AccessionError, match="no file report of ENA"):
        parse_file_report(text, accession="SRR1039508", source="")
