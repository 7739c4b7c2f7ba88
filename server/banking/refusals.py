"""Why something can't be done: the caller's request is at fault, or the state of things is."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class BadField:
    """A field of a request, by its path there, and what is wrong with it."""

    field: str
    description: str


class Unfit(ValueError):  # noqa: N818 - told as what it is
    """A request that can never be carried out as it is; each field that is at fault is named."""

    def __init__(self, *fields: BadField) -> None:
        super().__init__("; ".join(f"{bad.field}: {bad.description}" for bad in fields))
        self.fields = fields


class Refused(RuntimeError):  # noqa: N818 - told as what it is
    """What is asked for can't be done as things stand. `reason` is for programs, the text for people."""

    def __init__(self, reason: str, text: str) -> None:
        super().__init__(text)
        self.reason = reason
