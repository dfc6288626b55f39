"""The memory that may be used: the machine's, or less in a container."""

from __future__ import annotations

import psutil

from poma_assets.tools.machine_memory import machine_memory_bytes


def test_without_limits_it_is_the_machine(tmp_path):
    unlimited = tmp_path / "memory.max"
    unlimited.write_text("max\n")
    assert machine_memory_bytes((unlimited, tmp_path / "missing")) == psutil.virtual_memory().total


def test_a_container_may_have_less(tmp_path):
    limit = tmp_path / "memory.max"
    limit.write_text("1000000\n")
    assert machine_memory_bytes((limit,)) == 1_000_000
    limit.write_text("9223372036854771712\n")
    assert machine_memory_bytes((limit,)) == psutil.virtual_memory().total
