"""Downloads in a log: a few lines, not one for each block."""

from __future__ import annotations

from poma_assets.tools.transfer_log import TransferLog, size_text


def lines_of(calls):
    lines, now = [], [0.0]
    log = TransferLog("a.gz", lines.append, clock=lambda: now[0])
    for at_s, size, total in calls:
        now[0] = at_s
        log(size, total)
    return lines


def test_every_tenth_is_told_once():
    calls = [(0.0, size, 1_000_000) for size in range(0, 1_000_001, 5_000)]
    lines = lines_of(calls)
    assert len(lines) == 10
    assert lines[0] == "a.gz: 100.0 kB of 1.0 MB (10 %)"
    assert lines[-1] == "a.gz: 1.0 MB of 1.0 MB (100 %)"


def test_a_slow_file_is_told_about_once_a_minute():
    calls = [(float(at_s), at_s * 1000, 10**9) for at_s in range(0, 181, 5)]
    assert lines_of(calls) == [f"a.gz: {n}.0 kB of 1.0 GB (0 %)" for n in (60, 120, 180)]
    assert lines_of([(0.0, 5, None), (61.0, 2_500_000_000, None)]) == ["a.gz: 2.5 GB"]


def test_sizes_are_in_decimal_units():
    assert [size_text(n) for n in (999, 1000, 1_500_000, 3_200_000_000)] == ["999 bytes", "1.0 kB", "1.5 MB", "3.2 GB"]
