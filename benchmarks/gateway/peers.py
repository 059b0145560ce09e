"""Other gateways, installed in a folder and started for one run: LiteLLM, TensorZero and Portkey.

    python3 -m venv FOLDER/litellm && FOLDER/litellm/bin/pip install 'litellm[proxy]==1.106.2'
    python3 -m venv FOLDER/tensorzero && FOLDER/tensorzero/bin/pip install tensorzero==2026.6.0
    npm install --prefix FOLDER/portkey @portkey-ai/gateway@1.15.2 @hono/node-server@1.13.5
    python benchmarks/gateway --only cpu --peers FOLDER

Whatever is not installed is left out. Each runs as its makers say it should in earnest, with nothing recorded, so the comparison
favours them: Fairlead records. Portkey's release answers every stream with status 500 unless the server package is held at 1.13.5.
"""

from __future__ import annotations

import os
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

KEY = "sk-of-the-benchmark-0123456789"
LITELLM = """
model_list:
  - model_name: mock
    litellm_params: {{model: openai/mock, api_key: sk-mock, api_base: "{upstream}"}}
general_settings: {{master_key: {key}}}
litellm_settings: {{request_timeout: 600, set_verbose: false, telemetry: false}}
"""
TENSORZERO = """
[gateway]
observability.enabled = false
disable_pseudonymous_usage_analytics = true
[models.mock]
routing = ["mock"]
[models.mock.providers.mock]
type = "openai"
model_name = "mock"
api_base = "{upstream}/"
"""
SERVE_TENSORZERO = """
import sys, time
from tensorzero import _start_http_gateway
gateway = _start_http_gateway(config_file=sys.argv[1], clickhouse_url=None, postgres_url=None, valkey_url=None, async_setup=False)
open(sys.argv[2], "w").write(gateway.base_url)
time.sleep(86400)
"""
"""The wheel carries TensorZero's own HTTP gateway; it chooses its port."""


@dataclass(frozen=True, kw_only=True)
class Peer:
    """How one of them is started and asked."""

    name: str
    port: int
    command: Sequence[str]
    headers: Mapping[str, str] = field(default_factory=dict)
    environ: Mapping[str, str] = field(default_factory=dict)
    path: str = "/v1/chat/completions"
    model: str = "mock"
    told: Path | None = None


def installed(peers: Path, folder: Path, *, upstream: str) -> list[Peer]:
    """Those that `peers` holds, with their settings written to `folder`."""
    litellm, tensorzero = peers / "litellm/bin/litellm", peers / "tensorzero/bin/python"
    portkey = peers / "portkey/node_modules/@portkey-ai/gateway/build/start-server.js"
    (folder / "litellm.yaml").write_text(LITELLM.format(upstream=upstream, key=KEY))
    (folder / "tensorzero.toml").write_text(TENSORZERO.format(upstream=upstream))
    (folder / "serve_tensorzero.py").write_text(SERVE_TENSORZERO)
    told = folder / "tensorzero.url"
    known = {
        litellm: Peer(
            name="LiteLLM", port=19201,
            command=[str(litellm), "--config", str(folder / "litellm.yaml"), "--host", "127.0.0.1", "--port", "19201"],
            headers={"authorization": f"Bearer {KEY}"}, environ={"LITELLM_LOG": "ERROR", "LITELLM_MODE": "PRODUCTION"},
        ),
        tensorzero: Peer(
            name="TensorZero", port=0,
            command=[str(tensorzero), str(folder / "serve_tensorzero.py"), str(folder / "tensorzero.toml"), str(told)],
            environ={"OPENAI_API_KEY": "sk-mock"}, path="/openai/v1/chat/completions",
            model="tensorzero::model_name::mock", told=told,
        ),
        portkey: Peer(
            name="Portkey", port=19203, command=["node", str(portkey), "--port=19203", "--headless"],
            headers={"authorization": "Bearer sk-mock", "x-portkey-provider": "openai", "x-portkey-custom-host": upstream},
            environ={"TRUSTED_CUSTOM_HOSTS": "127.0.0.1,localhost", "NODE_ENV": "production"},
        ),
    }  # fmt: skip
    return [peer for path, peer in known.items() if path.exists()]


def started(peer: Peer, folder: Path, *, asked: bytes) -> tuple[subprocess.Popen[bytes], int]:
    """Start a peer and come back with its process and port when it answers."""
    with (folder / f"{peer.name}.log").open("wb") as log:
        process = subprocess.Popen(
            list(peer.command), cwd=folder, env={**os.environ, **peer.environ}, stdout=log, stderr=subprocess.STDOUT
        )
    began = time.monotonic()
    while time.monotonic() - began < 180 and process.poll() is None:
        port = peer.port or _port_in(peer.told)
        if port and _answers(peer, port, asked):
            return process, port
        time.sleep(0.1)
    process.kill()
    raise SystemExit(f"{peer.name} does not answer:\n{(folder / f'{peer.name}.log').read_text()[-2000:]}")


def _port_in(told: Path | None) -> int:
    if told is None or not told.exists():
        return 0
    return urlsplit(told.read_text().strip()).port or 0


def _answers(peer: Peer, port: int, asked: bytes) -> bool:
    fields = {"content-type": "application/json", **peer.headers}
    try:
        with urllib.request.urlopen(
            urllib.request.Request(f"http://127.0.0.1:{port}{peer.path}", asked, fields), timeout=20
        ) as answer:
            return b"delivery" in answer.read().lower()
    except (OSError, urllib.error.HTTPError):
        return False
