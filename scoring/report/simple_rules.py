"""Rules of thumb that a model must beat: what an issuer would do without one."""

from typing import Final

import numpy as np

from scoring.attempt import TIME_MISSING

_HIGH_MINOR: Final = 22_000
_NIGHT_MINOR: Final = 25_000


def simple_rules(attempts: np.ndarray) -> dict[str, np.ndarray]:
    """
    What each rule would stop of attempts ATTEMPT[n], bool[n] by its name: a high amount; a high amount by night,
    where any attempt has a local time.
    """
    amounts, local_s = attempts["amount_minor"], attempts["local_time_s"]
    rules = {"amount > 220": amounts > _HIGH_MINOR}
    told = local_s != TIME_MISSING
    if told.any():
        hours = np.where(told, local_s, 12 * 3_600) // 3_600 % 24
        rules["22:00 to 04:00 and amount > 250"] = ((hours >= 22) | (hours < 4)) & (amounts > _NIGHT_MINOR)
    return rules
