"""A derivative must show its parent's chains, translocations and sex."""

import json

import pandas as pd
import pytest

from poma_assets.science.markers.identity import IDENTITY_COLUMNS
from poma_assets.science.markers.parentage import parent_identity

MM1S = {"light_chain": "lambda", "heavy_chain": "IGHA1", "translocation_outlier": "MAF", "sex": "none"}
H929 = {"light_chain": "kappa", "heavy_chain": "IGHA1", "translocation_outlier": "NSD2", "sex": "none"}


def compare(shown):
    """Compare samples given as name -> (line, parent, what it shows)."""
    rows = [
        (sample, rule, "x", observed, "match", None, "")
        for sample, (_, _, marks) in shown.items()
        for rule, observed in marks.items()
    ]
    samples = pd.DataFrame(
        {
            "sample_id": list(shown),
            "cell_line": [line for line, _, _ in shown.values()],
            "metadata": [json.dumps({"parent_line": parent}) for _, parent, _ in shown.values()],
        }
    )
    frame = parent_identity(pd.DataFrame(rows, columns=list(IDENTITY_COLUMNS)), samples)
    assert tuple(frame.columns) == IDENTITY_COLUMNS
    return frame.set_index("sample_id")


PARENTS = {f"M{i}": ("MM.1S", None, MM1S) for i in (1, 2, 3)}


def test_a_derivative_that_shows_its_parent_matches_and_parents_have_no_row():
    frame = compare(PARENTS | {"R1": ("MM.1S-PR", "MM.1S", MM1S)})
    assert frame["status"].to_dict() == {"R1": "match"}
    assert frame.loc["R1", "expected"] == "the identity of MM.1S"


def test_a_derivative_of_another_line_is_a_mismatch_that_names_it():
    others = {f"H{i}": ("NCI-H929", None, H929) for i in (1, 2)}
    frame = compare(PARENTS | others | {"R1": ("MM.1S-PR", "MM.1S", H929)})
    assert frame.loc["R1", ["status", "likelier_line"]].tolist() == ["mismatch", "NCI-H929"]
    assert frame.loc["R1", "observed"] == "light chain kappa where MM.1S has lambda"


def test_one_odd_parent_sample_does_not_decide():
    frame = compare(PARENTS | {"M3": ("MM.1S", None, H929), "R1": ("MM.1S-PR", "MM.1S", MM1S)})
    assert frame.loc["R1", "status"] == "match"


def test_lines_that_no_table_knows_are_compared_all_the_same():
    own = MM1S | {"heavy_chain": "IGHG1"}
    frame = compare({"P1": ("Ours", None, own), "D1": ("Ours-R", "Ours", own), "D2": ("Ours-R", "Ours", MM1S)})
    assert frame["status"].to_dict() == {"D1": "match", "D2": "mismatch"}
    assert frame.loc["D2", "observed"] == "heavy chain IGHA1 where Ours has IGHG1"


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"sex": "RPS4Y1;DDX3Y"}, "mismatch"),
        ({"sex": "DDX3Y"}, "match"),  # one gene alone may be misplaced reads
        ({"translocation_outlier": "MAF;NSD2"}, "warn"),
        ({"translocation_outlier": "none"}, "warn"),
        ({"light_chain": "kappa and lambda"}, "match"),  # a mixture is told by the rule of the light chain
        ({"light_chain": "none high"}, "match"),
        ({"light_chain": "not annotated", "heavy_chain": "none high"}, "not_assessed"),
    ],
)
def test_what_counts_as_a_difference(change, status):
    frame = compare(PARENTS | {"R1": ("MM.1S-PR", "MM.1S", MM1S | change)})
    assert frame.loc["R1", "status"] == status


def test_a_y_that_the_derivative_lost_is_no_difference():
    male = MM1S | {"sex": "RPS4Y1;DDX3Y"}
    assert compare({"P1": ("U", None, male), "D1": ("U-R", "U", MM1S)}).loc["D1", "status"] == "match"


def test_a_parent_outside_the_study_is_not_assessed():
    frame = compare({"R1": ("MM.1S-PR", "MM.1S", MM1S)})
    assert frame.loc["R1", "status"] == "not_assessed"
    assert frame.loc["R1", "detail"] == "no sample of MM.1S is in this study"
