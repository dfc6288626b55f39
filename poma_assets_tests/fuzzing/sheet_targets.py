"""Readers of what a user writes for a study: sheet, contrasts, overrides, configuration, marker tables, thresholds."""

from __future__ import annotations

import contextlib
import re
from functools import cache

import pandas as pd

from poma_assets.science.contrasts import contrasts_frame, parse_contrasts, select_samples, validate_contrasts
from poma_assets.science.errors import PomaError
from poma_assets.science.markers.cell_lines import known_lines, merge_cell_lines, parse_cell_lines
from poma_assets.science.markers.hypotheses import combine, parse_hypotheses
from poma_assets.science.quality_gates import OVERRIDE_COLUMNS, decide_inclusion, parse_overrides, parse_thresholds
from poma_assets.science.reference_lines import names_reference, with_reference
from poma_assets.science.sample_sheet import SampleSheet, parse_sample_sheet
from poma_assets.storage.package_data import data_file
from poma_assets.storage.text_files import read_text
from poma_assets.study_config import StudyConfig, parse_config
from poma_assets_tests.fuzzing.target import Target, text_of

_IDENTIFIER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")

SHEET = """\
sample\tfastq_1\tfastq_2\tstrandedness\tcell_line\tcell_context\tsensitivity\ttreatment\tdose_um\ttime_h\treplicate\trin\tbatch
S1\tS1_R1.fastq.gz\tS1_R2.fastq.gz\tauto\tMM.1S\tmyeloma\tsensitive\tDMSO\t0\t24\t1\t9.1\tA
S2\tS2_R1.fastq.gz\tS2_R2.fastq.gz\tauto\tMM.1S\tmyeloma\tsensitive\tpomalidomide\t1\t24\t1\t8.9\tA
S3\tS3_R1.fastq.gz\tS3_R2.fastq.gz\tauto\tMM.1R\tmyeloma\tresistant\tDMSO\t0\t24\t1\tNA\tB
S4\tS4_R1.fastq.gz\tS4_R2.fastq.gz\treverse\tMM.1R\tmyeloma\tresistant\tpomalidomide\t1\t24\t1\t8.9\tB
S4\tS4_L2_R1.fastq.gz\tS4_L2_R2.fastq.gz\treverse\tMM.1R\tmyeloma\tresistant\tpomalidomide\t1\t24\t1\t8.9\tB
"""
COUNTS_SHEET = 'sample,counts,treatment,dose_um,note\nA,a.tsv,DMSO,0,"x, y"\nB,b.tsv,drug,1.5,\n'
ACCESSIONS = "sample\taccession\ttreatment\nA\tSRR1039508\tDMSO\nB\tSRX123456\tdrug\n"

CONTRASTS = (
    "id\tvariable\treference\ttarget\tblocking\tsubset\tformula\treduced\tcontrast\tkind\n"
    "pom\ttreatment\tDMSO\tpomalidomide\tbatch;replicate\tcell_line=MM.1S;time_h=24\t\t\t\t\n"
    "inter\t\t\t\t\t\t~ sensitivity * treatment\t\tsensitivity[sensitive]:treatment[pomalidomide]\tother\n"
    "lrt\t\t\t\t\tsample!=S1\t~ treatment + batch\t~ batch\t\t\n",
    "id,variable,reference,target,exclude_samples_col,exclude_samples_values\nc1,treatment,DMSO,pomalidomide,sample,S1;S2\n",
)
CONTRASTS_YAML = """\
contrasts:
  - id: pom
    comparison: [treatment, DMSO, pomalidomide]
    blocking_factors: [batch]
  - id: inter
    formula: "~ sensitivity * treatment"
    make_contrasts_str: sensitivitysensitive.treatmentpomalidomide
"""

CONFIG = """\
name: my study
organism: human
reference: {genome: ref/genome.fa.gz, annotation: ref/genes.gtf.gz, star_sparse_d: 2}
profile: human_poly_a
trimming: {quality: 20, min_length_bp: 20}
keep: bam
engines: [deseq2, edger]
gene_sets: [go_bp, my_sets/own.gmt]
enrichment: {min_size: 10, max_size: 500, permutations: 1000}
thresholds: {fdr: 0.05, log2_fold_change: 1.0}
vehicle: [DMSO]
quality:
  uniquely_mapped_pct: {warn: "<80", fail: "<60"}
hypotheses: [shipped, own.tsv]
count_matrix: counts.tsv
seed: 1
notifications:
  webhook: env:POMA_WEBHOOK
  email: {to: [lab@example.org], from: poma@example.org, smtp_host: smtp.example.org, user: lab}
  on: [failure]
inbox: {folder: inbox, pattern: "(?P<sample>.+)_(?P<read>[12]).fastq.gz"}
"""

OVERRIDES = (
    "sample\tmetric\tdecision\treason\twho\tdate\n"
    "S1\trna_integrity_number\tinclude\tdegraded, yet usable\tM. Doe\t2026-01-01\n"
    "S2\tall\texclude\tswapped\tM. Doe\t2026-01-02\n"
)
CELL_LINES = (
    "cell_line\tsex\theavy_chain_gene\tlight_chain\ttranslocations\toutlier_genes\n"
    "OWN-1\tF\tIGHA1\tkappa\tt(4;14)\tNSD2;MAF\nOWN-2\t\t\t\t\t\n"
)


def _sheet(data: bytes) -> None:
    text = text_of(data)
    for files_required in (True, False):
        with contextlib.suppress(PomaError) if files_required else contextlib.nullcontext():
            _check_sheet(parse_sample_sheet(text, source="samples.tsv", files_required=files_required))


def _check_sheet(sheet: SampleSheet) -> None:
    ids = list(sheet.samples["sample_id"])
    assert ids
    assert all(_IDENTIFIER.fullmatch(name) and "..." not in name for name in ids)
    assert len({name.casefold() for name in ids}) == len(ids)
    assert set(sheet.units["sample_id"]) == set(ids)
    table = sheet.design_table()
    assert list(table.index) == ids
    for column in ("dose_um", "time_h", "rin", "a260_a280"):
        values = sheet.samples[column].dropna()
        assert ((values >= 0) & (values < float("inf"))).all()


@cache
def _known_sheet() -> SampleSheet:
    return parse_sample_sheet(SHEET, source="samples.tsv")


def _contrasts(suffix: str, data: bytes) -> None:
    source = f"contrasts.{suffix}"
    contrasts = parse_contrasts(text_of(data), source=source)
    for contrast in contrasts:
        assert _IDENTIFIER.fullmatch(contrast.id)
        assert contrast.formula or (contrast.variable and contrast.reference and contrast.target)
    validate_contrasts(contrasts, _known_sheet(), source=source)
    table = _known_sheet().design_table()
    for contrast in contrasts:
        assert set(select_samples(contrast, table).index) <= set(table.index)
    frame = contrasts_frame(contrasts, _known_sheet(), ["DMSO"])
    assert len(frame) == len(contrasts)


def _overrides(data: bytes) -> None:
    frame = parse_overrides(text_of(data), source="qc_overrides.tsv")
    assert list(frame.columns) == list(OVERRIDE_COLUMNS)
    assert set(frame["decision"]) <= {"include", "exclude"}
    assert frame["date"].str.fullmatch(r"\d{4}-\d{2}-\d{2}").all()
    quality = pd.DataFrame(columns=["sample_id", "metric", "value", "fail", "status", "scope"], dtype=object)
    decided = decide_inclusion(quality, frame, ["S1", "S2"])
    assert list(decided["sample_id"]) == ["S1", "S2"]


def _config(data: bytes) -> None:
    config = parse_config(text_of(data))
    assert isinstance(config, StudyConfig)
    assert config.name
    assert StudyConfig.model_validate(config.model_dump(by_alias=True)) == config


def _reference_lines(data: bytes) -> None:
    text = text_of(data)
    if not names_reference(text):
        made = with_reference(text, "genome.fa", "genes.gtf")
        assert names_reference(made)


@cache
def _shipped_hypotheses() -> str:
    return read_text(data_file("markers", "marker_hypotheses.tsv"))


def _hypotheses(data: bytes) -> None:
    own = parse_hypotheses(text_of(data), source="own.tsv")
    rows = own.rows()
    assert len({row.hypothesis_id for row in rows}) == len(rows) > 0
    with contextlib.suppress(PomaError):
        combined = combine(parse_hypotheses(_shipped_hypotheses(), source="shipped"), own)
        assert {row.hypothesis_id for row in rows} <= {row.hypothesis_id for row in combined.rows()}


@cache
def _identity_genes() -> pd.DataFrame:
    return pd.read_csv(data_file("markers", "sample_identity_genes.tsv"), sep="\t", dtype=str, keep_default_na=False)


def _cell_lines(data: bytes) -> None:
    own = parse_cell_lines(text_of(data), source="own.tsv", identity_genes=_identity_genes())
    assert own["cell_line"].is_unique
    assert set(known_lines(merge_cell_lines(own, own))) <= set(own["cell_line"]) | {""}


def _thresholds(data: bytes) -> None:
    rules = parse_thresholds(text_of(data), source="qc_thresholds.tsv", profile="human_poly_a").rules
    assert all(rules)


SHEET_TARGETS = (
    Target("sample-sheet", _sheet, (SHEET, COUNTS_SHEET, ACCESSIONS), ("FILL IN", "NA", "sample", "fastq_1", "auto")),
    Target(
        "contrasts-table", lambda data: _contrasts("tsv", data), CONTRASTS, ("treatment", "DMSO", "sample=", "!=", "C(")
    ),
    Target(
        "contrasts-yaml", lambda data: _contrasts("yaml", data), (CONTRASTS_YAML,), ("&a", "*a", "<<: *a", "? ", "!!")
    ),
    Target("overrides", _overrides, (OVERRIDES,), ("all", "20260101", "2026-W01-1", "2026-02-30")),
    Target(
        "poma-yaml",
        _config,
        (CONFIG, "name: x\n"),
        (
            "&a",
            "*a",
            "<<: *a",
            "!!python/object:os.system",
            "!!binary",
            "? ",
            "- ",
            "2024-13-45",
            "0o7",
            "1_0",
            "on:",
            "~",
        ),
    ),
    Target(
        "reference-lines",
        _reference_lines,
        ("name: x\nreference:\n  star_sparse_d: 2\n", "name: x\n"),
        ("reference:", "{"),
    ),
    Target(
        "hypotheses", _hypotheses, ("\n".join(_shipped_hypotheses().splitlines()[:12]) + "\n",), ("set_member", "none")
    ),
    Target("cell-lines", _cell_lines, (CELL_LINES,), ("kappa", ";")),
    Target(
        "thresholds",
        _thresholds,
        (read_text(data_file("markers", "qc_thresholds.tsv")),),
        ("<70", "outside 1.9-2.1", "outside 2-1", "present"),
    ),
)
"""Targets of this module."""
