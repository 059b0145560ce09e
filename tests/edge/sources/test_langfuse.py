"""Langfuse exports. What is expected was read off the recorded files by hand."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime

import pytest

from fairlead.core.nouns import Dialect, FailureKind, Fidelity, ToolCall, Usage


def told(exchange):
    return [(turn.role, [part.kind.value for part in turn.parts]) for turn in exchange.request.messages]


def test_agno_records_each_call_twice_and_counts_once(logs, scan):
    first, second = scan(logs / "langfuse" / "agno-2025-06-11.json").exchanges
    query = {"query": "currently trending on Twitter"}
    assert first.answer.tool_calls == (
        ToolCall(name="duckduckgo_search", arguments=query, call_id="call_VybxG748CQId8Xxo6wb2pWy1"),
    )
    assert (first.usage.input, first.usage.output) == (163, 20)
    assert (second.usage.input, second.usage.output) == (663, 225), "the outer recording says 1568 and 423: twice"
    assert second.answer.text.startswith("To find out what's currently trending")
    assert {e.request.model for e in (first, second)} == {"gpt-4o-mini"}
    assert first.answer.model == "gpt-4o-mini-2024-07-18"
    assert first.request.system.startswith("<additional_information>")
    assert first.request.messages[0].text == "What is currently trending on Twitter?"
    assert first.fidelity == (Fidelity.RECONSTRUCTED, Fidelity.TOOLS_MISSING)
    assert first.latency_s == 0.96
    assert first.conversation == second.conversation == "35cc6c90-b657-4819-b66c-c931c03ad569"


def test_autogen_flattens_the_prompt_to_one_text(logs, scan):
    (only,) = scan(logs / "langfuse" / "autogen-2025-06-06.json").exchanges
    assert only.request.system.endswith("Reply with TERMINATE when the task has been completed.")
    assert only.request.messages[0].text == "Say 'Hello World!'"
    assert only.answer.text == "Hello World!"
    assert only.usage == Usage(fresh=41, visible=3)
    assert (only.conversation, only.user) == ("session_abc", "user_123")
    assert only.fidelity == (Fidelity.RECONSTRUCTED,)
    assert only.request.parameters["temperature"] == 1
    assert "max_tokens" not in only.request.parameters, "it says -1: not set"


def test_beeai_records_input_without_answers_and_events_without_anything(logs, scan):
    result = scan(logs / "langfuse" / "beeai-2025-08-01.json")
    assert [e.usage for e in result.exchanges] == [Usage(fresh=1195), Usage(fresh=1988), Usage(fresh=2359)]
    assert [e.answer.failure.kind for e in result.exchanges if e.answer.failure] == [FailureKind.NOT_RECORDED] * 3
    assert [e.latency_s for e in result.exchanges] == [17.163, 13.859, 7.445]
    assert [e.step for e in result.exchanges] == [1, 2, 3]
    assert all(e.request.system.startswith("# Available functions") for e in result.exchanges)
    assert [e.request.parameters for e in result.exchanges] == [{"temperature": 0.7}] * 3
    assert sorted(result.reasons) == [
        "observation b7b9a79830fe5c6b holds no input, output or usage",
        "observation f50f7bbf13112df9 holds no input, output or usage",
    ]


def test_google_adk_keeps_geminis_own_bodies(logs, scan):
    first, second = scan(logs / "langfuse" / "google-adk-2025-08-28.json").exchanges
    assert first.request.system.startswith("Always greet using the say_hello tool.")
    assert [tool.name for tool in first.request.tools] == ["say_hello"]
    assert first.answer.tool_calls[0].name == "say_hello"
    assert first.usage == Usage(fresh=28, visible=3)
    assert told(second) == [("user", ["text"]), ("assistant", ["tool_call"]), ("tool", ["tool_result"])]
    assert second.answer.text == "Hello Langfuse 👋!\n"
    assert second.usage == Usage(fresh=39, visible=6)
    assert {e.request.model for e in (first, second)} == {"gemini-2.0-flash"}
    assert (first.user, first.conversation) == ("demo-user", "demo-session")


def test_langchain_puts_tool_definitions_among_the_messages(logs, scan):
    (only,) = scan(logs / "langfuse" / "google-vertex-tools-langchain-2025-09-19.json").exchanges
    assert [tool.name for tool in only.request.tools] == [
        "transition_to_service_a",
        "transition_to_service_b",
        "transition_to_service_c",
        "get_customer_info",
        "escalate_to_human",
    ]
    assert [turn.role for turn in only.request.messages] == ["user", "assistant", "user"]
    assert "external source" in only.request.system, "both system messages lead"
    assert only.answer.text == "Thank you, John Smith. Which of our services are you interested in?"
    assert only.answer.finish == "STOP"
    assert only.usage == Usage(fresh=1200, cache_read=0, visible=15, reasoning=0)
    assert only.latency_s == 1.874, "this one is in seconds, the others in milliseconds"
    assert only.conversation == "test-conversation-001"
    assert only.request.parameters == {"temperature": 0, "top_p": 0.95, "max_tokens": 8192}


def test_llamaindex_keeps_the_prompt_as_arguments(logs, scan):
    (only,) = scan(logs / "langfuse" / "llamaindex-2025-06-05.json").exchanges
    assert [turn.text for turn in only.request.messages] == ["What is Langfuse?"]
    assert only.answer.text.startswith("Langfuse is a tool designed")
    assert only.usage == Usage(fresh=13, cache_read=0, visible=81, reasoning=0)
    assert only.provider == "openai"


def test_microsoft_agents_write_parts_and_leave_history_in_a_thread(logs, scan):
    first, second = scan(logs / "langfuse" / "microsoft-agent-2025-10-14.json").exchanges
    assert [tool.name for tool in first.request.tools] == ["get_weather"]
    assert first.answer.tool_calls[0].arguments == {"location": "Portland"}
    assert (first.usage.fresh, first.usage.visible) == (25, 70)
    assert told(second) == [("assistant", ["tool_call"]), ("tool", ["tool_result"])]
    assert second.fidelity == (Fidelity.TRUNCATED,)
    assert first.fidelity == ()
    assert (second.usage.fresh, second.usage.visible) == (631, 35)
    assert [e.latency_s for e in (first, second)] == [5.984, 6.459]
    assert first.conversation == second.conversation == "thread_G78qCSLpzn0YQwFwrvK5OivI"


def test_openai_assistants_know_no_end(logs, scan):
    (only,) = scan(logs / "langfuse" / "openai-assistants-2024-05-29.json").exchanges
    assert only.request.model == "gpt-4"
    assert only.usage == Usage(fresh=49, visible=40)
    assert only.latency_s is None
    assert [turn.role for turn in only.request.messages] == ["assistant", "user"]
    assert only.answer.text.endswith("The solution is `x = 1`.")
    assert only.started_at == datetime(2024, 5, 29, 13, 46, 19, 963000, tzinfo=UTC)


def test_reading_a_download_twice_adds_nothing(logs, scan):
    path = logs / "langfuse" / "google-adk-2025-08-28.json"
    twice = scan(path, path)
    assert len({e.row_hash for e in twice.exchanges}) == 2


OBSERVATION = {
    "id": "o1",
    "traceId": "t1",
    "type": "GENERATION",
    "startTime": "2026-03-01T12:00:00.000Z",
    "completionStartTime": "2026-03-01T12:00:00.500Z",
    "endTime": "2026-03-01T12:00:02.000Z",
    "model": "gpt-4o",
    "modelParameters": {"temperature": 0.5},
    "input": [{"role": "user", "content": "Hi"}],
    "output": {"role": "assistant", "content": "Hello"},
    "usageDetails": {"input": 40, "input_cache_read": 60, "output": 5, "output_reasoning": 7, "total": 112},
}


def snake(row):
    return {"".join("_" + c.lower() if c.isupper() else c for c in name): value for name, value in row.items()}


@pytest.mark.parametrize("spelling", [dict, snake])
def test_the_batch_export_gives_one_observation_a_line(scan_rows, spelling):
    (only,) = scan_rows(spelling(OBSERVATION), spelling({**OBSERVATION, "id": "s", "type": "SPAN"})).exchanges
    assert only.answer.text == "Hello"
    assert only.usage == Usage(fresh=40, cache_read=60, visible=5, reasoning=7)
    assert (only.latency_s, only.first_token_s) == (2.0, 0.5)
    assert only.request.parameters == {"temperature": 0.5}


def test_the_batch_export_as_a_json_list_is_the_same(scan_rows):
    listed = scan_rows([OBSERVATION, {**OBSERVATION, "id": "o2"}], document=True).exchanges
    lines = scan_rows(OBSERVATION, {**OBSERVATION, "id": "o2"}).exchanges
    assert [e.row_hash for e in listed] == [e.row_hash for e in lines]
    assert [e.id for e in listed] == ["o1", "o2"]


def test_the_batch_export_as_a_table_holds_json_in_its_cells(scan_rows):
    file = io.StringIO()
    row = snake(OBSERVATION)
    writer = csv.writer(file)
    writer.writerow(row)
    cells = [value if isinstance(value, str) else json.dumps(value) for value in row.values()]
    writer.writerow([cells[0], *cells[1:]])
    writer.writerow(["o2", *cells[1:8], json.dumps([{"role": "user", "content": 'two\nlines, "quoted"'}]), *cells[9:]])
    first, second = scan_rows(file.getvalue(), name="export.csv").exchanges
    assert first.answer.text == "Hello"
    assert first.usage == Usage(fresh=40, cache_read=60, visible=5, reasoning=7)
    assert second.request.messages[0].text == 'two\nlines, "quoted"'


def test_an_observation_that_failed_is_a_failure(scan_rows):
    broken = {**OBSERVATION, "level": "ERROR", "statusMessage": "429 Too Many Requests", "output": None}
    (only,) = scan_rows(broken).exchanges
    assert only.answer.failure is not None
    assert only.answer.failure.detail == "429 Too Many Requests"


def test_embeddings_are_embeddings(scan_rows):
    (only,) = scan_rows({**OBSERVATION, "type": "EMBEDDING", "input": ["a", "b"], "output": None}).exchanges
    assert only.dialect is Dialect.OPENAI_EMBEDDINGS
    assert only.request.inputs == ("a", "b")


def test_an_observation_without_a_prompt_still_costs(scan_rows):
    (only,) = scan_rows({**OBSERVATION, "input": None}).exchanges
    assert only.fidelity == (Fidelity.PROMPT_ABSENT,)
    assert only.request.model == "gpt-4o"
    assert only.usage.fresh == 40


def test_a_trace_alone_is_told_to_be_the_wrong_export(scan_rows):
    result = scan_rows({"id": "t", "timestamp": "2026-03-01", "bookmarked": False, "userId": "u", "input": "x"})
    assert result.reasons == ["a Langfuse trace without its observations; export the observations"]


def test_an_agent_recorded_as_a_generation_is_not_counted_beside_its_calls(scan_rows):
    agent = {**OBSERVATION, "id": "agent"}
    calls = [{**OBSERVATION, "id": f"c{i}", "parentObservationId": "agent"} for i in range(2)]
    found = scan_rows({"trace": {"id": "t1"}, "observations": [agent, *calls]}).exchanges
    assert [e.id for e in found] == ["c0", "c1"]
