"""Languages are told by script, then by common English words, then by the identifier that was passed in."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.core.workload import language


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("Where is my parcel, and when will it be here?", "en"),
        ("Đơn hàng của tôi bao giờ mới được giao đến?", "vi"),
        ("พัสดุของฉันจะมาถึงเมื่อไร", "th"),
        ("متى تصل شحنتي إلى المنزل؟", "ar"),
        ("मेरा पार्सल कब आएगा?", "hi"),
        ("我的包裹什么时候到？", "zh"),
        ("荷物はいつ届きますか。", "ja"),
        ("소포는 언제 도착하나요?", "ko"),
        ("Когда придёт моя посылка?", "ru"),
        ("Πότε θα έρθει το δέμα μου;", "el"),
        ("מתי תגיע החבילה שלי?", "he"),
        ("12345 !!! ???", None),
        ("", None),
    ],
)
def test_the_script_tells_the_language(text, code):
    assert language(text) == code


def test_latin_text_that_is_not_english_is_unknown_without_an_identifier():
    assert language("Wann kommt mein Paket endlich bei mir an?") is None
    assert language("Wann kommt mein Paket endlich bei mir an?", lambda _: "de") == "de"


def test_an_identifier_refines_scripts_that_several_languages_share():
    assert language("Коли прийде моя посилка?", lambda _: "uk") == "uk"
    assert language("Коли прийде моя посилка?", lambda _: None) == "ru"


def test_english_and_scripts_of_one_language_never_ask():
    def never(_: str) -> str:
        raise AssertionError

    assert language("The gate is open until nine in the evening.", never) == "en"
    assert language("พัสดุของฉันจะมาถึงเมื่อไร", never) == "th"


def test_a_foreign_word_in_an_english_text_leaves_it_english():
    assert language("What does the word สวัสดี mean, and when do you say it to someone?") == "en"


@given(st.text(max_size=300))
def test_any_text_gives_a_code_or_nothing(text):
    found = language(text)
    assert found is None or 2 <= len(found) <= 3
