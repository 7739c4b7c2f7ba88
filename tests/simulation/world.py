"""One run: a core that lives, dies and lives again, on a disk and a ledger that stay, under one seed."""

import asyncio
import shutil
from pathlib import Path

from ledger.book import LedgerError
from server.core.authorizer import Authorizer, CoreLimits
from server.core.booking import Booking
from server.core.books import Books
from server.core.chains import Chains
from server.core.controls import Controls
from server.core.deadline import Deadlines
from server.core.directory import Posture
from server.core.expiry import Expiry
from server.core.journal import JournalStopped
from server.core.lifecycle import Lifecycle
from server.core.recovery import decide_undecided, restore
from server.core.risk import Risk
from server.core.state import State, position_of
from tests.simulation.bank import Bank, Session
from tests.simulation.disk import Disk, DiskReader, VolatileJournal
from tests.simulation.facts import ENTRIES_MIN, NOON_S, Facts
from tests.simulation.fates import Fates, Fault
from tests.simulation.traffic import Traffic
from tests.simulation.virtual_time import Agenda, Crash, VirtualLoop
from tests.simulation.witness import Witness

DEADLINE_S = 0.3
LIMITS = CoreLimits(waiting_max=64, batch_max=16, turns_max=2)
RESOLVED_S = 5.0
"""What a fault left unknown is known so long after its end."""

APART_NS = 4 * 10**9
"""How far either clock may lie from the true time."""

AGAIN_S = 1.0
LATER = 0.25
"""In so many runs, time goes on until what is held expires."""

LATER_NS = (7 * 86_400 + 7_200) * 10**9
SETTLED_MAX_S = 120.0
LIVES_MAX = 60


class Life:
    """One process of the core."""

    def __init__(self, world):
        self.world = world
        self.core = None
        self.directory = None
        self.ended = None
        self.session = Session(world.bank, world.agenda, world.fates)
        self.journal = VolatileJournal(world.disk, world.agenda, world.fates)
        self.state = State(Risk(), ENTRIES_MIN)

    async def live(self):
        """Start as the server does, and answer until something ends it."""
        world = self.world
        self.ended = asyncio.get_running_loop().create_future()
        try:
            await self._start()
        except (LedgerError, JournalStopped):
            return  # a start that fails is tried again
        world.came_up(self)
        await self.ended

    async def _start(self):
        world = self.world
        self.directory = world.facts.directory()
        books = Books(self.session)
        await books.open_accounts(world.facts.openings())
        controls = Controls(self.directory)
        controls.compile()
        reader = DiskReader(world.disk)
        restore(self.state, world.snapshot, reader)
        self.state.grow(len(self.directory.cards), self.directory.accounts)
        lifecycle = Lifecycle(self.directory, controls, self.state, Chains(self.session))
        await decide_undecided(
            self.state,
            books,
            lifecycle,
            self.journal,
            reader,
            history=self.session.history,
            now_ns=world.clock_ns(),
        )
        core = Authorizer(
            directory=self.directory,
            controls=controls,
            state=self.state,
            books=books,
            lifecycle=lifecycle,
            journal=self.journal,
            clock_ns=world.clock_ns,
            limits=LIMITS,
            deadlines=Deadlines(int(DEADLINE_S * 1000)),
            stopwatch_ns=lambda: 0,
        )
        core.on_stop = self._stop
        expiry = Expiry(core, lambda: world.clock_ns() // 10**9, world.clock_ns)
        booking = Booking(core, lambda: world.clock_ns() // 10**9, world.clock_ns)
        self._beside = [asyncio.ensure_future(expiry.run()), asyncio.ensure_future(booking.run())]
        self.core = core

    def _stop(self, error):
        self.world.witness.hear_stop(error)
        self.end()

    def end(self):
        """The process ends."""
        if not self.ended.done():
            self.ended.set_result(None)


class World:
    """What outlives a process, and the run itself."""

    def __init__(self, seed, folder, steps):
        self.seed = seed
        self._steps = steps
        self.fates = Fates(seed)
        self.agenda = Agenda()
        self.disk = Disk()
        self.later_ns = 0
        self.stepped_ns = 0
        self.ledger_offset_ns = 0
        self.bank = Bank(self.agenda, self._ledger_clock_ns)
        self.facts = Facts(posture=self.fates.random.choice(list(Posture)))
        self.snapshot = Path(folder) / f"state-{seed}.npz"
        self.witness = Witness(self)
        self.traffic = Traffic(self)
        self.life = None
        """The process that answers; None while there is none."""
        self._living = None
        self.lives = 0
        self.over = False
        self.is_later = False
        """Whether a week has gone by."""
        self.violation = None
        self.has_begun = False
        if Fault.CLOCKS_APART in self.fates.kinds:
            self.fates.counts[Fault.CLOCKS_APART] += 1
            self.ledger_offset_ns = self.fates.random.randrange(-APART_NS, APART_NS)

    @property
    def now_s(self):
        """Virtual seconds since the run began."""
        return self.agenda.now_s

    def clock_ns(self):
        """The core's wall clock."""
        return NOON_S * 10**9 + int(self.now_s * 1e9) + self.later_ns + self.stepped_ns

    def _ledger_clock_ns(self):
        return self.clock_ns() - self.stepped_ns + self.ledger_offset_ns

    def change(self, change):
        """The directory's feed says so."""
        if self._living is not None and self._living.directory is not None:
            self._living.directory.apply(change)

    def came_up(self, life):
        """A process answers."""
        self.life = life
        if not self.has_begun:
            self.has_begun = True
            self._begin(self.fates.random.randrange(*self._steps))

    def _begin(self, steps):
        """Traffic and trouble."""
        self.fates.healed = False
        self.traffic.begin(steps, self.witness.open)
        self.agenda.after(0.05, self._trouble)
        self.agenda.after(0.5, self._look)

    def condemn(self, error):
        """Something is wrong: the run ends here."""
        self.violation = self.violation or error
        self.loop.steps_left = 0

    def run(self):
        """Until everything is answered and looked at. Raises AssertionError with what is wrong."""
        while not self.over:
            self.lives += 1
            assert self.lives <= LIVES_MAX, "the core does not come up again"
            self._live()
            self.agenda.pass_time(self.fates.random.choice((0.05, 0.3, 2.0)))

    def _live(self):
        self.loop = VirtualLoop(self.agenda)
        if self.fates.comes(Fault.CRASH_IN_RECOVERY, 0.4 if self.lives > 1 else 0.1):
            self.loop.steps_left = self.fates.random.randrange(1, 120)
        life = self._living = Life(self)
        try:
            self.loop.run_until_complete(life.live())
        except Crash:
            pass
        finally:
            self.life = self._living = None
            self.loop.end()
            life.journal.die(survives=self.fates.random.random() < 0.5)
            life.session.die(self.disk.known)
        if self.violation is not None:
            raise self.violation
        assert not self.loop.complaints, self.loop.complaints

    def _trouble(self):
        """Every so often something from outside."""
        fates, random = self.fates, self.fates.random
        if fates.healed:
            return
        if fates.comes(Fault.CRASH, 0.04):
            self.loop.steps_left = random.randrange(60)
        if fates.comes(Fault.LEDGER_STOPS, 0.03):
            self.bank.stopped_until_s = self.now_s + random.choice((0.1, 0.6, 3.0, 12.0))
        if fates.comes(Fault.CLOCK_STEPS, 0.05):
            self.stepped_ns = random.randrange(-APART_NS, APART_NS)
        if fates.comes(Fault.SNAPSHOT, 0.03):
            self._fold()
        if fates.comes(Fault.OLD_SNAPSHOT, 0.03):
            self._fold(again=True)
        self.agenda.after(0.05, self._trouble)

    def _fold(self, *, again=False):
        """
        As `server.core.fold` does beside the running core, and then the journal's keeper.

        Where `again`, the next start finds the snapshot that was there before, as from a backup.
        """
        before = self.snapshot.with_suffix(".before")
        if again and self.snapshot.exists():
            shutil.copy(self.snapshot, before)
        state = State(Risk(), ENTRIES_MIN)
        restore(state, self.snapshot, DiskReader(self.disk))
        state.save(self.snapshot)
        if again and before.exists():
            shutil.move(before, self.snapshot)
        elif again:
            self.snapshot.unlink()
        elif self.fates.random.random() < 0.5:
            self.disk.trim(position_of(self.snapshot).settled)

    def _look(self):
        """The end: when all is sent, everything is healed, asked again until it is answered, and checked."""
        if not self.traffic.left and not self.fates.healed:
            self.fates.healed = True
            self.loop.steps_left = None
            self.bank.stopped_until_s = 0.0
            self.healed_s = self.now_s
        if self.traffic.left or self.life is None:
            self.agenda.after(0.5, self._look)
            return
        assert self.now_s - self.healed_s < SETTLED_MAX_S, f"not answered: {len(self.traffic.unanswered)}"
        if self.traffic.unanswered or not self.life.core.is_idle:
            self.traffic.ask_again()
            self.agenda.after(AGAIN_S, self._look)
            return
        self.agenda.after(RESOLVED_S, self._probe)

    def _probe(self):
        """Nothing is in the way any more: whoever asks now hears what his card and his money allow."""
        self.traffic.probe()
        self.agenda.after(AGAIN_S, self._end)

    def _end(self):
        self.witness.check_all()
        if self.is_later or self.fates.random.random() >= LATER:
            self.over = True
            self.life.end()
            return
        # A week later, all that is held expires, while traffic and trouble go on.
        self.is_later = True
        self.later_ns = LATER_NS
        self._begin(self._steps[0])

    def digest(self):
        """16 hex digits of everything that was heard and written, but for what a clock of the machine measured."""
        found = self.witness.said.copy()
        for sequence, (decision, at_s) in self.disk.decisions.items():
            decision = decision.copy()
            decision["ledger_us"] = 0
            found.update(repr((sequence, at_s)).encode() + decision.tobytes())
        transfers = self.bank.state.transfers()
        found.update(transfers.tobytes())
        return found.hexdigest()[:16]
