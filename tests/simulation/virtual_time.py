"""
Time that passes only when nothing is left to do: an agenda that outlives every process, and an event loop on it.

The loop runs one callback at a time, so that a crash can fall between any two of them: at every await there is.
"""

import asyncio
import heapq
import itertools
import warnings


class Crash(BaseException):
    """The process dies here."""


class NothingLeftError(AssertionError):
    """Something is awaited that will never come."""


class Agenda:
    """What happens outside of any process, in order of time; virtual seconds."""

    def __init__(self):
        self.now_s = 0.0
        self._numbers = itertools.count()
        self._entries = []

    def at(self, time_s, act, *arguments):
        """Have something happen then; what was entered first comes first."""
        heapq.heappush(self._entries, (max(time_s, self.now_s), next(self._numbers), act, arguments))

    def after(self, delay_s, act, *arguments):
        """The same, from now on."""
        self.at(self.now_s + delay_s, act, *arguments)

    @property
    def next_s(self):
        """When the next thing happens; infinity where nothing does."""
        return self._entries[0][0] if self._entries else float("inf")

    def step(self):
        """Let the next thing happen."""
        self.now_s, _, act, arguments = heapq.heappop(self._entries)
        act(*arguments)

    def pass_time(self, delay_s):
        """Let so much time pass while no process runs."""
        until_s = self.now_s + delay_s
        while self.next_s <= until_s:
            self.step()
        self.now_s = until_s


class VirtualLoop(asyncio.BaseEventLoop):
    """asyncio's own loop, but for where time and the next callback come from. It knows no sockets and no threads."""

    def __init__(self, agenda):
        super().__init__()
        self._agenda = agenda
        self.steps_left = None
        """Callbacks until the process dies; None: it lives on."""
        self.complaints = []
        """What callbacks raised and nobody took."""
        self.set_exception_handler(self._complain)

    def time(self):
        """Virtual seconds."""
        return self._agenda.now_s

    def call_soon_threadsafe(self, callback, *arguments, context=None):
        """There is one thread."""
        return self.call_soon(callback, *arguments, context=context)

    def end(self):
        """Close every coroutine where it stands, and the loop; nothing of it runs any more."""
        tasks = asyncio.all_tasks(self)
        self.close()
        with warnings.catch_warnings():
            warnings.simplefilter(
                "ignore", RuntimeWarning
            )  # of what a task that never began would have awaited
            for task in tasks:
                task._log_destroy_pending = False  # it was killed on purpose
                task.get_coro().close()

    def _run_once(self):
        if self._ready:
            self._run_one(self._ready.popleft())
            return
        timer_s = self._scheduled[0].when() if self._scheduled else float("inf")
        if self._agenda.next_s <= timer_s:
            if self._agenda.next_s == float("inf"):
                raise NothingLeftError("nothing is left to happen, and the run has not ended")
            self._agenda.step()
            return
        handle = heapq.heappop(self._scheduled)
        handle._scheduled = False  # as asyncio's own loop notes it
        self._agenda.now_s = max(self._agenda.now_s, timer_s)
        self._run_one(handle)

    def _run_one(self, handle):
        if handle.cancelled():
            return
        if self.steps_left is not None:
            if self.steps_left <= 0:
                raise Crash
            self.steps_left -= 1
        handle._run()  # what BaseEventLoop._run_once does

    def _complain(self, _loop, context):
        if "never retrieved" not in context["message"]:
            self.complaints.append(context)
