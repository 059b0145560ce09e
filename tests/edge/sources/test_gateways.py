"""Exports of LiteLLM, Helicone and Portkey, built from their documented fields."""

from __future__ import annotations

import csv
import io
import json

import pytest

from fairlead.core.nouns import Dialect, FailureKind, Fidelity, Usage

MESSAGES = [{"role": "user", "content": "Hi"}]
COMPLETION = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "model": "gpt-4o-2024-08-06",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello"}, "finish_reason": "stop"}],
    "usage": {
        "prompt_tokens": 9,
        "completion_tokens": 2,
        "total_tokens": 11,
        "prompt_tokens_details": {"cached_tokens": 4},
    },
}
PAYLOAD = {
    "id": "req-1",
    "trace_id": "trace-1",
    "call_type": "acompletion",
    "cache_hit": False,
    "stream": True,
    "status": "success",
    "custom_llm_provider": "openai",
    "startTime": 1772366400.0,
    "completionStartTime": 1772366400.25,
    "endTime": 1772366402.0,
    "response_time": 2.0,
    "model": "gpt-4o",
    "metadata": {"user_api_key_team_alias": "billing", "user_api_key_user_id": "u-1"},
    "response_cost": 0.1,
    "prompt_tokens": 9,
    "completion_tokens": 2,
    "total_tokens": 11,
    "request_tags": ["a"],
    "end_user": "",
    "messages": MESSAGES,
    "response": COMPLETION,
    "model_parameters": {"temperature": 0.5, "tools": [{"type": "function", "function": {"name": "f"}}]},
    "hidden_params": {},
}
SPEND = {
    "request_id": "req-1",
    "session_id": "s-1",
    "call_type": "acompletion",
    "api_key": "hash",
    "cache_hit": "None",
    "startTime": "2026-03-01 12:00:00.000",
    "endTime": "2026-03-01 12:00:02.500",
    "model": "gpt-4o",
    "user": "u-1",
    "spend": 0.1,
    "metadata": json.dumps({"usage_object": {"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11}}),
    "prompt_tokens": 90,
    "completion_tokens": 20,
    "total_tokens": 110,
    "request_tags": '["a"]',
    "end_user": "",
    "custom_llm_provider": "openai",
    "messages": "{}",
    "response": "{}",
    "status": "success",
}
HELICONE = {
    "response_id": "res-1",
    "response_created_at": "2026-03-01T12:00:02Z",
    "response_status": 200,
    "request_created_at": "2026-03-01T12:00:00Z",
    "request_body": {"model": "gpt-4o", "messages": MESSAGES},
    "response_body": COMPLETION,
    "request_properties": {"Helicone-Session-Id": "s-1", "app": "x"},
    "request_user_id": "u-1",
    "model": "gpt-4o-2024-08-06",
    "prompt_tokens": 9,
    "completion_tokens": 2,
    "latency": 1500,
    "cost": 0.1,
}
PORTKEY = {
    "created_at": "2026-03-01T12:00:00Z",
    "request.body": {"model": "gpt-4o", "messages": MESSAGES},
    "response.body": COMPLETION,
    "is_success": True,
    "ai_org": "openai",
    "ai_model": "gpt-4o",
    "req_units": 9,
    "res_units": 2,
    "total_units": 11,
    "cost": 0.1,
    "response_status_code": 200,
    "response_time": 1500,
    "cache_status": "MISS",
    "trace_id": "t-1",
}


def test_a_litellm_payload_is_read_with_its_times_and_settings(scan_rows):
    (only,) = scan_rows(PAYLOAD).exchanges
    assert only.request.messages[0].text == "Hi"
    assert only.request.parameters == {"temperature": 0.5}
    assert [tool.name for tool in only.request.tools] == ["f"]
    assert only.answer.text == "Hello"
    assert only.usage == Usage(fresh=5, cache_read=4, visible=2)
    assert (only.latency_s, only.first_token_s) == (2.0, 0.25)
    assert (only.provider, only.conversation, only.user) == ("openai", "trace-1", "u-1")
    assert only.metadata == {"team": "billing", "tags": ["a"]}


def test_a_redacted_litellm_prompt_is_absent_and_still_costs(scan_rows):
    hidden = {**PAYLOAD, "messages": [{"role": "user", "content": "redacted-by-litellm"}]}
    (only,) = scan_rows({**hidden, "response": {"text": "redacted-by-litellm"}}).exchanges
    assert only.fidelity == (Fidelity.PROMPT_ABSENT,)
    assert only.usage == Usage(fresh=9, visible=2)


def test_a_failed_litellm_call_is_a_failure(scan_rows):
    about = {"error_code": "429", "error_message": "slow down", "error_class": "RateLimitError"}
    (only,) = scan_rows({**PAYLOAD, "status": "failure", "response": {}, "error_information": about}).exchanges
    assert only.answer.failure is not None
    assert (only.answer.failure.kind, only.answer.failure.status) == (FailureKind.SERVER_ERROR, 429)


def test_a_litellm_embedding_is_one(scan_rows):
    vectors = {
        "object": "list",
        "data": [{"embedding": [0.1], "index": 0}],
        "usage": {"prompt_tokens": 3, "total_tokens": 3},
    }
    (only,) = scan_rows({**PAYLOAD, "call_type": "aembedding", "messages": ["a"], "response": vectors}).exchanges
    assert only.dialect is Dialect.OPENAI_EMBEDDINGS
    assert only.request.inputs == ("a",)
    assert only.answer.embeddings == 1


def test_spend_logs_without_prompts_are_counted_by_their_usage_object(scan_rows):
    (only,) = scan_rows(SPEND).exchanges
    assert only.fidelity == (Fidelity.PROMPT_ABSENT,)
    assert only.usage == Usage(fresh=9, visible=2), "the columns count what the cache answered too"
    assert only.latency_s == 2.5
    assert (only.request.model, only.conversation, only.user) == ("gpt-4o", "s-1", "u-1")


def test_spend_logs_that_store_prompts_are_whole(scan_rows):
    body = {"model": "alias", "messages": MESSAGES, "temperature": 0.5}
    for kept in (
        {"messages": json.dumps(MESSAGES)},
        {"proxy_server_request": json.dumps(body)},
        {"proxy_server_request": {"url": "x", "body": body}},
    ):
        (only,) = scan_rows({**SPEND, **kept, "response": json.dumps(COMPLETION)}).exchanges
        assert only.request.messages[0].text == "Hi"
        assert only.request.model == "gpt-4o"
        assert only.answer.text == "Hello"


def test_a_prompt_that_litellm_cut_is_flagged(scan_rows):
    cut = json.dumps([{"role": "user", "content": "Hi ... (litellm_truncated 900 chars)"}])
    (only,) = scan_rows({**SPEND, "messages": cut}).exchanges
    assert only.fidelity == (Fidelity.TRUNCATED,)


def table(*rows):
    file = io.StringIO()
    writer = csv.writer(file)
    writer.writerow(rows[0])
    for row in rows:
        writer.writerow([value if isinstance(value, str) else json.dumps(value) for value in row.values()])
    return file.getvalue()


@pytest.mark.parametrize("as_table", [False, True])
def test_helicone_exports_are_read_as_lines_and_as_a_table(scan_rows, as_table):
    (only,) = (scan_rows(table(HELICONE), name="a.csv") if as_table else scan_rows(HELICONE)).exchanges
    assert only.request.messages[0].text == "Hi"
    assert only.answer.text == "Hello"
    assert only.usage == Usage(fresh=5, cache_read=4, visible=2)
    assert only.latency_s == 1.5
    assert (only.conversation, only.user, only.metadata["app"]) == ("s-1", "u-1", "x")


def test_helicone_rows_without_bodies_still_cost(scan_rows):
    bare = {name: value for name, value in HELICONE.items() if not name.endswith("_body")}
    (only,) = scan_rows(bare).exchanges
    assert only.fidelity == (Fidelity.PROMPT_ABSENT,)
    assert only.usage == Usage(fresh=9, visible=2)
    assert only.request.model == "gpt-4o-2024-08-06"


def test_a_status_of_an_error_without_a_body_is_a_failure(scan_rows):
    (only,) = scan_rows({**HELICONE, "response_status": 503, "response_body": None}).exchanges
    assert only.answer.failure is not None
    assert only.answer.failure.kind is FailureKind.SERVER_ERROR


@pytest.mark.parametrize("nested", [False, True])
def test_portkey_exports_are_read(scan_rows, nested):
    row = dict(PORTKEY)
    if nested:
        row |= {"request": {"body": row.pop("request.body")}, "response": {"body": row.pop("response.body")}}
    (only,) = scan_rows(row).exchanges
    assert only.request.messages[0].text == "Hi"
    assert only.answer.text == "Hello"
    assert (only.latency_s, only.provider, only.conversation) == (1.5, "openai", "t-1")
    assert only.user is None


def test_portkey_labels_a_failure_and_an_answer_from_its_cache_are_read(scan_rows):
    said = {"metadata.key": ["_user", "app"], "metadata.value": ["u-1", "x"]}
    told, failed, cached = scan_rows(
        {**PORTKEY, **said, "response_time": "1500.5"},
        {**PORTKEY, "response.body": None, "response_status_code": None, "is_success": False, "trace_id": "t-2"},
        {**PORTKEY, "cache_status": "HIT", "cost": 0},
    ).exchanges
    assert (told.user, told.metadata["app"], told.latency_s) == ("u-1", "x", 1.5005)
    assert failed.answer.failure is not None
    assert failed.answer.failure.kind is FailureKind.SERVER_ERROR
    assert cached.usage == Usage(fresh=0, visible=0)
    assert cached.answer.text == "Hello"


def test_what_litellm_answered_from_its_own_cache_is_billed_nothing(scan_rows):
    payload = {**PAYLOAD, "cache_hit": True, "response_cost": 0.0}
    spend = {**SPEND, "cache_hit": "True", "spend": "0.0"}
    (hit,), (logged,), (paid,) = (scan_rows(row).exchanges for row in (payload, spend, {**spend, "spend": 0.1}))
    assert hit.usage == logged.usage == Usage(fresh=0, visible=0)
    assert paid.usage == Usage(fresh=9, visible=2)


def test_an_answer_from_a_cache_whose_cost_is_not_told_is_not_taken_for_free(scan_rows):
    payload, portkey = {**PAYLOAD, "cache_hit": True}, {**PORTKEY, "cache_status": "HIT"}
    payload.pop("response_cost", None)
    portkey.pop("cost", None)
    for row in (payload, portkey):
        (only,) = scan_rows(row).exchanges
        assert only.usage.visible


@pytest.mark.parametrize(
    ("told", "kind"),
    [
        ({"error_code": "408", "error_message": "slow"}, FailureKind.TIMEOUT),
        ({"error_code": "", "error_class": "Timeout", "error_message": "slow"}, FailureKind.TIMEOUT),
        ({"error_code": "400", "error_message": "slow"}, FailureKind.REFUSED_REQUEST),
        ({"error_code": "429", "error_message": "slow"}, FailureKind.SERVER_ERROR),
    ],
)
def test_a_failure_that_litellm_tells_is_of_its_kind(scan_rows, told, kind):
    (only,) = scan_rows({**PAYLOAD, "status": "failure", "response": None, "error_information": told}).exchanges
    assert only.answer.failure is not None
    assert (only.answer.failure.kind, only.answer.failure.detail) == (kind, "slow")


def test_litellm_writes_of_a_cache_are_within_its_total_under_either_name(scan_rows):
    usage = {"prompt_tokens": 100, "completion_tokens": 5, "prompt_tokens_details": {"cached_tokens": 30}}
    older = {**usage, "cache_creation_input_tokens": 20, "cache_read_input_tokens": 30}
    newer = {**usage, "prompt_tokens_details": {"cached_tokens": 30, "cache_creation_tokens": 20}}
    for counted in (older, newer):
        (only,) = scan_rows({**PAYLOAD, "response": {**COMPLETION, "usage": counted}}).exchanges
        assert only.usage == Usage(fresh=50, cache_read=30, cache_write_5m=20, visible=5)


def test_a_litellm_call_of_the_responses_api_keeps_its_items(scan_rows):
    items = [
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hi"}]},
        {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c1", "output": "14"},
    ]
    (only,) = scan_rows({**PAYLOAD, "call_type": "aresponses", "messages": items}).exchanges
    assert [turn.role for turn in only.request.messages] == ["user", "assistant", "tool"]


def test_the_first_token_of_a_spend_log_is_told_where_it_came_before_the_last(scan_rows):
    streamed, whole = scan_rows(
        {**SPEND, "completionStartTime": "2026-03-01 12:00:00.500"},
        {**SPEND, "request_id": "req-2", "completionStartTime": "2026-03-01 12:00:02.500"},
    ).exchanges
    assert (streamed.first_token_s, whole.first_token_s) == (0.5, None)


def test_an_answer_that_litellm_shortened_is_flagged(scan_rows):
    short = {**COMPLETION, "choices": [{"message": {"content": "He... (litellm_truncated 90 chars)"}}]}
    (only,) = scan_rows({**PAYLOAD, "response": short}).exchanges
    assert only.fidelity == (Fidelity.TRUNCATED,)


def test_helicone_tells_cached_tokens_beside_the_others(scan_rows):
    bare = {key: value for key, value in HELICONE.items() if key != "response_body"}
    (only,) = scan_rows(
        {**bare, "prompt_cache_read_tokens": 60, "prompt_cache_write_tokens": "8", "latency": 0.5}
    ).exchanges
    assert only.usage == Usage(fresh=9, cache_read=60, cache_write_5m=8, visible=2)
    assert only.latency_s == 0.0005


def test_what_helicone_answered_from_its_cache_is_billed_nothing(scan_rows):
    """Helicone/helicone LoggingHandler.ts: such a row names the request answered before, and its counts are zero."""
    again = {**HELICONE, "prompt_tokens": 0, "completion_tokens": 0, "cache_reference_id": "5c1f"}
    (only,) = scan_rows(again).exchanges
    assert only.usage == Usage(fresh=0, visible=0)
    assert only.metadata["answered_from_cache"] is True
    (asked,) = scan_rows({**HELICONE, "cache_reference_id": "00000000-0000-0000-0000-000000000000"}).exchanges
    assert asked.usage == Usage(fresh=5, cache_read=4, visible=2)


def test_helicone_counts_audio_within_and_reasoning_beside(scan_rows):
    """Helicone/helicone HandlerContext.ts: a prompt's tokens are those of all modalities, a completion's hold no reasoning."""
    bare = {key: value for key, value in HELICONE.items() if not key.endswith("_body")}
    counts = {"prompt_tokens": 50, "prompt_audio_tokens": 30, "completion_tokens": 9, "completion_audio_tokens": 4}
    (only,) = scan_rows({**bare, **counts, "reasoning_tokens": 7}).exchanges
    assert only.usage == Usage(fresh=20, audio_in=30, visible=5, audio_out=4, reasoning=7)


def test_a_helicone_note_in_place_of_a_body_is_no_body(scan_rows):
    note = {"helicone_message": "fetching body from signed_url"}
    (only,) = scan_rows({**HELICONE, "request_body": note, "response_body": json.dumps(note)}).exchanges
    assert only.fidelity == (Fidelity.PROMPT_ABSENT,)
    assert only.usage == Usage(fresh=9, visible=2)
    assert only.request.model == "gpt-4o-2024-08-06"


def test_spend_logs_of_older_versions_keep_the_details_apart(scan_rows):
    """BerriAI/litellm spend_tracking_utils.py: `additional_usage_values` are what the columns do not hold."""
    details = {"prompt_tokens_details": {"cached_tokens": 60}, "cache_creation_input_tokens": 20}
    (only,) = scan_rows({**SPEND, "metadata": json.dumps({"additional_usage_values": details})}).exchanges
    assert only.usage == Usage(fresh=10, cache_read=60, cache_write_5m=20, visible=20)
