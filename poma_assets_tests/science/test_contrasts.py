from dataclasses import replace

import pandas as pd
import pytest

from poma_assets.science.contrasts import (
    Contrast,
    arm_samples,
    contrast_kind,
    contrasts_frame,
    parse_contrasts,
    select_samples,
    validate_contrasts,
)
from poma_assets.science.errors import ContrastError
from poma_assets.science.sample_sheet import SampleSheet, parse_sample_sheet
from poma_assets.storage.schema import TABLES

VEHICLE = ["DMSO", "untreated"]
INTERACTION = "sensitivity[sensitive]:treatment[pomalidomide]"
BARE = Contrast("c", None, None, None, (), None, None, None, None, 2)


@pytest.fixture(scope="module")
def sheet() -> SampleSheet:
    lines = ["sample,fastq_1,cell_line,sensitivity,treatment,time_h,batch"]
    for cell_line, sensitivity in (("MM.1S", "sensitive"), ("MM.1S-R", "resistant")):
        for treatment in ("DMSO", "pomalidomide"):
            for batch in (1, 2, 3):
                name = f"{cell_line}_{treatment}_{batch}"
                lines.append(f"{name},{name}.fq.gz,{cell_line},{sensitivity},{treatment},24.0,b{batch}")
    return parse_sample_sheet("\n".join(lines), source="samples.csv")


@pytest.fixture(scope="module")
def table(sheet: SampleSheet) -> pd.DataFrame:
    return sheet.design_table()


def refused(text: str, source: str = "contrasts.csv") -> str:
    with pytest.raises(ContrastError) as caught:
        parse_contrasts(text, source=source)
    return str(caught.value)


def invalid(text: str, sheet: SampleSheet, source: str = "contrasts.csv") -> str:
    contrasts = parse_contrasts(text, source=source)
    with pytest.raises(ContrastError) as caught:
        validate_contrasts(contrasts, sheet, source=source)
    return str(caught.value)


NF_CORE_CSV = """id,variable,reference,target,blocking,exclude_samples_col,exclude_samples_values
plain,treatment,DMSO,pomalidomide,,,
blocked,treatment,DMSO,pomalidomide,batch;cell_line,,
less,treatment,DMSO,pomalidomide,,sample,MM.1S_DMSO_1;MM.1S_DMSO_2
"""
NF_CORE_YAML = """contrasts:
  - id: plain
    comparison: ["treatment", "DMSO", "pomalidomide"]
  - id: blocked
    comparison: ["treatment", "DMSO", "pomalidomide"]
    blocking_factors: ["batch", "cell_line"]
  - id: less
    comparison: [treatment, DMSO, pomalidomide]
    exclude_samples_col: sample
    exclude_samples_values: [MM.1S_DMSO_1, MM.1S_DMSO_2]
  - id: model
    formula: "~ cell_line * treatment"
    make_contrasts_str: "cell_lineMM.1S.R.treatmentpomalidomide"
"""


def test_nf_core_csv_and_yaml_say_the_same(sheet: SampleSheet) -> None:
    table_file = parse_contrasts(NF_CORE_CSV, source="c.csv")
    yaml_file = parse_contrasts(NF_CORE_YAML, source="c.yml")
    assert [replace(item, line=0) for item in table_file] == [replace(item, line=0) for item in yaml_file[:3]]
    assert table_file[1].blocking == ("batch", "cell_line")
    assert table_file[2].subset == "sample!=MM.1S_DMSO_1,MM.1S_DMSO_2"
    assert [item.line for item in table_file] == [2, 3, 4]
    assert [item.line for item in yaml_file] == [2, 4, 7, 11]
    assert yaml_file[3].formula == "~ cell_line * treatment"
    assert yaml_file[3].contrast == "cell_lineMM.1S.R.treatmentpomalidomide"
    validate_contrasts(yaml_file, sheet, source="c.yml")


def test_yaml_levels_stay_as_written() -> None:
    contrast = parse_contrasts("- {id: a, comparison: [x, no, 01]}", source="c.yaml")[0]
    assert (contrast.reference, contrast.target) == ("no", "01")


def test_select_samples(table: pd.DataFrame) -> None:
    contrast = replace(BARE, variable="treatment", reference="DMSO", target="pomalidomide")
    assert len(select_samples(contrast, table)) == 12
    one_line = select_samples(replace(contrast, subset=" cell_line = MM.1S ; time_h = 24 ;"), table)
    assert list(one_line.index) == [f"MM.1S_{arm}_{n}" for arm in ("DMSO", "pomalidomide") for n in (1, 2, 3)]
    two_batches = select_samples(replace(contrast, subset="batch=b1,b3;sample!=MM.1S_DMSO_1"), table)
    assert len(two_batches) == 7
    assert len(select_samples(replace(contrast, target="other"), table)) == 12
    assert len(arm_samples(replace(contrast, target="other"), table)) == 6
    assert list(arm_samples(replace(BARE, formula="~ 1", subset="batch=b1"), table)["batch"]) == ["b1"] * 4


def test_select_samples_with_missing_values_and_separators_in_levels() -> None:
    frame = pd.DataFrame({"g": ["a;b", "c", None], "d": [0.0, 1.5, float("nan")]}, index=list("xyz"))
    formula = replace(BARE, formula="~ 1", contrast="1")
    kept = [
        list(select_samples(replace(formula, subset=subset), frame).index)
        for subset in ('g="a;b"', 'g!="a;b",c', "d=1.50,0", "d!=0")
    ]
    assert kept == [["x"], ["z"], ["x", "y"], ["y", "z"]]


def test_numeric_levels_are_compared_as_numbers(table: pd.DataFrame) -> None:
    frame = table.assign(time_h=[0.0, 24.0] * 6)
    contrast = replace(BARE, variable="time_h", reference="0.0", target="24")
    assert len(arm_samples(contrast, frame)) == 12


def test_reduced_formula_is_read_and_stored(sheet: SampleSheet) -> None:
    text = "id\tformula\treduced\tcontrast\nt\t~ batch + treatment\t~ batch\t\n"
    (contrast,) = parse_contrasts(text, source="contrasts.tsv")
    assert (contrast.formula, contrast.reduced, contrast.contrast) == ("~ batch + treatment", "~ batch", None)
    validate_contrasts([contrast], sheet, source="contrasts.tsv")
    frame = contrasts_frame([contrast], sheet, VEHICLE)
    assert frame.loc[0, ["reduced", "kind"]].tolist() == ["~ batch", "other"]
    (from_yaml,) = parse_contrasts("- {id: t, formula: ~ batch + treatment, reduced: ~ batch}", source="c.yaml")
    assert replace(from_yaml, line=2) == contrast
    declared = replace(contrast, kind="drug_vs_vehicle", contrast="-treatment[pomalidomide]")
    with pytest.raises(ContrastError, match="reverse sign"):
        contrast_kind(declared, sheet.design_table(), VEHICLE)
    message = invalid("id,formula,reduced\nt,~ batch + treatment,~ bacth\n", sheet)
    assert message.startswith("contrasts.csv, line 2, column reduced: contrast 't' names a column that the sample")
    assert message.endswith("Did you mean 'batch'?")


def test_kind_is_that_of_the_two_arms_whatever_else_is_in_the_model(table: pd.DataFrame) -> None:
    contrast = replace(BARE, variable="cell_line", reference="MM.1S", target="MM.1S-R", subset="treatment=DMSO")
    more = pd.concat([table, table.iloc[:1].assign(cell_line="T cells", sensitivity="unknown").set_axis(["T"])])
    assert contrast_kind(contrast, more, VEHICLE) == "resistant_vs_sensitive_at_vehicle"


def test_kind_of_a_formula_knows_the_vehicle_as_base(table: pd.DataFrame) -> None:
    early = table.replace({"treatment": {"pomalidomide": "BMS-1"}})
    contrast = replace(BARE, formula="~ cell_line + treatment", contrast="treatment[BMS-1]")
    assert contrast_kind(contrast, early, VEHICLE) == "drug_vs_vehicle"


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({"variable": "treatment", "reference": "DMSO", "target": "pomalidomide"}, "drug_vs_vehicle"),
        ({"variable": "treatment", "reference": "pomalidomide", "target": "DMSO"}, "other"),
        (
            {"variable": "sensitivity", "reference": "sensitive", "target": "resistant"} | {"subset": "treatment=DMSO"},
            "resistant_vs_sensitive_at_vehicle",
        ),
        (
            {"variable": "cell_line", "reference": "MM.1S", "target": "MM.1S-R", "subset": "treatment=DMSO"},
            "resistant_vs_sensitive_at_vehicle",
        ),
        (
            {"variable": "cell_line", "reference": "MM.1S-R", "target": "MM.1S", "subset": "treatment=DMSO"},
            "other",
        ),
        ({"variable": "cell_line", "reference": "MM.1S", "target": "MM.1S-R"}, "other"),
        ({"variable": "batch", "reference": "b1", "target": "b2"}, "other"),
        (
            {"formula": "~ sensitivity * treatment", "contrast": INTERACTION},
            "drug_by_sensitivity_interaction",
        ),
        (
            {"formula": "~ batch + cell_line * treatment"}
            | {"contrast": "-cell_line[MM.1S-R]:treatment[pomalidomide]"},
            "drug_by_sensitivity_interaction",
        ),
        ({"formula": "~ batch + treatment", "contrast": "treatment[pomalidomide]"}, "drug_vs_vehicle"),
        # The drug in the sensitive line only, out of the joint model.
        (
            {"formula": "~ sensitivity * treatment", "contrast": f"treatment[pomalidomide] + {INTERACTION}"},
            "drug_vs_vehicle",
        ),
        (
            {"formula": "~ sensitivity * treatment", "contrast": "-sensitivity[sensitive]"},
            "resistant_vs_sensitive_at_vehicle",
        ),
        ({"formula": "~ sensitivity * treatment", "contrast": f"2 * {INTERACTION}"}, "other"),
        ({"formula": "~ batch", "contrast": "batch[b2]"}, "other"),
    ],
)
def test_kind(changes: dict[str, str], kind: str, table: pd.DataFrame) -> None:
    assert contrast_kind(replace(BARE, **changes), table, VEHICLE) == kind  # type: ignore[arg-type]


def test_vehicle_is_found_in_any_case_and_declared_kind_wins(table: pd.DataFrame) -> None:
    contrast = replace(BARE, variable="treatment", reference="DMSO", target="pomalidomide")
    assert contrast_kind(contrast, table, ["dmso"]) == "drug_vs_vehicle"
    assert contrast_kind(contrast, table, ["water"]) == "other"
    assert contrast_kind(replace(contrast, kind="other"), table, VEHICLE) == "other"
    assert contrast_kind(replace(contrast, kind="drug_vs_vehicle"), table, ["water"]) == "drug_vs_vehicle"


def test_sensitivity_is_never_inferred_from_a_line(table: pd.DataFrame) -> None:
    baseline = replace(BARE, variable="cell_line", reference="MM.1S", target="MM.1S-R", subset="treatment=DMSO")
    unknown = table.assign(sensitivity="unknown")
    assert contrast_kind(baseline, unknown, VEHICLE) == "other"
    assert contrast_kind(baseline, table.drop(columns="sensitivity"), VEHICLE) == "other"
    formula = replace(BARE, formula="~ cell_line * treatment", contrast="0, 0, 0, 1")
    assert contrast_kind(formula, table.drop(columns="sensitivity"), VEHICLE) == "other"


def test_reverse_sign_is_refused(table: pd.DataFrame) -> None:
    contrast = replace(BARE, id="int", formula="~ cell_line * treatment", contrast="0,0,0,1")
    with pytest.raises(ContrastError) as caught:
        contrast_kind(contrast, table, VEHICLE)
    assert str(caught.value) == (
        "line 2: contrast 'int' has the reverse sign of its kind "
        "drug_by_sensitivity_interaction (found 0,0,0,1; "
        "expected the drug's effect in sensitive minus its effect in resistant samples). Put "
        "a minus before the "
        "contrast, or declare 'kind' as other if no marker is to be judged by it"
    )
    assert contrast_kind(replace(contrast, kind="other"), table, VEHICLE) == "other"
    drug = replace(BARE, variable="treatment", reference="pomalidomide", target="DMSO", kind="drug_vs_vehicle")
    with pytest.raises(ContrastError, match=r"found DMSO minus pomalidomide.*Swap reference and target"):
        contrast_kind(drug, table, VEHICLE)


def test_contrasts_frame_has_the_columns_of_the_table(sheet: SampleSheet) -> None:
    frame = contrasts_frame(parse_contrasts(NF_CORE_CSV, source="c.csv"), sheet, VEHICLE)
    assert (*frame.columns, "effect") == TABLES["contrasts"].column_names  # the effect needs the designs
    assert frame["blocking"].tolist() == [None, "batch;cell_line", None]
    assert frame["kind"].tolist() == ["drug_vs_vehicle"] * 3
    assert contrasts_frame([], sheet, VEHICLE).columns.tolist() == frame.columns.tolist()


def test_whole_messages(sheet: SampleSheet) -> None:
    head = "id,variable,reference,target,blocking\n"
    assert invalid(head + "a,treatment,dmso,pomalidomide,\n", sheet) == (
        "contrasts.csv, line 2, column reference: contrast 'a' names a level that no sample has in column "
        "'treatment' (found 'dmso'; expected one of the levels 'DMSO', 'pomalidomide'). Did you mean 'DMSO'?"
    )
    assert invalid(head + "a,treatment,DMSO,pomalidomide,bacth\n", sheet) == (
        "contrasts.csv, line 2, column blocking: contrast 'a' names a column that the sample "
        "sheet has not (found "
        "'bacth'; expected one of the columns cell_line, sensitivity, treatment, time_h, batch). "
        "Did you mean 'batch'?"
    )


HEAD = "id,variable,reference,target,blocking,subset\n"
INVALID = {
    "unknown variable": ("a,dose,0,1,,", "line 2, column variable: contrast 'a' names a column"),
    "numeric level": ("a,time_h,24,6,,", "column target: contrast 'a' names a level .*levels '24'"),
    "twice an id": (
        "a,treatment,DMSO,pomalidomide,,\nA,treatment,DMSO,pomalidomide,,",
        "line 3, column id: the id 'A' is there twice .found 'a' in line 2",
    ),
    "same level": ("a,treatment,DMSO,DMSO,,", "compares a level with itself"),
    "same number": ("a,time_h,24,24.00,,", "compares a level with itself"),
    "blocks itself": ("a,treatment,DMSO,pomalidomide,treatment,", "column blocking: .*its own variable"),
    "subset column": ("a,treatment,DMSO,pomalidomide,,line=MM.1S", "column subset: .*found 'line'"),
    "subset level": ("a,treatment,DMSO,pomalidomide,,cell_line=MM1S", "Did you mean 'MM.1S'"),
    "excluded sample": ("a,treatment,DMSO,pomalidomide,,sample!=nobody", "found 'nobody'"),
}


@pytest.mark.parametrize("name", INVALID)
def test_contrast_that_does_not_fit_the_sheet(name: str, sheet: SampleSheet) -> None:
    rows, pattern = INVALID[name]
    with pytest.raises(ContrastError, match=pattern):
        validate_contrasts(parse_contrasts(HEAD + rows, source="c.csv"), sheet, source="c.csv")


@pytest.mark.parametrize(
    ("formula", "part"),
    [
        ("~ treatmnt", "column formula: contrast 'f' names a column that the sample sheet has not"),
        ("~ treatment + (1 | batch)", "random effects are not supported"),
        ("counts ~ treatment", "has a response"),
        ("~ treatment +", "the formula cannot be read"),
    ],
)
def test_formula_that_does_not_fit(formula: str, part: str, sheet: SampleSheet) -> None:
    text = f"- {{id: f, formula: '{formula}', contrast: x}}"
    assert part in invalid(text, sheet, "c.yaml")


BAD = {
    "empty": ("", "contrasts file is empty"),
    "no id": ("name,variable\n", "column 'name' is not known"),
    "odd column": ("id,variable,reference,target,blockng\n", "Did you mean 'blocking'?"),
    "no target": (HEAD + "a,treatment,DMSO,,,\n", "line 2, column target: contrast 'a' has no target"),
    "bad id": (
        HEAD + "a b,treatment,DMSO,x,,\n",
        "line 2, column id: the id of the contrast is not a valid name",
    ),
    "missing id": (HEAD + ",treatment,DMSO,x,,\n", "the id of the contrast is missing"),
    "bad subset": (
        HEAD + "a,treatment,DMSO,x,,cell_line\n",
        "column subset, contrast 'a': the subset cannot",
    ),
    "kind": ("id,variable,reference,target,kind\na,t,x,y,drug\n", "has a kind that is not known"),
    "formula alone": ("id,formula\na,~ t\n", "column contrast: contrast 'a' has no contrast"),
    "reduced alone": ("id,reduced\na,~ t\n", "column formula: contrast 'a' has no formula"),
    "contrast alone": ("id,contrast\na,t\n", "column formula: contrast 'a' has no formula"),
    "formula and blocking": ("id,formula,contrast,blocking\na,~ t,t,b\n", "'~ t + b'"),
    "half an exclusion": (
        "id,variable,reference,target,exclude_samples_col\na,t,x,y,sample\n",
        "column exclude_samples_values: contrast 'a' has no exclude_samples_values",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_table_is_refused_in_words(name: str) -> None:
    text, part = BAD[name]
    assert part in refused(text)


def test_a_header_alone_declares_nothing() -> None:
    assert parse_contrasts("id\tvariable\treference\ttarget\n", source="contrasts.tsv") == []
    assert parse_contrasts("contrasts: []\n", source="contrasts.yaml") == []


BAD_YAML = {
    "syntax": ("contrasts:\n  - id: a\n comparison: [a", "c.yaml, line 3, column 2: this is no valid YAML"),
    "no key": ("contrast:\n  - id: a", "there is no key 'contrasts' (found keys contrast)"),
    "no list": ("contrasts: a", "line 1: the contrasts are not a list"),
    "text item": ("- a", "line 1: a contrast is not a list of keys (found 'a'"),
    "odd key": ("- id: a\n  comparision: [a, b, c]", "line 2: key 'comparision' is not known"),
    "two levels": ("- id: a\n  comparison: [a, b]", "line 1, key comparison: the comparison has not three"),
    "twice a key": ("- id: a\n  id: b", "line 2, column 3: the key 'id' is there twice"),
    "nested": ("- id: {a: b}", "line 1: the value of 'id' is not a text"),
    "nothing": ("", "contrasts file is empty"),
}


@pytest.mark.parametrize("name", BAD_YAML)
def test_bad_yaml_is_refused_in_words(name: str) -> None:
    text, part = BAD_YAML[name]
    assert part in refused(text, "c.yaml")
