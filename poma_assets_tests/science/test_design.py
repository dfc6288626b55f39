from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from poma_assets.science.contrasts import Contrast
from poma_assets.science.design import build_design
from poma_assets.science.errors import DesignError

DRUG = Contrast("c", "treatment", "DMSO", "pom 1-uM", (), None, None, None, None, 2)
FORMULA = replace(DRUG, variable=None, reference=None, target=None, formula="~ treatment * line")


def design_table(n: int = 3, lines: tuple[str, ...] = ("MM.1S",)) -> pd.DataFrame:
    """``n`` samples of each treatment in each line; batch 1 to n crosses them."""
    records = [
        (f"{line}_{treatment}_{i}", line, treatment, str(i), 24.0)
        for line in lines
        for treatment in ("DMSO", "pom 1-uM")
        for i in range(1, n + 1)
    ]
    frame = pd.DataFrame(records, columns=["sample_id", "line", "treatment", "batch", "time_h"])
    return frame.set_index("sample_id")


def refused(contrast: Contrast, table: pd.DataFrame) -> str:
    with pytest.raises(DesignError) as caught:
        build_design(contrast, table)
    assert str(caught.value).startswith("contrast c: ")
    return str(caught.value)


def test_two_groups_by_hand() -> None:
    design = build_design(DRUG, design_table())
    assert list(design.matrix.columns) == ["Intercept", "treatment[pom 1-uM]"]
    assert design.matrix.to_numpy().tolist() == [[1, 0]] * 3 + [[1, 1]] * 3
    assert design.weights.tolist() == [0, 1]
    assert design.reference_samples == ("MM.1S_DMSO_1", "MM.1S_DMSO_2", "MM.1S_DMSO_3")
    assert (design.n_reference, design.n_target, design.residual_df) == (3, 3, 4)
    assert (design.formula, design.warnings) == ("~ treatment", ())


def test_positive_effect_is_higher_in_target() -> None:
    table = design_table(4).iloc[::-1]
    values = np.where(table["treatment"] == "DMSO", 1.0, 6.0) + table["batch"].astype(float)
    for contrast, expected in (
        (DRUG, 5.0),
        (replace(DRUG, reference="pom 1-uM", target="DMSO"), -5.0),
        (replace(DRUG, blocking=("batch",)), 5.0),
    ):
        design = build_design(contrast, table)
        fitted = np.linalg.lstsq(design.matrix.to_numpy(), values.loc[design.matrix.index], rcond=None)[0]
        assert fitted @ design.weights == pytest.approx(expected)


def test_blocking_factors_numeric_ones_too_are_factors_in_natural_order() -> None:
    table = design_table(3).assign(time_h=[2.0, 10.0, 6.5] * 2)
    design = build_design(replace(DRUG, blocking=("time_h",)), table)
    assert list(design.matrix.columns) == ["Intercept", "time_h[6.5]", "time_h[10]", "treatment[pom 1-uM]"]
    assert design.formula == "~ time_h + treatment"
    assert design.warnings == (
        "only 2 residual degrees of freedom (6 samples, 4 coefficients): dispersions are uncertain",
    )


def test_numeric_variable() -> None:
    table = design_table(3).assign(time_h=[0.0] * 3 + [24.0] * 3)
    design = build_design(replace(DRUG, variable="time_h", reference="0", target="24.0"), table)
    assert list(design.matrix.columns) == ["Intercept", "time_h[24]"]
    assert design.matrix["time_h[24]"].tolist() == [0, 0, 0, 1, 1, 1]


def test_blocking_factor_with_one_level_is_left_out_with_a_warning() -> None:
    design = build_design(replace(DRUG, blocking=("line",)), design_table())
    assert list(design.matrix.columns) == ["Intercept", "treatment[pom 1-uM]"]
    assert design.warnings == ("line is MM.1S in all samples of this contrast and was left out of the design",)


def test_confounding_is_told_in_words() -> None:
    table = design_table().assign(batch=["1"] * 3 + ["2"] * 3)
    assert refused(replace(DRUG, blocking=("batch",)), table) == (
        "contrast c: the effects cannot be told apart: treatment and batch are the same "
        "split: every DMSO sample "
        "is in batch 1 and every pom 1-uM sample is in batch 2 (found rank 2 with 3 coefficients (Intercept, "
        "batch[2], treatment[pom 1-uM]); expected factors that vary independently of one "
        "another). Take one of "
        "the confounded factors out of the design and say so with the result, or measure the missing "
        "combinations: no model can separate them afterwards"
    )


def test_nested_batches_and_two_blocking_factors_that_are_one() -> None:
    nested = design_table(4).assign(batch=[*"1122", *"3344"])
    assert (
        "no batch holds two levels of treatment: DMSO is only in batch 1, 2; pom 1-uM is only in batch 3, 4"
    ) in refused(replace(DRUG, blocking=("batch",)), nested)
    twice = design_table(4).assign(donor=[*"abcd"] * 2)
    assert "batch and donor are the same split: every 1 sample is in donor a and" in refused(
        replace(DRUG, blocking=("batch", "donor")), twice
    )


def test_confounding_through_two_factors_names_the_columns() -> None:
    # batch a/b and day x/y together determine the treatment, neither alone.
    table = pd.DataFrame(
        {
            "treatment": ["DMSO", "pom 1-uM"] * 4,
            "one": list("aabb") * 2,
            "two": list("abba") * 2,
        },
        index=[f"s{i}" for i in range(8)],
    )
    message = refused(replace(FORMULA, formula="~ one * two + treatment", contrast="0,0,0,0,1"), table)
    assert "the columns" in message
    assert "treatment[pom 1-uM]" in message


def test_missing_cell_of_an_interaction() -> None:
    table = design_table(3, ("A", "B")).iloc[:9]
    message = refused(replace(FORMULA, contrast="0,0,0,1"), table)
    assert "no sample carries treatment[pom 1-uM]:line[B]: that combination of levels was not measured" in message


def test_no_replicates() -> None:
    assert refused(DRUG, design_table(1)) == (
        "contrast c: no residual degrees of freedom: without replicates the variation cannot "
        "be measured (found 2 "
        "samples for 2 coefficients (Intercept, treatment[pom 1-uM]); expected more samples "
        "than coefficients; 2, "
        "better 3, biological replicates in each arm). Add replicates, or take out of the "
        "design what has nearly "
        "as many levels as samples"
    )


def test_one_sample_in_an_arm_is_a_warning() -> None:
    design = build_design(DRUG, design_table(3).iloc[:4])
    assert design.n_target == 1
    assert design.warnings[1] == ("the target arm has one sample only (MM.1S_pom 1-uM_1), so no marker can be judged")


def test_level_lost_by_the_subset() -> None:
    table = design_table(3)
    table.loc[table["treatment"] != "DMSO", "batch"] = "9"
    assert refused(replace(DRUG, subset="batch=1,2,3"), table) == (
        "contrast c: no sample is left with treatment 'pom 1-uM' after the subset batch=1,2,3 "
        "(found 3 with 'DMSO', "
        "0 with 'pom 1-uM'; expected at least 2 samples with each level). Correct the level "
        "or the subset, or see "
        "in sample_quality why samples were left out"
    )
    assert "no sample is left after the subset line=none" in refused(
        replace(FORMULA, contrast="1", subset="line=none"), table
    )


def test_missing_metadata_names_the_samples() -> None:
    table = design_table(3)
    table.loc[["MM.1S_DMSO_2", "MM.1S_DMSO_3"], "batch"] = None
    assert (
        "batch is not recorded for every sample of this contrast (found no batch for MM.1S_DMSO_2, MM.1S_DMSO_3;"
    ) in refused(replace(DRUG, blocking=("batch",)), table)
    assert "batch is not recorded" in refused(replace(FORMULA, formula="~ batch", contrast="0,1,0"), table)


def test_interaction_arms_and_smallest_cells() -> None:
    table = design_table(3, ("A", "B")).drop(index="B_pom 1-uM_3")
    design = build_design(replace(FORMULA, contrast="treatment[pom 1-uM]:line[B]"), table)
    assert len(design.reference_samples) == 6
    assert all("DMSO" in sample for sample in design.reference_samples)
    assert (len(design.target_samples), design.n_reference, design.n_target) == (5, 3, 2)
    values = pd.Series(0.0, index=table.index)
    values[(table["line"] == "B") & (table["treatment"] != "DMSO")] = 3.0
    fitted = np.linalg.lstsq(design.matrix.to_numpy(), values, rcond=None)[0]
    assert fitted @ design.weights == pytest.approx(3.0)


def test_formula_arms_of_one_line_and_by_sign() -> None:
    table = design_table(3, ("A", "B"))
    only_b = build_design(replace(FORMULA, contrast="treatment[pom 1-uM] + treatment[pom 1-uM]:line[B]"), table)
    assert only_b.target_samples == tuple(f"B_pom 1-uM_{n}" for n in (1, 2, 3))
    assert only_b.reference_samples == tuple(f"B_DMSO_{n}" for n in (1, 2, 3))
    by_sign = build_design(replace(FORMULA, formula="~ batch + line", contrast="line[B]"), table)
    assert by_sign.target_samples == tuple(table.index[table["line"] == "B"])
    assert (by_sign.n_reference, by_sign.n_target) == (6, 6)


def test_reference_of_a_formula_contrast_is_its_base_level() -> None:
    contrast = replace(DRUG, reference="pom 1-uM", target="DMSO", formula="~ treatment", contrast="treatment[DMSO]")
    design = build_design(contrast, design_table())
    assert list(design.matrix.columns) == ["Intercept", "treatment[DMSO]"]
    assert all("DMSO" in sample for sample in design.target_samples)


def test_repeated_replicate_numbers_are_a_warning() -> None:
    crossed = design_table(2, ("A", "B")).assign(replicate=["1", "2"] * 4, cell_line=lambda frame: frame["line"])
    assert build_design(DRUG, crossed).warnings == ()
    repeated = design_table(4).assign(replicate=["1", "2", "3", "3"] * 2, batch="x")
    (warning,) = build_design(DRUG, repeated).warnings
    assert warning.startswith(
        "samples with the same replicate number in one condition: MM.1S_DMSO_3 and MM.1S_DMSO_4, "
        "MM.1S_pom 1-uM_3 and MM.1S_pom 1-uM_4. If these are technical replicates"
    )


def three_drugs(n: int = 3) -> pd.DataFrame:
    """``n`` samples each of DMSO, dex and pom 1-uM, batches crossed, the target of no contrast first."""
    table = design_table(n)
    dex = table.iloc[:n].assign(treatment="dex").set_axis([f"dex_{i}" for i in range(1, n + 1)])
    return pd.concat([dex, table]).rename_axis("sample_id")


def test_contrasts_of_one_experiment_share_their_design() -> None:
    table = three_drugs()
    contrasts = {
        "pom": replace(DRUG, blocking=("batch",)),
        "dex": replace(DRUG, blocking=("batch",), target="dex"),
        "each other": replace(DRUG, blocking=("batch",), reference="dex"),
    }
    designs = {name: build_design(contrast, table, ["dmso"]) for name, contrast in contrasts.items()}
    names = ["Intercept", "batch[2]", "batch[3]", "treatment[dex]", "treatment[pom 1-uM]"]
    values = table["treatment"].map({"DMSO": 1.0, "dex": 3.0, "pom 1-uM": 8.0}) + table["batch"].astype(float)
    expected = {"pom": ([0, 0, 0, 0, 1], 7.0), "dex": ([0, 0, 0, 1, 0], 2.0), "each other": ([0, 0, 0, -1, 1], 5.0)}
    for name, design in designs.items():
        assert list(design.matrix.columns) == names
        assert design.weights.tolist() == expected[name][0]
        assert np.linalg.lstsq(design.matrix.to_numpy(), values, rcond=None)[0] @ design.weights == pytest.approx(
            expected[name][1]
        )
    assert len({design.key for design in designs.values()}) == 1
    assert designs["dex"].target_samples == ("dex_1", "dex_2", "dex_3")
    assert (designs["dex"].n_target, designs["dex"].residual_df, len(designs["dex"].matrix)) == (3, 4, 9)


def test_key_tells_designs_apart() -> None:
    table = three_drugs()
    keys = [
        build_design(contrast, frame).key
        for contrast, frame in (
            (DRUG, table),
            (replace(DRUG, blocking=("batch",)), table),
            (DRUG, table.iloc[1:]),
            (DRUG, table.iloc[::-1]),
            (DRUG, table.rename(index={"dex_1": "other"})),
        )
    ]
    assert len(set(keys)) == len(keys)


def test_base_level_is_the_vehicle_or_the_first_level() -> None:
    table = three_drugs().replace({"treatment": {"dex": "AB 2 nM", "pom 1-uM": "AB 10 nM"}})
    contrast = replace(DRUG, target="AB 10 nM")
    by_order, by_vehicle = build_design(contrast, table), build_design(contrast, table, ["water", "dmso"])
    assert list(by_order.matrix.columns) == ["Intercept", "treatment[AB 10 nM]", "treatment[DMSO]"]
    assert by_order.weights.tolist() == [0, 1, -1]
    assert list(by_vehicle.matrix.columns) == ["Intercept", "treatment[AB 2 nM]", "treatment[AB 10 nM]"]
    assert by_vehicle.weights.tolist() == [0, 0, 1]


def test_samples_outside_the_arms_without_metadata_are_left_out_with_a_warning() -> None:
    table = three_drugs()
    table.loc["dex_2", "batch"] = None
    design = build_design(replace(DRUG, blocking=("batch",)), table)
    assert "dex_2" not in design.matrix.index
    assert len(design.matrix) == 8
    assert design.warnings == (
        "not in the model, because batch is not recorded: dex_2, in neither arm. Fill it in, so that it helps to "
        "estimate the variation",
        "only 3 residual degrees of freedom (8 samples, 5 coefficients): dispersions are uncertain",
    )


def test_two_arms_only_where_the_whole_cannot_be_estimated() -> None:
    table = three_drugs()
    table.loc[["dex_1", "dex_2", "dex_3"], "batch"] = "9"
    design = build_design(replace(DRUG, blocking=("batch",)), table)
    assert list(design.matrix.columns) == ["Intercept", "batch[2]", "batch[3]", "treatment[pom 1-uM]"]
    assert design.warnings[0].startswith(
        "only the 6 samples of the two arms are in the model: over all 9 samples the effects cannot be told apart: "
    )
    assert (len(design.matrix), design.formula) == (6, "~ batch + treatment")


def test_one_sample_an_arm_can_lean_on_the_other_levels() -> None:
    table = three_drugs().drop(index=["MM.1S_DMSO_2", "MM.1S_DMSO_3", "MM.1S_pom 1-uM_2", "MM.1S_pom 1-uM_3"])
    design = build_design(DRUG, table)
    assert (design.n_reference, design.n_target, design.residual_df) == (1, 1, 2)
    assert [finding.code for finding in design.findings] == ["few_residual_df", "no_replicates", "no_replicates"]


@pytest.mark.parametrize("seed", range(10))
def test_swapping_the_levels_turns_the_weights_round(seed: int) -> None:
    rng = np.random.default_rng(seed)
    table = pd.concat([three_drugs(4)] * 2).assign(line=list("A" * 12 + "B" * 12))
    table.index = pd.Index([f"S{i}" for i in rng.permutation(len(table))], name="sample_id")
    table = table.sample(n=20, random_state=seed)
    reference, target = rng.choice(["DMSO", "dex", "pom 1-uM"], 2, replace=False)
    one = replace(DRUG, reference=str(reference), target=str(target), blocking=("batch", "line"))
    forward = build_design(one, table, ["DMSO"])
    backward = build_design(replace(one, reference=one.target, target=one.reference), table, ["DMSO"])
    np.testing.assert_array_equal(forward.weights, -backward.weights)
    assert forward.key == backward.key
    assert forward.reference_samples == backward.target_samples
    values = pd.Series(rng.normal(size=len(table)), index=table.index)
    effects = [
        np.linalg.lstsq(design.matrix.to_numpy(), values[design.matrix.index], rcond=None)[0] @ design.weights
        for design in (forward, build_design(one, table.sample(frac=1, random_state=1), ["DMSO"]))
    ]
    assert effects[0] == pytest.approx(effects[1])
