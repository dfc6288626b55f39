import json

import numpy as np
import pandas as pd
import pytest

from poma_assets.science.markers.identity import IDENTITY_COLUMNS, RULES, sample_identity
from poma_assets.science.markers.identity_table import identity_table
from poma_assets.science.markers.sex import y_linked_in_female_line
from poma_assets.storage.schema import TABLES

N_BACKGROUND = 12_000
MM1S = {"IGLC2": 6000, "IGKC": 5, "IGHA1": 5000, "IGHG1": 20, "MAF": 300, "NSD2": 40, "CCND1": 1, "XIST": 60}
H929 = {"IGLC2": 8, "IGKC": 7000, "IGHA1": 4000, "IGHG1": 9, "MAF": 2, "NSD2": 400, "CCND1": 2, "XIST": 50}
U266 = {"IGLC2": 3000, "IGKC": 2, "IGHE": 4000, "MAF": 1, "NSD2": 30, "CCND1": 500}


@pytest.fixture(scope="module")
def tables(marker_tables):
    names = ("cell_line_identity.tsv", "sample_identity_genes.tsv")
    return tuple(pd.read_csv(marker_tables / name, sep="\t", dtype=str) for name in names)


@pytest.fixture
def y_linked(tables):
    """Ask one sample for Y-linked genes: its line, the CPM of identity genes, fragments per CPM."""
    lines, identity_genes = tables

    def run(line, cpm, *, depth=20.0, parent="", drop=(), sex=None):
        kept = identity_genes[~identity_genes["gene_symbol"].isin(drop)]
        marked = [cpm.get(symbol, 0) for symbol in kept["gene_symbol"]]
        background = np.full(N_BACKGROUND, (1e6 - sum(marked)) / N_BACKGROUND)
        index = [*kept["ensembl_gene_id"], *[f"BG{i}" for i in range(N_BACKGROUND)]]
        counts = pd.Series(np.round(np.concatenate([marked, background]) * depth).astype(int), index=index)
        genes = pd.DataFrame({"gene_id": index, "gene_name": [*kept["gene_symbol"], *index[len(kept) :]]})
        row = {"sample_id": "S1", "cell_line": line, "metadata": json.dumps({"parent_line": parent})}
        known = lines if sex is None else lines.assign(sex=sex)
        return y_linked_in_female_line(counts, row, genes, known, identity_genes)

    return run


@pytest.fixture
def identify(tables):
    """Judge samples given as name -> (declared line, CPM of identity genes)."""
    lines, identity_genes = tables

    def run(samples, *, drop=(), n_background=N_BACKGROUND, depth=20.0, parents=None):
        kept = identity_genes[~identity_genes["gene_symbol"].isin(drop)]
        # A log-normal transcriptome with a median near 10 CPM, so that the figures given are real CPM.
        background = np.random.default_rng(4).lognormal(2.3, 1.5, n_background)
        columns = {}
        for sample, (_, cpm) in samples.items():
            marked = [cpm.get(symbol, 0) for symbol in kept["gene_symbol"]]
            filling = background * (1e6 - sum(marked)) / background.sum()
            columns[sample] = np.round(np.concatenate([marked, filling]) * depth).astype(int)
        index = [*kept["ensembl_gene_id"], *[f"BG{i}" for i in range(n_background)]]
        counts = pd.DataFrame(columns, index=index)
        genes = pd.DataFrame({"gene_id": index, "gene_name": [*kept["gene_symbol"], *index[len(kept) :]]})
        metadata = [json.dumps({"parent_line": (parents or {}).get(s, "")}) for s in samples]
        sheet = pd.DataFrame(
            {"sample_id": list(samples), "cell_line": [v[0] for v in samples.values()], "metadata": metadata}
        )
        return sample_identity(counts, sheet, genes, lines, identity_genes).set_index(["sample_id", "rule"])

    return run


def test_columns_are_those_of_the_warehouse(identify):
    assert TABLES["sample_identity"].column_names == IDENTITY_COLUMNS
    assert set(identify({"S1": ("MM.1S", MM1S)}).reset_index().columns) == set(IDENTITY_COLUMNS)


@pytest.mark.parametrize(("line", "cpm"), [("MM.1S", MM1S), ("NCI-H929", H929), ("U266", U266)])
def test_a_line_matches_itself(identify, line, cpm):
    status = identify({"S1": (line, cpm)}).loc["S1", "status"]
    assert status["light_chain"] == status["heavy_chain"] == status["translocation_outlier"] == "match"
    assert status["lineage"] == "match"
    assert status["sex"] == ("not_assessed" if line == "U266" else "match")  # U266 has lost its Y


@pytest.mark.parametrize(
    ("line", "cpm", "mismatches", "likelier"),
    [
        ("MM.1S", H929, {"light_chain", "translocation_outlier"}, "NCI-H929"),
        ("MM.1S", U266, {"heavy_chain", "translocation_outlier"}, "U266"),
        ("NCI-H929", MM1S, {"light_chain"}, "MM.1S;MM.1R"),
    ],
)
def test_another_line_is_a_mismatch_and_named(identify, line, cpm, mismatches, likelier):
    frame = identify({"S1": (line, cpm)}).loc["S1"]
    wrong = frame[frame["status"] == "mismatch"]
    assert set(wrong.index) == mismatches
    assert set(wrong["likelier_line"]) == {likelier}
    assert frame.loc[frame["status"] != "mismatch", "likelier_line"].isna().all()


def test_a_swapped_pair_is_found_and_each_names_the_other(identify):
    samples = {f"M{i}": ("MM.1S", MM1S) for i in (1, 2)} | {f"H{i}": ("NCI-H929", H929) for i in (1, 2)}
    samples |= {"M3": ("MM.1S", H929), "H3": ("NCI-H929", MM1S)}
    frame = identify(samples).reset_index()
    wrong = frame[frame["status"] == "mismatch"]
    assert set(wrong["sample_id"]) == {"M3", "H3"}
    assert set(wrong.loc[wrong["sample_id"] == "M3", "likelier_line"]) == {"NCI-H929"}
    assert set(wrong.loc[wrong["sample_id"] == "H3", "likelier_line"]) == {"MM.1S"}  # not MM.1R: not in the study
    assert {"light_chain", "translocation_outlier"} <= set(wrong.loc[wrong["sample_id"] == "M3", "rule"])


class TestTranslocation:
    def test_within_a_study_the_gene_must_stand_out_from_other_lines(self, identify):
        weak = H929 | {"NSD2": 90}  # high by itself, but only 2.2-fold above MM.1S
        samples = {"M1": ("MM.1S", MM1S), "H1": ("NCI-H929", weak)}
        frame = identify(samples)
        assert frame.loc[("H1", "translocation_outlier"), "status"] == "not_assessed"
        alone = identify({"H1": ("NCI-H929", weak)})
        assert alone.loc[("H1", "translocation_outlier"), "status"] == "match"

    def test_a_foreign_outlier_against_other_lines_is_a_mismatch(self, identify):
        samples = {"M1": ("MM.1S", MM1S | {"MAFB": 400}), "H1": ("NCI-H929", H929)}
        frame = identify(samples)
        assert frame.loc[("M1", "translocation_outlier"), "status"] == "mismatch"
        assert frame.loc[("M1", "translocation_outlier"), "observed"] == "MAF;MAFB"

    def test_without_other_lines_a_foreign_high_gene_is_no_mismatch(self, identify):
        frame = identify({"M1": ("MM.1S", MM1S | {"CCND1": 400})})
        assert frame.loc[("M1", "translocation_outlier"), "status"] == "match"

    def test_parent_and_derivative_with_the_same_outlier_both_match(self, identify):
        samples = {"M1": ("MM.1S", MM1S), "R1": ("MM.1R", MM1S)}
        status = identify(samples)["status"].xs("translocation_outlier", level="rule")
        assert set(status) == {"match"}


class TestSex:
    def test_y_in_a_female_line_is_a_mismatch(self, identify):
        frame = identify({"S1": ("MM.1S", MM1S | {"RPS4Y1": 40, "DDX3Y": 15})})
        assert frame.loc[("S1", "sex"), "status"] == "mismatch"
        assert frame.loc[("S1", "sex"), "observed"] == "RPS4Y1;DDX3Y"

    def test_y_in_a_male_line_matches_and_its_absence_proves_nothing(self, identify):
        male = U266 | {"RPS4Y1": 40, "DDX3Y": 15}
        assert identify({"S1": ("U266", male)}).loc[("S1", "sex"), "status"] == "match"
        assert identify({"S1": ("U266", U266)}).loc[("S1", "sex"), "status"] == "not_assessed"

    def test_a_few_misplaced_reads_or_one_gene_alone_do_not_block(self, identify):
        traces = identify({"S1": ("MM.1S", MM1S | {"RPS4Y1": 0.4, "DDX3Y": 0.9})})
        assert traces.loc[("S1", "sex"), "status"] == "match"
        one = identify({"S1": ("MM.1S", MM1S | {"DDX3Y": 5})})
        assert one.loc[("S1", "sex"), "status"] == "not_assessed"


MALE = {"RPS4Y1": 40, "DDX3Y": 15}


@pytest.mark.parametrize(
    ("line", "cpm", "value", "words"),
    [
        ("MM.1S", MM1S | MALE, 1.0, "MM.1S is female; RPS4Y1 40 CPM, DDX3Y 15 CPM"),
        ("MM.1S", MM1S, 0.0, "MM.1S is female; RPS4Y1 0 CPM, DDX3Y 0 CPM; absence proves nothing"),
        ("MM.1S", MM1S | {"RPS4Y1": 0.4, "DDX3Y": 0.9}, 0.0, "RPS4Y1 0.4 CPM"),
        ("MM.1S", MM1S | {"DDX3Y": 5}, "not_assessed", "DDX3Y 5 CPM"),  # one gene alone
        ("U266", U266 | MALE, "not_assessed", "U266 is male; RPS4Y1 40 CPM"),
        ("U266", U266, "not_assessed", "U266 is male"),
        ("Ours", MM1S | MALE, "not_assessed", "Ours is not in the table of lines"),
        (None, MM1S | MALE, "not_assessed", "the cell line is not recorded"),
    ],
)
def test_y_linked_genes_speak_against_a_female_line_only(y_linked, line, cpm, value, words):
    found, told = y_linked(line, cpm)
    assert found == value
    assert words in told


def test_y_linked_genes_in_a_line_of_unknown_sex_or_in_a_derivative(y_linked):
    assert y_linked("MM.1S", MM1S | MALE, sex="")[0] == "not_assessed"
    assert y_linked("MM.1S-PR", MM1S | MALE, parent="MM.1S") == y_linked("MM.1S", MM1S | MALE)


def test_too_shallow_a_sample_or_one_without_the_genes_says_nothing_about_its_sex(y_linked):
    # At 0.1 fragments per CPM a gene of 50 CPM gives five counts.
    found, words = y_linked("MM.1S", MM1S, depth=0.1)
    assert (found, "too shallow" in words) == ("not_assessed", True)
    found, words = y_linked("MM.1S", MM1S, drop=tuple(MALE))
    assert (found, "genes not annotated" in words) == ("not_assessed", True)


def test_a_foreign_lineage_is_a_mismatch_and_traces_are_not(identify):
    frame = identify({"S1": ("MM.1S", MM1S | {"CD14": 120, "LYZ": 900}), "S2": ("MM.1S", MM1S | {"LYZ": 12})})
    assert frame.loc[("S1", "lineage"), ["status", "observed"]].tolist() == ["mismatch", "LYZ;CD14"]
    assert frame.loc[("S2", "lineage"), "status"] == "match"


def test_cd20_belongs_to_ccnd1_lines(identify):
    assert identify({"S1": ("U266", U266 | {"MS4A1": 200})}).loc[("S1", "lineage"), "status"] == "match"
    assert identify({"S1": ("MM.1S", MM1S | {"MS4A1": 200})}).loc[("S1", "lineage"), "status"] == "mismatch"


def test_a_mixture_of_two_lines_is_not_called_either(identify):
    frame = identify({"S1": ("MM.1S", MM1S | {"IGKC": 3000})})
    assert frame.loc[("S1", "light_chain"), "status"] == "not_assessed"
    assert "mixture" in frame.loc[("S1", "light_chain"), "detail"]


def test_a_line_without_light_chain_expression_is_not_assessed(identify):
    frame = identify({"S1": ("MM.1S", MM1S | {"IGLC2": 3, "IGKC": 4})})
    assert frame.loc[("S1", "light_chain"), "status"] == "not_assessed"


@pytest.mark.parametrize("line", ["HEK293", "MM.1S-PR", None])
def test_an_unknown_line_is_not_assessed(identify, line):
    frame = identify({"S1": (line, H929)})
    assert set(frame["status"]) == {"not_assessed"}
    assert len(frame) == 5


def test_a_derivative_is_judged_as_its_declared_parent(identify):
    frame = identify({"S1": ("MM.1S-PR", MM1S), "S2": ("MM.1S-PR", H929)}, parents=dict.fromkeys(["S1", "S2"], "MM.1S"))
    assert "mismatch" not in set(frame.loc["S1", "status"])
    assert frame.loc[("S2", "light_chain"), "status"] == "mismatch"


def test_genes_missing_from_the_annotation_are_not_assessed(identify, tables):
    everything = tuple(tables[1]["gene_symbol"])
    frame = identify({"S1": ("MM.1S", H929)}, drop=everything)
    assert set(frame["status"]) == {"not_assessed"}
    frame = identify({"S1": ("MM.1S", H929)}, drop=("IGKC",))
    assert frame.loc[("S1", "light_chain"), "status"] == "not_assessed"


def test_a_small_annotation_does_not_turn_traces_into_expression(identify):
    """With 200 genes every CPM is some sixty times larger; the limits hold for the scaled figures."""
    factor = 60
    small = {symbol: value * factor for symbol, value in MM1S.items()}
    traces = {"LYZ": 5 * factor, "CD3E": 3 * factor, "RPS4Y1": 0.5 * factor, "DDX3Y": 0.5 * factor}
    cpm = {symbol: min(value, 2e5) for symbol, value in (small | traces).items()}
    status = identify({"S1": ("MM.1S", cpm)}, n_background=200, depth=0.06).loc["S1", "status"]
    assert set(status) == {"match"}


def test_ids_with_versions_and_unique_symbols_are_found(identify, tables, marker_tables):
    lines, identity_genes = tables
    symbols = list(identity_genes["gene_symbol"])
    cpm = [MM1S.get(symbol, 0) for symbol in symbols] + [100] * 500
    sheet = pd.DataFrame({"sample_id": ["S1"], "cell_line": ["MM.1S"], "metadata": ["{}"]})
    for ids in (
        [f"{gene}.4" for gene in identity_genes["ensembl_gene_id"]],
        [f"custom_{s}" for s in symbols],
    ):
        index = ids + [f"BG{i}" for i in range(500)]
        genes = pd.DataFrame({"gene_id": index, "gene_name": symbols + index[len(ids) :]})
        frame = sample_identity(pd.DataFrame({"S1": cpm}, index=index), sheet, genes, lines, identity_genes)
        assert frame.set_index("rule").loc["light_chain", "status"] == "match"


def test_too_shallow_a_sample_says_nothing_about_translocations(identify):
    # At 0.1 fragments per CPM a gene of 50 CPM gives five counts.
    frame = identify({"S1": ("MM.1S", H929)}, depth=0.1)
    assert frame.loc[("S1", "translocation_outlier"), "status"] == "not_assessed"


def test_what_an_unknown_line_shows_is_told_but_not_judged(identify):
    frame = identify({"S1": ("Ours", H929)}).loc["S1"]
    assert frame.loc["light_chain", ["expected", "observed", "status"]].tolist() == [
        "not known",
        "kappa",
        "not_assessed",
    ]
    assert frame.loc["heavy_chain", "observed"] == "IGHA1"
    assert "Ours is not in the table of lines" in frame.loc["light_chain", "detail"]
    assert "IGKC 7000 CPM" in frame.loc["light_chain", "detail"]


def test_all_rules_stand_in_one_table_sample_by_sample(tables):
    lines, identity_genes = tables
    rng = np.random.default_rng(2)
    ids = [*identity_genes["ensembl_gene_id"], *[f"BG{i}" for i in range(500)]]
    genes = pd.DataFrame({"gene_id": ids, "gene_name": [*identity_genes["gene_symbol"], *ids[len(identity_genes) :]]})
    mean = np.array([MM1S.get(symbol, 0) for symbol in identity_genes["gene_symbol"]] + [300] * 500)
    names = ["P3", "D1", "P1", "D2", "P2", "D3"]
    drawn = rng.poisson(rng.gamma(50, mean[:, None] / 50, (len(ids), 6)))
    counts = pd.DataFrame(drawn, index=ids, columns=names)
    samples = pd.DataFrame(
        {
            "sample_id": [*names, "S7"],  # S7 stayed out of the matrix
            "cell_line": ["MM.1S-PR" if name.startswith("P") else "MM.1S" for name in [*names, "S7"]],
            "metadata": [json.dumps({"parent_line": "MM.1S" if n.startswith("P") else None}) for n in [*names, "S7"]],
            "cell_context": "myeloma",
            "treatment": "DMSO",
            "dose_um": np.nan,
            "time_h": 24.0,
            "batch": None,
            "donor": None,
        }
    )
    frame = identity_table(counts, samples, genes, lines, identity_genes)
    assert tuple(frame.columns) == IDENTITY_COLUMNS
    assert list(dict.fromkeys(frame["sample_id"])) == names
    usual = [*RULES, "replicate_group", "near_duplicate"]
    assert list(frame.loc[frame["sample_id"] == "D2", "rule"]) == usual
    assert list(frame.loc[frame["sample_id"] == "P2", "rule"]) == [*RULES, "parent_identity", *usual[len(RULES) :]]
    assert "mismatch" not in set(frame["status"])
    assert {"sex", "replicate_spearman"}.isdisjoint(frame["rule"])  # both are metrics of sample_quality
    assert set(frame.loc[frame["rule"] == "parent_identity", "status"]) == {"match"}
