"""The language identifier at the edge is loaded on first use and says nothing when it is not sure."""

from __future__ import annotations

import pytest

from fairlead.edge.language import Languages, LanguagesApart


@pytest.fixture(scope="module")
def languages():
    return Languages()


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("Wann kommt mein Paket endlich bei mir an?", "de"),
        ("Où est passé mon colis, et quand sera-t-il livré ?", "fr"),
        ("¿Cuándo llegará el paquete que pedí la semana pasada?", "es"),
        ("Kifurushi changu kitafika lini mjini Mombasa wiki hii?", "sw"),
        ("Kiedy dotrze paczka, którą zamówiłem w zeszłym tygodniu?", "pl"),
        ("Коли прийде моя посилка, яку я замовив минулого тижня?", "uk"),
    ],
)
def test_it_names_the_language(languages, text, code):
    assert languages(text) == code


def test_it_says_nothing_about_what_is_no_language(languages):
    assert languages("xq zzt") is None


def test_nothing_is_loaded_before_the_first_question():
    assert "_identifier" not in vars(Languages())


def test_a_process_of_its_own_says_the_same_and_ends_with_the_block():
    with LanguagesApart() as apart:
        assert apart("Où est passé mon colis,\net quand sera-t-il livré ?") == "fr"
        assert apart("xq zzt") is None
        child = apart.child
        assert child is not None
        child.kill()
        child.wait()
        assert apart("Wann kommt mein Paket endlich bei mir an?") is None
    assert child.returncode is not None


def test_no_process_is_started_for_a_block_that_asks_nothing():
    with LanguagesApart() as apart:
        assert apart.child is None
