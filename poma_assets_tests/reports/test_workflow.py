from __future__ import annotations

import json

import pandas as pd

from poma_assets.reports.inputs import declared_frame
from poma_assets.reports.workflow import NODE_HEIGHT, NODE_WIDTH, workflow

PARENTS = {
    "raw_reads": [],
    "trimmed_reads": ["raw_reads"],
    "alignments": ["trimmed_reads", "raw_reads", "star_index"],
    "star_index": [],
    "count_matrix": ["alignments"],
    "de_results": ["count_matrix", "alignments"],
    "multiqc_report": ["trimmed_reads", "alignments"],
}
SAMPLES, CONTRASTS = ["S1", "S2", "S3"], ["a", "b"]


def make_steps(done: dict[str, list[str]]) -> pd.DataFrame:
    rows = [
        {"asset": asset, "partition": partition, "inputs": json.dumps({"upstream": dict.fromkeys(PARENTS[asset], "v")})}
        for asset, partitions in done.items()
        for partition in partitions
    ]
    return declared_frame(pd.DataFrame(rows), "steps")


def drawing(**changes):
    done = dict.fromkeys(("raw_reads", "trimmed_reads", "alignments"), SAMPLES)
    done |= {"star_index": [""], "count_matrix": [""], "multiqc_report": [""], "de_results": CONTRASTS}
    return workflow(make_steps(done | changes), samples=SAMPLES, contrasts=CONTRASTS, n_included=2)


def test_each_step_says_for_how_many_it_was_done():
    counts = {step.asset: (step.per, step.count, step.is_complete) for step in drawing(alignments=["S1", "gone"]).steps}
    assert counts["raw_reads"] == ("sample", "3 of 3 samples", True)
    assert counts["alignments"] == ("sample", "1 of 3 samples", False)
    assert counts["count_matrix"] == ("study", "once, 2 samples in", True)
    assert counts["multiqc_report"] == ("study", "once", True)
    assert counts["de_results"] == ("contrast", "2 of 2 contrasts", True)


def test_steps_lie_right_of_what_they_were_made_from_and_never_over_each_other():
    steps = {step.asset: step for step in drawing().steps}
    for asset, parents in PARENTS.items():
        assert all(steps[parent].x + NODE_WIDTH < steps[asset].x for parent in parents)
    places = [(step.x, step.y) for step in steps.values()]
    for i, (x, y) in enumerate(places):
        assert not any(x == a and abs(y - b) < NODE_HEIGHT for a, b in places[:i])


def test_an_arrow_that_others_imply_is_left_out_and_the_table_has_all():
    made = drawing()
    # Implied: raw_reads -> alignments, alignments -> de_results, trimmed_reads -> multiqc_report.
    assert len(made.arrows) == sum(map(len, PARENTS.values())) - 3
    assert ("alignments", "raw_reads, star_index, trimmed_reads", "3 of 3 samples") in made.rows


def test_nothing_recorded_nothing_drawn_and_a_step_of_a_time_before_inputs_were_kept_stands_alone():
    assert workflow(declared_frame(None, "steps"), samples=[], contrasts=[], n_included=None) is None
    steps = make_steps({"raw_reads": ["S1"]}).assign(inputs=None)
    assert [step.asset for step in workflow(steps, samples=["S1"], contrasts=[], n_included=None).steps] == [
        "raw_reads"
    ]
