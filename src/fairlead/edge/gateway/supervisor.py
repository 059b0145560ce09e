"""The process that holds the sockets: it starts data planes and the control process, and starts them again when they die.

It serves nobody itself. The listening sockets are its own, so a data plane that dies leaves a queue and no refused caller;
the socket towards the control process is its own too, so data planes reconnect to whichever control process is there. A
second `fairlead serve --take-over` is handed the listening sockets over a local socket and starts on them before this one
stops: no moment without a listener. It forks, therefore it runs no threads and no event loop.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import resource
import selectors
import signal
import socket
import stat
import sys
import tempfile
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from types import FrameType

from fairlead.core.errors import FairleadError, UsageError
from fairlead.edge.gateway import worker
from fairlead.edge.gateway.plane import COUNTED_KEYS
from fairlead.edge.serve_settings import ServeSettings
from fairlead.serve.counts import Counts, board_bytes

MOST_FILES = 65536
CONTROL_GRACE_S = 10.0
BEHIND = 5
"""By how much the control process is nicer than the data planes: where there are too few cores, callers go first."""
QUICK_S = 5.0
"""A process that dies younger than this is started again after a growing pause."""

RELOAD, TAKE_OVER, STOP = b"reload", b"take over", b"stop"

Control = Callable[[socket.socket], None]
"""What the control process runs: it accepts data planes from the socket until it gets SIGTERM."""


@dataclass(slots=True)
class _Child:
    """A process, or the wish for one."""

    name: str
    start: Callable[[], int]
    pid: int = 0
    started: float = 0.0
    due: float = 0.0
    early_deaths: int = 0


@dataclass(slots=True)
class _Places:
    """Where the local sockets of a gateway on one port are."""

    folder: Path
    port: int
    calls: Path = field(init=False)
    commands: Path = field(init=False)

    def __post_init__(self) -> None:
        self.commands = self.folder / f"serve-{self.port}.sock"
        self.calls = self.folder / f"calls-{self.port}-{os.getpid()}.sock"


def places(port: int) -> _Places:
    """The folder of local sockets: readable by this user only."""
    root = os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir()
    folder = Path(root) / f"fairlead-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    is_ours = folder.stat().st_uid == os.getuid() and stat.S_IMODE(folder.stat().st_mode) == 0o700
    if folder.is_symlink() or not is_ours:
        raise UsageError(f"{folder} belongs to somebody else or is open to others; remove it and start again.")
    return _Places(folder, port)


def tell(port: int, command: bytes) -> None:
    """Tell the gateway on a port to do something."""
    with _connected(port) as spoken:
        spoken.sendall(command + b"\n")
        answer = spoken.recv(4096)
    if answer != b"done\n":
        raise UsageError(answer.decode("utf-8", "replace").strip() or "The gateway did not answer.")


def _connected(port: int) -> socket.socket:
    spoken = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    spoken.settimeout(30.0)
    try:
        spoken.connect(str(places(port).commands))
    except OSError:
        spoken.close()
        raise UsageError(f"No gateway of yours is running on port {port}.") from None
    return spoken


class Supervisor:
    """Holds the sockets and the processes of one gateway."""

    def __init__(
        self,
        settings: ServeSettings,
        *,
        load: Callable[[], ServeSettings],
        control: Control,
        on_ready: Callable[[ServeSettings], None],
        complain: Callable[[str], None],
    ) -> None:
        self._settings = settings
        self._load = load
        self._control = control
        self._on_ready = on_ready
        self._complain = complain
        self._places = places(settings.port)
        self._listeners: list[socket.socket] = []
        self._workers: list[_Child] = []
        self._control_child = _Child("control", self._start_control)
        self._ready: set[int] = set()
        self._stopping = 0.0
        self._reload_wanted = False
        self._successor: socket.socket | None = None
        self._predecessor: socket.socket | None = None
        self._was_ready = False

    def run(self, *, take_over: bool = False) -> int:
        """Serve until told to stop; the exit code."""
        _raise_file_limit()
        self._selector = selectors.DefaultSelector()
        self._listen(take_over=take_over)
        self._wakeup()
        # One board for all data planes, so that a key's minute is one minute; it stays when one of them dies.
        self._board = mmap.mmap(-1, board_bytes(processes=self._settings.workers, keys=COUNTED_KEYS))
        self._alive = os.pipe()
        os.set_inheritable(self._alive[0], True)
        self._ready_pipe = os.pipe()
        self._selector.register(self._ready_pipe[0], selectors.EVENT_READ, self._on_worker_ready)
        self._start(self._control_child)
        for number in range(self._settings.workers):
            self._add_worker(number)
        try:
            while not self._is_over():
                self._turn()
        finally:
            self._close()
        return 0

    # Sockets

    def _listen(self, *, take_over: bool) -> None:
        if take_over:
            self._predecessor = _connected(self._settings.port)
            self._listeners = _taken_over(self._predecessor)
        while len(self._listeners) < self._settings.workers:
            self._listeners.append(_bound(self._settings.host, self._settings.port, first=not self._listeners))
        self._calls = _unix_listener(self._places.calls)
        self._commands = _unix_listener(self._places.commands)
        self._selector.register(self._commands, selectors.EVENT_READ, self._on_command)

    def _wakeup(self) -> None:
        reader, writer = socket.socketpair()
        for end in (reader, writer):
            end.setblocking(False)
        self._woken = (reader, writer)
        signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
        self._selector.register(reader, selectors.EVENT_READ, self._on_woken)
        for signum in (signal.SIGTERM, signal.SIGINT):
            signal.signal(signum, self._on_stop)
        signal.signal(signal.SIGHUP, self._on_hangup)
        signal.signal(signal.SIGCHLD, _nothing)

    # Processes

    def _add_worker(self, number: int) -> None:
        child = _Child(f"data plane {number}", lambda: self._start_worker(number))
        self._workers.append(child)
        self._start(child)

    def _start(self, child: _Child) -> None:
        child.started = monotonic()
        child.pid = child.start()

    def _start_worker(self, number: int) -> int:
        return self._forked(lambda: self._work(number))

    def _work(self, number: int) -> None:
        mine = self._listeners[number]
        for other in self._listeners:
            if other is not mine:
                other.close()
        self._calls.close()
        worker.run(
            listener=mine,
            load=self._load,
            settings=self._settings,
            number=number,
            link_path=str(self._places.calls),
            counts=Counts(memoryview(self._board), number=number, processes=self._settings.workers, keys=COUNTED_KEYS),
            alive=self._alive[0],
            ready=self._ready_pipe[1],
        )

    def _start_control(self) -> int:
        return self._forked(self._be_control)

    def _be_control(self) -> None:
        for listener in self._listeners:
            listener.close()
        with contextlib.suppress(OSError):
            os.nice(BEHIND)  # callers are waited for, records are not
        self._control(self._calls)

    def _forked(self, what: Callable[[], None]) -> int:
        sys.stdout.flush()
        sys.stderr.flush()
        pid = os.fork()
        if pid:
            return pid
        code = 1
        try:
            self._become_child()
            what()
            code = 0
        except FairleadError as error:
            self._complain(str(error))
            code = 2
        except KeyboardInterrupt:
            code = 130
        except BaseException:  # noqa: BLE001  # a child never returns into the supervisor's code
            traceback.print_exc()
        finally:
            with contextlib.suppress(Exception):
                sys.stdout.flush()
                sys.stderr.flush()
            os._exit(code)

    def _become_child(self) -> None:
        signal.set_wakeup_fd(-1)
        for signum in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD):
            signal.signal(signum, signal.SIG_DFL)
        # The terminal's interrupt goes to everyone; the supervisor alone says when to stop.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        os.close(self._alive[1])
        for spoken in (self._commands, *self._woken, self._successor, self._predecessor):
            if spoken is not None:
                spoken.close()
        self._selector.close()

    # One turn

    def _turn(self) -> None:
        for key, _ in self._selector.select(self._until_next()):
            key.data()
        self._reap()
        now = monotonic()
        if self._reload_wanted:
            self._reload_wanted = False
            self._reload()
        for child in (self._control_child, *self._workers):
            if not child.pid and not self._stopping and now >= child.due:
                self._start(child)
        if self._stopping:
            self._stop_on(now)

    def _until_next(self) -> float | None:
        if self._stopping:
            return 0.2
        waiting = [child.due for child in (self._control_child, *self._workers) if not child.pid]
        return max(0.0, min(waiting) - monotonic()) if waiting else None

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if not pid:
                return
            for child in (self._control_child, *self._workers):
                if child.pid == pid:
                    self._died(child, status)

    def _died(self, child: _Child, status: int) -> None:
        child.pid = 0
        if self._stopping:
            return
        now = monotonic()
        child.early_deaths = child.early_deaths + 1 if now - child.started < QUICK_S else 0
        wait = 0.0 if child.early_deaths == 0 else min(30.0, 0.1 * 2.0**child.early_deaths)
        child.due = now + wait
        how = (
            f"signal {os.WTERMSIG(status)}"
            if os.WIFSIGNALED(status)
            else f"exit code {os.waitstatus_to_exitcode(status)}"
        )
        again = f" in {wait:.1f} s" if wait else ""
        self._complain(f"The {child.name} process ended ({how}); it is started again{again}.")

    def _is_over(self) -> bool:
        return bool(self._stopping) and not self._control_child.pid and not any(w.pid for w in self._workers)

    def _stop_on(self, now: float) -> None:
        """First the data planes finish, then the control process keeps what they handed over, and ends."""
        working = [child for child in self._workers if child.pid]
        late = now - self._stopping > self._settings.grace_s + 8.0
        for child in working:
            if late:
                _send(child, signal.SIGKILL)
        if working:
            return
        control = self._control_child
        if control.due != -1.0:
            control.due = -1.0
            control.started = now
            _send(control, signal.SIGTERM)
        elif now - control.started > CONTROL_GRACE_S:
            _send(control, signal.SIGKILL)

    # What comes in

    def _on_stop(self, signum: int, frame: FrameType | None) -> None:
        del signum, frame
        if self._stopping:
            for child in (self._control_child, *self._workers):
                _send(child, signal.SIGKILL)
        self._begin_to_stop()

    def _begin_to_stop(self) -> None:
        if not self._stopping:
            self._stopping = monotonic()
            for child in self._workers:
                _send(child, signal.SIGTERM)

    def _on_hangup(self, signum: int, frame: FrameType | None) -> None:
        del signum, frame
        self._reload_wanted = True

    def _on_woken(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while self._woken[0].recv(4096):
                pass

    def _reload(self) -> None:
        try:
            settings = self._load()
        except FairleadError as error:
            self._complain(f"{error} What held before goes on holding.")
            return
        before, self._settings = self._settings, settings
        if (settings.host, settings.port, settings.workers) != (before.host, before.port, before.workers):
            self._complain("A new host, port or number of workers needs: fairlead serve --take-over")
        for child in (self._control_child, *self._workers):
            _send(child, signal.SIGHUP)

    def _on_worker_ready(self) -> None:
        count = len(os.read(self._ready_pipe[0], 4096))
        self._ready.update(range(len(self._ready), len(self._ready) + count))
        if not self._was_ready and len(self._ready) >= self._settings.workers:
            self._was_ready = True
            if self._predecessor is not None:
                self._predecessor.sendall(b"ready\n")
                self._predecessor.close()
                self._predecessor = None
            self._on_ready(self._settings)

    def _on_command(self) -> None:
        spoken, _ = self._commands.accept()
        spoken.settimeout(2.0)
        try:
            command = spoken.recv(64).strip()
            if command == TAKE_OVER:
                self._hand_over(spoken)
                return
            if command == RELOAD:
                self._load()
                self._reload_wanted = True
            elif command == STOP:
                self._begin_to_stop()
            spoken.sendall(b"done\n" if command in {RELOAD, STOP} else b"Not understood.\n")
        except FairleadError as error:
            with contextlib.suppress(OSError):
                spoken.sendall(f"{error}\n".encode())
        except OSError:
            pass
        spoken.close()

    def _hand_over(self, spoken: socket.socket) -> None:
        """Give the listening sockets to a successor, and stop once it says that it serves."""
        socket.send_fds(spoken, [b"sockets"], [listener.fileno() for listener in self._listeners])
        self._successor = spoken
        self._selector.register(spoken, selectors.EVENT_READ, self._on_successor)

    def _on_successor(self) -> None:
        spoken, self._successor = self._successor, None
        assert spoken is not None
        self._selector.unregister(spoken)
        try:
            said = spoken.recv(64)
        except OSError:
            said = b""
        spoken.close()
        if said.startswith(b"ready"):
            self._places.commands = self._places.folder / "handed-over"
            self._begin_to_stop()

    def _close(self) -> None:
        for path in (self._places.calls, self._places.commands):
            path.unlink(missing_ok=True)
        for each in (self._calls, self._commands, *self._listeners, *self._woken):
            each.close()
        for end in (self._alive[0], self._alive[1], *self._ready_pipe):
            os.close(end)
        signal.set_wakeup_fd(-1)
        self._selector.close()


def _nothing(signum: int, frame: FrameType | None) -> None:
    del signum, frame


def _send(child: _Child, signum: int) -> None:
    if child.pid:
        with contextlib.suppress(ProcessLookupError):
            os.kill(child.pid, signum)


def _raise_file_limit() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, MOST_FILES)
    if soft != resource.RLIM_INFINITY and soft < most:
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def _bound(host: str, port: int, *, first: bool) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    if first:
        _check_free(family, host, port)
    made = socket.socket(family, socket.SOCK_STREAM)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    try:
        made.bind((host, port))
        made.listen(4096)
    except OSError as error:
        made.close()
        raise UsageError(f"The gateway cannot listen on {host}:{port}: {error.strerror}.") from None
    made.setblocking(False)
    return made


def _check_free(family: int, host: str, port: int) -> None:
    """Refuse a port that somebody listens on: sharing it would split callers between two gateways at random."""
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise UsageError(
                f"The gateway cannot listen on {host}:{port}: {error.strerror}. Is one running? Then use --take-over,"
                " or another --port."
            ) from None


def _unix_listener(path: Path) -> socket.socket:
    path.unlink(missing_ok=True)
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o177)
    try:
        made.bind(str(path))
    finally:
        os.umask(before)
    made.listen(256)
    return made


def _taken_over(spoken: socket.socket) -> list[socket.socket]:
    spoken.sendall(TAKE_OVER + b"\n")
    _, descriptors, _, _ = socket.recv_fds(spoken, 64, 256)
    taken: Sequence[socket.socket] = [socket.socket(fileno=descriptor) for descriptor in descriptors]
    if not taken:
        raise UsageError("The running gateway did not hand over its sockets; stop it and start again.")
    return list(taken)
