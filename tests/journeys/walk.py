"""What the journeys share: the real `fairlead` process, logs and labels made of recorded answers, a server with a journal."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from fairlead.testing.recorded import RecordedApp, RecordedServer, Recording
from fairlead.testing.recording import completion, counted, match_key

FIRST_DAY = datetime(2026, 10, 20, 8, 0, tzinfo=UTC)
COMMAND = (sys.executable, "-W", "error", "-m", "fairlead")
SECRET_NAMES = ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GEMINI_API_KEY")


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """A command that has ended."""

    code: int
    out: str
    err: str

    @property
    def record(self) -> dict[str, Any]:
        """What `--json` printed."""
        value = json.loads(self.out)
        assert isinstance(value, dict)
        return value

    @property
    def complaint(self) -> str:
        """The one line a user's error prints; fails when there is more, or a traceback."""
        assert self.err.count("\n") == 1, self.err
        assert self.err.startswith("fairlead: "), self.err
        assert "Traceback" not in self.err
        return self.err.removeprefix("fairlead: ").rstrip("\n")


def environment(**more: str) -> dict[str, str]:
    """The environment of a command: ours, without anybody's keys."""
    kept = {name: value for name, value in os.environ.items() if name not in SECRET_NAMES}
    return {**kept, "PYTHONUTF8": "1", **more}


def fairlead(*arguments: object, cwd: Path, stdin: bytes = b"", timeout: float = 120, **env: str) -> Done:
    """Run the real command to its end."""
    ran = subprocess.run(
        [*COMMAND, *map(str, arguments)],
        cwd=cwd,
        input=stdin,
        capture_output=True,
        timeout=timeout,
        env=environment(**env),
        check=False,
    )
    return Done(code=ran.returncode, out=ran.stdout.decode(), err=ran.stderr.decode())


def start(*arguments: object, cwd: Path, **env: str) -> subprocess.Popen[bytes]:
    """Start the real command, with its own end of everything."""
    return subprocess.Popen(
        [*COMMAND, *map(str, arguments)],
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(**env),
        # A shell that starts the tests in the background makes them ignore Ctrl-C, and so would their children.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
    )


class Journal:
    """An application with a log of every chat request that arrived; `hear` is called with the count so far."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self.asked: list[str] = []
        self.keys: set[str] = set()
        self.hear: Callable[[int], None] = lambda _count: None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not scope.get("path", "").endswith("/chat/completions"):
            await self._app(scope, receive, send)
            return
        messages = [message async for message in whole(receive)]
        body = json.loads(b"".join(message.get("body", b"") for message in messages))
        self.keys |= {value.decode() for name, value in scope["headers"] if name == b"authorization"}
        self.asked.append(match_key(body))
        self.hear(len(self.asked))

        async def again() -> Message:
            return messages.pop(0) if messages else await receive()

        await self._app(scope, again, send)


async def whole(receive: Receive) -> Any:
    """The messages that carry a request's body."""
    more = True
    while more:
        message = await receive()
        more = bool(message.get("more_body"))
        yield message


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """A running server of recorded answers, and its journal."""

    url: str
    journal: Journal

    def after(self, requests: int) -> threading.Event:
        """An event that happens when so many more requests have arrived."""
        happened, wanted = threading.Event(), len(self.journal.asked) + requests
        self.journal.hear = lambda count: happened.set() if count >= wanted else None
        return happened


@contextmanager
def served(recording: Recording, **options: Any) -> Iterator[Served]:
    """A server of recorded answers on a port of its own."""
    journal = Journal(RecordedApp(recording, **options))
    with RecordedServer(journal) as server:
        yield Served(url=server.url, journal=journal)


def line(id_: str, model: str, request: Mapping[str, Any], response: str, *, at: datetime | None) -> dict[str, Any]:
    """A line of an OpenAI log: who was asked what, and what came back."""
    body = {"model": model, **request, "temperature": 0}
    message = {"role": "assistant", "content": response}
    told = completion(model, message, counted(body, message))
    dated = {} if at is None else {"started_at": at.isoformat(), "latency_s": 1.5}
    return {"id": id_, "request": body, "response": told, **dated}


def log_of(rows: Iterable[Mapping[str, Any]], model: str, *, days: float = 28) -> list[dict[str, Any]]:
    """The log an organisation would have that had asked `model` all this, over some weeks."""
    mine = [row for row in rows if row["model"] == model]
    step = timedelta(days=days) / len(mine)
    return [
        line(row["item_id"], model, json.loads(row["request"]), row["response"], at=FIRST_DAY + number * step)
        for number, row in enumerate(mine)
    ]


def recording_of(rows: Iterable[Mapping[str, Any]], *models: str) -> Recording:
    """What the models said, to be served."""
    made = Recording()
    for row in rows:
        if row["model"] in models:
            made.add(model=row["model"], request=json.loads(row["request"]), response=row["response"])
    return made


def write_lines(path: Path, lines: Sequence[Mapping[str, Any]]) -> Path:
    """A JSONL file."""
    path.write_text("".join(json.dumps(one) + "\n" for one in lines), encoding="utf-8")
    return path


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], None]) -> Path:
    """A folder of this run of the tests, filled by `make` in whichever test process comes first; the others wait."""
    is_worker = "PYTEST_XDIST_WORKER" in os.environ
    shared = factory.getbasetemp().parent if is_worker else factory.getbasetemp()
    folder = shared / name
    with (shared / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        ready = folder / ".made"
        if not ready.exists():
            folder.mkdir(exist_ok=True)
            make(folder)
            ready.touch()
    return folder
