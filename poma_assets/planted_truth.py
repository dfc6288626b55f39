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
    found = {
        (row["contrast_id"], row["hypothesis_id"]): (row["verdict"], row["sub_verdict"])
        for row in verdicts.to_dict("records")
    }
    agreeing, differing = 0, []
    for row in expected.to_dict("records"):
        verdict, sub_verdict = found.get((row["contrast_id"], row["hypothesis_id"]), ("missing", ""))
        planted, planted_sub = row["expected_verdict"], row["expected_sub_verdict"]
        if verdict == planted and planted_sub in ("", sub_verdict):
            agreeing += 1
        else:
            name = f"{row['contrast_id']} {row['hypothesis_id']}"
            differing.append(f"{name}: planted {planted} {planted_sub}, found {verdict} {sub_verdict}")
    return agreeing, differing
