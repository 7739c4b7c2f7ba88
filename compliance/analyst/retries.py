"""When a request is made again: a pause that doubles, anywhere below its bound, so that many don't come back at once."""


def pause_s(
    tried: int, chance: float, *, first_s: float, longest_s: float, asked_s: float | None = None
) -> float:
    """
    Seconds before the next try after `tried` of them.

    "Full jitter": `chance`, in [0, 1), takes a point below the doubled bound. Where the provider asked for a pause
    (`Retry-After`), it is at least that, and at most `longest_s` all the same.
    """
    bound_s = min(first_s * 2 ** (tried - 1), longest_s)
    return min(max(bound_s * chance, asked_s or 0.0), longest_s)
