"""Session files of coding agents, and the files of lm-eval."""

from __future__ import annotations

import json

import pytest

from fairlead.core.nouns import Dialect, FailureKind, Fidelity, ToolCall, Usage

LOST = (Fidelity.TRUNCATED, Fidelity.TOOLS_MISSING)


def claude(kind, content, uuid, *, message_id="m1", side=False, usage=None, **more):
    message = {"role": kind, "content": content}
    if kind == "assistant":
        counted = usage or {"input_tokens": 4, "cache_read_input_tokens": 900, "output_tokens": 7}
        message |= {
            "id": message_id,
            "type": "message",
            "model": "claude-x",
            "stop_reason": "tool_use",
            "usage": counted,
        }
    return {
        "type": kind,
        "uuid": uuid,
        "parentUuid": None,
        "sessionId": "s-1",
        "isSidechain": side,
        "timestamp": "2026-03-01T12:00:00.000Z",
        "cwd": "/home/ana/shop",
        "version": "2.0.1",
        "message": message,
        **more,
    }


CALL = {"type": "tool_use", "id": "t1", "name": "Bash", "input": {"command": "ls"}}
RESULT = {"type": "tool_result", "tool_use_id": "t1", "content": "a.py"}
CLAUDE = (
    {"type": "summary", "summary": "x", "leafUuid": "l", "sessionId": "s-1"},
    claude("user", "Fix it", "1"),
    claude("assistant", [{"type": "text", "text": "Looking."}], "2"),
    claude("assistant", [CALL], "3"),
    claude("user", "helper: find it", "h1", side=True),
    claude("user", [RESULT], "4"),
    claude("assistant", [{"type": "text", "text": "Found."}], "h2", message_id="h", side=True),
    claude("assistant", [{"type": "text", "text": "Done."}], "5", message_id="m2"),
)


def test_claude_code_lines_of_one_answer_are_one_exchange(scan_rows):
    found = {e.id: e for e in scan_rows(*CLAUDE).exchanges}
    assert set(found) == {"m1", "m2", "h"}
    first, second = found["m1"], found["m2"]
    assert first.dialect is Dialect.ANTHROPIC_MESSAGES
    assert first.answer.text == "Looking."
    assert first.answer.tool_calls == (ToolCall(name="Bash", arguments={"command": "ls"}, call_id="t1"),)
    assert first.usage == Usage(fresh=4, cache_read=900, visible=7), "each line repeats the counts of the whole answer"
    assert [turn.role for turn in second.request.messages] == ["user", "assistant", "tool"]
    assert second.answer.text == "Done."
    assert (first.step, second.step) == (1, 2)
    assert first.conversation == second.conversation == "s-1"
    assert found["h"].conversation == "s-1/helpers"
    assert all(e.fidelity == LOST for e in found.values())
    assert first.metadata["agent"] == "Claude Code"


def test_a_result_between_the_lines_of_one_answer_does_not_count_it_twice(scan_rows):
    found = scan_rows(
        claude("user", "Fix it", "1"),
        claude("assistant", [CALL], "2"),
        claude("user", [RESULT], "3"),
        claude("assistant", [{"type": "text", "text": "And so on."}], "4"),
        claude("assistant", [{"type": "text", "text": "Done."}], "5", message_id="m2"),
    ).exchanges
    assert [(e.id, e.answer.text, len(e.answer.tool_calls)) for e in found] == [
        ("m1", "And so on.", 1),
        ("m2", "Done.", 0),
    ]
    assert [turn.role for turn in found[1].request.messages] == ["user", "assistant", "tool"]


def test_a_session_that_is_gone_on_with_in_another_file_repeats_and_adds_nothing(scan_rows):
    before = scan_rows(*CLAUDE).exchanges
    after = scan_rows(*({**line, "sessionId": "s-2"} for line in CLAUDE)).exchanges
    assert {e.row_hash for e in before} == {e.row_hash for e in after}


def test_helpers_have_a_conversation_each(scan_rows):
    lines = [
        claude("assistant", "Found.", f"h{n}", message_id=f"h{n % 2}", side=True, agentId=f"a{n % 2}") for n in range(4)
    ]
    found = scan_rows(*lines).exchanges
    assert {(e.conversation, e.answer.text, e.step) for e in found} == {
        ("s-1/a0", "Found.Found.", 1),
        ("s-1/a1", "Found.Found.", 1),
    }


def test_what_claude_code_says_itself_is_no_answer_and_a_call_that_failed_is_a_failure(scan_rows):
    def synthetic(text, **more):
        line = claude("assistant", [{"type": "text", "text": text}], "9", message_id="x", **more)
        return {**line, "message": {**line["message"], "model": "<synthetic>"}}

    told = "API Error: 529 Overloaded"
    result = scan_rows(*CLAUDE, synthetic("No response requested."), synthetic(told, isApiErrorMessage=True))
    assert sorted(e.request.model for e in result.exchanges) == ["claude-x"] * 4
    (failed,) = [e for e in result.exchanges if e.answer.failure]
    assert failed.answer.failure is not None
    assert (failed.answer.failure.kind, failed.answer.failure.status) == (FailureKind.SERVER_ERROR, 529)
    assert (failed.usage, failed.step) == (Usage(), 3)


def codex(kind, **payload):
    return {"timestamp": "2026-03-01T12:00:00.000Z", "type": kind, "payload": payload}


def said(role, text):
    kind = "output_text" if role == "assistant" else "input_text"
    return codex("response_item", type="message", role=role, content=[{"type": kind, "text": text}])


def counted(given, read, made, thought):
    last = {
        "input_tokens": given,
        "cached_input_tokens": read,
        "output_tokens": made,
        "reasoning_output_tokens": thought,
        "total_tokens": given + made,
    }
    return codex("event_msg", type="token_count", info={"last_token_usage": last, "total_token_usage": last})


def test_codex_items_up_to_each_count_are_one_exchange(scan_rows):
    found = scan_rows(
        codex("session_meta", id="s-2", cwd="/x", instructions="You are Codex."),
        codex("turn_context", model="gpt-5-codex"),
        said("user", "Fix it"),
        codex("response_item", type="reasoning", summary=[]),
        codex("response_item", type="function_call", name="shell", arguments='{"command": ["ls"]}', call_id="c1"),
        counted(100, 60, 30, 20),
        codex("response_item", type="function_call_output", call_id="c1", output="a.py"),
        said("assistant", "Done."),
        counted(200, 100, 5, 0),
        codex("event_msg", type="token_count", info=None),
    ).exchanges
    assert [e.usage for e in found] == [
        Usage(fresh=40, cache_read=60, visible=10, reasoning=20),
        Usage(fresh=100, cache_read=100, visible=5, reasoning=0),
    ]
    assert found[0].answer.tool_calls == (ToolCall(name="shell", arguments={"command": ["ls"]}, call_id="c1"),)
    assert found[1].answer.text == "Done."
    assert [turn.role for turn in found[1].request.messages] == ["user", "assistant", "tool"]
    assert {(e.request.model, e.request.system, e.conversation) for e in found} == {
        ("gpt-5-codex", "You are Codex.", "s-2")
    }
    assert all(set(e.fidelity) == set(LOST) for e in found)


def test_a_codex_session_that_stops_in_the_middle_gives_its_last_answer(scan_rows):
    (only,) = scan_rows(codex("session_meta", id="s"), said("user", "Hi"), said("assistant", "Hello")).exchanges
    assert only.answer.text == "Hello"
    assert only.usage == Usage()


def test_codex_counts_that_come_after_the_results_of_tools_are_of_the_call_before(scan_rows):
    found = scan_rows(
        codex("session_meta", id="s"),
        said("user", "Fix it"),
        counted(9, 0, 9, 0),
        codex("response_item", type="function_call", name="shell", arguments="{}", call_id="c1"),
        counted(9, 0, 9, 0),
        codex("response_item", type="function_call_output", call_id="c1", output="a.py"),
        counted(100, 60, 30, 20),
        said("assistant", "Done."),
        counted(200, 100, 5, 0),
    ).exchanges
    assert [e.usage.fresh for e in found] == [40, 100]


def test_codex_counts_told_again_are_not_those_of_the_next_call(scan_rows):
    found = scan_rows(
        codex("session_meta", id="s"),
        said("user", "Fix it"),
        codex("response_item", type="function_call", name="shell", arguments="{}", call_id="c1"),
        counted(100, 60, 30, 20),
        codex("response_item", type="function_call_output", call_id="c1", output="a.py"),
        said("assistant", "Done."),
        counted(100, 60, 30, 20),
        counted(200, 100, 5, 0),
    ).exchanges
    assert [e.usage.fresh for e in found] == [40, 100]
    assert [turn.role for turn in found[1].request.messages] == ["user", "assistant", "tool"]


SAMPLE = {
    "doc_id": 3,
    "doc": {"text": "x"},
    "target": "4",
    "arguments": {
        "gen_args_0": {"arg_0": "2 + 2 =", "arg_1": {"until": ["\n"], "max_gen_toks": 5, "do_sample": False}}
    },
    "resps": [["4"]],
    "filtered_resps": ["4"],
    "doc_hash": "d",
}


def test_lm_eval_samples_hold_prompt_and_answer(scan_rows):
    (only,) = scan_rows(SAMPLE).exchanges
    assert only.request.messages[0].text == "2 + 2 ="
    assert only.request.parameters == {"stop": ["\n"], "max_tokens": 5}
    assert only.answer.text == "4"
    assert only.usage == Usage()


def test_lm_eval_arguments_come_as_lists_and_as_chats_too(scan_rows):
    chat = '[{"role": "system", "content": "Be brief."}, {"role": "user", "content": "2 + 2 ="}]'
    as_list, as_chat = scan_rows(
        {**SAMPLE, "arguments": [["2 + 2 =", {"until": []}]]}, {**SAMPLE, "arguments": [[chat, {}]]}
    ).exchanges
    assert as_list.request.messages[0].text == "2 + 2 ="
    assert as_chat.request.system == "Be brief."


def test_likelihoods_are_no_answers(scan_rows):
    result = scan_rows({**SAMPLE, "resps": [[["-1.5", "False"]]]}, {**SAMPLE, "arguments": []})
    assert result.exchanges == []
    assert sum(result.reading.notes.values()) == 1
    assert result.reasons == ["an lm-eval sample whose arguments hold no prompt"]


def test_an_item_under_two_filters_is_one_call_and_each_repeat_is_one(scan_rows):
    strict, loose = ({**SAMPLE, "filter": name, "filtered_resps": [name]} for name in ("strict", "loose"))
    result = scan_rows(strict, loose)
    assert len({each.row_hash for each in result.exchanges}) == 1
    twice = scan_rows({**SAMPLE, "resps": [["4", "5"]]}).exchanges
    assert [each.answer.text for each in twice] == ["4", "5"]


@pytest.mark.parametrize("pair", [[-1.5, False], ["-1.5", "False"], ["-inf", "True"]])
def test_likelihoods_are_no_answers_however_they_are_written(scan_rows, pair):
    assert scan_rows({**SAMPLE, "resps": [[pair]]}).exchanges == []


def asked_and_answered(number, text):
    counts = {"input_tokens": 100 * number, "output_tokens": 5}
    info = {"last_token_usage": counts, "total_token_usage": {**counts, "total_tokens": 300 * number}}
    return [said("user", f"Do {number}"), said("assistant", text), codex("event_msg", type="token_count", info=info)]


def at(hour, rows):
    return [{**row, "timestamp": f"2026-03-01T{hour}:00:00Z"} for row in rows]


def test_a_forked_codex_session_counts_only_what_it_did_itself(tmp_path, scan):
    """A fork's file holds its parent's record and history, written anew at the time of the fork (openai/codex; ccusage/ccusage #897)."""
    history = [*asked_and_answered(1, "One"), *asked_and_answered(2, "Two")]
    root, child = codex("session_meta", id="r", instructions="You are Codex."), codex("session_meta", id="c", forked_from_id="r")  # fmt: skip
    grandchild = codex("session_meta", id="g", forked_from_id="c")
    more, last = asked_and_answered(3, "Three"), asked_and_answered(4, "Four")
    files = {
        "1": [root, *at(10, history), *at(10, asked_and_answered(3, "Done"))],
        "2": [child, root, *at(11, history), *at(11, more)],
        "3": [grandchild, child, *at(12, history), *at(12, more), *at(12, last)],
    }
    for name, rows in files.items():
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    found = scan(tmp_path).exchanges
    told = {each.row_hash: each for each in reversed(found)}
    assert [each.answer.text for each in found] == ["One", "Two", "Done", "One", "Two", "Three", "One", "Two", "Three", "Four"]  # fmt: skip
    assert sorted((each.answer.text, each.conversation) for each in told.values()) == [
        ("Done", "r"),
        ("Four", "g"),
        ("One", "r"),
        ("Three", "c"),
        ("Two", "r"),
    ]
    assert {each.started_at.hour for each in told.values() if each.conversation == "r"} == {10}
