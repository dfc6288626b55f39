"""The stages of a run: what waits for what, and what goes on where a stage failed."""

from __future__ import annotations

from poma_assets.phases import PHASES, phases_after, phases_until


def test_multiqc_waits_for_the_cohort_and_is_made_without_it():
    multiqc = next(phase for phase in PHASES if phase.title == "multiqc")
    # Its sections show the identity of the samples; who has no cohort needs it to see why no sample passed.
    assert "cohort" in multiqc.waits_for
    assert phases_after({"cohort"}) == {"contrasts", "reports"}
    assert phases_after({"samples"}) == {"cohort", "multiqc", "contrasts", "reports"}


def test_a_part_of_the_protocol_has_what_it_needs_and_no_more():
    assert [phase.title for phase in phases_until("cohort")] == ["reference", "samples", "cohort"]
    assert phases_until("reports") == PHASES


def test_no_phase_waits_for_a_later_one():
    for number, phase in enumerate(PHASES):
        assert {*phase.after, *phase.waits_for} <= {earlier.title for earlier in PHASES[:number]}
