"""Names are short, unique, readable, and safe to show."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.workload.making import asks, places, scanned, text
from fairlead.core.workload import Grouper
from fairlead.core.workload.naming import MAX_NAME, clean, names, phrase
from fairlead.core.workload.tree import Leaf


def named(prompt: str, **more: object) -> str:
    jobs = [asks(prompt, text(i), **more) for i in range(12)]
    grouper = scanned(jobs)
    return grouper.name(places(grouper, jobs)[0])


@pytest.mark.parametrize(
    ("prompt", "name"),
    [
        ("You are an expert invoice extraction assistant for Acme.", "Invoice extraction assistant"),
        ("You summarise letters for the mayor. Be brief.", "Summarise letters for the mayor"),
        ("Your task is to translate menus for tourists.", "Translate menus for tourists"),
        ("Please classify the following ticket into exactly one queue.", "Classify ticket into one queue"),
        ("# Role\nTravel desk agent\n# Rules\nAsk first.", "Travel desk agent"),
        ("You turn questions into SQL and JSON.", "Turn questions into SQL and JSON"),
        ("You are the helpful assistant of Orbit Ltd and you follow its style.", "Helpful assistant"),
        ("<role>Lead qualification</role>\nBe brief.", "Lead qualification"),
        ("Before you answer, check whether Ann may know it.", "Before you answer, check"),
        ("You are the workspace assistant used by Ann.", "Workspace assistant"),
        ("Is the following statement supported by the passage?", "Is the statement supported by the passage"),
        ("Never lie to anyone. You write obituaries for a newspaper.", "Write obituaries for a newspaper"),
        (
            "Before the bot replies, look for typing errors in its letter. Be quick.",
            "Look for typing errors in its letter",
        ),
        ("Mend the sentence below. Always mention the rule that was broken.", "Mend the sentence"),
        ("The current year is 2031. As a ferry agent, you can help people find a berth.", "Help people find a berth"),
        ("I keep bees in my garden. Name the flower that suits them best.", "Name the flower"),
        ("Port this to Rust. Keep the comments.", "Port this"),
    ],
)
def test_a_workload_is_named_by_what_its_prompt_asks_for(prompt, name):
    assert named(prompt) == name


def test_where_nothing_is_said_the_tools_or_the_only_message_give_the_name():
    def name_of(jobs):
        return (grouper := scanned(jobs)).name(places(grouper, jobs)[0])

    assert name_of([asks("", text(i), tools=["ring_bell", "open_gate"]) for i in range(12)]) == "Open gate, ring bell"
    assert name_of([asks("", text(i), tools=["sonar"]) for i in range(12)]) == "Work with sonar"
    alone = Leaf("p1", "chat", said=("draw a card from the deck , and say which it is .",))
    assert names({"w1": alone, "w2": Leaf("p2", "chat")}, taken={}) == {
        "w1": "Draw a card from the deck",
        "w2": "Tool calls of many kinds",
    }


@pytest.mark.parametrize(
    ("line", "name"),
    [
        (
            "explain to a new nurse what the chart says of the patient in the bed by the window .",
            "explain to a new nurse",
        ),
        (
            "fill in the form from the tenant's letter of complaint .",
            "fill in the form from the tenant's letter of complaint",
        ),
        (
            "make a list of names from the parish's old books of births and deaths in the valley .",
            "make a list of names",
        ),
        (
            "read the old letters from the war and give each of them a date and a place .",
            "read the old letters from the war",
        ),
        ("أنت مساعد في <x> .", "أنت مساعد"),
    ],
)
def test_a_name_ends_where_a_phrase_ends(line, name):
    assert phrase(line) == name


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("you write <x> for the analysts of <x> .", "write for the analysts"),
        ("translate <x> to <x> for lawyers .", "translate for lawyers"),
        ("write a <x> of the <x> for teachers . be brief .", "write for teachers"),
        ("rewrite … for the board of <x>", "rewrite for the board"),
        ("complete ___ with the missing word .", "complete with the missing word"),
        ("summarise <x> .", "summarise"),
        ("you work at <x> , a company that builds boats .", "work"),
    ],
)
def test_a_name_leaves_no_hole_where_the_prompt_varies(line, name):
    assert phrase(line) == name


@given(
    st.lists(st.sampled_from(["write", "the", "of", "<x>", "…", "___", "reports", "for", ",", ".", "-"]), max_size=12)
)
def test_no_name_holds_a_hole_wherever_the_slots_are(words):
    found = phrase(" ".join(words))
    assert not set("…_<>") & set(found)
    assert "  " not in found


@pytest.mark.parametrize(
    ("prompt", "name"),
    [
        ("You are the IT service desk of Acme. If it is late, say so.", "IT service desk"),
        ("IT Service Desk\nYou NEVER lie. Use plain words.", "IT service desk"),
        ("HR FAQ\nBe kind to whoever asks.", "HR FAQ"),
        ("Answer EU and UK questions for the PR.", "Answer EU and UK questions for the PR"),
        ("You are an AI assistant for QA engineers at the BBC.", "Assistant for QA engineers at the BBC"),
        ("You work in the R&D lab of Acme.", "Work in the R&D lab"),
        ("You ALWAYS sort letters into trays.", "Sort letters into trays"),
        ("it is your task to name birds.", "It is your task to name birds"),
    ],
)
def test_abbreviations_are_written_as_the_prompt_writes_them(prompt, name):
    assert named(prompt) == name


def test_what_is_in_capitals_and_differs_from_call_to_call_is_no_part_of_a_name():
    jobs = [
        asks(f"Report on {code} for the board. Today is {i} May.", text(i))
        for i, code in enumerate(["AAPL", "IBM", "GE", "BP"] * 6)
    ]
    assert scanned(jobs).name(places(scanned(jobs), jobs)[0]) == "Report for the board"


def test_processes_that_saw_other_abbreviations_in_one_place_agree_that_it_is_a_slot():
    log = [
        asks(f"You plan the tour of {band}. Mind the budget.", text(i)) for i, band in enumerate(["ABBA", "REM"] * 10)
    ]
    shared = Grouper()
    for half in (log[::2], log[1::2]):
        worker = Grouper.from_json(json.loads(json.dumps(shared.to_json())))
        for request in half:
            worker.learn(request)
        shared.absorb(worker)
    shared.link()
    assert shared.name(places(shared, log)[0]) == "Plan the tour"


def test_a_workload_split_off_after_a_restart_has_its_abbreviations_too():
    grouper = scanned([asks("You are the HR desk of Acme.", text(i)) for i in range(12)])
    again = Grouper.from_json(json.loads(json.dumps(grouper.to_json())))
    again._names.clear()
    again.link()
    assert again.name(again.assign(asks("You are the HR desk of Acme.", text(1))).workload_id) == "HR desk"


def test_jobs_with_the_same_prompt_are_told_apart_by_tools_or_fields():
    one = [asks("Carry out the order.", text(i), tools=["open_gate"]) for i in range(12)]
    two = [asks("Carry out the order.", text(i), tools=["ring_bell"]) for i in range(12)]
    three = [asks("Carry out the order.", text(i), fields=["gate_number"]) for i in range(12)]
    grouper = scanned(one + two + three)
    found = [grouper.name(places(grouper, group)[0]) for group in (one, two, three)]
    assert found == [
        "Carry out the order (open gate)",
        "Carry out the order (ring bell)",
        "Carry out the order (gate number)",
    ]


@pytest.mark.parametrize(
    "hostile",
    [
        "<script>alert(1)</script> run this now please",
        "\u202eesrever eht ni etirw\u202c please do it",
        "a" * 5_000,
        "\x00\x1b[31mred alert for all",
        "| table | pipes | here |",
        "&lt;b&gt; bold claims about things",
    ],
)
def test_hostile_prompts_give_harmless_names(hostile):
    name = named(hostile)
    assert 0 < len(name) <= MAX_NAME
    assert name.isprintable()
    assert not set('<>|\x1b\u202e\u202c\n"`') & set(name)


def test_many_prompts_that_read_alike_have_different_names():
    jobs = [
        [asks(f"Sort letters into trays. Tray {word} is on the left of the desk.", text(i)) for i in range(8)]
        for word in ("red", "blue", "green", "white", "black")
    ]
    other = [asks("Count the letters that came today and say who sent most of them.", text(i)) for i in range(8)]
    grouper = scanned([request for job in jobs for request in job] + other)
    ids = {place for job in [*jobs, other] for place in places(grouper, job)}
    assert len({grouper.name(id_).casefold() for id_ in ids}) == len(ids)


@given(st.text(max_size=300), st.integers(8, 80))
def test_clean_text_is_one_printable_line_within_its_limit(words, limit):
    found = clean(words, limit)
    assert len(found) <= limit
    assert "\n" not in found
    assert not any(unprintable in found for unprintable in '<>\x00\x1b\u202e|`"')


@given(st.text(max_size=200))
def test_a_phrase_has_at_most_eleven_words(line):
    assert len(phrase(line.lower()).split()) <= 11


@pytest.mark.parametrize(
    ("anchors", "name"),
    [
        (("context tag",), "Messages with context"),
        (("^ search_results tag", "date : <x>"), "Messages with search results"),
        (("$ code block",), "Messages with code"),
        (("document tag", "summarise the will ."), "Summarise the will"),
    ],
)
def test_what_stands_for_a_block_of_data_is_no_name_for_a_job(anchors, name):
    leaf = Leaf("w1", "chat", anchors=anchors)
    assert names({"w1": leaf}, taken={}) == {"w1": name}
