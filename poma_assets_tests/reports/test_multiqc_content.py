"""What our own sections of the MultiQC report say: values, colours by threshold, words; hostile and missing ones."""

from __future__ import annotations

import json

import pandas as pd
import pytest
from made_up_samples import HOSTILE, make_sample_tables, make_samples

from poma_assets.reports.multiqc_content import SECTION_ORDER, custom_content, read_unit
from poma_assets.science.quality_gates import QUALITY_COLUMNS, read_rule
from poma_assets.storage.schema import TABLES


def quality(*rows: tuple[object, ...]) -> pd.DataFrame:
    """Rows of sample, metric, value, warn, fail, status."""
    return pd.DataFrame([(*row, "somewhere", "sample") for row in rows], columns=list(QUALITY_COLUMNS))


QUALITY = quality(
    ("S1", "rna_integrity_number", 9.1, "<8", "<7", "pass"),
    ("S1", "uniquely_mapped_pct", 69.96, "<70", "<50", "warn"),
    ("S1", "strandedness", 0.0, "disagrees with the sheet", None, "pass"),
    ("S1", "genes_detected", 12345.0, None, None, "not_assessed"),
    ("S2", "rna_integrity_number", None, "<8", "<7", "not_recorded"),
    ("S2", "uniquely_mapped_pct", 40.0, "<70", "<50", "fail"),
    ("S2", "strandedness", 1.0, "disagrees with the sheet", None, "warn"),
    ("S2", "a260_a280", 2.3, "outside 1.9-2.1", "<1.8", "warn"),
)
INCLUSION = pd.DataFrame(
    {
        "sample_id": ["S1", "S2", "S3"],
        "included": [True, False, False],
        "reason": [None, "uniquely_mapped_pct 40 fails (<50)", "its steps up to sample_quality did not succeed"],
    }
)
SAMPLES = pd.DataFrame({"sample_id": ["S1", "S2", "S3"], "cell_line": ["MM.1S", HOSTILE, None]})


def identity(*rows: tuple[object, ...]) -> pd.DataFrame:
    """Rows of sample, rule, expected, observed, status, likelier line."""
    columns = [column.name for column in TABLES["sample_identity"].columns]
    return pd.DataFrame([(*row, "figures") for row in rows], columns=columns)


IDENTITY = identity(
    ("S1", "light_chain", "IGL", "IGL", "match", None),
    ("S1", "lineage", "myeloma", "myeloma", "match", None),
    ("S1", "swap", "own arm", "own arm", "match", None),
    ("S2", "light_chain", "IGL", "IGK, 10,000 CPM", "mismatch", "U266"),
    ("S2", "lineage", "myeloma", "myeloma", "match", None),
    ("S3", "light_chain", "not known", "IGL", "not_assessed", None),
)


def sections(**tables: pd.DataFrame) -> dict[str, dict[str, object]]:
    given = {"sample_quality": QUALITY, "sample_identity": IDENTITY, **tables}
    return custom_content(given, SAMPLES, INCLUSION)


def coloured(header: dict[str, object], value: float | str) -> str | None:
    """The status that MultiQC colours a value by, as its tables do it: of the rules that hold, the last."""
    found = None
    for status in ("pass", "warn", "fail"):
        for condition in header.get("cond_formatting_rules", {}).get(status, []):
            (does, limit), holds = next(iter(condition.items())), False
            if does in ("s_eq", "s_ne"):
                holds = (str(limit).lower() == str(value).lower()) == (does == "s_eq")
            elif does in ("lt", "gt"):
                holds = value < limit if does == "lt" else value > limit
            found = status if holds else found
    return found


def test_gates_show_values_in_words_and_figures():
    gates = sections()["poma_gates"]["data"]
    assert list(gates) == ["S1", "S2", "S3"]
    assert gates["S1"] == {
        "gates": "warn",
        "in_matrix": "yes",
        "rna_integrity_number": 9.1,
        "uniquely_mapped_pct": 69.96,
        "strandedness": "ok",
        "genes_detected": 12345.0,
        "remarks": "warned: Uniquely mapped",
    }
    assert (gates["S2"]["gates"], gates["S2"]["in_matrix"]) == ("fail", "no")
    assert gates["S2"]["strandedness"] == "disagrees with the sheet"
    assert "rna_integrity_number" not in gates["S2"]  # an empty cell: neither a figure nor a pass
    assert gates["S2"]["remarks"] == (
        "uniquely_mapped_pct 40 fails (&lt;50); warned: Strandedness + A260/A280; not recorded: RIN"
    )
    assert gates["S3"] == {
        "gates": "not assessed",
        "in_matrix": "no",
        "remarks": "its steps up to sample_quality did not succeed",
    }


def test_every_value_is_coloured_by_its_status():
    gates = sections()["poma_gates"]
    for row in QUALITY.dropna(subset="value").itertuples():
        shown = gates["data"][row.sample_id][row.metric]
        assert coloured(gates["headers"][row.metric], shown) == (row.status if row.warn or row.fail else None), row


@pytest.mark.parametrize("rule", ["<70", ">5", "< 1.8", "outside 1.9-2.1", ">1e3"])
@pytest.mark.parametrize("value", [0.0, 1.8, 1.9, 2.0, 2.1, 2.2, 5.0, 5.1, 70.0, 1000.0, 1000.5])
def test_colours_follow_the_rules_of_the_gates(rule, value):
    table = quality(("S1", "a260_a280", value, None, rule, "fail"))
    header = sections(sample_quality=table)["poma_gates"]["headers"]["a260_a280"]
    assert (coloured(header, value) == "fail") == read_rule(rule, where="here")(value)


def test_thresholds_are_told_in_words():
    gates = sections()["poma_gates"]
    assert "\n- Uniquely mapped: warns below 70 %; fails below 50 %" in gates["description"]
    assert "\n- A260/A280: warns outside 1.9 to 2.1; fails below 1.8" in gates["description"]
    assert "\n- Strandedness: warns if it disagrees with the sheet" in gates["description"]
    assert "Genes detected" not in gates["description"]
    assert "have not been compared with each other" not in gates["description"]
    assert (
        "have not been compared with each other" in sections(sample_identity=IDENTITY[:0])["poma_gates"]["description"]
    )


def test_metrics_stand_in_the_order_of_the_protocol():
    assert list(sections()["poma_gates"]["headers"]) == [
        *("gates", "in_matrix", "remarks", "rna_integrity_number", "a260_a280"),
        *("uniquely_mapped_pct", "genes_detected", "strandedness"),
    ]


def test_reads_are_counted_in_thousands_where_no_sample_has_a_million():
    def unit(*pairs: float) -> dict[str, object]:
        return read_unit(quality(*(("S1", "read_pairs", value, None, None, "pass") for value in pairs)))

    assert unit(120.0, 999_999.0)["read_count_prefix"] == "K"
    assert unit(120.0, 1_000_000.0) == unit() == {}


def test_samples_judged_by_other_thresholds_stand_in_a_column_of_their_own():
    table = quality(("S1", "rrna_pct", 9.0, ">5", None, "warn"), ("S2", "rrna_pct", 9.0, ">10", None, "pass"))
    gates = sections(sample_quality=table)["poma_gates"]
    assert gates["data"]["S1"]["rrna_pct >5"] == gates["data"]["S2"]["rrna_pct >10"] == 9.0
    assert coloured(gates["headers"]["rrna_pct >5"], 9.0) == "warn"
    assert coloured(gates["headers"]["rrna_pct >10"], 9.0) == "pass"


def test_strandedness_tells_sheet_reads_and_counters():
    table = pd.DataFrame(
        [
            ("S1", "auto", "reverse", "reverse", 100, 900, 1000, 0.9, True),
            ("S2", "forward", "undetermined", "forward", 0, 0, 0, None, True),
            ("S3", "forward", "reverse", "reverse", 50, 950, 1000, 0.95, False),
        ],
        columns=[column.name for column in TABLES["strandedness"].columns],
    )
    data = sections(strandedness=table)["poma_strandedness"]["data"]
    assert data["S1"] == {
        "declared": "auto",
        "inferred": "reverse",
        "used": "reverse",
        "agrees": "yes",
        "reverse_pct": 90.0,
        "fragments": 1000.0,
    }
    assert "reverse_pct" not in data["S2"]
    assert (data["S3"]["used"], data["S3"]["agrees"], data["S3"]["reverse_pct"]) == ("reverse", "no", 95.0)


def test_identity_tells_the_declared_line_the_line_by_expression_and_the_verdict():
    section = sections()["poma_identity"]
    data = section["data"]
    assert data["S1"] == {
        "verdict": "match",
        "declared": "MM.1S",
        "by_expression": "fits MM.1S",
        "light_chain": "match",
        "lineage": "match",
        "swap": "match",
    }
    assert (data["S2"]["verdict"], data["S2"]["by_expression"]) == ("mismatch", "rather U266")
    assert data["S2"]["contradicts"] == "light chain: expected IGL; found IGK; 10;000 CPM"
    assert (data["S3"]["verdict"], data["S3"]["declared"]) == ("not assessed", "not recorded")
    assert data["S3"]["by_expression"] == "not assessed"
    assert [coloured(section["headers"]["verdict"], data[s]["verdict"]) for s in data] == ["pass", "fail", None]
    assert list(section["headers"])[:3] == ["verdict", "declared", "by_expression"]


def test_a_mismatch_without_a_likelier_line_is_another_line_and_a_swap_says_nothing_of_the_line():
    table = identity(
        ("S1", "light_chain", "IGL", "IGK", "mismatch", None), ("S3", "swap", "own arm", "another", "mismatch", None)
    )
    data = sections(sample_identity=table)["poma_identity"]["data"]
    assert (data["S1"]["by_expression"], data["S3"]["by_expression"]) == ("another line", "not assessed")


def test_the_general_statistics_get_gates_and_identity():
    overview = sections()["poma_overview"]
    assert overview["data"]["S2"] == {"gates": "fail", "identity": "mismatch"}
    assert overview["data"]["S1"] == {"gates": "warn", "identity": "match"}


def test_texts_of_users_are_no_markup_and_have_no_commas():
    content = custom_content(
        {**make_sample_tables(make_samples()), "sample_identity": IDENTITY},
        SAMPLES,
        INCLUSION.assign(reason=f"included by {HOSTILE}, 2026"),
    )
    for section in content.values():
        cells = [str(value) for row in section["data"].values() for value in row.values()]
        assert not [cell for cell in cells if "<" in cell or "," in cell]
    assert "&lt;script&gt;" in content["poma_identity"]["data"]["S2"]["declared"]


def test_sections_without_rows_are_left_out_and_the_rest_is_json():
    assert set(custom_content({}, SAMPLES[:0], INCLUSION[:0])) == set()
    assert set(custom_content({"sample_quality": QUALITY}, SAMPLES, INCLUSION)) == {"poma_gates", "poma_overview"}
    content = sections(**{"strandedness": make_sample_tables(make_samples())["strandedness"]})
    assert {*SECTION_ORDER, "poma_overview"} == set(content)
    assert json.loads(json.dumps(content, allow_nan=False)) == content
