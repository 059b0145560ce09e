"""The control process as data planes see it: over a real socket, in a thread of its own."""

from __future__ import annotations

import asyncio
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
from contextlib import ExitStack, closing, contextmanager
from types import SimpleNamespace

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.control.calls import asking, call, frame
from edge.control.test_keeper import WAIT_S, Told
from fairlead.core.redact import Policy
from fairlead.edge import config as settings_file
from fairlead.edge import operate_settings, route_settings, serve_settings
from fairlead.edge.config import PrivacySettings, Settings
from fairlead.edge.control import process
from fairlead.edge.control.links import LARGEST_FRAME, Link
from fairlead.edge.control.price_list import ListApart
from fairlead.edge.control.process import ControlProcess
from fairlead.edge.operate_settings import CaptureSettings, OperateSettings
from fairlead.edge.store import Ledger
from fairlead.serve.snapshot import Snapshot

DECODE = msgspec.msgpack.Decoder(Snapshot).decode


class Plane:
    """A data plane's end of the socket."""

    def __init__(self, where: str) -> None:
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(WAIT_S)
        self.socket.connect(where)

    def send(self, *frames) -> None:
        self.socket.sendall(b"".join(frame(each) for each in frames))

    def hear(self) -> Snapshot:
        return DECODE(self._exactly(int.from_bytes(self._exactly(4), "big")))

    def close(self) -> None:
        self.socket.close()

    def _exactly(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            data += self.socket.recv(size - len(data)) or pytest.fail("the control process hung up")
        return data


class Follower:
    """A step that remembers what it was given."""

    name = "follower"

    def __init__(self, *, many: int = 1, fails: bool = False) -> None:
        self.seen: list = []
        self.enough = threading.Event()
        self._many = many
        self._fails = fails

    def wants(self, call) -> bool:
        return not call.own_key

    async def take(self, kept) -> None:
        self.seen += kept
        if len(self.seen) >= self._many:
            self.enough.set()
        if self._fails:
            raise ValueError("no")


LISTED = ListApart()


@pytest.fixture(scope="module", autouse=True)
def _one_price_list():
    yield
    LISTED.close()


@contextmanager
def running(tmp_path, *steps, tell=None):
    """A control process that serves a socket until the block ends."""
    where = str(tmp_path / "control.sock")
    control = ControlProcess(
        Settings(),
        ledger=str(tmp_path / "fairlead.db"),
        base=Snapshot(version=0),
        listed=LISTED,
        tell=tell or Told(),
        operate=OperateSettings(capture=CaptureSettings(flush_s=0.01)),
    )
    for step in steps:
        control.add(step)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(where)
        listener.listen()
        thread = threading.Thread(target=lambda: asyncio.run(control.run(listener)))
        thread.start()
        with ExitStack() as planes:
            control.plane = lambda: planes.enter_context(closing(Plane(where)))
            yield control
            planes.callback(thread.join, WAIT_S)
            planes.callback(control.loop.call_soon_threadsafe, control.stop)
        assert not thread.is_alive()


def test_a_data_plane_is_told_what_holds_when_it_comes_and_when_that_changes(tmp_path):
    with running(tmp_path) as control:
        first = control.plane()
        assert first.hear().version == 0
        control.loop.call_soon_threadsafe(lambda: control.publish(require_key=True))
        assert first.hear().require_key
        late = control.plane()
        assert (late.hear().version, control.snapshot.version) == (1, 1)


def test_a_privacy_policy_that_was_read_again_holds_for_the_next_call_also_of_one_that_was_seen_before(tmp_path):
    request = asking("Write to ann.smith@example.org, please.")
    before, after = Follower(), Follower(many=2)
    with running(tmp_path, before, after) as control:
        plane = control.plane()
        plane.send(call(call_id="one", request=request))
        assert before.enough.wait(WAIT_S)
        control.loop.call_soon_threadsafe(control.use, Settings(privacy=PrivacySettings(redact=Policy.MASK)))
        done = threading.Event()
        control.loop.call_soon_threadsafe(done.set)
        assert done.wait(WAIT_S)
        plane.send(call(call_id="two", request=request))
        assert after.enough.wait(WAIT_S)
    with Ledger.open(tmp_path / "fairlead.db") as ledger:
        texts = [ledger.exchange(name).request.messages[-1].text for name in ("one", "two")]
    assert texts == ["Write to ann.smith@example.org, please.", "Write to <email 1>, please."]


def reading_again(tmp_path, first, then):
    """What a reload takes over, and what it says."""
    config, told = tmp_path / "fairlead.toml", []
    config.write_text(first)
    control = ControlProcess(
        settings_file.load(config), ledger=str(tmp_path / "fairlead.db"), base=Snapshot(version=0), tell=told.append,
        operate=operate_settings.load(config),
    )  # fmt: skip
    routes = route_settings.load(config)
    wiring = process._Wiring(
        control=control, config=config, admin_port=1, token="t", routes=routes, began=control.settings,
        served=serve_settings.load(config), webhook=routes.webhook,
    )  # fmt: skip
    config.write_text(then)
    return process._reload(wiring), control.settings.privacy, told


def test_a_reload_takes_privacy_and_names_what_waits_for_the_next_start(tmp_path):
    then = '[privacy]\nredact = "mask"\nregions = ["GB"]\n[serve.capture]\nmax_days = 3\n[serve.logs]\nfile = "-"'
    found, privacy, told = reading_again(tmp_path, '[privacy]\nredact = "keep"', then)
    assert (privacy.redact, privacy.regions) == (Policy.MASK, ("GB",))
    assert found.from_next_start == ("[serve.capture]", "[serve.logs]")
    assert told == ["Settings were read again; [serve.capture], [serve.logs] hold from the next start."]


def test_a_reload_names_addresses_and_processes_that_wait_and_not_the_limits_of_the_front(tmp_path):
    first = "[serve]\nport = 8080\nworkers = 1\nmax_headers = 128"
    then = "[serve]\nport = 8090\nworkers = 2\nmax_headers = 64"
    found, _, told = reading_again(tmp_path, first, then)
    assert found.from_next_start == ("[serve] port", "[serve] workers")
    assert told == ["Settings were read again; [serve] port, [serve] workers hold from the next start."]


def test_a_reload_of_settings_that_cannot_be_read_changes_nothing_and_says_so(tmp_path):
    found, privacy, told = reading_again(tmp_path, '[privacy]\nredact = "mask"', '[privacy]\nredact = "some"')
    assert privacy.redact is Policy.MASK
    assert "redact must be one of" in found.problem
    assert told == [f"{found.problem} What held before goes on holding."]


def test_the_state_of_the_grouper_is_sent_once_and_to_newcomers(tmp_path):
    with running(tmp_path) as control:
        plane = control.plane()
        plane.hear()
        control.loop.call_soon_threadsafe(lambda: control.publish(grouper=b"{}"))
        assert plane.hear().grouper == b"{}"
        control.loop.call_soon_threadsafe(control.publish)
        assert plane.hear().grouper is None
        assert control.plane().hear().grouper == b"{}"


def test_calls_of_all_data_planes_are_kept_and_handed_to_who_wants_them(tmp_path):
    step = Follower(many=30)
    with running(tmp_path, step) as control:
        planes = [control.plane() for _ in range(3)]
        for plane in planes:
            plane.send(*(call() for _ in range(10)), call(own_key=True))
        assert step.enough.wait(WAIT_S)
    with Ledger.open(tmp_path / "fairlead.db") as ledger:
        assert ledger.size().exchanges == 33
        assert {each.exchange_id for each in step.seen} <= {row.id for row in ledger.rows()}
    assert len(step.seen) == 30


def test_a_step_that_fails_is_told_once_and_stops_nobody(tmp_path):
    told, bad, good = Told(), Follower(fails=True), Follower(many=2)
    with running(tmp_path, bad, good, tell=told) as control:
        plane = control.plane()
        plane.send(call())
        assert bad.enough.wait(WAIT_S)
        plane.send(call())
        assert good.enough.wait(WAIT_S)
    assert sum("follower failed" in line for line in told.lines) == 1


def test_workloads_are_found_in_traffic_and_told_to_the_data_planes(tmp_path, monkeypatch):
    monkeypatch.setattr(process, "_FIRST_LINK_S", 0.05)
    asked = [
        asking(f"Where is parcel {n}?", system=f"You answer customers of a parcel service.\nToday is day {n}.")
        for n in range(60)
    ]
    with running(tmp_path) as control:
        plane = control.plane()
        plane.hear()
        plane.send(*(call(request=each) for each in asked))
        while plane.hear().grouper is None:
            pass
    with Ledger.open(tmp_path / "fairlead.db") as ledger:
        assert len(ledger.workloads()) >= 1
        found = {row.workload_id for row in ledger.rows()}
        placed = {slot.workload_id for slot, _ in ledger.rollups(since_us=0, until_us=2**62)}
    assert found - {None} == placed - {""}


def test_a_frame_that_claims_too_much_cuts_the_data_plane_off_and_no_other(tmp_path):
    with running(tmp_path) as control:
        hostile, good = control.plane(), control.plane()
        hostile.hear()
        hostile.socket.sendall((LARGEST_FRAME + 1).to_bytes(4, "big") + b"x" * 100)
        assert hostile.socket.recv(10) == b""
        good.send(call())
    with Ledger.open(tmp_path / "fairlead.db") as ledger:
        assert ledger.size().exchanges == 1


@given(st.lists(st.binary(max_size=50), max_size=8), st.data())
@settings(max_examples=30, deadline=None)
def test_frames_are_whole_however_they_were_cut(frames, data):
    sent = b"".join(len(each).to_bytes(4, "big") + each for each in frames)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(sent)), max_size=6)))

    async def through():
        heard, ended = [], asyncio.Event()
        ours, theirs = socket.socketpair()
        Link(theirs, on_frames=heard.extend, on_end=lambda _: ended.set())
        with ours:
            for start, end in zip([0, *cuts], [*cuts, len(sent)], strict=True):
                ours.sendall(sent[start:end])
                await asyncio.sleep(0)
        await asyncio.wait_for(ended.wait(), WAIT_S)
        return heard

    assert asyncio.run(through()) == frames


SERVER = """
import socket, sys
from fairlead.edge.control import process
listener = socket.socket(socket.AF_UNIX)
listener.bind(sys.argv[1])
listener.listen()
print("ready", flush=True)
sys.exit(process.main(listener, ledger=sys.argv[2]))
"""


def test_killed_under_load_the_ledger_is_whole_and_its_sums_agree_with_its_rows(tmp_path):
    path = tmp_path / "fairlead.db"
    with Ledger.open(path) as ledger:
        command = [sys.executable, "-c", SERVER, str(tmp_path / "s"), str(path)]
        server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert server.stdout.readline() == "ready\n"
        with server.stdout, closing(Plane(str(tmp_path / "s"))) as plane:
            while ledger.size().exchanges < 500:
                plane.send(*(call() for _ in range(100)))
            server.send_signal(signal.SIGKILL)
            server.wait()
    with closing(sqlite3.connect(path)) as look:
        assert look.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert look.execute("PRAGMA foreign_key_check").fetchall() == []
        rows = look.execute("SELECT count(*) FROM exchanges").fetchone()
        assert look.execute("SELECT sum(calls) FROM rollups").fetchone() == rows


def test_what_waits_for_a_step_is_bounded_by_number_and_by_size_and_what_is_missed_is_counted(tmp_path):
    control = ControlProcess(Settings(), ledger=str(tmp_path / "none.db"), base=Snapshot(version=0), listed=LISTED)
    control.add(Follower())
    (follower,) = control._followers

    def kept(count: int, size: int) -> list:
        return [SimpleNamespace(call=call(request=b"x" * size)) for _ in range(count)]

    control._hand_on(kept(2_100, 10))
    assert (follower.waiting, follower.missed) == (2_000, 100)
    follower.taken(follower.queue.get_nowait())
    assert (follower.waiting, follower.bytes) == (0, 0)
    control._hand_on(kept(4, 3_000_000))
    assert (follower.waiting, follower.missed) == (2, 102)
    follower.taken(follower.queue.get_nowait())
    control._hand_on(kept(1, 20_000_000))
    assert (follower.waiting, follower.missed) == (1, 102)
