"""Templates are found under what varies, and jobs that only look alike are kept apart."""

from __future__ import annotations

from random import Random

import pytest

from core.workload.making import asks, embeds, kept_apart, mixed, places, said, scanned, text, words
from fairlead.core.nouns import Message, Part, PartKind, Request
from fairlead.core.workload import Grouper

NAMES = [
    "Ada Byron",
    "Grace Murray Hopper",
    "Linus T.",
    "Anna-Lena Gruber",
    "Bo Ek",
    "Chidi Anagonye",
    "Dolores Haze",
    "Émile Zola",
]
GENERIC = "You are a helpful assistant."


def test_names_dates_and_numbers_in_a_prompt_do_not_split_it():
    jobs = [
        asks(f"You help {NAMES[i % 8]} of {words(i, 1).title()} Ltd with expense claims. Today is {i % 28 + 1} March 2026. Claim no. {i * 37}.", text(i))
        for i in range(60)
    ]  # fmt: skip
    other = [
        asks("You plan the weekly shifts of a bakery. Nobody works more than five days.", text(i)) for i in range(60)
    ]
    assert kept_apart(scanned(mixed(jobs, other)), jobs, other)


@pytest.mark.parametrize(
    "frame",
    [
        "Answer from the context only.\n\nContext:\n{0}\n\nQuestion: {1}",
        "Answer from the context only.\n<context>\n{0}\n</context>\n{1}",
        "Answer from the context only.\n```\n{0}\n```\n{1}",
        "Answer from the context only.\n\n### Documents\n{0}\n\n### Rules\nBe brief.",
    ],
)
def test_retrieved_text_does_not_split_a_prompt_however_it_is_marked(frame):
    jobs = [asks(frame.format("\n".join(text(i * 5 + j, 2) for j in range(4)), text(i, 1)), "go") for i in range(60)]
    other = [asks("Write a limerick about the sea that mentions a lighthouse.", text(i)) for i in range(40)]
    assert kept_apart(scanned(mixed(jobs, other)), jobs, other)


def test_unmarked_text_from_a_small_pool_does_not_split_a_prompt():
    pool = [text(1000 + i, 3) for i in range(20)]
    jobs = [
        asks(
            f"You answer members' questions about the library.\n{pool[i % 20]}\nIf unsure, say so and name the desk to ask.",
            text(i, 1),
        )
        for i in range(200)
    ]
    assert len(set(places(scanned(jobs), jobs))) == 1


def test_rotating_examples_do_not_split_a_prompt():
    random = Random(4)
    pool = [f"{words(i, 5)} -> {words(i + 1, 1)}" for i in range(25)]
    jobs = [
        asks(
            "Give each headline one topic.\n" + "\n".join(random.sample(pool, 3)) + "\nReply with the topic alone.",
            text(i, 1),
        )
        for i in range(150)
    ]
    assert len(set(places(scanned(jobs), jobs))) == 1


def test_several_slots_in_the_first_line_do_not_split_a_prompt():
    jobs = [
        asks(f"you are {words(i, 1)}, a {words(i + 3, 2)} who loves {words(i + 7, 2)}.\nStay in character whatever happens.\nNever mention that you are a program.", text(i, 1))
        for i in range(80)
    ]  # fmt: skip
    assert len(set(places(scanned(jobs), jobs))) == 1


def test_two_jobs_that_differ_only_in_their_tools_are_two():
    prompt = "You carry out the clerk's instruction with exactly one tool call."
    one = [asks(prompt, text(i), tools=["book_room", "free_room"]) for i in range(30)]
    two = [asks(prompt, text(i), tools=["order_lunch", "cancel_lunch"]) for i in range(30)]
    grouper = scanned(mixed(one, two))
    assert kept_apart(grouper, one, two)
    assert grouper.name(places(grouper, one)[0]) != grouper.name(places(grouper, two)[0])


def test_the_order_of_tools_and_one_tool_more_make_no_difference():
    prompt = "You run the household with the tools you have."
    names = ["lamp", "heater", "blinds", "oven"]
    jobs = [
        asks(prompt, text(i), tools=Random(i).sample(names, 4) + (["radio"] if i % 3 == 0 else [])) for i in range(60)
    ]
    assert len(set(places(scanned(jobs), jobs))) == 1


def test_tools_chosen_request_by_request_are_one_job():
    jobs = [asks("", text(i), tools=[f"{words(i, 1)}_{i}", f"{words(i + 5, 1)}_{i}"]) for i in range(120)]
    chats = [asks("", text(i + 500)) for i in range(120)]
    grouper = scanned(mixed(jobs, chats))
    assert len(set(places(grouper, jobs))) == 1
    assert set(places(grouper, jobs)).isdisjoint(places(grouper, chats))


def test_two_jobs_that_differ_only_in_the_answers_schema_are_two():
    prompt = "Read the letter and fill in the form."
    one = [asks(prompt, text(i), fields=["sender", "date", "subject"]) for i in range(30)]
    two = [asks(prompt, text(i), fields=["amount", "currency", "iban"]) for i in range(30)]
    free = [asks(prompt, text(i)) for i in range(30)]
    assert kept_apart(scanned(mixed(one, two, free)), one, two, free)


def test_tasks_behind_one_long_preamble_are_told_apart():
    preamble = "\n".join(f"House rule {words(i, 9)} applies to you at all times." for i in range(12))
    tasks = [
        "Task: summarise the letter.",
        "Task: draft a polite refusal.",
        "Task: list the open questions.",
        "Task: check the spelling only.",
        "Task: find the cheapest offer.",
    ]
    groups = [[asks(f"{preamble}\n{task}", text(i + 100 * at)) for i in range(25)] for at, task in enumerate(tasks)]
    assert kept_apart(scanned(mixed(*groups)), *groups)


HEAD = "You are the helpful assistant of Orbit Ltd and you follow the house style."
BEHIND = [
    "Summarise the ticket for the support team in two lines.",
    "Translate the message into French for the customer.",
    "Classify the email as spam or not and give one word.",
    "Write a haiku about the product below.",
    "Extract the invoice number and the date.",
]


ENDING = [
    "Summarise the ticket for the support team in two lines.",
    "Translate the message into French for the customer.",
    "Classify the email as spam or not and give one word.",
    "Write a haiku about the product that is described below.",
    "Extract the invoice number and the date from the letter.",
    "Draft a polite refusal that names another day for a visit.",
    "Find the cheapest of the offers and say what it leaves out.",
    "Rate the mood of the review from one to five.",
    "Compare the two candidates by what the advertisement asks for.",
    "Explain the bill to a customer who has never seen one before.",
    "List every person and place that the article names.",
    "Check the spelling of the notice and mark each mistake.",
]
ARCHIVED = ["bills", "letters", "notices", "tickets", "orders", "claims", "drafts", "photographs", "minutes"]


def test_prompts_that_share_a_head_and_how_a_rule_ends_are_no_documents_in_a_slot():
    head = "You work for the town council and you must follow the rules of the house."
    rules = [f"All {kind} stay in the archive until the end of the month." for kind in ARCHIVED]
    groups = [
        [asks("\n".join([head, task, *rules[at : at + 1]]), text(i * 7 + at)) for i in range(30)]
        for at, task in enumerate(ENDING)
    ]
    assert kept_apart(scanned(mixed(*groups)), *groups)


PAGE = [f"House rule {words(i, 9)} applies to you at all times." for i in range(14)]


def test_prompts_before_one_page_of_rules_are_told_apart_though_a_few_calls_lack_a_line_of_it():
    groups = [[asks("\n".join([task, *PAGE]), text(i * 7 + at)) for i in range(30)] for at, task in enumerate(ENDING)]
    groups[3][5:7] = [asks("\n".join([ENDING[3], *PAGE[:4], *PAGE[5:]]), text(i)) for i in range(2)]
    assert kept_apart(scanned(mixed(*groups)), *groups)


def test_rare_prompts_before_a_page_that_all_have_are_told_apart_too():
    groups = [
        [asks("\n".join([task, *PAGE]), text(i * 7 + at)) for i in range(220 if at < 6 else 7)]
        for at, task in enumerate(ENDING)
    ]
    assert kept_apart(scanned(mixed(*groups)), *groups)


def test_a_page_that_all_prompts_have_makes_no_two_of_them_versions_of_one():
    tasks = [
        *ENDING[:8],
        "Say in which tone the caller speaks, from one to five.",
        "Say in which tone the letter speaks, from one to five.",
    ]
    groups = [[asks("\n".join([task, *PAGE]), text(i * 7 + at)) for i in range(30)] for at, task in enumerate(tasks)]
    assert kept_apart(scanned(mixed(*groups)), *groups)


def test_prompts_in_an_unknown_language_before_one_page_are_no_documents_in_a_slot():
    tasks = [" ".join(word[::-1] for word in task.split()) for task in ENDING]
    groups = [[asks("\n".join([task, *PAGE]), text(i * 7 + at)) for i in range(30)] for at, task in enumerate(tasks)]
    assert kept_apart(scanned(mixed(*groups)), *groups)


def test_documents_that_open_a_prompt_do_not_split_it():
    pool = [text(1_000 + i, 5) for i in range(20)]
    jobs = [
        asks(f"{pool[i % 20]}\nAnswer the members' questions from the text above. If unsure, say so.", text(i, 1))
        for i in range(200)
    ]
    assert len(set(places(scanned(jobs), jobs))) == 1


def test_jobs_in_another_language_behind_one_line_are_no_documents_in_a_slot():
    head = "Du arbeitar på kommunens kontor och skriver på vanlig svenska till alla."
    tasks = [
        "Sammanfatta brevet i två meningar så att borgmästaren hinner läsa det.",
        "Översätt meddelandet till finska utan att lägga till något alls.",
        "Sortera ärendet till rätt avdelning och ange den med ett ord.",
        "Dikta en vers om årstiden som får plats på ett vykort.",
        "Rätta stavfelen i texten och stryk under varje ord som ändrats.",
    ]
    groups = [[asks(f"{head}\n{task}", text(i * 7 + at)) for i in range(30)] for at, task in enumerate(tasks)]
    assert kept_apart(scanned(mixed(*groups)), *groups)


@pytest.mark.parametrize("number", [2, 3, 5])
@pytest.mark.parametrize("calls", [40, 4], ids=["as common", "rare beside the first"])
def test_one_head_line_before_different_prompts_joins_none_of_them(number, calls):
    groups = [
        [asks(f"{HEAD}\n{line}", text(i * 7 + at)) for i in range(200 if calls == 4 and at == 0 else calls)]
        for at, line in enumerate(BEHIND[:number])
    ]
    assert kept_apart(scanned(mixed(*groups)), *groups)


@pytest.mark.parametrize("number", [1, 2, 3, 5])
@pytest.mark.parametrize(("bare", "calls"), [(40, 40), (10, 200), (200, 10)], ids=["as often", "seldom", "mostly"])
@pytest.mark.parametrize("head", [HEAD, f"{HEAD} You keep to what the customer asked for and to what is on file."])
def test_a_head_line_that_some_calls_send_alone_is_not_an_earlier_version_of_the_prompts_behind_it(
    number, bare, calls, head
):
    alone = [asks(head, text(9_000 + i)) for i in range(bare)]
    groups = [
        [asks(f"{head}\n{line}", text(i * 7 + at)) for i in range(calls)] for at, line in enumerate(BEHIND[:number])
    ]
    assert kept_apart(scanned(mixed(alone, *groups)), alone, *groups)


def test_a_rule_of_conduct_more_makes_a_version_of_a_prompt_and_no_other_job():
    alone = [asks(HEAD, text(9_000 + i)) for i in range(40)]
    longer = [asks(f"{HEAD}\nKeep it short.", text(i)) for i in range(40)]
    assert len(set(places(scanned(mixed(alone, longer)), alone + longer))) == 1


def test_a_head_that_was_sent_alone_before_it_was_given_a_task_is_an_earlier_version():
    alone = [asks(f"{HEAD} You keep to what the customer asked for.", text(9_000 + i)) for i in range(40)]
    tasked = [asks(f"{HEAD} You keep to what the customer asked for.\n{BEHIND[2]}", text(i)) for i in range(40)]
    grouper = scanned(alone + tasked, hours_apart=1)
    assert len(set(places(grouper, alone + tasked))) == 1


def test_how_people_end_their_questions_makes_no_job_of_a_few_of_them():
    endings = [
        "How old is he now?",
        "How much did she pay?",
        "How many are left?",
        "Calculate the total number of them.",
    ]
    asked = [asks("", f"{text(i, 2)} {endings[i % 4]}" if i % 200 < 4 else text(i, 3)) for i in range(1_000)]
    assert len(set(places(scanned(asked), asked))) == 1


def test_a_job_that_is_three_percent_of_the_calls_is_found():
    large = [asks("You answer questions of tenants about their lease.", text(i)) for i in range(970)]
    small = [asks("You turn meeting notes into invitations.", text(i)) for i in range(30)]
    random = Random(1)
    log = large + small
    random.shuffle(log)
    assert kept_apart(scanned(log), large, small)


def test_fixed_wording_groups_messages_without_a_system_prompt():
    one = [asks("", f"Summarise this for a child of eight:\n\n{text(i, 4)}") for i in range(30)]
    two = [asks("", f"{text(i, 4)}\n\nWhat does the writer want from us, in one line?") for i in range(30)]
    three = [asks("", f"Write a toast for a {words(i, 2)} who turns {i}.") for i in range(30)]
    chats = [asks("", text(i + 900, 1 + i % 3)) for i in range(60)]
    assert kept_apart(scanned(mixed(one, two, three, chats)), one, two, three, chats)


def test_instructions_in_the_message_split_a_prompt_that_says_nothing():
    one = [asks(GENERIC, f"Summarise the following text in one sentence.\n{text(i, 4)}") for i in range(40)]
    two = [asks(GENERIC, f"Extract every product name from the text below.\n{text(i, 4)}") for i in range(40)]
    chats = [asks(GENERIC, text(i + 900, 1 + i % 3)) for i in range(40)]
    assert kept_apart(scanned(mixed(one, two, chats)), one, two, chats)


LONG = (
    "You help the clerks of a shipping company with their letters to customers. Keep every amount and date exactly as it stands."
    " Never promise a refund, name no employee and write in plain English without greetings."
)


def taken(requests):
    """The requests as a process takes them in that cannot read them again, and the workload each is placed in."""
    grouper = Grouper()
    shapes = [grouper.take(request, whole=True) for request in requests]
    grouper.link()
    return shapes, [grouper.assign_shape(shaped) for shaped in shapes]


def test_messages_behind_a_long_prompt_that_tell_nothing_are_read_no_more():
    shapes, placed = taken([asks(LONG, text(i)) for i in range(600)])
    read = sum(shaped.opening is not None for shaped in shapes)
    assert 128 <= read < 300
    assert len({assignment.workload_id for assignment in placed}) == 1


def test_jobs_given_in_messages_behind_a_long_prompt_are_told_apart_where_they_cannot_be_read_again():
    jobs = ["Shorten the letter to three lines:", "List the amounts that the letter names:", "Say in one word how angry the writer is:"]  # fmt: skip
    shapes, placed = taken([asks(LONG, f"{jobs[i % 3]}\n{text(i)}") for i in range(600)])
    assert all(shaped.opening is not None for shaped in shapes)
    homes = [{assignment.workload_id for assignment in placed[n::3]} for n in range(3)]
    assert [len(each) for each in homes] == [1, 1, 1]
    assert len(set.union(*homes)) == 3


def test_popular_questions_do_not_split_a_chat():
    popular = ["Where is my parcel?", "What are your opening hours?", "How do I return something?"]
    chats = [
        asks(
            "You are the assistant on the web page of a shoe shop. Keep it light.",
            popular[i % 3] if i % 2 else text(i, 1),
        )
        for i in range(200)
    ]
    assert len(set(places(scanned(chats), chats))) == 1


def test_a_chat_is_one_job_whatever_its_turns():
    turns = []
    for i in range(40):
        messages: tuple[Message, ...] = (said(text(i, 1)),)
        for turn in range(4):
            turns.append(Request(**{**_fields(asks("You keep lonely sailors company.")), "messages": messages}))
            messages += (said(text(i + turn, 2), "assistant"), said(text(i * 3 + turn, 1)))
    assert len(set(places(scanned(turns), turns))) == 1


def test_all_steps_of_an_agents_run_are_one_job_even_after_its_history_was_compacted():
    prompt = "You are an agent that repairs build failures. Use the tools until the build is green."
    steps = []
    for run in range(25):
        messages: tuple[Message, ...] = (said(f"Build {run} is red: {words(run)}"),)
        for step in range(8):
            if step == 5:
                messages = (said(f"So far: {text(run, 2)}"),)
            steps.append(Request(**{**_fields(asks(prompt, tools=["read", "patch", "build"])), "messages": messages}))
            messages += (_called("patch", step), _result(step, text(step)))
    assert len(set(places(scanned(steps), steps))) == 1


def test_a_step_whose_tools_were_not_logged_stays_with_its_run():
    prompt = "You are an agent that repairs build failures. Use the tools until the build is green."
    with_tools = [asks(prompt, text(i), tools=["read", "patch", "build"]) for i in range(30)]
    history = (
        said("red"),
        _called("read", 1),
        _result(1, "x"),
        _called("patch", 2),
        _result(2, "y"),
        _called("build", 3),
        _result(3, "z"),
    )
    last = [Request(**{**_fields(asks(prompt)), "messages": history})] * 10
    assert len(set(places(scanned(mixed(with_tools, last)), with_tools + last))) == 1


def test_the_model_slots_of_a_coding_agent_are_told_apart():
    main = [
        asks(
            "You are a coding agent. Edit files and run the tests.\n<env>\ncwd: /srv/app\n</env>",
            text(i),
            tools=["Read", "Edit", "Bash"],
        )
        for i in range(60)
    ]
    title = [asks("Write a title of five words for the session.", text(i)) for i in range(20)]
    compact = [asks("Condense the session so that work can go on. Keep file names.", text(i, 9)) for i in range(12)]
    search = [
        asks("You are a read-only search helper of a coding agent.", text(i), tools=["Grep", "Glob"]) for i in range(20)
    ]
    assert kept_apart(scanned(mixed(main, title, compact, search)), main, title, compact, search)


def test_one_long_conversation_is_no_job():
    jobs = [asks("You write captions for photographs of birds.", text(i)) for i in range(200)]
    talk: list[Request] = []
    messages: tuple[Message, ...] = (said("Hello, who are you?"),)
    for turn in range(12):
        talk.append(Request(**{**_fields(asks(f"Play the ghost of {words(1, 9)}.")), "messages": messages}))
        messages += (said(text(turn), "assistant"), said(text(turn + 50)))
    grouper = scanned(jobs + talk)
    assert {grouper.name(id_) for id_ in places(grouper, talk)} == {"Ad hoc chat"}


def test_embeddings_are_grouped_by_model():
    one = [embeds(text(i), "text-embedding-3-large") for i in range(20)]
    two = [embeds(text(i), "voyage-3") for i in range(3)]
    grouper = scanned(mixed(one, two))
    assert kept_apart(grouper, one, two)
    assert grouper.name(places(grouper, two)[0]) == "Embeddings with voyage-3"


def test_the_model_is_not_part_of_a_chat_job():
    jobs = [asks("You write captions for photographs of birds.", text(i), model=f"model-{i % 4}") for i in range(40)]
    assert len(set(places(scanned(jobs), jobs))) == 1


def test_what_fits_nowhere_has_a_workload_too():
    jobs = [asks("You write captions for photographs of birds.", text(i)) for i in range(40)]
    strays = [asks(text(i * 101, 4), text(i * 7)) for i in range(10)]
    grouper = scanned(mixed(jobs, strays))
    assert {grouper.name(id_) for id_ in places(grouper, strays)} == {"Ad hoc chat"}
    assert len(set(places(grouper, [*strays, asks(user="something nobody said before")]))) == 1


def test_a_first_log_of_a_dozen_lines_is_grouped():
    one = [asks("You write captions for photographs of birds.", text(i)) for i in range(6)]
    two = [asks("You are a tax adviser for musicians.", text(i)) for i in range(4)]
    assert kept_apart(scanned(mixed(one, two)), one, two)


def test_an_empty_log_has_no_workloads_and_one_request_is_ad_hoc():
    grouper = Grouper()
    grouper.link()
    assert grouper.name(grouper.assign(asks("anything", "at all")).workload_id) == "Ad hoc chat"


def test_a_prompt_in_one_long_line_is_told_apart_by_its_end():
    start = " ".join(f"You must respect house rule {words(i, 9)} at all times." for i in range(40))
    one = [asks(f"{start} Now turn the letter into a poem for {NAMES[i % 8]}.", text(i)) for i in range(30)]
    two = [asks(f"{start} Now find every spelling mistake in the letter.", text(i)) for i in range(30)]
    assert kept_apart(scanned(mixed(one, two)), one, two)


def test_a_long_line_without_full_stops_is_told_apart_by_its_end():
    start = ", ".join(words(i, 6) for i in range(12))
    one = [asks(f"respect {start}, then turn the letter into a poem", text(i)) for i in range(30)]
    two = [asks(f"respect {start}, then look up the sender in the register", text(i)) for i in range(30)]
    assert kept_apart(scanned(mixed(one, two)), one, two)


def test_prompts_written_as_json_in_german_or_in_capitals_are_told_apart():
    groups = [
        [
            asks(f'{{"task": "classify the mood of a letter", "customer": "{NAMES[i % 8]}"}}', text(i))
            for i in range(20)
        ],
        [
            asks(f'{{"task": "translate the letter for the archive", "customer": "{NAMES[i % 8]}"}}', text(i))
            for i in range(20)
        ],
        [
            asks("Du bist ein Assistent für die Buchhaltung. Prüfe die Rechnung und nenne den Betrag.", text(i))
            for i in range(20)
        ],
        [
            asks("Du bist ein Assistent für den Einkauf. Vergleiche die Angebote und nenne den Lieferanten.", text(i))
            for i in range(20)
        ],
        [asks("ALWAYS ANSWER IN RHYME AND NEVER SWEAR", text(i)) for i in range(20)],
        [asks("SORT EACH LETTER INTO ONE OF FOUR TRAYS", text(i)) for i in range(20)],
        [asks("将客户的信件翻译成正式的书面语，不要添加任何内容。", text(i)) for i in range(20)],
        [asks("请根据客户的信件判断其情绪，只输出一个词。", text(i)) for i in range(20)],
    ]
    assert kept_apart(scanned(mixed(*groups)), *groups)


def _fields(request: Request) -> dict:
    return {name: getattr(request, name) for name in ("endpoint", "model", "system", "tools")}


def _called(name: str, number: int) -> Message:
    return Message(
        role="assistant", parts=(Part(kind=PartKind.TOOL_CALL, call_id=f"c{number}", name=name, arguments={}),)
    )


def _result(number: int, content: str) -> Message:
    return Message(role="tool", parts=(Part(kind=PartKind.TOOL_RESULT, call_id=f"c{number}", text=content),))
