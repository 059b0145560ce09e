"""The graders a user of the sample would have written."""

from __future__ import annotations

import pytest

from fairlead.core.nouns import Answer, Endpoint, Request
from fairlead.demo.user_graders import same_query, states_the_facts

REQUEST = Request(endpoint=Endpoint.CHAT, model="m")
QUERY = "SELECT region, SUM(net) AS value FROM orders WHERE status <> 'on_hold' GROUP BY region ORDER BY value"


@pytest.mark.parametrize(
    ("text", "right"),
    [
        (QUERY, True),
        (f"```sql\n{QUERY.replace(' FROM', chr(10) + 'FROM')};\n```", True),
        (QUERY.lower(), True),
        (QUERY.replace("<>", "!=") + " ASC", True),
        (QUERY.replace("on_hold", "ON_HOLD"), False),
        (QUERY + " DESC", False),
        (QUERY.replace("SUM", "AVG"), False),
        ("", False),
    ],
)
def test_a_query_is_compared_by_what_it_says_not_how_it_is_laid_out(text: str, *, right: bool) -> None:
    assert same_query(REQUEST, Answer(text=text), QUERY) is right


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("Mei Zhao called about CV-12345; a technician comes by 9 November.", True),
        ("Mei Zhao called about CV-12345; a technician comes by 19 November.", False),
        ("She called about CV-12345; a technician comes by 9 November.", False),
        ("Mei Zhao called about CV-12345; a technician comes by 9 November." + " and so on" * 20, False),
    ],
)
def test_a_note_must_state_its_facts_and_stay_short(text: str, *, right: bool) -> None:
    expected = {"facts": ["Mei Zhao", "CV-12345", "technician", "9 November"], "max_words": 20}
    assert states_the_facts(REQUEST, Answer(text=text), expected) is right


@pytest.mark.parametrize("expected", [None, "x", {"facts": "x", "max_words": 5}, {"facts": []}])
def test_a_label_of_another_shape_is_never_met(expected: object) -> None:
    assert states_the_facts(REQUEST, Answer(text="x"), expected) is False  # type: ignore[arg-type]
