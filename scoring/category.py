"""
Merchant category codes in a few groups, in which people's spending has a shape.

A single MCC says little about a card that used it twice, and a model can't know the thousand it never
saw; the group carries the meaning. The ranges follow the published list of codes (ISO 18245).
"""

from typing import Final

import numpy as np

# By number: the group of a category in features and per-card state. 15 is the largest there is room for.
GROUP_NAMES: Final = (
    "other",
    "grocery",
    "fuel and transport",
    "dining",
    "entertainment",
    "health",
    "home",
    "kids and pets",
    "personal care",
    "shopping",
    "travel and lodging",
    "cash",
    "money transfer and gambling",
    "bills and telephone",
    "professional and public services",
)
GROUPS: Final = 16
GROUP_MISSING: Final = 255

# First and last code of a range, group. A later line overrides an earlier one.
_RANGES: Final = (
    (3000, 3999, 10),
    (4011, 4011, 2),
    (4111, 4131, 2),
    (4411, 4411, 10),
    (4511, 4511, 10),
    (4582, 4582, 10),
    (4722, 4723, 10),
    (4784, 4789, 2),
    (4812, 4816, 13),
    (4829, 4829, 12),
    (4899, 4900, 13),
    (5122, 5122, 5),
    (5200, 5271, 6),
    (5300, 5300, 1),
    (5309, 5399, 9),
    (5411, 5499, 1),
    (5531, 5542, 2),
    (5552, 5552, 2),
    (5611, 5699, 9),
    (5641, 5641, 7),
    (5712, 5722, 6),
    (5732, 5735, 9),
    (5811, 5814, 3),
    (5815, 5818, 4),
    (5912, 5912, 5),
    (5931, 5948, 9),
    (5945, 5945, 7),
    (5960, 5969, 9),
    (5975, 5976, 5),
    (5977, 5977, 8),
    (5983, 5983, 2),
    (5995, 5995, 7),
    (742, 742, 7),
    (6010, 6011, 11),
    (6012, 6051, 12),
    (6211, 6211, 12),
    (6300, 6300, 13),
    (6536, 6540, 12),
    (7011, 7033, 10),
    (7210, 7217, 6),
    (7230, 7230, 8),
    (7297, 7298, 8),
    (7512, 7519, 10),
    (7523, 7549, 2),
    (7800, 7802, 12),
    (7829, 7841, 4),
    (7911, 7994, 4),
    (7995, 7995, 12),
    (7996, 7999, 4),
    (8011, 8099, 5),
    (8111, 8299, 14),
    (8351, 8351, 7),
    (8398, 8999, 14),
    (9211, 9405, 14),
    (9406, 9406, 12),
)


def group_table() -> np.ndarray:
    """u1[65536]: the group of each MCC, GROUP_MISSING for 0. A code outside the ranges is in "other"."""
    table = np.zeros(1 << 16, np.uint8)
    for first, last, group in _RANGES:
        table[first : last + 1] = group
    table[0] = GROUP_MISSING
    return table
