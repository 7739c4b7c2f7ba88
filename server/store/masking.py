"""Names and numbers as they are shown: enough to recognise, too little to use."""


def mask_name(name: str) -> str:
    """First letter and stars: `A***`, whatever the length."""
    return f"{name[:1]}***"


def mask_number(last_four: str) -> str:
    """Stars and the last four: `****1234`."""
    return f"****{last_four}"


def mask_pan(bin_digits: str, last_four: str) -> str:
    """BIN, stars, last four (PCI DSS 4.0, 3.4.1)."""
    return f"{bin_digits}{'*' * 6}{last_four}"
