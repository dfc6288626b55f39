"""Comparing the verdicts of a simulated study with its planted truth."""

from pathlib import Path

import pandas as pd


def compare_with_truth(verdicts: pd.DataFrame, truth: Path) -> tuple[int, list[str]]:
    """Compare verdicts with the expected ones.

    Returns
    -------
    tuple
        How many agree, and one line for each that differs (or is missing). An empty expected sub-verdict accepts any.
    """
    expected = pd.read_csv(truth, sep="\t", comment="#", dtype=str, keep_default_na=False)
    found = verdicts.set_index(["contrast_id", "hypothesis_id"])
    agreeing, differing = 0, []
    for row in expected.itertuples():
        key = (row.contrast_id, row.hypothesis_id)
        verdict = tuple(found.loc[key, ["verdict", "sub_verdict"]]) if key in found.index else ("missing", "")
        if verdict[0] == row.expected_verdict and row.expected_sub_verdict in ("", verdict[1]):
            agreeing += 1
        else:
            differing.append(
                f"{row.contrast_id} {row.hypothesis_id}: planted {row.expected_verdict} {row.expected_sub_verdict},"
                f" found {verdict[0]} {verdict[1]}"
            )
    return agreeing, differing
