"""FastQC, cutadapt, fastp and MultiQC on a few hundred reads with known adapters; versions of all tools."""

from __future__ import annotations

import gzip
import json
import re
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest

from poma_assets.science.errors import NotEnoughDataError, ToolError
from poma_assets.science.fastqc_report import parse_fastqc_data
from poma_assets.science.trimming_reports import parse_cutadapt_json, parse_fastp_json
from poma_assets.tools import versions
from poma_assets.tools.cutadapt import run_cutadapt
from poma_assets.tools.fastp import run_fastp
from poma_assets.tools.fastq_files import check_fastq_pair
from poma_assets.tools.fastqc import fastqc_outputs, read_fastqc_data, run_fastqc
from poma_assets.tools.multiqc import report_layout, run_multiqc
from poma_assets.tools.trimming import check_trimmed_reads

ADAPTER_1, ADAPTER_2 = "AGATCGGAAGAGCACACGTCTGAACTCCAGTCA", "AGATCGGAAGAGCGTCGTGTAGGGAAAGAGTGT"
READ_BP = 80
# One poor base, so that FastQC cannot take the qualities for the old scale from 64.
QUALITIES = "F" * 39 + "#" + "F" * 40
# 100 whole fragments, 60 of 50 bases (adapter in both reads), 40 of 20 bases (too short after trimming).
FRAGMENTS = [200] * 100 + [50] * 60 + [20] * 40


def reverse_complement(bases: str) -> str:
    return bases.translate(str.maketrans("ACGT", "TGCA"))[::-1]


@pytest.fixture(scope="module")
def reads(tmp_path_factory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("read tools")
    rng = np.random.default_rng(11)
    texts = ["", ""]
    for i, length in enumerate(FRAGMENTS):
        # No adapter-like end in whole fragments: their reads must come back untouched.
        fragment = "".join(rng.choice(list("CT"), length))
        for mate, (bases, adapter) in enumerate(((fragment, ADAPTER_1), (reverse_complement(fragment), ADAPTER_2))):
            read = (bases + adapter + "".join(rng.choice(list("CT"), READ_BP)))[:READ_BP]
            texts[mate] += f"@pair{i}\n{read}\n+\n{QUALITIES}\n"
    paths = folder / "S1_raw_R1.fastq.gz", folder / "S1_raw_R2.fastq.gz"
    for path, text in zip(paths, texts, strict=True):
        path.write_bytes(gzip.compress(text.encode()))
    return paths


def lengths(path: Path) -> list[int]:
    return [len(line) for line in gzip.decompress(path.read_bytes()).decode().splitlines()[1::4]]


def test_cutadapt_pairs(reads, tmp_path):
    outputs = tmp_path / "R1.fastq.gz", tmp_path / "R2.fastq.gz"
    report = tmp_path / "S1.cutadapt.json"
    trimming = run_cutadapt(*reads, *outputs, report, threads=1, min_length_bp=36, log_path=tmp_path / "log")
    row = parse_cutadapt_json(report.read_text(), source="x")
    assert (row["read_pairs_in"], row["read_pairs_out"], row["pass_filter_pct"]) == (200, 160, 80.0)
    assert row["adapter_r1_pct"] >= 50.0
    assert check_fastq_pair(*outputs, sample="S1").read_pairs == 160
    assert lengths(outputs[0])[100:] == [50] * 60
    assert lengths(outputs[0])[:100] == [80] * 100
    assert trimming.record.tool == "cutadapt"
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        ["R1.fastq.gz", "R2.fastq.gz", "S1.cutadapt.json", "log"]
    )


def test_cutadapt_single_end_and_own_length(reads, tmp_path):
    output = tmp_path / "R1.fastq.gz"
    report = tmp_path / "S1.json"
    run_cutadapt(reads[0], None, output, None, report, threads=2, min_length_bp=15, log_path=tmp_path / "log")
    row = parse_cutadapt_json(report.read_text(), source="x")
    assert (row["read_pairs_out"], row["adapter_r2_pct"]) == (200, None)
    assert sorted(lengths(output))[:41] == [20] * 40 + [50]


def test_nothing_left_after_trimming(reads, tmp_path):
    outputs = tmp_path / "R1.fastq.gz", tmp_path / "R2.fastq.gz"
    with pytest.raises(NotEnoughDataError, match=r"no read is left after trimming.*found 0 of 200 read pairs"):
        run_cutadapt(*reads, *outputs, tmp_path / "S1.json", threads=1, min_length_bp=100, log_path=tmp_path / "log")
    assert not outputs[0].exists()


def test_damaged_input_fails_with_the_tools_words(reads, tmp_path):
    broken = tmp_path / "broken.fastq.gz"
    broken.write_bytes(reads[0].read_bytes()[:-600])
    outputs = tmp_path / "R1.fastq.gz", tmp_path / "R2.fastq.gz"
    with pytest.raises(ToolError, match="cutadapt failed with exit status"):
        run_cutadapt(broken, reads[1], *outputs, tmp_path / "S1.json", threads=1, log_path=tmp_path / "log")
    assert not outputs[0].exists()


def test_output_must_agree_with_the_report(reads):
    options = {"given_pairs": 200, "tool": "cutadapt", "log_path": Path("log")}
    check_trimmed_reads(list(reads), reported_pairs=200, **options)
    with pytest.raises(ToolError, match=r"found 200 reads; expected 199"):
        check_trimmed_reads(list(reads), reported_pairs=199, **options)


@pytest.mark.tools
def test_fastp_pairs(reads, tmp_path):
    outputs = tmp_path / "R1.fastq.gz", tmp_path / "R2.fastq.gz"
    report = tmp_path / "S1.fastp.json"
    run_fastp(*reads, *outputs, report, threads=1, min_length_bp=36, log_path=tmp_path / "log")
    row = parse_fastp_json(report.read_text(), source="x")
    assert (row["read_pairs_in"], row["read_pairs_out"]) == (200, 160)
    assert row["q30_pct"] == pytest.approx(100 * (100 * 79 + 60 * 49) / (100 * 80 + 60 * 50))
    assert check_fastq_pair(*outputs, sample="S1").read_pairs == 160
    assert lengths(outputs[0])[100:] == [50] * 60
    assert (tmp_path / "S1.fastp.html").is_file()


@pytest.mark.tools
def test_fastqc_and_multiqc(reads, tmp_path):
    quality = tmp_path / "quality of S1"
    record = run_fastqc(reads, quality, threads=1, log_path=quality / "fastqc.log")
    outputs = fastqc_outputs(quality, reads)
    assert [html.name for html, _ in outputs.values()] == [
        "S1_raw_R1_fastqc.html",
        "S1_raw_R2_fastqc.html",
    ]
    assert all(html.is_file() for html, _ in outputs.values())
    row = parse_fastqc_data(read_fastqc_data(outputs[reads[0]][1]), source="x")
    assert (row["total_sequences"], row["read_length_bp"], row["mean_quality"]) == (200, "80", 36.0)
    assert row["q30_pct"] == 100.0
    # Adapters of 60 + 40 of 200 pairs; FastQC looks for the first 12 bases at all positions before the end.
    assert row["adapter_pct"] == 50.0
    assert record.peak_memory_mib > 50

    folders = {name: tmp_path / f"[1] {name}" for name in ("read_quality", "trimmed_read_quality", "others")}
    trimmed = [tmp_path / name for name in ("t1.fastq.gz", "t2.fastq.gz", "trimmed.json")]
    run_cutadapt(*reads, *trimmed, threads=1, log_path=tmp_path / "cutadapt.log")
    for sample in NAMES:
        for stage, folder in (("raw", "read_quality"), ("trimmed", "trimmed_read_quality")):
            for read in ("R1", "R2"):
                write_fastqc_of(outputs[reads[0]][1], folders[folder] / sample, f"{sample}_{stage}_{read}")
        write_reports_of_tools(folders["others"] / sample, sample, trimmed[-1])
    layout = report_layout(
        raw_quality=folders["read_quality"],
        trimmed_quality=folders["trimmed_read_quality"],
        own_sections=["own"],
        left_out=["gone"],
    )
    own = {"section_name": "Own", "plot_type": "table", "data": {name: {"x": 1} for name in NAMES[:3]}}
    run_multiqc(
        list(folders.values()),
        tmp_path / "report",
        title='A "study" <b>\\',
        log_path=tmp_path / "multiqc.log",
        modules=["custom_content", "fastqc", "cutadapt", "fastp", "star", "featurecounts"],
        config={**layout, "custom_data": {"own": own}},
    )
    html = (tmp_path / "report" / "multiqc_report.html").read_text()
    assert "A &quot;study&quot; &lt;b&gt;&#92;" in html
    assert str(tmp_path) not in html
    assert not re.search(r"""<(script|link)[^>]*(src|href)=["']?https?:""", html)
    headings = re.findall(r'class="nav-l1"[^>]*>\s*([^<]+?)\s*<', html)
    assert headings == ["General Stats", "Own", *SECTIONS, "Software Versions"]
    data = json.loads((tmp_path / "report" / "multiqc_report_data" / "multiqc_data.json").read_text())
    found = {section: set(next(iter(files.values()))) for section, files in data["report_data_sources"].items()}
    files_of_pairs = {f"{name} {read}" for name in NAMES[:3] for read in ("R1", "R2")}
    assert found == {section: files_of_pairs if "FastQC" in section else set(NAMES[:3]) for section in SECTIONS}
    # One row for each sample over all tools; its two files fold out below it.
    table = (tmp_path / "report" / "multiqc_report_data" / "multiqc_general_stats.txt").read_text()
    rows = [line.split("\t") for line in table.splitlines()[1:]]
    assert {row[0] for row in rows} == {*NAMES[:3], *files_of_pairs}
    assert all("" not in row for row in rows if row[0] in NAMES)


NAMES = ("DMSO_R1", "DMSO_R2", "A.sorted_1", "gone")
"""Two replicates that look like a pair of files, a name that MultiQC would cut, a sample that was withdrawn."""
SECTIONS = ("FastQC, raw reads", "Cutadapt", "FastQC, trimmed reads", "STAR", "featureCounts")


def write_fastqc_of(archive: Path, folder: Path, name: str) -> None:
    """Write a FastQC report like another, of the file ``name``."""
    folder.mkdir(parents=True, exist_ok=True)
    text = read_fastqc_data(archive)
    with zipfile.ZipFile(folder / f"{name}_fastqc.zip", "w") as copy:
        copy.writestr(f"{name}_fastqc/", "")
        copy.writestr(f"{name}_fastqc/fastqc_data.txt", text.replace("S1_raw_R1.fastq.gz", f"{name}.fastq.gz"))


def write_reports_of_tools(folder: Path, sample: str, cutadapt_json: Path) -> None:
    """Write the reports of cutadapt, STAR and featureCounts as our steps leave them, the latter two made up."""
    folder.mkdir(parents=True)
    shutil.copy(cutadapt_json, folder / f"{sample}.cutadapt.json")
    figures = {"Number of input reads": "160", "Uniquely mapped reads number": "150", "Uniquely mapped reads %": "93%"}
    figures |= {"Number of reads mapped to multiple loci": "5", "% of reads mapped to multiple loci": "3%"}
    log = "".join(f"{name} |\t{value}\n" for name, value in figures.items())
    (folder / f"{sample}.Log.final.out").write_text(log)
    (folder / f"{sample}.featurecounts.txt.summary").write_text(
        f"Status\t/alignments/{sample}/{sample}.bam\nAssigned\t140\nUnassigned_NoFeatures\t10\n"
    )


def test_multiqc_without_anything_to_report(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(NotEnoughDataError, match="MultiQC found nothing to report"):
        run_multiqc([tmp_path / "empty"], tmp_path / "report", title="t", log_path=tmp_path / "log")


def test_names_of_fastqc_reports():
    names = {"a.fastq.gz": "a", "b.fq": "b", "c.d_R1.txt": "c.d_R1", "e.reads.gz": "e.reads"}
    outputs = fastqc_outputs(Path("out"), [Path(name) for name in names])
    assert [archive.name for _, archive in outputs.values()] == [f"{x}_fastqc.zip" for x in names.values()]


def test_broken_fastqc_zip(tmp_path):
    path = tmp_path / "S1_fastqc.zip"
    with pytest.raises(ToolError, match="cannot be read"):
        read_fastqc_data(path)
    path.write_bytes(b"PK no zip")
    with pytest.raises(ToolError, match="cannot be read"):
        read_fastqc_data(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("S1_fastqc/summary.txt", "PASS")
    with pytest.raises(ToolError, match="has no fastqc_data"):
        read_fastqc_data(path)


def test_version_of_a_python_package_is_not_asked_of_the_program(monkeypatch):
    monkeypatch.setattr(versions, "run_command", lambda *_, **__: pytest.fail("started a program"))
    assert versions.tool_version.__wrapped__("cutadapt").split(".")[0].isdigit()


def test_a_missing_tool_has_no_version(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    versions.tool_version.cache_clear()
    found = versions.all_tool_versions()
    versions.tool_version.cache_clear()
    assert found["STAR"] is None
    assert tuple(found) == versions.TOOLS


def test_a_program_without_a_version_number(monkeypatch, tmp_path):
    program = tmp_path / "fastp"
    program.write_text("#!/bin/sh\necho no number here\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path) + ":/usr/bin:/bin")
    with pytest.raises(ToolError, match="fastp did not tell its version"):
        versions.tool_version.__wrapped__("fastp")
    program.write_text("#!/bin/sh\necho fastp 1.3.0 >&2\n")
    assert versions.tool_version.__wrapped__("fastp") == "1.3.0"


@pytest.mark.tools
def test_all_versions():
    found = versions.all_tool_versions()
    assert all(text is not None and text[0].isdigit() for text in found.values()), found
