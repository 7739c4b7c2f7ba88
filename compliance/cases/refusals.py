"""What a desk refuses: with a reason for programs, words for people; and fields that can't be taken."""


class Refused(Exception):  # noqa: N818 - an answer, told as what it is
    """It can't be done as things stand: nothing was done. `reason` is for programs."""

    def __init__(self, reason: str, text: str) -> None:
        super().__init__(text)
        self.reason = reason


class Unfit(ValueError):  # noqa: N818 - an answer, told as what it is
    """A field that can't be taken, and what is allowed."""

    def __init__(self, field: str, description: str) -> None:
        super().__init__(f"{field}: {description}")
        self.field = field
        self.description = description
