"""BSD's checksum against what the program ``sum`` of GNU coreutils 9.1 prints."""

from __future__ import annotations

import pytest

from poma_assets.science.bsd_sum import BsdSum


@pytest.mark.parametrize(
    ("content", "printed"),
    [(b"", "0 0"), (b"hello", "8403 1"), (bytes(range(256)) * 4 + b"x", "1144 2"), (b"\xff" * 100_000, "65255 98")],
)
def test_sums_are_those_of_the_program(content, printed):
    whole, pieces = BsdSum(), BsdSum()
    whole.update(content)
    for start in range(0, len(content), 777):
        pieces.update(content[start : start + 777])
    assert whole.text == pieces.text == printed
