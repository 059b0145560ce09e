"""Clients of other makers through a running gateway: LangChain, LiteLLM, and a coding agent that mends a file."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from clients.conftest import Gateway
from clients.recorded import chat_text
from clients.test_crossing import crossed  # noqa: F401  # the fixture
from clients.upstream import Answer, Asked
from core.wire.translate.conversations import MESSAGES_ANSWER
from machine import ROOT

pytestmark = pytest.mark.journey
CLIENTS = ROOT / ".venv-clients" / "bin"
QUIET = {
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "LANGSMITH_TRACING": "false",
    "MSWEA_CONFIGURED": "true",
    "MSWEA_SILENT_STARTUP": "1",
    "NO_COLOR": "1",
    "COLUMNS": "200",
}
"""Nothing looks for prices, tracing or settings elsewhere."""

STEPS = ("cat sum.py", "sed -i 's/a - b/a + b/' sum.py && python3 sum.py", "echo COMPLETE_TASK_AND_SUBMIT_FINAL_OUTPUT")


@pytest.fixture(autouse=True)
def _clients_are_there() -> None:
    if not (CLIENTS / "python").exists():
        told = "needs .venv-clients, which `make test` sets up (`make .venv-clients/ready` alone does, too)"
        if os.environ.get("CI"):
            pytest.fail(told)
        pytest.skip(told)


def run(*command: str, folder: Path, **more: str) -> str:
    """What a client prints."""
    environment = {**os.environ, **QUIET, "HOME": str(folder), "MSWEA_GLOBAL_CONFIG_DIR": str(folder), **more}
    environment.pop(
        "PYTHONDONTWRITEBYTECODE", None
    )  # they are large: compiled once, they start in a fraction of the time
    done = subprocess.run(
        command,
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    return done.stdout


@pytest.mark.timeout(300)
@pytest.mark.parametrize("script", ["langchain_calls.py", "litellm_calls.py"])
def test_a_client_reads_the_same_with_the_gateway_in_between(script: str, gateway: Gateway, tmp_path: Path) -> None:
    path = Path(__file__).parent / "scripts" / script
    told = run(str(CLIENTS / "python"), str(path), gateway.upstream.url, gateway.url, folder=tmp_path)
    direct, through = json.loads(told.splitlines()[-1])
    assert len(direct) >= 6
    for name, read in direct.items():
        assert _without_ids(through[name]) == _without_ids(read), name


def _without_ids(read: Any) -> Any:
    """A client that makes up an id where there is none makes up another each time."""
    return (
        json.loads(json.dumps(read).replace("\\u00a0", " "))
        if not isinstance(read, dict)
        else {name: _without_ids(value) for name, value in read.items() if name not in {"id", "response_ms"}}
    )


def _step(asked: Asked) -> str:
    """The command of this turn: one more than the assistant has given so far."""
    turns = [turn for turn in asked.json["messages"] if turn["role"] == "assistant"]
    return STEPS[len(turns)]


def as_chat(asked: Asked) -> Answer:
    number = len(asked.json["messages"])
    arguments = json.dumps({"command": _step(asked)})
    call = {"id": f"call_{number}", "type": "function", "function": {"name": "bash", "arguments": arguments}}
    body = chat_text("I go on.")
    body["choices"][0]["message"]["tool_calls"] = [call]
    body["choices"][0]["finish_reason"] = "tool_calls"
    return Answer(body=body)


def as_message(asked: Asked) -> Answer:
    number = len(asked.json["messages"])
    call = {"type": "tool_use", "id": f"toolu_{number}", "name": "bash", "input": {"command": _step(asked)}}
    return Answer(body={**MESSAGES_ANSWER, "content": [{"type": "text", "text": "I go on."}, call]})


@pytest.mark.timeout(300)
@pytest.mark.parametrize("way", ["gateway", "crossed"])
def test_a_coding_agent_mends_a_file(way: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    through: Gateway = request.getfixturevalue(way)
    through.upstream.scripts["/v1/chat/completions"] = as_chat
    through.upstream.scripts["/v1/messages"] = as_message
    (tmp_path / "sum.py").write_text("def add(a, b):\n    return a - b\n\n\nprint(add(20, 22))\n", encoding="utf-8")
    run(
        str(CLIENTS / "mini"), "-m", "openai/gpt-agent", "-t", "add() gives a wrong sum; mend it.", "-y", "-l", "0",
        "--exit-immediately", "--agent-class", "default", "-o", str(tmp_path / "run.json"),
        "-c", "mini.yaml", "-c", "model.cost_tracking=ignore_errors", "-c", f"model.model_kwargs.api_base={through.url}/v1",
        folder=tmp_path, OPENAI_API_KEY="sk-agents-own",
    )  # fmt: skip
    done = subprocess.run([sys.executable, "sum.py"], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout == "42\n"
    asked = through.upstream.taken()
    assert len(asked) == len(STEPS)
    assert {entry.path for entry in asked} == {"/v1/chat/completions" if way == "gateway" else "/v1/messages"}
    assert "42" in json.dumps(asked[-1].json["messages"][-1])
