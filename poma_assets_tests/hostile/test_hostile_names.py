"""Names, formulas and notes that were made to do harm: what they could do, and that they cannot."""

from __future__ import annotations

import csv
import io
import json
from contextlib import suppress
from pathlib import Path

import pandas as pd
import pytest

from poma_assets.science.accessions import check_accession
from poma_assets.science.contrasts_file import parse_contrasts
from poma_assets.science.errors import DesignError, PomaError, SampleSheetError
from poma_assets.science.fastq_pairs import find_fastq_pairs
from poma_assets.science.formula import formula_matrix, formula_variables, parse_weights
from poma_assets.science.markdown_text import markdown_text
from poma_assets.science.sample_sheet import parse_sample_sheet
from poma_assets.science.spreadsheet_cells import harmless
from poma_assets.science.subsets import parse_subset
from poma_assets.science.tables import natural_key, near_miss
from poma_assets.study_config import parse_config
from poma_assets.tools.ena import kept_runs
from poma_assets_tests.fuzzing.design_targets import COEFFICIENTS, TABLE
from poma_assets_tests.fuzzing.hostile_texts import CHARACTERS, FORMULAS, LONG, MARKUP, PATHS, QUOTES, SQL

NAMES = (*MARKUP, *FORMULAS, *PATHS, *SQL, *CHARACTERS, *QUOTES, *LONG)
HARMLESS = {"NUL", "9" * 100}


@pytest.mark.parametrize("name", [name for name in NAMES if name not in HARMLESS])
def test_ids_become_folders_so_no_hostile_text_is_one(name: str) -> None:
    table = io.StringIO()
    csv.writer(table).writerows([("sample", "treatment"), (name, "DMSO")])
    with pytest.raises(PomaError):
        parse_sample_sheet(table.getvalue(), source="samples.csv", files_required=False)
    table = io.StringIO()
    csv.writer(table).writerows([("id", "variable", "reference", "target"), (name, "treatment", "DMSO", "drug")])
    with pytest.raises(PomaError):
        parse_contrasts(table.getvalue(), source="contrasts.csv")


@pytest.mark.parametrize("value", [*MARKUP, *SQL, "=cmd|' /C calc'!A0", "../../etc/passwd", "𝛼", "ñ", "\u05d0\u05d1"])
def test_values_of_columns_are_kept_as_they_are(value: str) -> None:
    table = io.StringIO()
    csv.writer(table).writerows([("sample", "treatment", value), ("S1", value, "x")])
    sheet = parse_sample_sheet(table.getvalue(), source="samples.csv", files_required=False)
    assert sheet.design_table().loc["S1", "treatment"] == value
    assert sheet.design_table().loc["S1", value] == "x"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        *(("DMSO", "D\u041cS\u041e"), ("1 \u00b5M", "1 \u03bcM"), ("pom", "po\u200bm"), ("a-b", "a\u2013b")),
        *(("x y", "x\u00a0y"), ("\u00e9", "e\u0301")),
    ],
)
def test_two_values_that_look_the_same_are_refused(one: str, other: str) -> None:
    text = f"sample\ttreatment\nS1\t{one}\nS2\t{other}\n"
    with pytest.raises(SampleSheetError, match=r"line [23], column treatment: two values .* look the same .*U\+"):
        parse_sample_sheet(text, source="samples.tsv", files_required=False)
    parse_sample_sheet(text.replace(one, other), source="samples.tsv", files_required=False)


@pytest.fixture
def forbidden(tmp_path: Path) -> Path:
    """A file that is there if a formula has run a program."""
    return tmp_path / "ran"


@pytest.mark.parametrize(
    "code",
    [
        "C(open({path!r}, 'w'))",
        "open({path!r}, 'w')",
        "open({path!r}, 'w')(treatment)",
        "{{open({path!r}, 'w')(treatment)}}",
        "exec('open({path!r}, 1)')(treatment)",
        "__import__('os').mknod({path!r})",
        "__import__('os').mknod({path!r})(treatment)",
        "{{__import__('os').mknod({path!r})}}",
        "batch[__import__('os').mknod({path!r})]",
        "C(treatment, [x for x in [__import__('os').mknod({path!r})]])",
        "C(treatment, (lambda: __import__('os').mknod({path!r}))())",
        "np.save({path!r}, dose_um)",
        "np.loadtxt({path!r})",
        "C(().__class__.__base__.__subclasses__())",
        "exec('open({path}, 1)')",
        "eval('1')",
        "log2(f'{{open({path!r}, 1)}}')",
        "C('_formulaic_a____open_x_____b', `a' + open(x) + 'b`)",
        "C(treatment.map(open))",
        "contr.__class__(treatment)",
        "__FORMULAIC_SPEC__",
        "I(9**9**9)",
        "I((9**9)**9)",
        "I('a'*999999999)",
        "poly(dose_um, 1000000)",
        "bs(dose_um, df=10**8)",
    ],
)
def test_a_formula_runs_no_program(code: str, forbidden: Path) -> None:
    formula = "~ treatment + " + code.format(path=str(forbidden))
    with suppress(DesignError):
        formula_variables(formula, where="contrast c")
    assert not forbidden.exists()
    with pytest.raises(DesignError, match=r"^contrast c: "):
        formula_matrix(formula, TABLE, where="contrast c")
    assert not forbidden.exists()


@pytest.mark.parametrize(
    ("formula", "words"),
    [
        ("~ (treatment + batch + sensitivity)**99999", None),
        (
            "~ " + " * ".join(["treatment", "batch", "sensitivity", "dose_um", "time_h"] * 9),
            "more terms than any design",
        ),
        ("~ " + " * ".join(f"column{i}" for i in range(40)), "more terms than any design"),
        ("~ ((a + b + c + d)**9)**9", "more terms than any design"),
        ("~ treatment + " + "x" * 5000, "longer than any design"),
    ],
)
def test_a_formula_larger_than_any_design_is_refused_at_once(formula: str, words: str | None) -> None:
    with pytest.raises(DesignError, match=words):
        formula_matrix(formula, TABLE, where="c")


def test_interactions_of_columns_with_many_levels_do_not_fill_the_memory() -> None:
    table = pd.DataFrame({name: [f"{name}{i}" for i in range(300)] for name in "abc"})
    with pytest.raises(DesignError, match="more coefficients than any design"):
        formula_matrix("~ a:b:c", table, where="c")


@pytest.mark.parametrize("text", ["(" * 5000 + "x", "9" * 400 + "*treatment[drug]", "-" * 3000 + "treatment[drug]"])
def test_weights_that_are_no_weights(text: str) -> None:
    with pytest.raises(DesignError):
        parse_weights(text, COEFFICIENTS, where="c")


@pytest.mark.parametrize(
    "use",
    [
        lambda: check_accession("a  " * 60 + "!", where="x", error=SampleSheetError),
        lambda: parse_subset("a" + " " * 100_000 + "b", where="x"),
        lambda: near_miss("x" * 10_000_000, ["x" * 9_999_999, "sample"]),
        lambda: natural_key("S" + "9" * 100_000),
    ],
    ids=["accession", "subset", "near miss", "natural order"],
)
def test_texts_made_to_take_for_ever_are_answered_at_once(use) -> None:  # type: ignore[no-untyped-def]
    from poma_assets_tests.fuzzing.target import _time_limit

    with _time_limit(2.0), suppress(PomaError):
        use()


def test_yaml_that_stands_for_millions_of_values_or_for_itself_is_refused() -> None:
    lines = ["name: x", "a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 12)]
    for text in (
        "\n".join(lines),
        "name: &a [*a]",
        "name: " + "[" * 5000,
        "? [a, b]\n: c\n",
        "name: !!python/object:os.x\n",
    ):
        with pytest.raises(PomaError) as caught:
            parse_config(text)
        assert len(str(caught.value)) < 5000


def test_what_a_message_quotes_is_short_and_obeyed_by_no_terminal() -> None:
    error = PomaError("odd \x1b[31mname\x1b[0m", where="a\u202eb", found="x" * 10**7, fix="see\nbelow \x9b31m")
    text = str(error)
    assert len(text) < 5000
    assert "(10,000,000 characters)" in text
    assert "\\x1b[31mname" in text
    assert "a\\u202eb" in text
    assert text.count("\n") == 1


@pytest.mark.parametrize("name", ["S\t1_R1.fastq.gz", "S\n1_R1.fastq.gz", 'S"1_R1.fastq.gz', "S\udc801_R1.fastq.gz"])
def test_file_names_that_cannot_stand_in_a_sheet_are_refused(name: str) -> None:
    with pytest.raises(PomaError, match="cannot be written into a table"):
        find_fastq_pairs([name])
    assert find_fastq_pairs(["NA_R1.fastq.gz"])[0].sample == "sample_NA"


@pytest.mark.parametrize("text", MARKUP)
def test_markdown_of_dagsters_pages_shows_what_it_is_given(text: str) -> None:
    from markdown_it import MarkdownIt

    reader = MarkdownIt("gfm-like", {"html": True, "linkify": False})
    html = reader.render(markdown_text(text))
    assert "<script" not in html
    assert "<img" not in html
    assert "<a " not in html
    assert "<svg" not in html
    assert reader.renderInline(markdown_text(text)) == reader.renderInline(markdown_text(text)).strip()


@pytest.mark.parametrize("text", [*FORMULAS, "=1;=2", "'=1"])
def test_no_cell_of_a_csv_begins_like_a_formula(text: str) -> None:
    assert harmless(text)[:1] not in tuple("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")
    assert harmless(harmless(text)) == harmless(text)


@pytest.mark.parametrize(
    "run",
    ["../../../tmp/x", "/tmp/x", "SRR1/..", "", "SRR1039508\n"],
    ids=["up", "absolute", "parent", "empty", "newline"],
)
def test_a_note_of_downloads_cannot_name_a_place_outside(tmp_path: Path, run: str) -> None:
    file = {"path": f"host/{run}_1.fastq.gz", "md5": "a" * 32, "size_bytes": 1}
    (tmp_path / "SRR1039508.json").write_text(json.dumps({"runs": [{"run_accession": run, "files": [file]}]}))
    assert kept_runs("SRR1039508", tmp_path) is None


def test_a_note_cannot_name_another_file_of_a_run(tmp_path: Path) -> None:
    for path in ("host/..", "host/poma.yaml", "host/"):
        note = {"runs": [{"run_accession": "SRR1039508", "files": [{"path": path, "md5": "a" * 32, "size_bytes": 1}]}]}
        (tmp_path / "SRR1039508.json").write_text(json.dumps(note))
        assert kept_runs("SRR1039508", tmp_path) is None
