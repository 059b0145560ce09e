"""The words that tell what kind of work a prompt asks for: found in one pass, and none is missed because of that."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fairlead.core.workload.signals import SENSITIVE, WORDS, _hits

AROUND = st.sampled_from(["", " ", "the ", "- ", "(", "reread_", "de-", "It is 3 a.m. and "])


def hits(line: str) -> dict[str, frozenset[str]]:
    return {
        name: words for name, words in ((name, frozenset(each.hits(line))) for name, each in WORDS.items()) if words
    }


@pytest.mark.parametrize("name", WORDS)
@given(data=st.data(), before=AROUND, after=AROUND, shouted=st.booleans())
@settings(max_examples=60)
def test_a_phrase_is_found_wherever_it_stands_and_however_it_is_written(name, data, before, after, shouted):
    phrase = data.draw(st.sampled_from(WORDS[name].phrases))
    said = data.draw(
        st.from_regex(re.compile(phrase, re.ASCII), fullmatch=True, alphabet=st.characters(max_codepoint=126))
    )
    line = f"{before}{said}{after}".replace("\n", " ")
    line = line.upper() if shouted else line
    assert dict(_hits(line)) == hits(line)


@given(st.text(st.sampled_from("aceinorstKİſé'- 1"), max_size=40))
def test_letters_outside_english_make_no_difference(line):
    assert dict(_hits(line)) == hits(line)


def test_a_line_with_none_of_the_phrases_is_passed_over():
    assert _hits("Gulls wheel above.") == ()
    assert not SENSITIVE.is_in("Gulls wheel above.")
    assert SENSITIVE.is_in("how to launder money")
