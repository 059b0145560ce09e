"""What the gateway costs: processor time of its whole process tree for each request, beside nginx in the same run.

    python benchmarks/gateway                    # needs nginx and wrk (Debian: nginx-light, wrk)
    python benchmarks/gateway --rounds 5 --also litellm=4000:12345
    python benchmarks/gateway --only cpu,latency,scaling,streams,shadow,start

Everything is on that is on in earnest: recording into a ledger, secrets redaction, a Fairlead key, and a route, so that each
request's workload is looked up. Ratios are what matters; the machine decides the rest. `--also NAME=PORT:PID` measures another
gateway in the same run, one that you started with `http://127.0.0.1:19100/v1` as its upstream (the upstream is started here);
`--peers FOLDER` starts those that `peers.py` knows, and measures plain and streamed requests of theirs.

    cpu       processor time a request: plain, streamed, masked, and with another prompt and tool in every request. A stream's
              32 chunks are written back to back, one write each (the limit is of these: a proxy may find several at once);
              "stream, apart" is one whose chunks come one at a time, so that each is read and passed on by itself. Callers
              ask for token counts; of "stream, counted" they do not, so the gateway does, and takes them out of each chunk
    latency   what is added to a request at 30 a second, beside requests to the upstream itself, taken in turn; and what
              nginx adds, for that is what this machine can tell apart
    scaling   requests for each second of the busiest data plane, of two beside one; and of nginx's workers, counted likewise:
              that is as far as two processes go on this machine
    streams   2,000 streams at once on one data plane: errors, and what each process holds (at most 80 MiB)
    shadow    the same latency with every call shadowed, beside shadow off, in turn; the noise is what shadow off differs by
              from round to round
    start     from the command to the first answer, beside another command (`--beside`)
"""

from __future__ import annotations

import argparse
import compileall
import json
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

import fairlead
from fairlead.edge.store import Ledger

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))  # also when it is started as a module

from peers import installed, started  # noqa: E402
from upstream import APART  # noqa: E402

TICK = os.sysconf("SC_CLK_TCK")
LIMITS = {"plain": 6.5, "stream": 4.4}
COMPARED = (*LIMITS, "stream, apart")
MOCK, NGINX, OURS = 19100, 19098, 19080
SCALING = 128
"""Connections that are dealt out among processes: of many, each gets about as many."""
STREAMS = 2_000
PARTS = ("cpu", "latency", "scaling", "streams", "shadow", "start")

TOOL: dict[str, Any] = {
    "type": "function",
    "function": {
        "name": "file_note",
        "description": "File the fields of a delivery note",
        "parameters": {
            "type": "object",
            "properties": {name: {"type": "string"} for name in ("number", "date", "crates")},
        },
    },
}


def body(
    *,
    stream: bool,
    apart: bool = False,
    asks: bool = True,
    variant: str = "",
    number: int = 7741,
    model: str = "mock",
) -> bytes:
    """A request of about 1.2 KB with a tool, like a small extraction job.

    `apart` has the chunks of a stream come one by one; `asks` whether its caller asks for token counts.
    """
    system = "You read delivery notes and file their fields. Leave out what is not there, never guess. " * 5 + variant
    user = f"Note {number}\nHarbour Street Bakery\nReceived: 3 June\nCrates: 12, damaged: 2\nCredit: 38.20\n" * 3
    user += APART.decode() if apart else ""
    turns = [{"role": "system", "content": system}, {"role": "user", "content": user}]
    tool = {**TOOL, "function": {**TOOL["function"], "name": f"file_note{variant}"}}
    more = {"stream_options": {"include_usage": True}} if stream and asks else {}
    asked = {"model": model, "messages": turns, "tools": [tool], "temperature": 0, "stream": stream, **more}
    return json.dumps(asked).encode()


@dataclass
class Target:
    name: str
    port: int
    pid: int
    fields: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    path: str = "/v1/chat/completions"
    model: str = "mock"


def tree(pid: int) -> list[int]:
    found = [pid]
    for each in found:
        try:
            for task in Path(f"/proc/{each}/task").iterdir():
                found += [int(child) for child in (task / "children").read_text().split()]
        except OSError:
            continue
    return found


def cpu_s(pid: int) -> float:
    return sum(map(own_cpu_s, tree(pid)))


def own_cpu_s(pid: int) -> float:
    """Processor seconds of a process, and of its children that have ended."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return 0.0
    return sum(map(int, stat[11:15])) / TICK


NAMES = ("supervisor", "control", "data plane", "data plane")
MOST_MIB = 80
SETTLED_S = 8
"""So long after a load what it took is back with the system: lines that nobody uses are let go, and free memory is returned."""


def memory_mib(pid: int) -> list[tuple[float, float]]:
    """What a process and those it started hold now, and the most they ever held."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    sizes = []
    for each in (pid, *children):
        told = dict(re.findall(r"(VmRSS|VmHWM):\s+(\d+)", Path(f"/proc/{each}/status").read_text()))
        sizes.append((int(told.get("VmRSS", 0)) / 1024, int(told.get("VmHWM", 0)) / 1024))
    return sizes


LUA = """
local file = io.open(os.getenv("BODY"), "rb"); wrk.body = file:read("*a"); file:close()
wrk.method = "POST"; wrk.headers["content-type"] = "application/json"
for name, value in (os.getenv("FIELDS") or ""):gmatch("([^\\n:]+): ([^\\n]+)") do wrk.headers[name] = value end
local key = os.getenv("KEY"); if key and key ~= "" then wrk.headers["authorization"] = "Bearer " .. key end
if os.getenv("VARY") == "1" then
  local count = 0
  request = function()
    count = count + 1
    return wrk.format(nil, nil, nil, (wrk.body:gsub("VARIANT", string.format("%012d", count * 7919))))
  end
end
done = function(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format("RESULT %.0f %.0f %.0f %f %f\\n", summary.requests, summary.duration,
    errors.status + errors.connect + errors.read + errors.timeout, latency:percentile(50), latency:percentile(99)))
end
"""


def load(
    target: Target,
    folder: Path,
    *,
    stream: bool,
    seconds: int,
    connections: int,
    vary: bool = False,
    apart: bool = False,
    asks: bool = True,
) -> dict[str, float]:
    """Load a target as fast as it goes; what one request cost it."""
    asked = body(stream=stream, apart=apart, asks=asks, variant="VARIANT" if vary else "", model=target.model)
    (folder / "body").write_bytes(asked)
    (folder / "post.lua").write_text(LUA)
    before = cpu_s(target.pid)
    out = subprocess.run(
        ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "30s", "-s", str(folder / "post.lua"),
         f"http://127.0.0.1:{target.port}{target.path}"],
        env={**os.environ, "BODY": str(folder / "body"), "KEY": target.fields, "VARY": "1" if vary else "0",
             "FIELDS": "\n".join(f"{name}: {value}" for name, value in target.headers.items())},
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    time.sleep(1.0)  # what was recorded is written
    count, micros, errors, p50, p99 = (float(word) for word in re.findall(r"RESULT (.*)", out)[0].split())
    return {
        "per_s": count / micros * 1e6, "cpu_us": (cpu_s(target.pid) - before) / max(count, 1) * 1e6, "errors": errors,
        "p50_ms": p50 / 1e3, "p99_ms": p99 / 1e3,
    }  # fmt: skip


def until_answers(port: int, key: str = "", *, workload: str = "", within_s: float = 60.0) -> float:
    """Seconds until a first request is answered, and its workload is known where one is named."""
    began = time.monotonic()
    headers = {"content-type": "application/json", **({"authorization": f"Bearer {key}"} if key else {})}
    while time.monotonic() - began < within_s:
        try:
            asked = urllib.request.Request(f"http://127.0.0.1:{port}/v1/chat/completions", body(stream=False), headers)
            with urllib.request.urlopen(asked, timeout=5) as answer:
                answer.read()
                if not workload or answer.headers.get("x-fairlead-workload") == workload:
                    return time.monotonic() - began
        except OSError:
            time.sleep(0.005)
    raise SystemExit(f"nothing answers on port {port}")


NGINX_CONF = """
worker_processes 1; daemon off; pid {folder}/nginx.pid; error_log {folder}/nginx.log warn;
events {{ worker_connections 4096; }}
http {{
  access_log off; client_body_buffer_size 64k; keepalive_requests 100000000;
  client_body_temp_path {folder}; proxy_temp_path {folder}; fastcgi_temp_path {folder};
  uwsgi_temp_path {folder}; scgi_temp_path {folder};
  upstream mock {{ server 127.0.0.1:{mock}; keepalive 64; keepalive_requests 100000000; }}
  server {{ listen 127.0.0.1:{port}; location / {{
    proxy_pass http://mock; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_buffering off; }} }}
}}
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--also", action="append", default=[], metavar="NAME=PORT:PID")
    parser.add_argument(
        "--peers", type=Path, metavar="FOLDER", help="where other gateways are installed (see peers.py)"
    )
    parser.add_argument("--only", default=",".join(PARTS), metavar="PART,…")
    parser.add_argument("--beside", default="", metavar="PORT=COMMAND", help="another server, for the cold start")
    given = parser.parse_args()
    for needed in ("nginx", "wrk"):
        if shutil.which(needed) is None and not Path(f"/usr/sbin/{needed}").exists():
            raise SystemExit(f"{needed} is needed (Debian: apt-get install nginx-light wrk)")
    compileall.compile_dir(Path(fairlead.__file__).parent, quiet=1)  # as an installation does
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        run(Path(name), given, set(given.only.split(",")))


def run(folder: Path, given: argparse.Namespace, parts: set[str]) -> None:
    folder.chmod(0o755)
    (folder / "nginx.conf").write_text(NGINX_CONF.format(folder=folder, mock=MOCK, port=NGINX))
    mock = subprocess.Popen([sys.executable, str(HERE / "upstream.py"), str(MOCK)])
    nginx = subprocess.Popen([shutil.which("nginx") or "/usr/sbin/nginx", "-c", str(folder / "nginx.conf")])
    try:
        until_answers(NGINX)
        if "start" in parts:
            starts(folder, given)
        others = [Target("nginx", NGINX, nginx.pid), *map(_other, given.also)]
        if "cpu" in parts:
            with (
                running(folder, given.peers) as peers, Gateway(folder / "keep", redact="keep") as kept,
                Gateway(folder / "mask", port=OURS + 2) as masked,
            ):  # fmt: skip
                measure([*others, kept.target], masked.target, folder, given, peers=peers)
                time.sleep(SETTLED_S)
                kept.tell_memory("after the load")
        if "latency" in parts:
            with Gateway(folder / "latency") as ours:
                latency([Target("nginx", NGINX, nginx.pid), ours.target], folder, given)
        if "scaling" in parts:
            scaling(folder, given)
        if "streams" in parts:
            streams(folder, given)
        if "shadow" in parts:
            shadow(folder, given)
    finally:
        for process in (nginx, mock):
            end(process)


def _other(word: str) -> Target:
    name, _, where = word.partition("=")
    port, _, pid = where.partition(":")
    return Target(name, int(port), int(pid))


@contextmanager
def running(folder: Path, where: Path | None) -> Iterator[list[Target]]:
    """The other gateways that are installed, for as long as the block lasts."""
    with ExitStack() as stack:
        found = []
        for peer in [] if where is None else installed(where.resolve(), folder, upstream=f"http://127.0.0.1:{MOCK}/v1"):
            process, port = started(peer, folder, asked=body(stream=False, model=peer.model))
            stack.callback(end, process)
            found.append(Target(peer.name, port, process.pid, headers=peer.headers, path=peer.path, model=peer.model))
        yield found


def end(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(timeout=40)
    except subprocess.TimeoutExpired:
        process.kill()


class Gateway:
    """Fairlead in a folder of its own: a ledger with one workload that has a route, and a key."""

    def __init__(
        self, folder: Path, *, redact: str = "mask", port: int = OURS, workers: int = 1, shadow: bool = False
    ) -> None:
        folder.mkdir()
        self.folder = folder
        self._environ = {**os.environ, "XDG_RUNTIME_DIR": str(folder), "MOCK_KEY": "sk-mock-of-the-benchmark"}
        (folder / "fairlead.toml").write_text(
            f'[privacy]\nredact = "{redact}"\n[serve]\nopenai = "mock"\n[serve.upstreams.mock]\n'
            f'url = "http://127.0.0.1:{MOCK}/v1"\nkey_env = "MOCK_KEY"\n[serve.routes]\ngrader = "agree"\n'
            f'[candidates.other]\nendpoint = "http://127.0.0.1:{MOCK}/v1"\nmodel = "mock"\n'
        )
        workload = self._learnt()
        self._fairlead("route", "start", workload, "--candidate", "other") if shadow else self._fairlead(
            "route", "hold", workload
        )
        key = json.loads(self._fairlead("key", "create", "bench", "--json"))["secret"]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "fairlead", "serve", "--port", str(port), "--admin-port", str(port + 1),
             "--workers", str(workers)],
            cwd=folder, env=self._environ, stdout=subprocess.DEVNULL,
        )  # fmt: skip
        self.target = Target("fairlead", port, self._process.pid, key)
        until_answers(port, key, workload=workload)

    def _learnt(self) -> str:
        """The id of the workload that the benchmark's requests belong to, found in a log of them."""
        answer = {"role": "assistant", "content": "Filed."}
        with (self.folder / "log.jsonl").open("w") as log:
            for number in range(60):
                asked = json.loads(body(stream=False, number=number))
                told = {"model": "mock", "choices": [{"index": 0, "message": answer, "finish_reason": "stop"}]}
                log.write(json.dumps({"request": asked, "response": told}) + "\n")
        self._fairlead("scan", "log.jsonl", "--json")
        with Ledger.open(self.folder / "fairlead.db") as ledger:
            return ledger.workloads()[0].id

    def _fairlead(self, *words: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "fairlead", *words],
            cwd=self.folder, env=self._environ, capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode:
            raise SystemExit(f"fairlead {' '.join(words)}: {done.stderr}")
        return done.stdout

    def tell_memory(self, when: str) -> None:
        sizes = memory_mib(self._process.pid)
        told = ", ".join(
            f"{name} {now:.0f} (at most {most:.0f})" for name, (now, most) in zip(NAMES, sizes, strict=False)
        )
        over = "" if all(now < MOST_MIB for now, _ in sizes) else f": OVER {MOST_MIB}"
        print(f"memory {when}, MiB: {told}{over}", flush=True)

    def planes(self) -> dict[int, float]:
        """Processor seconds of each data plane: the children that listen on its port."""
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text().split()
        return {int(child): own_cpu_s(int(child)) for child in children[1:]}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        end(self._process)


def measure(
    targets: list[Target], masked: Target, folder: Path, given: argparse.Namespace, *, peers: Sequence[Target]
) -> None:
    def steps(target: Target, **asked: bool) -> dict[str, float]:
        return load(target, folder, **asked, seconds=given.seconds, connections=given.connections)

    for target in (*targets, masked, *peers):
        for stream in (False, True):
            steps(target, stream=stream)  # warm up
    print(
        f"\n{'':16}{'nginx us':>10}{'fairlead us':>12}{'ratio':>7}{'at most':>9}{'req/s':>9}{'p50 ms':>8}{'p99 ms':>8}{'errors':>7}"
    )
    rows = (
        ("plain", {"stream": False}), ("stream", {"stream": True}), ("stream, apart", {"stream": True, "apart": True}),
        ("stream, counted", {"stream": True, "asks": False}),
        ("plain, masked", {"stream": False}), ("stream, masked", {"stream": True}),
        ("plain, all new", {"stream": False, "vary": True}),
    )  # fmt: skip
    for kind, asked in rows:
        chosen = [
            replace(masked, name="fairlead") if "masked" in kind and each.name == "fairlead" else each
            for each in targets
        ]
        chosen += peers if kind in COMPARED else ()
        taken: dict[str, list[dict[str, float]]] = {target.name: [] for target in chosen}
        for _ in range(given.rounds):
            for target in chosen:
                taken[target.name].append(steps(target, **asked))
        tell(kind, taken, LIMITS.get(kind))


def streams(folder: Path, given: argparse.Namespace) -> None:
    """Many streams at once on one data plane: none may fail, and memory is told."""
    with Gateway(folder / "streams") as ours:
        ours.tell_memory("at rest")
        done = load(ours.target, folder, stream=True, seconds=4 * given.seconds, connections=STREAMS)
        print(
            f"{STREAMS} streams at once: {done['errors']:.0f} errors, {done['per_s']:.0f} streams a second", flush=True
        )
        time.sleep(SETTLED_S)
        ours.tell_memory("after them")


def scaling(folder: Path, given: argparse.Namespace) -> None:
    """What two processes could answer: the machine may have no cores to spare for them, so their own seconds are counted.

    The kernel deals connections out to two listeners as it likes, so the busier one has more than half of them; what that
    alone costs is shown, too.
    """
    with (
        Gateway(folder / "one") as one, Gateway(folder / "two", port=OURS + 2, workers=2) as two,
        Nginx(folder / "nginx1", port=NGINX - 1, workers=1) as single, Nginx(folder / "nginx2", port=NGINX - 2, workers=2) as double,
    ):  # fmt: skip
        for name, pair in (("data planes", (one, two)), ("nginx workers", (single, double))):
            rates: list[list[float]] = [[], []]
            shares: list[float] = []
            for _ in range(given.rounds):
                for number, each in enumerate(pair):
                    before = each.planes()
                    done = load(each.target, folder, stream=False, seconds=given.seconds, connections=SCALING)
                    busy = [now - before[pid] for pid, now in each.planes().items()]
                    rates[number].append(done["per_s"] * given.seconds / max(busy))
                shares.append(max(busy) / sum(busy))
            ratios = [b / a for a, b in zip(*rates, strict=True)]
            limit = " (at least 1.7)" if name == "data planes" else " (the machine's own)"
            print(
                f"two {name} answer {statistics.median(ratios):.2f} times as many requests a busy second as one{limit};"
                f" {min(ratios):.2f} to {max(ratios):.2f}; the busier of two had {100 * statistics.median(shares):.0f} % of the work",
                flush=True,
            )


class Nginx:
    """An nginx of so many workers, each with a listener of its own."""

    def __init__(self, folder: Path, *, port: int, workers: int) -> None:
        folder.mkdir(mode=0o755)
        conf = NGINX_CONF.format(folder=folder, mock=MOCK, port=port).replace(
            "worker_processes 1", f"worker_processes {workers}"
        )
        if workers > 1:
            conf = conf.replace(f"listen 127.0.0.1:{port};", f"listen 127.0.0.1:{port} reuseport;")
        (folder / "nginx.conf").write_text(conf)
        self._process = subprocess.Popen([shutil.which("nginx") or "/usr/sbin/nginx", "-c", str(folder / "nginx.conf")])
        self.target = Target("nginx", port, self._process.pid)
        until_answers(port)

    def planes(self) -> dict[int, float]:
        """Processor seconds of each worker."""
        return {pid: own_cpu_s(pid) for pid in tree(self._process.pid)[1:]}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        end(self._process)


MEASURES = ("first byte p50", "first byte p99", "end p50", "end p99")


def shadow(folder: Path, given: argparse.Namespace) -> None:
    """What a shadow of every call costs the caller, held against what differs from round to round without one."""
    with Gateway(folder / "off") as off, Gateway(folder / "on", port=OURS + 2, shadow=True) as on:
        for kind in ("plain", "stream"):
            rounds: dict[str, list[dict[str, float]]] = {"off": [], "on": []}
            for number in range(max(4, given.rounds)):
                for name, each in (("off", off), ("on", on))[:: 1 if number % 2 else -1]:  # each goes first as often
                    rounds[name].append(added(each.target, folder, kind=kind, seconds=4 * given.seconds))
            for what in MEASURES[1::2]:
                without, beside = ([each[what] for each in rounds[name]] for name in ("off", "on"))
                difference = statistics.median(beside) - statistics.median(without)
                noise = max(without) - min(without)
                told = "within noise" if abs(difference) <= noise else "NOT within noise"
                print(
                    f"shadow {kind:8}{what}: off {statistics.median(without):+.2f}, on {statistics.median(beside):+.2f} ms;"
                    f" difference {difference:+.2f} ms, noise of shadow off {noise:.2f} ms over {len(without)} rounds: {told}",
                    flush=True,
                )


def latency(targets: list[Target], folder: Path, given: argparse.Namespace) -> None:
    """Print what is added to requests at a rate that no queue forms at."""
    for kind in ("plain", "stream"):
        taken: dict[str, list[dict[str, float]]] = {target.name: [] for target in targets}
        for _ in range(given.rounds):
            for target in targets:
                taken[target.name].append(added(target, folder, kind=kind, seconds=4 * given.seconds))
        for name, rounds in taken.items():
            told = ", ".join(
                f"{what} {statistics.median(each[what] for each in rounds):+.2f} ({min(each[what] for each in rounds):+.2f}"
                f" to {max(each[what] for each in rounds):+.2f})"
                for what in MEASURES
            )
            asked = sum(int(each["n"]) for each in rounds)
            print(f"added by {name:10}{kind:8}{told} ms, {asked} requests in {len(rounds)} rounds", flush=True)


def added(target: Target, folder: Path, *, kind: str, seconds: int) -> dict[str, float]:
    """What a gateway adds, in milliseconds."""
    (folder / "body").write_bytes(body(stream=kind == "stream"))
    out = subprocess.run(
        [sys.executable, str(HERE / "latency.py"), str(MOCK), str(target.port), str(folder / "body"), str(seconds)],
        env={**os.environ, "KEY": target.fields}, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    told: dict[str, float] = json.loads(out)
    return told


def starts(folder: Path, given: argparse.Namespace) -> None:
    """Seconds from the command to the first answer, in turn with another server."""
    ours, theirs = [], []
    port, _, command = given.beside.partition("=")
    place = folder / "start"
    place.mkdir()
    (place / "fairlead.toml").write_text(
        f'[serve]\nopenai = "mock"\n[serve.upstreams.mock]\nurl = "http://127.0.0.1:{MOCK}/v1"\n'
    )
    environ = {**os.environ, "XDG_RUNTIME_DIR": str(place)}
    serve = [sys.executable, "-m", "fairlead", "serve", "--port", str(OURS), "--admin-port", str(OURS + 1)]
    for _ in range(2 * given.rounds + 1):
        ours.append(_start(serve, OURS, place, environ))
        if command:
            theirs.append(_start(command.split(), int(port), place, environ))
    first, rest = ours[0], statistics.median(ours[1:])
    beside = f", {rest / statistics.median(theirs[1:]):.2f} times as long as the other" if theirs else ""
    print(f"first answer {rest:.2f} s after the start ({first:.2f} s where the ledger is made){beside}")


def _start(command: list[str], port: int, folder: Path, environ: dict[str, str]) -> float:
    began = time.monotonic()
    process = subprocess.Popen(command, cwd=folder, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until_answers(port)
        took = time.monotonic() - began
        time.sleep(1.0)
    finally:
        end(process)
    return took


def tell(kind: str, taken: dict[str, list[dict[str, float]]], limit: float | None) -> None:
    def middle(name: str, field: str) -> float:
        return statistics.median(each[field] for each in taken[name])

    ratio = statistics.median(
        ours["cpu_us"] / theirs["cpu_us"] for ours, theirs in zip(taken["fairlead"], taken["nginx"], strict=True)
    )
    shown = "" if limit is None else f"{limit:.1f}"
    for name in sorted(set(taken) - {"nginx", "fairlead"}):
        times = middle(name, "cpu_us") / middle("fairlead", "cpu_us")
        failed = sum(each["errors"] for each in taken[name])
        print(
            f"{kind:16}{name} takes {middle(name, 'cpu_us'):.0f} us, {times:.1f} times as much, {middle(name, 'per_s'):.0f} req/s,"
            f" {failed:.0f} errors"
        )
    print(
        f"{kind:16}{middle('nginx', 'cpu_us'):10.0f}{middle('fairlead', 'cpu_us'):12.0f}{ratio:7.2f}{shown:>9}"
        f"{middle('fairlead', 'per_s'):9.0f}{middle('fairlead', 'p50_ms'):8.2f}{middle('fairlead', 'p99_ms'):8.2f}"
        f"{sum(each['errors'] for each in taken['fairlead']):7.0f}",
        flush=True,
    )


if __name__ == "__main__":
    main()
