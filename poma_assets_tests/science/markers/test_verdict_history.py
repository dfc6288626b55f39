from datetime import datetime

import pandas as pd

from poma_assets.science.markers.history import HISTORY_COLUMNS, verdict_changes
from poma_assets.storage.schema import TABLES

NOW = datetime(2025, 3, 1, 12)


def verdicts(**found):
    rows = [("pom", name, "GENE", *value, -1.0, "abc") for name, value in found.items()]
    columns = [
        "contrast_id",
        "hypothesis_id",
        "gene_symbol",
        "verdict",
        "sub_verdict",
        "log2_fold_change",
        "hypotheses_sha256",
    ]
    return pd.DataFrame(rows, columns=columns)


def changes(previous, current):
    return verdict_changes(previous, current, run_id="run-2", recorded_at=NOW, data_version="v2")


def test_columns_are_those_of_the_warehouse():
    assert TABLES["verdict_history"].column_names == HISTORY_COLUMNS
    frame = changes(None, verdicts(H1=("confirmed", "strong")))
    assert tuple(frame.columns) == HISTORY_COLUMNS
    assert tuple(changes(None, verdicts()).columns) == HISTORY_COLUMNS


def test_the_first_run_records_everything_without_predecessor():
    frame = changes(None, verdicts(H1=("confirmed", "strong"), H2=("inconclusive", "underpowered")))
    assert frame["hypothesis_id"].tolist() == ["H1", "H2"]
    assert frame["previous_verdict"].isna().all()
    assert frame[["run_id", "recorded_at", "data_version"]].iloc[0].tolist() == ["run-2", NOW, "v2"]


def test_only_changes_are_recorded_with_what_was_before():
    before = verdicts(H1=("confirmed", "strong"), H2=("confirmed", "plain"), H3=("contradicted", "absent"))
    after = verdicts(H1=("confirmed", "strong"), H2=("inconclusive", "underpowered"), H3=("contradicted", "opposite"))
    frame = changes(before, after).set_index("hypothesis_id")
    assert list(frame.index) == ["H2", "H3"]
    assert frame.loc["H2", ["previous_verdict", "previous_sub_verdict", "verdict", "sub_verdict"]].tolist() == [
        "confirmed",
        "plain",
        "inconclusive",
        "underpowered",
    ]


def test_nothing_changed_nothing_recorded():
    same = verdicts(H1=("confirmed", "strong"))
    assert changes(same, same).empty


def test_of_a_history_the_latest_row_counts():
    old = verdicts(H1=("confirmed", "strong")).assign(recorded_at=datetime(2025, 1, 1))
    new = verdicts(H1=("inconclusive", "borderline")).assign(recorded_at=datetime(2025, 2, 1))
    history = pd.concat([new, old])
    assert changes(history, verdicts(H1=("inconclusive", "borderline"))).empty
    frame = changes(history, verdicts(H1=("confirmed", "strong")))
    assert frame.loc[0, "previous_sub_verdict"] == "borderline"


def test_contrasts_are_kept_apart():
    elsewhere = verdicts(H1=("confirmed", "strong")).assign(contrast_id="other")
    assert len(changes(elsewhere, verdicts(H1=("confirmed", "strong")))) == 1
