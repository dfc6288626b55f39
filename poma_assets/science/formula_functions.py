"""The functions of formulas that the library does not have: of columns of the sample sheet."""

from __future__ import annotations

import numpy as np
import pandas as pd


def _numeric(values: pd.Series) -> pd.Series:
    return pd.to_numeric(values.astype(str))


def _log2_dose(values: pd.Series) -> pd.Series:
    """log2 of doses; 0 lies one dilution step below the lowest: as far as that is from the second lowest.

    With one dose only the step is a factor of 2.
    """
    doses = pd.to_numeric(values.astype(str))
    lowest, *rest = np.log2(np.unique(doses[doses > 0])) if (doses > 0).any() else (0.0,)
    step = rest[0] - lowest if rest else 1.0
    return pd.Series(np.log2(doses.where(doses != 0, 2.0 ** (lowest - step))))


OWN_FUNCTIONS = {"numeric": _numeric, "log2_dose": _log2_dose}
"""Name in a formula -> function of a column of the sheet."""
