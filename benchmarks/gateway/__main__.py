"""What the gateway costs: processor time of its whole process tree for each request, beside nginx in the same run.

    python benchmarks/gateway                    # needs nginx and wrk (Debian: nginx-light, wrk)
    python benchmarks/gateway --rounds 5 --also litellm=4000:12345

Everything is on that is on in earnest: recording into a ledger, secrets redaction, a Fairlead key. Ratios are what matters;
the machine decides the rest. `--also NAME=PORT:PID` measures another gateway in the same run, one that you started with
`http://127.0.0.1:19100/v1` as its upstream (the upstream is started here).
"""

from __future__ import annotations

import argparse
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
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
TICK = os.sysconf("SC_CLK_TCK")
LIMITS = {"plain": 6.5, "stream": 4.4}
MOCK, NGINX, OURS, ADMIN = 19100, 19098, 19080, 19081

TOOL = {
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


def body(*, stream: bool, variant: str = "") -> bytes:
    """A request of about 1.2 KB with a tool, like a small extraction job."""
    system = "You read delivery notes and file their fields. Leave out what is not there, never guess. " * 5 + variant
    user = "Note 7741\nHarbour Street Bakery\nReceived: 3 June\nCrates: 12, damaged: 2\nCredit: 38.20\n" * 3
    turns = [{"role": "system", "content": system}, {"role": "user", "content": user}]
    return json.dumps(
        {"model": "mock", "messages": turns, "tools": [TOOL], "temperature": 0, "stream": stream}
    ).encode()


@dataclass
class Target:
    name: str
    port: int
    pid: int
    fields: str = ""


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
    total = 0
    for each in tree(pid):
        try:
            stat = Path(f"/proc/{each}/stat").read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        total += int(stat[11]) + int(stat[12])
    return total / TICK


def rss_mib(pid: int) -> list[float]:
    sizes = []
    for each in tree(pid):
        found = re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{each}/status").read_text())
        sizes.append(int(found[1]) / 1024 if found else 0.0)
    return sizes


LUA = """
local file = io.open(os.getenv("BODY"), "rb"); wrk.body = file:read("*a"); file:close()
wrk.method = "POST"; wrk.headers["content-type"] = "application/json"
local key = os.getenv("KEY"); if key and key ~= "" then wrk.headers["authorization"] = "Bearer " .. key end
if os.getenv("VARY") == "1" then
  local count = 0
  request = function()
    count = count + 1
    return wrk.format(nil, nil, nil, (wrk.body:gsub("VARIANT", string.format("%012d of the %d", count * 7919, count))))
  end
end
done = function(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format("RESULT %d %d %d %f %f\\n", summary.requests, summary.duration,
    errors.status + errors.connect + errors.read + errors.timeout, latency:percentile(50), latency:percentile(99)))
end
"""


def load(
    target: Target, folder: Path, *, stream: bool, seconds: int, connections: int, vary: bool = False
) -> dict[str, float]:
    """Load a target as fast as it goes; what one request cost it."""
    (folder / "body").write_bytes(body(stream=stream, variant="VARIANT" if vary else ""))
    (folder / "post.lua").write_text(LUA)
    before = cpu_s(target.pid)
    out = subprocess.run(
        ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "30s", "-s", str(folder / "post.lua"),
         f"http://127.0.0.1:{target.port}/v1/chat/completions"],
        env={**os.environ, "BODY": str(folder / "body"), "KEY": target.fields, "VARY": "1" if vary else "0"},
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    time.sleep(1.0)  # what was recorded is written
    count, micros, errors, p50, p99 = (float(word) for word in re.findall(r"RESULT (.*)", out)[0].split())
    return {
        "per_s": count / micros * 1e6, "cpu_us": (cpu_s(target.pid) - before) / max(count, 1) * 1e6, "errors": errors,
        "p50_ms": p50 / 1e3, "p99_ms": p99 / 1e3,
    }  # fmt: skip


def until_answers(port: int, key: str = "", *, within_s: float = 60.0) -> float:
    """Seconds until a first request is answered."""
    began = time.monotonic()
    headers = {"content-type": "application/json", **({"authorization": f"Bearer {key}"} if key else {})}
    while time.monotonic() - began < within_s:
        try:
            asked = urllib.request.Request(f"http://127.0.0.1:{port}/v1/chat/completions", body(stream=False), headers)
            with urllib.request.urlopen(asked, timeout=5) as answer:
                answer.read()
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
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--also", action="append", default=[], metavar="NAME=PORT:PID")
    given = parser.parse_args()
    for needed in ("nginx", "wrk"):
        if shutil.which(needed) is None and not Path(f"/usr/sbin/{needed}").exists():
            raise SystemExit(f"{needed} is needed (Debian: apt-get install nginx-light wrk)")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        run(Path(name), given)


def run(folder: Path, given: argparse.Namespace) -> None:
    folder.chmod(0o755)
    processes: list[subprocess.Popen[bytes]] = []
    environ = {**os.environ, "XDG_RUNTIME_DIR": str(folder), "MOCK_KEY": "sk-mock-of-the-benchmark"}
    fairlead = [sys.executable, "-m", "fairlead"]
    try:
        processes.append(subprocess.Popen([sys.executable, str(HERE / "mock.py"), str(MOCK)]))
        (folder / "nginx.conf").write_text(NGINX_CONF.format(folder=folder, mock=MOCK, port=NGINX))
        processes.append(
            subprocess.Popen([shutil.which("nginx") or "/usr/sbin/nginx", "-c", str(folder / "nginx.conf")])
        )
        until_answers(NGINX)
        (folder / "fairlead.toml").write_text(
            f'[serve]\nopenai = "mock"\n[serve.upstreams.mock]\nurl = "http://127.0.0.1:{MOCK}/v1"\nkey_env = "MOCK_KEY"\n'
        )
        key = made_key(fairlead, folder, environ)
        began = time.monotonic()
        processes.append(
            subprocess.Popen(
                [*fairlead, "serve", "--port", str(OURS), "--admin-port", str(ADMIN), "--workers", str(given.workers)],
                cwd=folder,
                env=environ,
                stdout=subprocess.DEVNULL,
            )
        )
        until_answers(OURS)
        print(f"first answer to a caller's own key after {time.monotonic() - began:.2f} s", end="; ", flush=True)
        if key:
            until_answers(OURS, key)
            print(f"to a Fairlead key after {time.monotonic() - began:.2f} s")
        targets = [
            Target("nginx", NGINX, processes[1].pid),
            Target("fairlead", OURS, processes[2].pid, key),
        ]
        for each in given.also:
            name, _, where = each.partition("=")
            port, _, pid = where.partition(":")
            targets.append(Target(name, int(port), int(pid)))
        measure(targets, folder, given)
        print("memory now, MiB a process:", ", ".join(f"{size:.0f}" for size in rss_mib(processes[2].pid)))
    finally:
        for process in reversed(processes):
            process.send_signal(signal.SIGTERM)
        for process in processes:
            try:
                process.wait(timeout=40)
            except subprocess.TimeoutExpired:
                process.kill()


def made_key(fairlead: list[str], folder: Path, environ: dict[str, str]) -> str:
    """A Fairlead key for the benchmark; empty where none could be made."""
    done = subprocess.run(
        [*fairlead, "key", "create", "bench", "--json"],
        cwd=folder,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )
    found = re.search(r"fl-[A-Za-z0-9_-]{40,}", done.stdout)
    if found is None:
        print("no key was made, so requests come with a key of their own:", done.stderr.strip()[:200])
    return found[0] if found else ""


def measure(targets: list[Target], folder: Path, given: argparse.Namespace) -> None:
    rows: list[tuple[str, Callable[[Target], dict[str, float]]]] = [
        (kind, lambda target, kind=kind: load(  # type: ignore[misc]
            target, folder, stream=kind == "stream", seconds=given.seconds, connections=given.connections))
        for kind in ("plain", "stream")
    ]  # fmt: skip
    for target in targets:
        for _, step in rows:
            step(target)  # warm up
    print(
        f"\n{'':16}{'nginx us':>10}{'fairlead us':>12}{'ratio':>7}{'at most':>9}{'req/s':>9}{'p50 ms':>8}{'p99 ms':>8}{'errors':>7}"
    )
    for kind, step in rows:
        taken: dict[str, list[dict[str, float]]] = {target.name: [] for target in targets}
        for _ in range(given.rounds):
            for target in targets:
                taken[target.name].append(step(target))
        tell(kind, taken, LIMITS.get(kind))
    varied: dict[str, list[dict[str, float]]] = {target.name: [] for target in targets}
    for _ in range(given.rounds):
        for target in targets:
            varied[target.name].append(
                load(target, folder, stream=False, seconds=given.seconds, connections=given.connections, vary=True)
            )
    tell("plain, all new", varied, None)


def tell(kind: str, taken: dict[str, list[dict[str, float]]], limit: float | None) -> None:
    def middle(name: str, field: str) -> float:
        return statistics.median(each[field] for each in taken[name])

    ratio = statistics.median(
        ours["cpu_us"] / theirs["cpu_us"] for ours, theirs in zip(taken["fairlead"], taken["nginx"], strict=True)
    )
    shown = "" if limit is None else f"{limit:.1f}"
    for name in set(taken) - {"nginx", "fairlead"}:
        times = middle(name, "cpu_us") / middle("fairlead", "cpu_us")
        print(
            f"{kind:16}{name} takes {middle(name, 'cpu_us'):.0f} us, {times:.1f} times as much, {middle(name, 'per_s'):.0f} req/s"
        )
    print(
        f"{kind:16}{middle('nginx', 'cpu_us'):10.0f}{middle('fairlead', 'cpu_us'):12.0f}{ratio:7.2f}{shown:>9}"
        f"{middle('fairlead', 'per_s'):9.0f}{middle('fairlead', 'p50_ms'):8.2f}{middle('fairlead', 'p99_ms'):8.2f}"
        f"{sum(each['errors'] for each in taken['fairlead']):7.0f}",
        flush=True,
    )


if __name__ == "__main__":
    main()
