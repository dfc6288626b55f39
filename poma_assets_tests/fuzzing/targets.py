"""All targets by name."""

from __future__ import annotations

from collections.abc import Mapping

from poma_assets_tests.fuzzing.count_targets import COUNT_TARGETS, TOOL_TARGETS
from poma_assets_tests.fuzzing.design_targets import DESIGN_TARGETS
from poma_assets_tests.fuzzing.read_targets import READ_TARGETS
from poma_assets_tests.fuzzing.sheet_targets import SHEET_TARGETS
from poma_assets_tests.fuzzing.target import Target

TARGETS: Mapping[str, Target] = {
    target.name: target for target in (*SHEET_TARGETS, *DESIGN_TARGETS, *COUNT_TARGETS, *READ_TARGETS, *TOOL_TARGETS)
}
"""Name -> target."""
