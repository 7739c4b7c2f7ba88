"""What must hold after any trouble: repeats get their first answers, and the books agree with all that was heard."""

from tests.end_to_end.audit import Books
from tests.end_to_end.callers import same


def assert_repeated(caller, answered):
    """Each of (request, answer), asked again, gets the same answer, marked as a repeat's."""
    for request, answer in answered:
        again = caller.authorize(request)
        assert again.replayed
        assert same(answer, again)


def assert_sound(home, answers):
    """The books of a stopped home balance and have every one of these answers, each with its hold; returns them."""
    books = Books(home)
    books.assert_balanced()
    books.assert_agrees(answers)
    return books
