"""
How risky a country is: where the FATF calls for action, or monitors more closely.

Financial Action Task Force, "High-risk jurisdictions subject to a call for action" and "Jurisdictions under
increased monitoring", both as of 24 October 2025. By ISO 3166-1 numbers.
"""

from typing import Final

import numpy as np

CALL_FOR_ACTION: Final = (364, 408, 104)
INCREASED_MONITORING: Final = (
    12, 24, 68, 92, 100, 120, 180, 384, 332, 404, 418, 422, 492, 516, 524, 728, 760, 862, 704, 887
)  # fmt: skip


def country_risks() -> np.ndarray:
    """f4[65536]: 2 for a call for action, 1 for increased monitoring, 0 for the rest, NaN for 0 (missing)."""
    risks = np.zeros(1 << 16, np.float32)
    risks[list(INCREASED_MONITORING)] = 1.0
    risks[list(CALL_FOR_ACTION)] = 2.0
    risks[0] = np.nan
    return risks
