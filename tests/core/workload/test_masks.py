"""What varies in a prompt is blanked out, what repeats stays, and a hostile prompt costs no more than a long one."""

from __future__ import annotations

import string
from time import process_time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.workload.making import text
from fairlead.core.workload.mask import MAX_SEGMENTS, Masker
from fairlead.core.workload.memo import Memo
from fairlead.core.workload.sentence import Sentences, literal_words


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("You help Anna Müller of Acme & Sons Ltd", "you help <x>"),
        ("Today is Monday, 3 March 2025.", "today is <x> ."),
        ("See https://example.org/a?b=1 or write to a.b@example.org.", "see <x> or write to <x> ."),
        ("Case 0f8fad5b-d9cb-469f-a165-70867728950e is open", "case <x> is open"),
        ('Say "good morning" first.', "say <x> first ."),
        ("- Never mention prices", "never mention prices"),
        ("3) Keep it short", "keep it short"),
        ("Task: summarise the letter", "task : summarise the letter"),
        ("Customer name: Anna Müller", "customer name :"),
        ('  "customer_name": "Anna Müller",', "customer name :"),
        ("Response Format", "response format"),
        ("ANSWER IN RHYME", "answer in rhyme"),
        ("Ask Dr. Weber or Linus T. about it", "ask <x> about it"),
        ("Anna Müller is on holiday", "<x> is on holiday"),
        ("Prüfe die Rechnung und nenne den Betrag", "prüfe die rechnung und nenne den betrag"),
    ],
)
def test_a_line_is_masked(line, expected):
    assert Sentences().of_line(line) == (expected,)


def test_a_long_value_is_kept_beside_its_key_since_it_may_be_an_instruction():
    assert Sentences().of_line("Trays: in, out, urgent, lost") == ("trays :", "trays : in , out , urgent , lost")


@pytest.mark.parametrize(
    "block",
    [
        "<document>\n{0}\n</document>",
        "```\n{0}\n```",
        "### Context\n{0}\n\n### Question",
        "<context id='7'>{0}</context>",
        "Documents:\n{0}\n\nRules:",
    ],
)
def test_data_blocks_leave_only_their_mark(block):
    one, two = (Masker().system("Answer briefly.\n" + block.format(text(i, 3))) for i in (1, 2))
    assert one == two
    assert one[0] == "answer briefly ."


def test_a_code_fence_inside_a_line_opens_no_block():
    assert "reply in markdown ." in Masker().system("Use ``` for code.\nReply in markdown.")


def test_the_middle_of_a_very_long_prompt_is_left_out_and_both_ends_are_kept():
    prompt = "First rule here.\n" + "\n".join(text(i, 2) for i in range(3_000)) + "\nLast rule here."
    segments = Masker().system(prompt)
    assert segments[0] == "first rule here ."
    assert segments[-1] == "last rule here ."
    assert len(segments) == MAX_SEGMENTS


def test_a_data_tag_cut_by_the_middle_leaves_the_end_of_the_message():
    message = f"Summarise it.\n<document>\n{text(1, 400)}\n</document>\nWhat does the writer want?"
    assert Masker().user(message) == ("summarise it .", "document tag", "what does the writer want ?")


def test_words_without_spaces_count_by_threes():
    assert literal_words("请 判 断 情 绪 。") == 2
    assert literal_words("say <x> to the clerk") == 4


@given(st.text(max_size=400))
def test_masking_is_stateless_and_bounded(prompt):
    warm = Masker()
    warm.system(text(1))
    first = warm.system(prompt)
    assert first == warm.system(prompt) == Masker().system(prompt)
    assert len(first) <= MAX_SEGMENTS
    assert all(len(segment) <= 240 for segment in first)


@pytest.mark.parametrize(
    "piece",
    ["<document>", "a@", "A.", "a-", "a/", '"', "“", "_1", "x:", "###", " ", "\n", "<|", "Ⅷ", "a_", "[/", "：", "Ab "],
)
def test_hostile_repetition_is_no_slower_than_text(piece):
    began = process_time()
    Masker().system(piece * (200_000 // len(piece)))
    assert process_time() - began < 2


@given(st.lists(st.tuples(st.text(string.ascii_lowercase, min_size=1, max_size=2), st.integers()), max_size=200))
def test_a_memo_gives_back_what_was_put_or_nothing_and_stays_within_its_budget(puts):
    memo: Memo[str, int] = Memo(20)
    latest: dict[str, int] = {}
    for key, value in puts:
        memo.put(key, value)
        latest[key] = value
        assert memo.get(key) == value
        assert len(memo) <= 20
    assert all(memo.get(key) in (None, value) for key, value in latest.items())


def test_a_memo_keeps_nothing_that_is_dearer_than_half_its_room():
    memo: Memo[str, str] = Memo(100, lambda key, value: len(key) + len(value))
    memo.put("small", "x")
    memo.put("large", "x" * 60)
    assert memo.get("large") is None
    assert memo.get("small") == "x"
    memo.clear()
    assert len(memo) == 0
