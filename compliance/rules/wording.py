"""How findings tell amounts and dates: the same everywhere, so that a claim can be compared with them."""

from datetime import datetime


def dollars(usd_minor: int) -> str:
    """Such as $12,500.00."""
    return f"${usd_minor // 100:,}.{usd_minor % 100:02d}"


def day(at: datetime) -> str:
    """Such as 2026-03-09; UTC."""
    return f"{at:%Y-%m-%d}"
