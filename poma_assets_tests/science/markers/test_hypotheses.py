import hashlib

import pandas as pd
import pytest

from poma_assets.science.errors import HypothesisError
from poma_assets.science.markers.hypotheses import combine, parse_contexts, parse_hypotheses
from poma_assets.science.markers.hypothesis_warnings import KNOWN_CELLS, hypothesis_warnings

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
        ({"cell_context": "myeloma,t_cell"}, "cell_context", "semicolons"),
        ({"cell_context": "T cell"}, "cell_context", "semicolons"),
        ({"cell_context": "t_cell;myeloma_sensitve"}, "cell_context", "_sensitive"),
        ({"min_effect_log2": "0,585"}, "min_effect_log2", "a number"),
        ({"min_effect_log2": "half"}, "min_effect_log2", "a number"),
        ({"window_end_h": "inf"}, "window_end_h", "a number"),
        ({"gene_symbol": "1-Mar"}, "gene_symbol", "a symbol"),
        ({"gene_symbol": "2023-09-02"}, "gene_symbol", "a symbol"),
        ({"ensembl_gene_id": "ENST00000380956"}, "ensembl_gene_id", "ENSG00000137265"),
        ({"ensembl_gene_id": "ENSG137265"}, "ensembl_gene_id", "ENSG00000137265"),
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


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"policy": "directonal"}, "Did you mean directional?"),
        ({"expected_direction": "none"}, "policy directional needs a direction"),
        ({"expected_direction": ""}, "policy directional needs a direction"),
        ({"expected_direction": "Down"}, "Did you mean down?"),
        ({"contrast_kind": "drug_vs_vehicel"}, "Did you mean drug_vs_vehicle?"),
        ({"min_effect_log2": "0,585"}, "Write a point as the decimal sign"),
        ({"min_effect_log2": "-0.585"}, "Write the size without sign"),
        ({"cell_context": "myeloma_resistent"}, "Did you mean myeloma_resistant?"),
        ({"gene_symbol": "2-Sep"}, "a spreadsheet turned the symbol into a date"),
    ],
)
def test_a_wrong_value_is_answered_with_what_to_do(change, words):
    with pytest.raises(HypothesisError) as caught:
        parse_hypotheses(table(GOOD | change), source="h.tsv")
    assert words in str(caught.value)


def test_what_is_not_recorded_may_be_written_in_the_ways_of_the_sample_sheet():
    (hypothesis,) = parse_hypotheses(table(GOOD | {"window_start_h": "-", "window_end_h": "NA"}), source="h").rows()
    assert hypothesis.window_start_h != hypothesis.window_start_h
    with pytest.raises(HypothesisError, match="needs a smallest effect"):
        parse_hypotheses(table(GOOD | {"min_effect_log2": "NA"}), source="h.tsv")


def test_comments_stand_before_the_header_and_lines_keep_their_numbers():
    commented = '# our panel\n\n"# quoted by a spreadsheet"\n' + table(GOOD)
    assert parse_hypotheses(commented, source="h").table.equals(parse_hypotheses(table(GOOD), source="h").table)
    with pytest.raises(HypothesisError, match="line 5, column policy"):
        parse_hypotheses(commented.replace("directional", "strict"), source="h.tsv")


class TestHash:
    PLAIN = table(GOOD, GOOD | {"hypothesis_id": "other"})

    @pytest.mark.parametrize(
        "text",
        [
            "# comment\n" + PLAIN,
            PLAIN.replace("\n", "\r\n"),
            PLAIN.replace("\t", ","),
            PLAIN.replace("\n", "\n\n"),
            PLAIN.rstrip("\n"),
            PLAIN.replace("IRF4\t", '"IRF4 "\t'),
        ],
    )
    def test_form_does_not_count(self, text):
        assert parse_hypotheses(text, source="h").sha256 == parse_hypotheses(self.PLAIN, source="h").sha256

    def test_further_columns_and_their_order_do_not_count(self):
        frame = pd.DataFrame([GOOD]).assign(seen_by="EP")
        moved = frame[list(reversed(frame.columns))].to_csv(sep="\t", index=False)
        assert parse_hypotheses(moved, source="h").sha256 == parse_hypotheses(table(GOOD), source="h").sha256

    @pytest.mark.parametrize("column", [*GOOD, "note", "evidence", "guide_statement", "version"])
    def test_every_cell_counts(self, column):
        row = {**GOOD, "note": "", "evidence": "", "guide_statement": "", "version": ""}
        changes = {
            "policy": "permissive", "expected_direction": "up", "min_effect_log2": "0.6", "window_start_h": "9",
            "window_end_h": "72", "ensembl_gene_id": "ENSG00000136997",
            "contrast_kind": "resistant_vs_sensitive_at_vehicle",
        }  # fmt: skip
        if column == "measured_level":
            changed = {**row, "measured_level": "protein", "policy": "protein_level"}
            row = {**row, "policy": "permissive"}
        else:
            changed = {**row, column: changes.get(column, "else")}

        def digest(values):
            return parse_hypotheses("\n".join("\t".join(v) for v in (row, values.values())), source="h").sha256

        assert digest(changed) != digest(row)

    def test_it_is_the_hash_of_a_file_in_the_shipped_form(self):
        row = {**GOOD, "guide_statement": "", "note": "n", "evidence": "", "version": "v 1"}
        text = "\n".join("\t".join(v) for v in (row, row.values())) + "\n"
        assert parse_hypotheses(text, source="h").sha256 == hashlib.sha256(text.encode()).hexdigest()


class TestCombine:
    def test_own_hypotheses_follow_the_shipped_ones(self, shipped):
        own = parse_hypotheses(table(GOOD | {"hypothesis_id": "mine"}), source="own.tsv")
        both = combine(shipped, own)
        assert list(both.table["hypothesis_id"]) == [*shipped.table["hypothesis_id"], "mine"]
        assert both.replaced == ()
        assert len({both.sha256, shipped.sha256, own.sha256}) == 3

    def test_the_same_id_replaces_in_place(self, shipped):
        stricter = parse_hypotheses(table(GOOD | {"min_effect_log2": "1"}), source="own.tsv")
        both = combine(shipped, stricter)
        assert both.replaced == ("IRF4_drug",)
        assert list(both.table["hypothesis_id"]) == list(shipped.table["hypothesis_id"])
        assert {h.hypothesis_id: h.min_effect_log2 for h in both.rows()}["IRF4_drug"] == 1.0

    def test_versions_of_both_are_named(self, shipped):
        row = GOOD | {"hypothesis_id": "mine", "version": "our panel 2"}
        text = "\n".join("\t".join(v) for v in (row, row.values()))
        both = combine(shipped, parse_hypotheses(text, source="own.tsv"))
        assert (shipped.version, both.version) == ("marker_hypotheses 1.0", "marker_hypotheses 1.0; our panel 2")

    def test_a_member_that_does_not_fit_the_shipped_set_is_refused(self, shipped):
        row = GOOD | {"hypothesis_id": "mine", "panel": "interferon_set", "policy": "set_member"}
        with pytest.raises(HypothesisError) as caught:
            combine(shipped, parse_hypotheses(table(row), source="own.tsv"))
        assert str(caught.value).startswith("own.tsv, line 2, column cell_context: members of the set interferon_set")
        assert "from marker_hypotheses.tsv, line 19" in str(caught.value)

    def test_a_member_that_fits_joins_the_shipped_set(self, shipped):
        model = shipped.table.set_index("hypothesis_id").loc["IFIT1_drug"]
        row = GOOD | {
            "hypothesis_id": "mine", "gene_symbol": "IFI6", "ensembl_gene_id": "ENSG00000126709",
            "panel": "interferon_set", "policy": "set_member", "cell_context": model["cell_context"],
            "expected_direction": "up", "min_effect_log2": "1.0", "window_start_h": "48", "window_end_h": "72",
        }  # fmt: skip
        both = combine(shipped, parse_hypotheses(table(row), source="own.tsv"))
        assert (both.table["panel"] == "interferon_set").sum() == 14


class TestWarnings:
    IDS = pd.DataFrame(
        {
            "gene_symbol": ["IRF4", "MYC", "TNF", "TNF", "NOID"],
            "ensembl_gene_id": ["ENSG00000137265", "ENSG00000136997", "ENSG00000232810", "ENSG00000204490", None],
        }
    )

    def warn(self, *rows, contexts=()):
        versioned = [{**GOOD, "version": "mine 1", **row} for row in rows]
        text = "\n".join("\t".join(v) for v in (versioned[0], *[row.values() for row in versioned]))
        return hypothesis_warnings(parse_hypotheses(text, source="h"), self.IDS, contexts)

    def test_the_shipped_table_has_none(self, shipped, marker_tables):
        path = marker_tables.parent / "gene_sets" / "human_gene_ids.tsv.gz"
        assert hypothesis_warnings(shipped, pd.read_csv(path, sep="\t", dtype=str)) == []
        assert {context.cells for row in shipped.rows() for context in row.contexts} == KNOWN_CELLS

    def test_a_sound_row_has_none(self):
        assert self.warn({}) == []
        assert self.warn({"gene_symbol": "TNF", "ensembl_gene_id": "ENSG00000204490"}) == []

    def test_the_id_of_another_gene(self):
        assert self.warn({"ensembl_gene_id": "ENSG00000136997"}) == [
            "IRF4_drug: ENSG00000136997 is the id of MYC, not IRF4 (IRF4 is ENSG00000137265)"
        ]

    def test_an_id_that_nobody_has_and_no_id_at_all(self):
        (unknown,) = self.warn({"ensembl_gene_id": "ENSG00000999999"})
        assert "not in the table of gene ids, where IRF4 is ENSG00000137265" in unknown
        (absent,) = self.warn({"ensembl_gene_id": ""})
        assert "found by its symbol only; it is ENSG00000137265" in absent
        (neither,) = self.warn({"ensembl_gene_id": "", "gene_symbol": "IRF44"})
        assert "unknown symbol" in neither

    def test_cells_that_no_sample_has(self):
        (typo,) = self.warn({"cell_context": "mieloma_sensitive"})
        assert "'mieloma'" in typo
        assert "is 'myeloma' meant?" in typo
        assert self.warn({"cell_context": "b_cell"}, contexts=["b_cell"]) == []

    @pytest.mark.parametrize(
        ("second", "words"),
        [
            ({"expected_direction": "up"}, "'down' and 'up' in the same cells"),
            ({"expected_direction": "none", "policy": "equivalence"}, "'down' and 'none' in the same cells"),
            ({}, "judged and adjusted for twice"),
            ({"expected_direction": "up", "cell_context": "myeloma"}, "'down' and 'up'"),
            ({"expected_direction": "up", "cell_context": "myeloma_resistant"}, None),
            ({"expected_direction": "up", "cell_context": "nk_cell"}, None),
            ({"expected_direction": "up", "window_start_h": "73"}, None),
            ({"expected_direction": "up", "contrast_kind": "resistant_vs_sensitive_at_vehicle"}, None),
            ({"expected_direction": "up", "policy": "report_only"}, None),
        ],
    )
    def test_hypotheses_that_contradict_each_other(self, second, words):
        found = self.warn({"window_end_h": "72"}, {"hypothesis_id": "second", "window_end_h": "", **second})
        assert len(found) == (0 if words is None else 1)
        assert words is None or words in found[0]

    def test_a_table_without_version(self):
        (warning,) = hypothesis_warnings(parse_hypotheses(table(GOOD), source="h"), self.IDS)
        assert warning.startswith("no version is given for IRF4_drug: ")


def test_the_example_of_the_documentation_works(shipped, marker_tables):
    page = (marker_tables.parents[1] / "docs" / "hypotheses.md").read_text(encoding="utf-8")
    example = page.split("columns separated by tabs\n", 1)[1].split("```", 1)[0]
    own = parse_hypotheses(example, source="my_hypotheses.tsv")
    both = combine(shipped, own)
    assert both.replaced == ("IRF4_drug",)
    assert both.version == "marker_hypotheses 1.0; our_panel 1"
    assert {h.hypothesis_id: h.min_effect_log2 for h in both.rows()}["IRF4_drug"] == 1.0
    assert len(both.table) == 54


def test_the_shipped_panels_are_those_of_the_documentation(shipped):
    assert shipped.table["panel"].value_counts().to_dict() == {
        "core": 17, "interferon_set": 13, "extended": 11, "proliferation_set": 7, "identity": 5,
    }  # fmt: skip
