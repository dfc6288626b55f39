import hashlib

import pytest

from poma_assets.science.errors import HypothesisError
from poma_assets.science.markers.hypotheses import parse_contexts, parse_hypotheses

GOOD = {
    "hypothesis_id": "IRF4_drug",
    "gene_symbol": "IRF4",
    "ensembl_gene_id": "ENSG00000137265.15",
    "panel": "core",
    "cell_context": "myeloma_sensitive;t_cell",
    "measured_level": "rna",
    "contrast_kind": "drug_vs_vehicle",
    "expected_direction": "down",
    "min_effect_log2": "0.585",
    "window_start_h": "8",
    "window_end_h": "",
    "policy": "directional",
}


def table(*rows, separator="\t"):
    return "\n".join(separator.join(values) for values in [GOOD, *[row.values() for row in rows]]) + "\n"


def test_the_shipped_table_is_valid_and_complete(shipped, marker_tables):
    assert len(shipped.table) == 53
    assert shipped.sha256 == hashlib.sha256((marker_tables / "marker_hypotheses.tsv").read_bytes()).hexdigest()
    by_id = {h.hypothesis_id: h for h in shipped.rows()}
    assert by_id["IRF4_drug"].sign == -1
    assert by_id["IRF4_drug"].min_effect_log2 == 0.585
    assert by_id["MYC_drug"].window_start_h == 24
    assert by_id["MYC_drug"].window_end_h == 72


def test_a_row_is_read_with_context_window_and_id_without_version():
    (hypothesis,) = parse_hypotheses(table(GOOD), source="h.tsv").rows()
    assert hypothesis.ensembl_gene_id == "ENSG00000137265"
    assert [(c.cells, c.sensitivity) for c in hypothesis.contexts] == [
        ("myeloma", "sensitive"),
        ("t_cell", None),
    ]
    assert hypothesis.window_start_h == 8
    assert hypothesis.window_end_h != hypothesis.window_end_h


def test_crlf_and_byte_order_mark_change_neither_content_nor_hash():
    plain = parse_hypotheses(table(GOOD), source="h.tsv")
    windows = parse_hypotheses("\ufeff" + table(GOOD).replace("\n", "\r\n"), source="h.tsv")
    assert windows.sha256 == plain.sha256
    assert windows.table.equals(plain.table)


def test_commas_are_read_too():
    assert len(parse_hypotheses(table(GOOD, separator=","), source="h.csv").table) == 1


@pytest.mark.parametrize(
    ("change", "column", "expected"),
    [
        ({"gene_symbol": ""}, "gene_symbol", "a text"),
        ({"hypothesis_id": "a b"}, "hypothesis_id", "letters"),
        ({"measured_level": "dna"}, "measured_level", "rna or protein"),
        ({"contrast_kind": "drug"}, "contrast_kind", "drug_vs_vehicle"),
        ({"policy": "strict"}, "policy", "directional"),
        ({"expected_direction": "none"}, "expected_direction", "up or down"),
        ({"expected_direction": "expressed"}, "expected_direction", "up or down"),
        ({"policy": "equivalence"}, "expected_direction", "none"),
        ({"min_effect_log2": ""}, "min_effect_log2", "above 0"),
        ({"min_effect_log2": "0"}, "min_effect_log2", "above 0"),
        ({"min_effect_log2": "-1"}, "min_effect_log2", "a number"),
        ({"window_start_h": "soon"}, "window_start_h", "a number"),
        ({"window_start_h": "72", "window_end_h": "24"}, "window_end_h", "start <= end"),
        ({"measured_level": "protein"}, "measured_level", "both or neither"),
        ({"policy": "interaction"}, "contrast_kind", "drug_by_sensitivity_interaction"),
        ({"policy": "identity", "expected_direction": "expressed"}, "contrast_kind", "both or neither"),
        ({"cell_context": ";"}, "cell_context", "myeloma"),
    ],
)
def test_a_wrong_value_is_named_with_line_column_and_expectation(change, column, expected):
    with pytest.raises(HypothesisError) as caught:
        parse_hypotheses(table(GOOD | {"hypothesis_id": "ok"}, GOOD | change), source="h.tsv")
    assert str(caught.value).startswith(f"h.tsv, line 3, column {column}: ")
    assert expected in str(caught.value.expected)


def test_an_id_may_not_occur_twice():
    with pytest.raises(HypothesisError, match="first on line 2"):
        parse_hypotheses(table(GOOD, GOOD), source="h.tsv")


def test_members_of_a_set_must_agree():
    member = GOOD | {"policy": "set_member", "panel": "my_set"}
    other = member | {"hypothesis_id": "other", "expected_direction": "up"}
    with pytest.raises(HypothesisError, match=r"line 3, column expected_direction.*my_set differ"):
        parse_hypotheses(table(member, other), source="h.tsv")


def test_missing_column_and_empty_table_are_refused():
    with pytest.raises(HypothesisError, match="lacks columns: policy"):
        parse_hypotheses(table(GOOD).replace("policy", "rule"), source="h.tsv")
    with pytest.raises(HypothesisError, match="no hypotheses"):
        parse_hypotheses(table(), source="h.tsv")


def test_contexts_without_known_suffix_are_kinds_of_cells():
    assert [str(c) for c in parse_contexts("nk_cell;myeloma_resistant")] == ["nk_cell", "resistant myeloma"]
