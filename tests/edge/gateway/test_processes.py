"""The processes of a gateway, for real: they start, are reloaded, taken over, killed and stopped, and no caller is the worse."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from edge.gateway.world import free_port
from fairlead.edge.gateway.supervisor import BEHIND
from fairlead.edge.store import Ledger
from journeys.walk import COMMAND, environment

TOKEN = "b7Kq2vXw9ZrT4mYc6NdH"


class _Answers(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    name = b"first"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        body = b'{"who":"%b"}' % self.name
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def upstream() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Answers)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}/v1"
    server.shutdown()
    thread.join()
    server.server_close()


class Gateway:
    """One `fairlead serve`."""

    def __init__(self, folder: Path, port: int, *flags: str, file_size: int | None = None) -> None:
        """`file_size` is how large any file may grow: a disk that is full, but for this gateway only."""
        self.port = port
        env = {**environment(), "XDG_RUNTIME_DIR": str(folder), "FAIRLEAD_ADMIN_TOKEN": TOKEN}
        self.admin_port = free_port()
        command = [*COMMAND, "serve", "--port", str(port), "--admin-port", str(self.admin_port), "--json", *flags]
        if file_size is not None:
            command = ["prlimit", f"--fsize={file_size}", *command]
        self.process = subprocess.Popen(
            command, cwd=folder, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, self.process.stderr.read() if self.process.stderr else ""
        self.record: dict[str, Any] = json.loads(line)

    def overview(self) -> Any:
        """What the admin page tells; nothing before it is there."""
        connection = http.client.HTTPConnection("127.0.0.1", self.admin_port, timeout=20)
        try:
            connection.request("GET", "/overview", headers={"authorization": f"Bearer {TOKEN}"})
        except ConnectionError:
            return {"dropped_total": 0, "problem": ""}
        found = json.loads(connection.getresponse().read())
        connection.close()
        return found

    def ask(self, said: str = "hi") -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        body = json.dumps({"model": "m", "messages": [{"role": "user", "content": said}]})
        connection.request("POST", "/v1/chat/completions", body, {"content-type": "application/json"})
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
        return answer.status, body

    def children(self) -> dict[int, str]:
        """The processes below, with the files they have mapped."""
        pid = self.process.pid
        found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return {int(child): Path(f"/proc/{child}/maps").read_text() for child in found}

    def data_plane(self) -> int:
        listening = {pid for pid, maps in self.children().items() if "uvloop" in maps and "_sqlite3" not in maps}
        assert len(listening) == 1
        return listening.pop()

    def stop(self) -> tuple[int, str]:
        self.process.send_signal(signal.SIGTERM)
        _, err = self.process.communicate(timeout=30)
        return self.process.returncode, err


def settings(folder: Path, upstream: str, more: str = "") -> None:
    text = f'[serve]\nopenai = "mine"\n{more}[serve.upstreams.mine]\nurl = "{upstream}"\n'
    (folder / "fairlead.toml").write_text(text)


def test_it_serves_is_reloaded_survives_deaths_and_stops(tmp_path: Path, upstream: str) -> None:
    settings(tmp_path, upstream)
    gateway = Gateway(tmp_path, free_port())
    assert gateway.record["port"] == gateway.port
    assert gateway.ask() == (200, b'{"who":"first"}')

    # A port that is in use is said in one line.
    twice = subprocess.run(
        [*COMMAND, "serve", "--port", str(gateway.port)], cwd=tmp_path, env=environment(), capture_output=True, text=True,
        check=False, timeout=30,
    )  # fmt: skip
    assert (twice.returncode, twice.stdout) == (2, "")
    assert "--take-over" in twice.stderr

    # Both kinds of process may die; the listening socket stays.
    for pid in list(gateway.children()):
        os.kill(pid, signal.SIGKILL)
        assert gateway.ask()[0] == 200

    # Settings are read again; ones that make no sense change nothing.
    told = [*COMMAND, "serve", "--port", str(gateway.port), "--reload"]
    env = {**environment(), "XDG_RUNTIME_DIR": str(tmp_path)}
    settings(tmp_path, upstream, "require_key = true\n")
    assert subprocess.run(told, cwd=tmp_path, env=env, capture_output=True, check=False, timeout=30).returncode == 0
    status = 200
    for _ in range(200):
        status = gateway.ask()[0]
        if status == 401:
            break
    assert status == 401
    settings(tmp_path, upstream, "no_such = 1\n")
    bad = subprocess.run(told, cwd=tmp_path, env=env, capture_output=True, text=True, check=False, timeout=30)
    assert bad.returncode == 2
    assert gateway.ask()[0] == 401

    code, err = gateway.stop()
    assert code == 0
    assert "Traceback" not in err


def test_a_new_version_takes_over_without_losing_a_request(tmp_path: Path, upstream: str) -> None:
    settings(tmp_path, upstream)
    old = Gateway(tmp_path, free_port())
    seen: list[int] = []
    enough = threading.Event()

    def ask_on() -> None:
        while not enough.is_set():
            seen.append(old.ask()[0])

    asking = threading.Thread(target=ask_on)
    asking.start()
    new = Gateway(tmp_path, old.port, "--take-over")
    assert old.process.wait(timeout=40) == 0
    assert new.ask()[0] == 200
    enough.set()
    asking.join()
    assert set(seen) == {200}
    assert new.stop()[0] == 0
    old.process.communicate()


def test_the_data_plane_loads_no_database_no_prices_and_no_numpy() -> None:
    script = (
        "import sys\n"
        "import fairlead.edge.cli.serve, fairlead.edge.gateway.supervisor\n"
        "heavy = {'sqlalchemy', 'alembic', 'genai_prices', 'numpy', 'httpx2', 'starlette', 'uvicorn', 'jsonschema',"
        " 'fairlead.edge.store', 'fairlead.core.workload.group'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, env=environment())
    assert done.stdout.strip() == "[]"


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="needs /proc")
def test_after_the_first_answer_the_data_plane_still_holds_none_of_them(tmp_path: Path, upstream: str) -> None:
    settings(tmp_path, upstream)
    gateway = Gateway(tmp_path, free_port())
    assert gateway.ask()[0] == 200
    plane = gateway.data_plane()
    maps = gateway.children()[plane]
    assert not [name for name in ("numpy", "sqlalchemy", "_sqlite3", "greenlet") if name in maps]
    behind = {os.getpriority(os.PRIO_PROCESS, pid) for pid in gateway.children() if pid != plane}
    assert behind == {min(19, os.getpriority(os.PRIO_PROCESS, plane) + BEHIND)}
    assert gateway.stop()[0] == 0


def test_at_a_full_disk_every_caller_is_answered_and_what_is_not_kept_is_counted_and_said_once(
    tmp_path: Path, upstream: str
) -> None:
    settings(tmp_path, upstream, "[serve.capture]\nmemory_mb = 1\nflush_s = 0.05\n")
    Ledger.open(tmp_path / "fairlead.db").close()
    room = (tmp_path / "fairlead.db").stat().st_size + 200_000
    gateway = Gateway(tmp_path, free_port(), file_size=room)
    said, found = [os.urandom(20_000).hex() for _ in range(4)], {"dropped_total": 0, "problem": ""}
    try:
        for number in range(600):
            assert gateway.ask(said[number % 4] + str(number)) == (200, b'{"who":"first"}')
            found = gateway.overview() if number % 20 == 0 else found
            if found["dropped_total"] and found["problem"]:
                break
    finally:
        code, err = gateway.stop()
    assert found["dropped_total"] > 0
    assert "disk is full" in found["problem"]
    lines = [line for line in err.splitlines() if "disk is full" in line]
    assert len(lines) == 1, err
    assert "Calls are answered but not kept for now" in lines[0]
    assert code == 0
