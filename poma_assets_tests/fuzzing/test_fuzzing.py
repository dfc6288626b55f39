"""A short look with fixed inputs; a long one with new inputs: ``python -m poma_assets_tests.fuzzing --minutes 20``."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from poma_assets_tests.fuzzing.mutations import hostile_inputs
from poma_assets_tests.fuzzing.target import Target, try_input
from poma_assets_tests.fuzzing.targets import TARGETS

SHORT = settings(
    max_examples=40,
    derandomize=True,
    database=None,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@pytest.mark.parametrize("target", TARGETS.values(), ids=list(TARGETS))
def test_sound_examples_are_read(target: Target) -> None:
    for seed in target.seeds:
        target.read(seed.encode())


@pytest.mark.parametrize("target", TARGETS.values(), ids=list(TARGETS))
def test_hostile_input_is_refused_in_plain_words_or_read_rightly(target: Target) -> None:
    @SHORT
    @given(hostile_inputs(target))
    def look(data: bytes) -> None:
        assert try_input(target, data) is None

    look()
