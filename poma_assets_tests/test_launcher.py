from __future__ import annotations

import pytest

from poma_assets.launcher import share_of_cores


@pytest.mark.parametrize(
    ("cores", "at_once", "is_last", "threads"),
    [
        (16, 2, False, 8),  # a machine with many cores and memory for two genome indices
        (16, 16, False, 1),
        (2, 3, False, 1),
        (2, 2, True, 2),
        (16, 1, True, 16),
        (12, 5, True, 3),
    ],
)
def test_tasks_share_the_cores(cores: int, at_once: int, is_last: bool, threads: int) -> None:
    assert share_of_cores(cores, at_once, is_last=is_last) == threads
