"""Fixtures of the reports' tests: a made-up study, whole and by contrast."""

from __future__ import annotations

import pytest
from made_up_study import make_contrast_inputs, make_study_inputs

from poma_assets.reports.inputs import ContrastReportInputs, StudyReportInputs


@pytest.fixture
def study_inputs() -> StudyReportInputs:
    """A whole study."""
    return make_study_inputs()


@pytest.fixture
def contrast_inputs() -> ContrastReportInputs:
    """One contrast of it."""
    return make_contrast_inputs(make_study_inputs())
