"""The committed counts with the results of R."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from poma_assets.science.differential_expression.deseq2 import fit_deseq2
from poma_assets.science.differential_expression.deseq2_fit import Deseq2Fit

FOLDER = Path(__file__).parents[2] / "reference" / "count_statistics"


@pytest.fixture(scope="session")
def r_table() -> Callable[[str], pd.DataFrame]:
    """Return a table of the R reference by its name."""
    return lambda name: pd.read_csv(FOLDER / f"{name}.tsv", sep="\t", index_col=0)


@pytest.fixture(scope="session")
def reference_counts(r_table: Callable[[str], pd.DataFrame]) -> pd.DataFrame:
    return r_table("counts")


@pytest.fixture(scope="session")
def reference_design(r_table: Callable[[str], pd.DataFrame]) -> pd.DataFrame:
    samples = r_table("samples")
    return pd.DataFrame(
        {
            "Intercept": 1.0,
            "batch_b2": (samples.batch == "b2").astype(float),
            "condition_drug": (samples.condition == "drug").astype(float),
        }
    )


@pytest.fixture(scope="session")
def reference_fit(reference_counts: pd.DataFrame, reference_design: pd.DataFrame) -> Deseq2Fit:
    return fit_deseq2(reference_counts, reference_design)
