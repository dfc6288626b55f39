"""Exchanged and mislabelled samples: found where arms differ, and silence where they do not."""

import numpy as np
import pandas as pd
import pytest

from poma_assets.science.exploration import sample_distances
from poma_assets.science.markers.identity import IDENTITY_COLUMNS
from poma_assets.science.markers.relatedness import _scores_left_out, relatedness
from poma_assets.science.markers.replicates import replicate_groups, replicate_spearman, spearman
from poma_assets.science.normalisation import log2_counts_per_million
from poma_assets.science.quality_gates import NOT_ASSESSED, parse_overrides
from poma_assets.science.simulation.expression import choose_genes, draw_counts, plant_effects
from poma_assets.science.simulation.study_design import simulated_samples
from poma_assets.storage.simulated_study import read_gene_tables

GENES = 3000


def sheet(arms):
    """Rows of the table samples for name -> (line, treatment, hours)."""
    rows = [
        {"sample_id": name, "cell_line": line, "treatment": treatment, "time_h": hours}
        for name, (line, treatment, hours) in arms.items()
    ]
    return pd.DataFrame(rows).assign(cell_context="myeloma", dose_um=np.nan, batch=None, donor=None, metadata="{}")


def study(n=3, *, drug_genes=150, line_genes=600, lines=("A", "B"), dispersion=0.02, genes=GENES, seed=1):
    """Arms line x (DMSO, POM) of n replicates; the drug changes other genes than the line does, by 2-fold."""
    rng = np.random.default_rng(seed)
    mean = np.exp(rng.normal(4.5, 1.5, genes))
    well = np.argsort(-mean)[: genes // 2]
    drug, line = np.zeros(genes), np.zeros(genes)
    drug[rng.choice(well, drug_genes, replace=False)] = 1.0
    line[rng.choice(well, line_genes, replace=False)] = rng.choice([-1.0, 1.0], line_genes)
    columns, arms = {}, {}
    for number, name in enumerate(lines):
        for treatment in ("DMSO", "POM"):
            for replicate in range(1, n + 1):
                expected = mean * 2.0 ** (drug * (treatment == "POM") + line * number)
                sample = f"{name}_{treatment}_{replicate}"
                columns[sample] = rng.poisson(rng.gamma(1 / dispersion, expected * dispersion))
                arms[sample] = (name, treatment, 24.0)
    return pd.DataFrame(columns), sheet(arms)


def exchanged(counts, first, second):
    counts = counts.copy()
    counts[[first, second]] = counts[[second, first]].to_numpy()
    return counts


def wrong(frame):
    return frame[frame["status"].isin(["mismatch", "warn"])].set_index("sample_id")


def test_rows_are_those_of_the_warehouse():
    counts, samples = study()
    frame = relatedness(counts, samples)
    assert tuple(frame.columns) == IDENTITY_COLUMNS
    assert list(frame["sample_id"]) == list(samples["sample_id"])
    assert set(frame["rule"]) == {"replicate_group"}
    assert set(frame["status"]) == {"match"}


def test_a_score_is_the_distance_from_the_midpoint_on_an_axis_drawn_without_the_sample():
    # One gene: 0 and 2 against 10 and 12. Without the first sample the midpoint is (2 + 11) / 2 = 6.5.
    values = np.array([0.0, 2.0, 10.0, 12.0])
    scores = _scores_left_out(np.outer(values, values), np.array([-1.0, -1.0, 1.0, 1.0]))
    np.testing.assert_allclose(scores, [0 - 6.5, 2 - 5.5, 10 - 6.5, 12 - 5.5])


def test_scores_are_those_of_axes_drawn_sample_by_sample():
    rng = np.random.default_rng(3)
    values = rng.normal(size=(40, 9))
    labels = np.array([-1.0, 1.0, 1.0, -1.0, 1.0, -1.0, 1.0, 1.0, 1.0])
    expected = []
    for sample in range(9):
        others = np.arange(9) != sample
        positive = values[:, others & (labels > 0)].mean(axis=1)
        negative = values[:, others & (labels < 0)].mean(axis=1)
        axis = (positive - negative) / np.linalg.norm(positive - negative)
        expected.append(axis @ (values[:, sample] - (positive + negative) / 2))
    np.testing.assert_allclose(_scores_left_out(values.T @ values, labels), expected)


@pytest.mark.parametrize(
    ("first", "second", "likelier"),
    [
        ("A_DMSO_3", "A_POM_3", (None, None)),
        ("B_POM_1", "B_DMSO_2", (None, None)),
        ("A_DMSO_2", "B_DMSO_1", ("B", "A")),
        ("A_DMSO_1", "B_POM_3", ("B", "A")),
    ],
)
def test_two_exchanged_samples_are_named_with_each_other_and_nobody_else_is(first, second, likelier):
    counts, samples = study()
    found = wrong(relatedness(exchanged(counts, first, second), samples))
    assert set(found.index) == {first, second}
    assert set(found["rule"]) == {"swap"}
    assert set(found["status"]) == {"mismatch"}
    assert f"exchanged with {second}" in found.loc[first, "observed"]
    assert f"exchanged with {first}" in found.loc[second, "observed"]
    assert [name if isinstance(name, str) else None for name in found.loc[[first, second], "likelier_line"]] == [
        *likelier
    ]
    of_second = ", ".join(second.split("_")[:2])
    assert found.loc[first, "observed"].startswith(f"like {of_second}")


def test_two_exchanges_in_two_lines_are_both_named():
    counts, samples = study(n=4)
    both = exchanged(exchanged(counts, "A_DMSO_3", "A_POM_3"), "B_DMSO_1", "B_POM_2")
    found = wrong(relatedness(both, samples))
    assert set(found.index) == {"A_DMSO_3", "A_POM_3", "B_DMSO_1", "B_POM_2"}
    assert set(found["rule"]) == {"swap"}
    assert set(found["status"]) == {"mismatch"}


def test_one_mislabelled_sample_is_named_with_the_arm_it_resembles():
    counts, samples = study(n=4)
    samples.loc[samples["sample_id"] == "A_DMSO_4", "treatment"] = "POM"
    found = wrong(relatedness(counts, samples))
    assert list(found.index) == ["A_DMSO_4"]
    assert found.loc["A_DMSO_4", ["rule", "status", "expected", "observed"]].tolist() == [
        *("replicate_group", "mismatch", "A, POM", "like A, DMSO"),
    ]


def test_a_drug_that_does_nothing_is_not_told_apart_and_says_so():
    counts, samples = study(drug_genes=0, lines=("A",))
    frame = relatedness(counts, samples)
    assert set(frame["status"]) == {"not_assessed"}
    assert "cannot be told from POM" in frame.loc[0, "detail"]
    swapped = relatedness(exchanged(counts, "A_DMSO_1", "A_POM_1"), samples)
    assert set(swapped["status"]) == {"not_assessed"}


@pytest.mark.parametrize("drug_genes", [0, 10, 30])
def test_no_or_a_weak_effect_raises_no_alarm(drug_genes):
    for seed in range(15):
        counts, samples = study(drug_genes=drug_genes, lines=("A",), genes=1500, seed=seed)
        assert wrong(relatedness(counts, samples)).empty


def test_an_unknown_common_factor_without_a_drug_effect_raises_no_alarm():
    """RNA quality, say: samples lie anywhere on one axis, and no split of them is two tight groups."""
    for seed in range(15):
        counts, samples = study(drug_genes=0, lines=("A",), genes=1500, seed=seed)
        rng = np.random.default_rng(seed)
        loading = rng.normal(0, 0.4, len(counts)) * (rng.random(len(counts)) < 0.2)
        factor = np.exp(np.outer(loading, rng.normal(size=counts.shape[1])))
        assert wrong(relatedness((counts * factor).round().astype(int), samples)).empty


@pytest.mark.parametrize(("recorded", "alarms"), [(False, 2), (True, 0)])
def test_a_recorded_batch_that_splits_the_samples_is_no_exchange(recorded, alarms):
    """The samples fall into two batches that cross the arms 2 to 1: unrecorded, that looks like an exchange."""
    counts, samples = study(lines=("A",))
    samples["treatment"] = ["DMSO", "DMSO", "POM", "DMSO", "POM", "POM"]
    if recorded:
        samples["batch"] = ["one", "one", "one", "two", "two", "two"]
    assert len(wrong(relatedness(counts, samples))) == alarms


def test_with_two_replicates_an_arm_only_the_lines_are_compared():
    counts, samples = study(n=2)
    within = relatedness(exchanged(counts, "A_DMSO_1", "A_POM_1"), samples)
    assert wrong(within).empty
    assert set(within["status"]) == {"match"}
    assert within.loc[0, "detail"] == "apart from B (all arms)"
    between = wrong(relatedness(exchanged(counts, "A_DMSO_1", "B_POM_2"), samples))
    assert set(between.index) == {"A_DMSO_1", "B_POM_2"}
    assert between.loc["A_DMSO_1", "observed"] == "like B (all arms), as if exchanged with B_POM_2"


def test_single_samples_and_an_empty_study_are_not_assessed():
    counts, samples = study(n=1)
    assert set(relatedness(counts, samples)["status"]) == {"not_assessed"}
    one = relatedness(counts[["A_DMSO_1"]], samples)
    assert one[["sample_id", "status"]].to_numpy().tolist() == [["A_DMSO_1", "not_assessed"]]
    assert relatedness(counts[[]], samples).empty


def test_order_depth_and_empty_genes_change_nothing():
    counts, samples = study()
    counts = exchanged(counts, "A_DMSO_3", "A_POM_3")
    expected = relatedness(counts, samples).set_index("sample_id")
    other = counts[counts.columns[::-1]].sample(frac=1.0, random_state=3)
    other = pd.concat([other, pd.DataFrame(0, index=range(GENES, GENES + 500), columns=other.columns)])
    turned = relatedness(other, samples.iloc[::-1]).set_index("sample_id").loc[expected.index]
    assert turned[["rule", "status", "observed"]].equals(expected[["rule", "status", "observed"]])
    deeper = relatedness(counts.assign(B_POM_1=counts["B_POM_1"] * 5), samples).set_index("sample_id")
    assert deeper["status"].equals(expected["status"])


def demo(seed):
    """Counts and sheet of the simulated demo study, before reads are drawn."""
    rng = [np.random.default_rng([seed, part]) for part in range(4)]
    identities, members = choose_genes(*read_gene_tables(), rng[0], n_background=640, n_terms=34, genes_per_term=18)
    samples = simulated_samples(3, rng[2])
    drawn = draw_counts(plant_effects(identities, members, rng[1]), samples, read_pairs=60_000, rng=rng[3])
    arms = {s.sample_id: (s.cell_line, s.treatment, 24.0) for s in samples}
    return pd.DataFrame(drawn, columns=list(arms)), sheet(arms)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_exchanges_in_the_demo_study_of_700_genes_are_found(seed):
    counts, samples = demo(seed)
    assert wrong(relatedness(counts, samples)).empty
    for first, second in (("MM1S_DMSO_3", "MM1S_POM_3"), ("MM1S_DMSO_1", "MM1SPR_DMSO_2")):
        found = wrong(relatedness(exchanged(counts, first, second), samples))
        assert set(found.index) == {first, second}
        assert set(found["rule"]) == {"swap"}


def test_an_exchange_blocks_verdicts_until_someone_signs_and_is_then_printed(judge, one_hypothesis):
    """From counts to the sentence: the exchanged samples are D3 and P3 of the contrast."""
    counts, samples = study(lines=("A",))
    names = {f"A_{long}_{i}": f"{short}{i}" for long, short in (("DMSO", "D"), ("POM", "P")) for i in (1, 2, 3)}
    counts, samples = counts.rename(columns=names), samples.assign(sample_id=samples["sample_id"].map(names))
    rows = relatedness(exchanged(counts, "D3", "P3"), samples).to_dict("records")
    verdict = judge(one_hypothesis(), {"GENE1": (-1.5, 0.1)}, identity=rows).loc["H1"]
    assert [verdict["verdict"], verdict["sub_verdict"]] == ["not_testable", "sample_integrity"]
    assert "exchanged with P3" in verdict["sentence"]
    table = "sample\tmetric\tdecision\treason\twho\tdate\n"
    row = "{}\tsample_identity\tinclude\tlabels checked by STR\tAB\t2026-11-22\n"
    one = parse_overrides(table + row.format("D3"), source="qc_overrides.tsv")
    still = judge(one_hypothesis(), {"GENE1": (-1.5, 0.1)}, identity=rows, overrides=one).loc["H1"]
    assert still["sub_verdict"] == "sample_integrity"
    both = parse_overrides(table + row.format("D3") + row.format("P3"), source="qc_overrides.tsv")
    lifted = judge(one_hypothesis(), {"GENE1": (-1.5, 0.1)}, identity=rows, overrides=both).loc["H1"]
    assert lifted["verdict"] == "confirmed"
    assert "included by AB on 2026-11-22: labels checked by STR" in lifted["sentence"]
    assert "exchanged with P3" in lifted["sentence"]


def test_a_warning_does_not_block(judge, one_hypothesis):
    counts, samples = study(lines=("A",))
    names = {f"A_{long}_{i}": f"{short}{i}" for long, short in (("DMSO", "D"), ("POM", "P")) for i in (1, 2, 3)}
    counts, samples = counts.rename(columns=names), samples.assign(sample_id=samples["sample_id"].map(names))
    rows = relatedness(exchanged(counts, "D3", "P3"), samples).assign(status="warn").to_dict("records")
    assert judge(one_hypothesis(), {"GENE1": (-1.5, 0.1)}, identity=rows).loc["H1", "verdict"] == "confirmed"


class TestReplicates:
    def test_groups_are_named_by_what_differs(self):
        samples = sheet({"S1": ("A", "DMSO", 6.0), "S2": ("A", "DMSO", 24.0), "S3": ("B", "POM", 24.0)})
        assert replicate_groups(samples).to_dict() == {
            "S1": "A, DMSO, 6 h",
            "S2": "A, DMSO, 24 h",
            "S3": "B, POM, 24 h",
        }
        assert set(replicate_groups(samples.iloc[:1])) == {"DMSO"}
        same_word = sheet({"S1": ("HBR", "HBR", 0.0), "S2": ("UHR", "UHR", 0.0)})
        assert set(replicate_groups(same_word)) == {"HBR", "UHR"}

    def test_spearman_over_genes_seen(self):
        counts = pd.DataFrame({"S1": [0, 1, 2, 3, 0], "S2": [0, 10, 30, 20, 0], "S3": [0, 5, 5, 5, 5]})
        found = spearman(counts)
        # Genes 2 to 5: ranks 2 3 4 1 against 2 4 3 1: 1 - 6 * 2 / 60.
        assert found.loc["S1", "S2"] == pytest.approx(0.8)
        assert np.isnan(found.loc["S1", "S3"])

    def test_a_sample_is_compared_with_the_median_of_its_own_arm(self):
        samples = sheet({f"S{i}": ("A", "DMSO", 6.0) for i in (1, 2, 3, 4)} | {"S5": ("A", "POM", 6.0)})
        pairs = {("S1", "S2"): 0.9, ("S1", "S3"): 0.8, ("S1", "S4"): 0.95, ("S2", "S3"): 0.7, ("S2", "S4"): 0.6}
        found = replicate_spearman(distances(pairs | {("S3", "S4"): 0.5}, [f"S{i}" for i in range(1, 6)]), samples)
        # S1 has 0.9, 0.8, 0.95; S5, alone in its arm, is like all of them and compared with none.
        assert {sample: value for sample, (value, _) in found.items()} == pytest.approx(
            {"S1": 0.9, "S2": 0.7, "S3": 0.7, "S4": 0.6, "S5": NOT_ASSESSED}
        )
        assert found["S1"][1] == "sample_distances: median with 3 of DMSO, lowest S3 0.800"
        assert found["S5"][1] == "alone in POM"

    def test_a_flat_sample_harms_no_replicate_and_one_that_stayed_out_is_said_to(self):
        samples = sheet({f"S{i}": ("A", "DMSO", 6.0) for i in (1, 2, 3, 4)})
        pairs = {("S1", "S2"): 0.9, ("S1", "S3"): np.nan, ("S2", "S3"): np.nan}
        found = replicate_spearman(distances(pairs, ["S1", "S2", "S3"]), samples)
        assert found["S1"][0] == found["S2"][0] == pytest.approx(0.9)
        assert found["S3"] == (NOT_ASSESSED, "no correlation within DMSO")
        assert found["S4"] == (NOT_ASSESSED, "not in the count matrix")

    def test_the_table_of_distances_serves_as_it_is(self):
        counts, samples = study(lines=("A",))
        log_values = log2_counts_per_million(counts)
        found = replicate_spearman(sample_distances(log_values, log_values), samples)
        pairs = spearman(counts)
        expected = np.median([pairs.loc["A_DMSO_1", "A_DMSO_2"], pairs.loc["A_DMSO_1", "A_DMSO_3"]])
        assert found["A_DMSO_1"][0] == pytest.approx(expected)


def distances(pairs, names):
    """Rows of ``sample_distances`` from the correlation of some pairs; 0.99 for the others."""
    rows = [
        (one, other, 1.0, 1.0 if one == other else pairs.get((one, other), pairs.get((other, one), 0.99)))
        for one in names
        for other in names
    ]
    return pd.DataFrame(rows, columns=["sample_id", "other_sample_id", "euclidean_distance", "spearman"])
