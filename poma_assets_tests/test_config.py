from pathlib import Path

import pytest

from poma_assets.config import find_study_root, load_contrasts, load_sample_sheet, load_study
from poma_assets.science.errors import ConfigError, ContrastError, SampleSheetError

SHEET = "sample\tfastq_1\tfastq_2\ttreatment\n" + "".join(
    f"S{n}\treads/S{n}_R1.fq.gz\treads/S{n}_R2.fq.gz\t{'DMSO' if n < 3 else 'pom'}\n" for n in (1, 2, 3, 4)
)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "poma.yaml").write_text("name: small\n")
    (tmp_path / "samples.tsv").write_text(SHEET)
    (tmp_path / "reads").mkdir()
    for n in (1, 2, 3, 4):
        for read in (1, 2):
            (tmp_path / "reads" / f"S{n}_R{read}.fq.gz").touch()
    return tmp_path


def refused(text: str, root: Path) -> str:
    (root / "poma.yaml").write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_study(root)
    return str(caught.value)


def sheet_refused(root: Path) -> str:
    with pytest.raises(SampleSheetError) as caught:
        load_sample_sheet(load_study(root))
    return str(caught.value)


def test_defaults_and_places(root: Path) -> None:
    study = load_study(root)
    assert (study.config.trimmer, study.config.engines) == ("cutadapt", ["deseq2", "edger"])
    assert study.config.trimming.min_length_bp == 20
    assert study.config.thresholds.fdr == 0.05
    assert study.warehouse_path == root / "results" / "warehouse.duckdb"
    assert study.published_path == root / "results" / "study.duckdb"
    assert study.step_dir("alignments", "S1") == root / "results" / "files" / "alignments" / "S1"
    assert study.dagster_home == root / ".dagster"
    assert (study.genome_path, study.contrasts_path, study.hypotheses_path) == (None, None, None)
    assert load_contrasts(study, load_sample_sheet(study)) == []


def test_every_key_can_be_set(root: Path) -> None:
    (root / "poma.yaml").write_text(
        """name: all
organism: fly
reference: {genome: ref/g.fa, annotation: /abs/a.gtf}
samples: sheets/s.csv
contrasts: c.yaml
count_matrix: m.tsv
round_counts: true
trimmer: fastp
trimming: {quality: 25, min_length_bp: 20, adapter_1: ACGT, adapter_2: TTTT}
counter: htseq
engines: [edger]
gene_sets: [go_bp, sets/h.gmt]
thresholds: {fdr: 0.1, log2_fold_change: 0}
vehicle: [water]
profile: small_reference
quality: {rin: {warn: "<8", fail: "<7"}}
hypotheses: h.tsv
seed: 7
"""
    )
    study = load_study(root)
    assert study.genome_path == root / "ref" / "g.fa"
    assert study.annotation_path == Path("/abs/a.gtf")
    assert study.resolve_unit_path("a.fq.gz") == root / "sheets" / "a.fq.gz"
    assert study.contrasts_path == root / "c.yaml"
    assert study.config.quality["rin"].fail == "<7"
    assert study.config.thresholds.log2_fold_change == 0


def test_no_study_folder(tmp_path: Path) -> None:
    for load in (find_study_root, load_study):
        with pytest.raises(ConfigError, match=r"is no study folder \(found no poma.yaml; .*'poma init DIR'"):
            load(tmp_path)
        with pytest.raises(ConfigError, match="found no such folder"):
            load(tmp_path / "absent")


def test_find_study_root(root: Path) -> None:
    assert find_study_root(root) == root.resolve()


def test_unknown_key_whole_message(root: Path) -> None:
    assert refused("name: x\nreference:\n  genom: a.fa\n", root) == (
        "poma.yaml, line 3, column 3: the key 'reference.genom' is not known (found 'genom'; expected one of "
        "genome, annotation, star_sparse_d). Did you mean 'genome'?"
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "poma.yaml: the configuration is empty"),
        ("- a\n", "poma.yaml: the configuration is not a list of keys"),
        ("samples: a.tsv\n", "poma.yaml: the key 'name' is missing"),
        ("name: a\nname: b\n", "line 2, column 1: the key 'name' is there twice"),
        (
            "name: a\nreference:\n  genome: b\n  genome: c\n",
            "line 4, column 3: the key 'genome' is there twice",
        ),
        (
            "name: 2024\n",
            "line 1, column 7: the value of 'name' is not valid (found 2024; expected a text). Put",
        ),
        ("name: 2024-13-45\n", "a value cannot be read: month must be in 1..12"),
        ("name: a\n b: c\n", "line 2, column 3: this is no valid YAML"),
        ("name: 'a\n", "this is no valid YAML"),
        ("name: a\nthresholds: {fdr: 0,05}\n", "line 2"),
        (
            "name: a\nthresholds: {fdr: 1.5}\n",
            "line 2, column 19: the value of 'thresholds.fdr' is not valid",
        ),
        ("name: a\ntrimmer: trim_galore\n", "(found 'trim_galore'; expected 'cutadapt' or 'fastp')"),
        ("name: a\nengines: [deseq2, limma]\n", "line 2, column 19: the value of 'engines.1'"),
        ("name: a\nengines: deseq2\n", "expected a list: [one, two]"),
        ("name: a\nenrichment: {min_size: 20, max_size: 9}\n", "expected max_size of at least min_size (20)"),
        ("name: a\ngene_sets: [x/own.gmt, y/own.gmt.gz]\n", "'own' is there twice"),
        ("name: a\ngene_sets:\n", "(found an empty value; expected a list: [one, two])"),
        (
            "name: a\nround_counts: perhaps\n",
            "line 2, column 15: the value of 'round_counts' is not valid (found 'perhaps'; expected true or false)",
        ),
        ("name: a\ntrimming: {adapter_1: XY}\n", "bases only: A, C, G, T, N"),
        ("name: a\nquality: {rin: {wan: '<8'}}\n", "expected one of warn, fail). Did you mean 'warn'?"),
        (
            "name: a\nquality:\n  replicate_spearman: {warn: '<0.9', fail: '<0.8'}\n",
            "line 3, column 44: replicate_spearman can warn, but not fail: it is computed of the samples that are in",
        ),
        ("z: 1\nname: a\nb: 2\n", "line 1, column 1: the key 'z' is not known"),
    ],
)
def test_bad_configuration_names_the_place(text: str, message: str, root: Path) -> None:
    assert message in refused(text, root)


def test_the_threshold_of_replicates_may_be_changed_or_taken_away(root: Path) -> None:
    (root / "poma.yaml").write_text("name: a\nquality: {replicate_spearman: {warn: '<0.95', fail: ''}}\n")
    assert load_study(root).config.quality["replicate_spearman"].warn == "<0.95"


def test_configuration_that_is_not_utf8(root: Path) -> None:
    (root / "poma.yaml").write_bytes("name: a\norganism: Mäuse\n".encode("latin-1"))
    with pytest.raises(ConfigError, match=r"poma.yaml, line 2: the configuration is not encoded as UTF-8 .*0xe4"):
        load_study(root)


def test_csv_sheet_is_taken_where_the_default_is_absent(root: Path) -> None:
    (root / "samples.tsv").unlink()
    (root / "samples.csv").write_text(SHEET.replace("\t", ","))
    study = load_study(root)
    assert study.samples_path.name == "samples.csv"
    assert len(load_sample_sheet(study).samples) == 4


def test_missing_sheet_names_a_similar_one(root: Path) -> None:
    (root / "samples.tsv").rename(root / "sample.tsv")
    message = sheet_refused(root)
    assert message.startswith("samples.tsv: the sample sheet is missing (found no file ")
    assert message.endswith("Did you mean 'sample.tsv', which is in that folder?")


def test_spreadsheet_instead_of_text(root: Path) -> None:
    (root / "samples.tsv").write_bytes(b"PK\x03\x04\xff\xfe")
    assert "is a spreadsheet or zip file" in sheet_refused(root)


def test_missing_reads_name_line_column_and_similar_file(root: Path) -> None:
    (root / "reads" / "S2_R2.fq.gz").rename(root / "reads" / "S2_r2.fq.gz")
    (root / "reads" / "S4_R1.fq.gz").unlink()
    assert sheet_refused(root) == (
        "samples.tsv, line 3, column fastq_2: there is no file 'reads/S2_R2.fq.gz' (found no "
        f"{root / 'reads' / 'S2_R2.fq.gz'}, and 1 further files of the sheet are missing; "
        f"expected a path relative "
        "to the folder of the sheet, or an absolute one). Did you mean 'S2_r2.fq.gz', which "
        "is in that folder?"
    )


@pytest.mark.parametrize(
    ("path", "fix"),
    [
        ("s3://bucket/S1_R1.fq.gz", "Addresses are not fetched: download the file"),
        ("raeds/S1_R1.fq.gz", "There is no folder"),
    ],
)
def test_missing_reads_say_what_to_do(path: str, fix: str, root: Path) -> None:
    (root / "samples.tsv").write_text(SHEET.replace("reads/S1_R1.fq.gz", path))
    assert fix in sheet_refused(root)


def test_count_matrix_needs_no_reads(root: Path) -> None:
    (root / "poma.yaml").write_text("name: m\ncount_matrix: counts.tsv\n")
    (root / "samples.tsv").write_text("sample\ttreatment\nA\tDMSO\n")
    study = load_study(root)
    assert load_sample_sheet(study).samples["sample_id"].tolist() == ["A"]
    assert study.count_matrix_path == root / "counts.tsv"


@pytest.mark.parametrize("name", ["contrasts.tsv", "contrasts.csv", "contrasts.yaml"])
def test_contrasts_are_found_by_name(name: str, root: Path) -> None:
    text = "id,variable,reference,target\na,treatment,DMSO,pom\n"
    if name.endswith("tsv"):
        text = text.replace(",", "\t")
    if name.endswith("yaml"):
        text = "contrasts:\n  - {id: a, comparison: [treatment, DMSO, pom]}\n"
    (root / name).write_text(text)
    study = load_study(root)
    (contrast,) = load_contrasts(study, load_sample_sheet(study))
    assert (contrast.id, contrast.reference, contrast.target) == ("a", "DMSO", "pom")


def test_contrasts_messages(root: Path) -> None:
    study = load_study(root)
    sheet = load_sample_sheet(study)
    (root / "contrasts.csv").write_text("id,variable,reference,target\na,treatment,DMSO,pomm\n")
    with pytest.raises(ContrastError, match=r"contrasts.csv, line 2, column target: .*Did you mean 'pom'\?"):
        load_contrasts(study, sheet)
    (root / "contrasts.tsv").touch()
    with pytest.raises(ConfigError, match=r"several contrasts files \(found contrasts.tsv, contrasts.csv"):
        load_contrasts(study, sheet)
    (root / "poma.yaml").write_text("name: a\ncontrasts: c.tsv\n")
    with pytest.raises(ContrastError, match=r"c\.tsv: the contrasts file is missing"):
        load_contrasts(load_study(root), sheet)
