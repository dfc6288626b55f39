"""Small sheets with one thing wrong each; the figures in the findings are worked out by hand."""

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from poma_assets.science.confounding import cramers_v
from poma_assets.science.contrasts import Contrast
from poma_assets.science.design import build_design
from poma_assets.science.design_doctor import DesignReport, common_findings, examine_columns, examine_design
from poma_assets.science.errors import InputError

POM = Contrast("pom", "treatment", "DMSO", "pom", (), None, None, None, None, 2)
FORMULA = replace(POM, variable=None, reference=None, target=None)


def sheet(text: str) -> pd.DataFrame:
    """A table of words; ``-`` is not recorded. ``dose_um`` and ``time_h`` are numbers."""
    header, *rows = (line.split() for line in text.strip().splitlines())
    frame = pd.DataFrame(rows, columns=header).set_index(header[0]).rename_axis("sample_id")
    frame = frame.astype(object).where(frame != "-", None)
    for column in {"dose_um", "time_h"} & set(frame.columns):
        frame[column] = frame[column].astype(float)
    return frame


def two_groups(n: int = 4, **columns: Any) -> pd.DataFrame:
    """``D1..Dn`` of DMSO and ``P1..Pn`` of pom, with further columns."""
    names = [f"{arm}{i}" for arm in "DP" for i in range(1, n + 1)]
    frame = pd.DataFrame({"treatment": ["DMSO"] * n + ["pom"] * n}, index=pd.Index(names, name="sample_id"))
    return frame.assign(**columns)


def examine(table: pd.DataFrame, contrast: Contrast = POM) -> DesignReport:
    return examine_design(contrast, table, vehicle=["DMSO"])


def sentence(report: DesignReport, code: str, severity: str = "warning") -> str:
    (found,) = [finding for finding in report.findings if finding.code == code]
    assert found.severity == severity
    return found.sentence


def codes(report: DesignReport) -> list[str]:
    return [finding.code for finding in report.findings]


def test_a_good_design_has_no_findings() -> None:
    report = examine(two_groups(5, batch=list("12345") * 2), replace(POM, blocking=("batch",)))
    assert report.findings == ()
    assert report.severity is None
    assert (report.formula, report.test, report.weights) == ("~ batch + treatment", "wald", "treatment[pom]")
    assert report.coefficients == ("Intercept", "batch[2]", "batch[3]", "batch[4]", "batch[5]", "treatment[pom]")
    assert (report.rank, report.n_samples, report.residual_df) == (6, 10, 4)


def test_groups_and_roles() -> None:
    table = sheet(
        """
        sample line treatment
        a1 A DMSO
        a2 A DMSO
        a3 A DMSO
        b1 A pom
        b2 A pom
        b3 A pom
        c1 A dex
        c2 A dex
        d1 B DMSO
        """
    )
    report = examine(table, replace(POM, subset="line=A"))
    assert report.factors == ("treatment", "line")
    assert report.groups.to_dict("list") == {
        "treatment": ["dex", "DMSO", "DMSO", "pom"],
        "line": ["A", "A", "B", "A"],
        "n_samples": [2, 3, 1, 3],
        "role": ["in the model", "reference", "not used", "target"],
        "samples": ["c1, c2", "a1, a2, a3", "d1", "b1, b2, b3"],
    }
    assert report.roles.tolist() == ["reference"] * 3 + ["target"] * 3 + ["in the model"] * 2 + ["not used"]
    assert sentence(report, "samples_outside", "note") == "not used (subset line=A): d1"
    assert sentence(report, "in_model_only", "note").endswith("to estimate the variation: c1, c2")


def test_roles_of_an_interaction_follow_the_sign() -> None:
    table = two_groups(6, line=list("AAABBB") * 2)
    contrast = replace(FORMULA, formula="~ line * treatment", contrast="line[B]:treatment[pom]")
    report = examine(table, contrast)
    assert report.groups[["treatment", "line", "role"]].to_numpy().tolist() == [
        ["DMSO", "A", "target"],
        ["DMSO", "B", "reference"],
        ["pom", "A", "reference"],
        ["pom", "B", "target"],
    ]
    assert (report.n_reference, report.n_target) == (3, 3)


def test_errors_become_findings() -> None:
    same = examine(two_groups(batch=list("11112222")), replace(POM, blocking=("batch",)))
    assert same.severity == "error"
    assert sentence(same, "confounded", "error").startswith(
        "the effects cannot be told apart: treatment and batch are the same split: every DMSO sample is in batch 1 "
        "and every pom sample is in batch 2 (found rank 2 with 3 coefficients"
    )
    assert (same.rank, same.coefficients) == (2, ("Intercept", "batch[2]", "treatment[pom]"))
    alone = examine(two_groups(1))
    assert "without replicates the variation cannot be measured" in sentence(alone, "no_residual_df", "error")
    misspelt = examine(two_groups(), replace(FORMULA, formula="~ treatmnt", contrast="0,1"))
    assert sentence(misspelt, "cannot_be_built", "error").endswith("Did you mean 'treatment'?")
    assert (misspelt.coefficients, misspelt.rank, set(misspelt.roles)) == ((), 0, {"not used"})
    gone = examine(two_groups(), replace(POM, target="dex"))
    assert "no sample is left with treatment 'dex'" in sentence(gone, "cannot_be_built", "error")
    reverse = examine(two_groups(), replace(POM, reference="pom", target="DMSO", kind="drug_vs_vehicle"))
    assert sentence(reverse, "reversed_sign", "error").endswith(
        "Swap reference and target, or declare 'kind' as other if no marker is to be judged by it"
    )


def test_few_replicates() -> None:
    assert sentence(examine(two_groups(4).drop(index=["P2", "P3", "P4"])), "no_replicates").startswith(
        "the target arm has one sample only (P1), so no marker"
    )
    two = examine(two_groups(2))
    assert [finding.severity for finding in two.findings] == ["warning", "note", "note"]
    assert sentence(two, "few_residual_df").startswith("only 2 residual degrees of freedom (4 samples, 2 coefficients)")


def test_imbalance_states_the_standard_error() -> None:
    # Within batch 1: 3 against 1, within 2: 1 against 3. The blocked variance is 1/(2 * 3/4) = 2/3, alone 1/2.
    table = two_groups(4, batch=list("11121222"))
    report = examine(table, replace(POM, blocking=("batch",)))
    assert sentence(report, "imbalance", "note") == (
        "batch explains a part of the difference between the arms (1: 3 reference and 1 target, 2: 1 reference and "
        "3 target; Cramer's V 0.50): the standard error of the effect is 1.2 times that of a balanced design. "
        "Measure both arms in every batch, or be ready to find large effects only"
    )
    # 9:1 against 1:9 gives 1 / (2 * 9/10) = 0.556 beside 0.2: a factor of 1.67.
    worse = examine(two_groups(10, batch=list("1" * 9 + "2" + "1" + "2" * 9)), replace(POM, blocking=("batch",)))
    assert "the standard error of the effect is 1.7 times" in sentence(worse, "imbalance")
    assert "Cramer's V 0.80" in sentence(worse, "imbalance")


def test_cramers_v_by_hand() -> None:
    one, same, crossed = pd.Series(list("aabb")), pd.Series(list("xxyy")), pd.Series(list("xyxy"))
    assert cramers_v(one, same) == 1.0
    assert cramers_v(one, crossed) == 0.0
    assert cramers_v(one, pd.Series(list("xxxx"))) == 0.0
    # 2 x 3: chi-squared 2 of 4 samples, smaller side 2.
    assert cramers_v(one, pd.Series(list("xyyz"))) == pytest.approx(np.sqrt(2 / 4))


def test_interactions_are_no_imbalance() -> None:
    table = two_groups(6, line=list("AAABBB") * 2)
    report = examine(table, replace(FORMULA, formula="~ line * treatment", contrast="treatment[pom]"))
    assert "imbalance" not in codes(report)


def test_sample_without_counterpart() -> None:
    table = two_groups(4, donor=["1", "2", "3", "4", "1", "2", "3", "5"])
    report = examine(table, replace(POM, blocking=("donor",)))
    assert sentence(report, "no_counterpart") == (
        "D4, P4 add nothing to the effect: no sample of the other arm has the same donor. Add its counterpart, or "
        "do not count it as a replicate"
    )


def test_hidden_confounding_with_an_unused_batch() -> None:
    report = examine(two_groups(4, seq_run=list("aabbccdd")))
    assert sentence(report, "hidden_confounding") == (
        "no seq_run holds samples of both arms (reference: a, b; target: c, d): the effect cannot be told from that "
        "of seq_run, and leaving seq_run out of the design does not change that. Repeat the experiment with both "
        "arms in each seq_run, or say so with the result"
    )


def test_unused_batch() -> None:
    balanced = examine(two_groups(4, batch=list("1122") * 2))
    assert sentence(balanced, "batch_unused", "note") == (
        "batch is recorded (1, 2) and not in the design: write batch in the column 'blocking'"
    )
    skewed = examine(two_groups(4, batch=list("11121222")), replace(FORMULA, formula="~ treatment", contrast="0,1"))
    assert sentence(skewed, "batch_unused") == (
        "batch is recorded (1, 2) and differs between the arms (Cramer's V 0.50), so that it can pass for an effect: "
        "write batch in the formula"
    )
    assert "batch_unused" not in codes(examine(two_groups(4, batch=list("12345678"))))


def test_unused_pairing() -> None:
    report = examine(two_groups(4, donor=["d1", "d2", "d3", "d4"] * 2))
    assert sentence(report, "donor_unused") == (
        "donors d1, d2, d3, d4 have samples in both arms and donor is not in the design: block on donor (write donor "
        "in the column 'blocking'), so that each donor is compared with itself"
    )
    assert "donor_unused" not in codes(examine(two_groups(4, donor=[f"d{i}" for i in range(8)])))


def test_vehicle_must_be_time_matched() -> None:
    never = examine(two_groups(3, time_h=[0.0] * 3 + [24.0] * 3))
    assert sentence(never, "time_not_matched") == (
        "the target arm was taken at 24 h and the reference arm at 0 h: what time alone does looks like the effect. "
        "Add reference samples at the same times, or leave it out"
    )
    partly = examine(two_groups(4, time_h=[0.0, 0, 24, 24, 6, 6, 24, 24]))
    assert sentence(partly, "time_not_matched").endswith("or restrict the contrast by the subset time_h=24")
    mixed = examine(two_groups(4, time_h=[6.0, 6, 24, 24] * 2))
    assert sentence(mixed, "times_mixed").endswith("subset time_h=24, or write time_h in the column 'blocking'")
    blocked = examine(two_groups(4, time_h=[6.0, 6, 24, 24] * 2), replace(POM, blocking=("time_h",)))
    assert not {"time_not_matched", "times_mixed"} & set(codes(blocked))


def test_mixed_doses() -> None:
    table = two_groups(4, dose_um=[0.0] * 4 + [0.1, 0.1, 10, 10])
    assert sentence(examine(table), "doses_mixed").startswith("the target arm mixes the doses 0.1, 10 uM: ")
    trend = replace(FORMULA, formula="~ log2_dose(dose_um)", contrast="log2_dose(dose_um)")
    assert "doses_mixed" not in codes(examine(table, trend))


def test_cell_lines() -> None:
    table = two_groups(6, cell_line=["A", "A", "A", "B", "B", "B"] * 2)
    assert sentence(examine(table), "cell_lines_mixed") == (
        "the arms mix the cell lines A, B and cell_line is not in the design: write cell_line in the column "
        "'blocking', or restrict the contrast by the subset cell_line=A"
    )
    blocked = examine(
        table.assign(sensitivity=(["sensitive"] * 3 + ["resistant"] * 3) * 2), replace(POM, blocking=("cell_line",))
    )
    assert "cell_lines_mixed" not in codes(blocked)
    assert sentence(blocked, "responses_mixed").startswith("sensitive and resistant lines (A, B) share one effect")
    apart = examine(two_groups(3, cell_line=["A"] * 3 + ["B"] * 3))
    assert sentence(apart, "hidden_confounding").startswith(
        "cell_line differs between the arms (A: 3 reference and 0 target, B: 0 reference and 3 target), so that"
    )
    lines = replace(POM, variable="cell_line", reference="A", target="B", subset="treatment=DMSO")
    assert {"hidden_confounding", "cell_lines_mixed"}.isdisjoint(codes(examine(table, lines)))


@pytest.mark.parametrize("names", [("x_L001", "x_L002"), ("x_T1", "x_T2"), ("rep1a", "rep1b"), ("x.tech1", "x.tech2")])
def test_technical_repeats_by_name(names: tuple[str, str]) -> None:
    table = two_groups(3).rename(index={"D1": names[0], "D2": names[1]})
    assert sentence(examine(table), "pseudo_replication").startswith(
        "samples whose names differ only by lane or technical repeat are counted as replicates: "
        f"{names[0]} and {names[1]}. If they are repeats of one culture, give them one sample name"
    )
    numbered = examine(table.assign(replicate=list("123") * 2))
    assert ("pseudo_replication" in codes(numbered)) == ("L001" in names[0])
    across = two_groups(3).rename(index={"D1": names[0], "P1": names[1]})
    assert "pseudo_replication" not in codes(examine(across))


def test_repeated_donors() -> None:
    table = two_groups(4, donor=["d1", "d1", "d2", "d3", "d4", "d5", "d6", "d7"])
    assert "pseudo_replication" not in codes(examine(table))
    report = examine(table)
    assert sentence(report, "donor_repeated").startswith(
        "a donor is counted more than once in one condition: D1 and D2 (donor d1). "
    )
    one = examine(two_groups(3, donor=["d1"] * 6))
    assert sentence(one, "one_donor", "note").startswith("all samples are of donor d1")


def test_empty_cells_of_an_interaction() -> None:
    table = two_groups(6, line=list("AAABBB") * 2).drop(index=["P4", "P5", "P6"])
    report = examine(table, replace(FORMULA, formula="~ line * treatment", contrast="0,0,0,1"))
    assert report.severity == "error"
    assert sentence(report, "empty_cell").startswith(
        "no sample has line B treatment pom: that part of the interaction of line and treatment cannot be estimated."
    )


def test_likelihood_ratio_and_numbers_are_explained() -> None:
    table = two_groups(6, time_h=[0.0, 0, 6, 6, 24, 24] * 2)
    course = replace(FORMULA, formula="~ treatment * C(time_h)", reduced="~ treatment + C(time_h)")
    report = examine(table, course)
    assert report.test == "lrt"
    assert sentence(report, "likelihood_ratio", "note") == (
        "the likelihood-ratio test asks whether treatment[pom]:time_h[6], treatment[pom]:time_h[24] are needed at all "
        "(2 degrees of freedom); the log2 fold change that is shown is treatment[pom]:time_h[24]"
    )
    linear = examine(table, replace(FORMULA, formula="~ treatment + time_h", contrast="treatment[pom]"))
    assert sentence(linear, "numeric_term", "note").startswith("time_h counts as a number: ")


def test_weights_in_words() -> None:
    table = two_groups(6).assign(treatment=["DMSO"] * 4 + ["pom"] * 4 + ["dex"] * 4)
    report = examine(table, replace(POM, reference="dex"))
    assert report.weights == "-treatment[dex] + treatment[pom]"
    half = replace(FORMULA, formula="~ treatment", contrast="(treatment[dex] + treatment[pom]) / 2")
    assert examine(table, half).weights == "0.5 treatment[dex] + 0.5 treatment[pom]"


def test_columns_with_nearly_standard_names() -> None:
    table = two_groups(3, patient=list("abcabc"), treatmnt="x", colour="red")
    found = [finding.sentence for finding in examine_columns(table)]
    assert found == [
        "the column 'patient' of the sample sheet is kept as a further column: if it means donor, rename it to "
        "'donor', so that what is known of donor is checked"
    ]
    (missing,) = examine_columns(table.drop(columns=["treatment", "patient"]))
    assert "if it means treatment, rename it to 'treatment'" in missing.sentence


def test_common_findings_are_said_once() -> None:
    table = two_groups(4, patient=list("abcd") * 2)
    reports = [examine(table), examine(table, replace(POM, id="swap", reference="pom", target="DMSO"))]
    assert [finding.code for finding in common_findings(reports)] == ["column_name"]
    assert common_findings(reports[:1]) == ()


LEVELS = {
    "treatment": ["DMSO", "pom", "dex"],
    "cell_line": ["A", "B"],
    "batch": ["1", "2", "10"],
    "donor": ["d1", "d2", None],
    "replicate": ["1", "2", None],
    "run_date": ["m", None],
    "dose_um": [0.0, 0.1, 10.0],
    "time_h": [0.0, 24.0, None],
}
FORMULAS = {
    "~ treatment * C(time_h)": ("treatment[pom]", "~ C(time_h)"),
    "~ log2_dose(dose_um) + batch": ("log2_dose(dose_um)", None),
    "~ cell_line * treatment": (None, "~ cell_line"),
    "~ 0 + treatment": ("treatment[pom] - treatment[DMSO]", None),
    "~ 0": ("x", None),
    "~ nope": ("x", "~ 1"),
    "~ donor": ("0,1", "~ run_date"),
    "~ log2(dose_um)": ("log2(dose_um)", None),
}


@pytest.mark.parametrize("seed", range(120))
def test_the_doctor_never_raises_and_agrees_with_the_fit(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 24))
    columns = {name: [levels[i] for i in rng.integers(len(levels), size=n)] for name, levels in LEVELS.items()}
    table = pd.DataFrame(columns, index=[f"S{i}_L00{i % 2}" for i in range(n)])
    kept = rng.random(table.shape[1]) < 0.8
    table = table.loc[:, kept]
    contrast = replace(POM, blocking=tuple(name for name in ("batch", "time_h") if rng.random() < 0.5))
    if seed % 2:
        formula = list(FORMULAS)[seed // 2 % len(FORMULAS)]
        contrast = replace(FORMULA, formula=formula, contrast=FORMULAS[formula][0], reduced=FORMULAS[formula][1])
    report = examine(table, contrast)
    refused = [finding for finding in report.findings if finding.severity == "error"]
    try:
        design = build_design(contrast, table, ["DMSO"])
    except InputError:
        assert len(refused) == 1
    else:
        assert not refused
        assert report.coefficients == tuple(design.matrix.columns)
        assert set(design.warnings) <= {finding.sentence for finding in report.findings}
    assert int(report.groups["n_samples"].sum()) == n
