"""Templates kept aside: written before tuning began, in other styles, and never looked at while tuning."""

from __future__ import annotations

from traffic import Spec, call, img, pdf, schema, tool

SUITE = "## Role\nAssistant inside the {company} claims portal.\n\n## Always\n- Use plain language\n- Respect privacy\n- Reference number: {code}\n\n"

SPECS = [
    Spec("lead_score", "structured", 3, "<role>Lead qualification</role>\n<instructions>Rate the inbound lead from 1 to 5 and name the segment. Respond as JSON.</instructions>", "<lead>\n{ticket}\n</lead>", lambda f: f.json(score=f.random.randint(1, 5), segment=f.pick(["smb", "enterprise"])), json_mode=True),
    Spec("medical_codes", "structured", 2, "Assign ICD codes to the discharge note. Codes only, comma separated.", "{document}", lambda f: f"{f.code()}, {f.code()}"),
    Spec("intent_router", "structured", 5, "Which intent does the caller have? One of: open_account, close_account, dispute, card_lost, balance, human", "{chatter}", lambda f: f.pick(["dispute", "balance", "human", "card_lost"])),
    Spec("smart_home", "structured", 3, "", "{pick_home}", lambda f: call("set_device", device="lamp", on=True), tools=[tool("set_device", "device", "on"), tool("set_temperature", "room", "degrees")]),
    Spec("claims_extract", "structured", 2, SUITE + "## Task\nFill in the claim form from the customer's account of events.", "{document}", lambda f: f.json(date=f.date(), place=f.city(), damage=f.number()), schema=schema("date", "place", "damage", "police", "witness")),
    Spec("claims_letter", "writing", 3, SUITE + "## Task\nWrite the decision letter to the policy holder. Start with the outcome.", "Decision: {pick_decision}\nGrounds: {text}", lambda f: f"Dear {f.name()},\n\n{f.document()}\n\nYours sincerely"),
    Spec("claims_policy_qa", "retrieval", 3, SUITE + "## Task\nAnswer from the policy wording below and quote the clause.\n\n## Policy wording\n{document}", "{question}", lambda f: "According to clause 4: " + f.sentence()),
    Spec("entity_tagger", "structured", 1, "", "Extract all people, organisations and places from the passage. Return a JSON array of objects with text and type.\nPassage: {text}", lambda f: json_array(f)),
    Spec("wiki_qa", "retrieval", 4, "Knowledge assistant of {company}.\nGround every statement in the retrieved passages. No passage, no answer.\n\nRetrieved passages:\n{document}\n\nEnd of passages.", "{question}", lambda f: f.text(1, 2)),
    Spec("semantic_dedupe", "retrieval", 3, endpoint="embeddings", model="embed-multilingual-v3.0", user="{sentence}"),
    Spec("rerank_judge", "retrieval", 1, "Given a search query and a passage, rate from 0 to 3 how relevant the passage is to the query.", "Query: {question}\nPassage: {text}", lambda f: str(f.random.randint(0, 3))),
    Spec("docs_bot", "retrieval", 3, "", "Context information is below.\n---------------------\n{document}\n---------------------\nGiven the context information and not prior knowledge, answer the query.\nQuery: {question}\nAnswer:", lambda f: f.text(1, 2)),
    Spec("blog_outline", "writing", 2, "", "I run a small blog. Give me an outline for a post about {topic}, with a hook and five sections.", lambda f: f.document()),
    Spec("tone_polish", "writing", 4, "Polish the paragraph for tone. Keep the meaning and the length. Do not add facts.", "{text}", lambda f: f.text()),
    Spec("board_minutes", "writing", 1, "Turn rough notes into formal minutes for the board of {company}. Past tense, third person, numbered items.", "{document}", lambda f: f.document()),
    Spec("story_bot", "writing", 2, "you are a bedtime storyteller. gentle, no villains, under 400 words", "a story about {topic} please, for {first}", lambda f: f.document(), turns=2),
    Spec("job_advert", "writing", 2, versions=[
        "Write job adverts for {company}. Inclusive wording. State salary and place. Close with how to apply.",
        "Write job adverts for {company}. Inclusive wording. State salary and place. Close with how to apply. Avoid jargon.",
        "Write job adverts for {company}. Use inclusive wording. State salary, place and hours. Close with how to apply. Avoid jargon. Two hundred words at most."],
        user="Position: {noun} lead\nNotes: {text}", answer=lambda f: f.document()),
    Spec("sql_explain", "coding", 2, "Explain to a junior developer what the query does and how to make it faster.", "{function}", lambda f: f.text(2, 3) + "\n```sql\nCREATE INDEX ON orders (placed);\n```"),
    Spec("port_to_rust", "coding", 2, "", "Port this to Rust. Keep the function names.\n\n{function}", lambda f: "```rust\nfn total(items: &[i64]) -> i64 {\n    items.iter().sum()\n}\n```"),
    Spec("regex_bot", "coding", 1, "Return a single regular expression, nothing else.", "Match {noun} followed by digits, but not {noun}.", lambda f: r"^(?!.*voucher)\w+\d{2,}$"),
    Spec("autocomplete", "coding", 4, "Complete the code at <CURSOR>. Output only the inserted text.", "{function}\n<CURSOR>", lambda f: "    return [x for x in items if x.total > " + f.number() + "]"),
    Spec("logic_grid", "reasoning", 1, "", "Four colleagues each own a different pet. Deduce who owns which from the clues, and explain your deduction.\nClues:\n- {sentence}\n- {sentence}\n- {sentence}", lambda f: "Because of the first clue, it follows that " + f.sentence() + " Therefore " + f.sentence()),
    Spec("physics_hw", "reasoning", 3, "Tutor for upper-secondary physics. Derive the formula before inserting numbers. Box the final result.", "A body of {number} kg accelerates at {number} m/s^2. What force acts on it, and how far does it get in {number} s?", lambda f: f.working() + r" \boxed{42 N}"),
    Spec("forecast_reason", "reasoning", 1, "Estimate the probability that the statement comes true. Reason about base rates first, weigh the arguments for and against, then give a percentage.", "{sentence}", lambda f: f.text(2, 3) + " Probability: 35%"),
    Spec("sw_health", "multilingual", 2, "Wewe ni msaidizi wa kliniki ya {company}. Jibu kwa Kiswahili rahisi.", "{sw}", lambda f: f.words("sw", 2, 3)),
    Spec("ar_bank", "multilingual", 2, "أنت مساعد خدمة العملاء في {company}. أجب باختصار وبأدب.", "{ar}", lambda f: f.words("ar", 2, 3)),
    Spec("subtitle_l10n", "multilingual", 2, "Localise subtitles from English to {language}. Preserve timing codes and line breaks.", "00:01:0{digit} --> 00:01:1{digit}\n{sentence}", lambda f: f.words(f.pick(["hi", "vi", "th"]), 1, 2)),
    Spec("hi_tutor", "multilingual", 1, "", "{hi}", lambda f: f.words("hi", 2, 3)),
    Spec("abuse_reports", "safety", 2, "Trust & Safety triage. For each report, choose: no violation, hate speech, threat, sexual content, scam. Err on the side of human review.", "Report {code}: {chatter}", lambda f: f.pick(["no violation", "threat", "scam"])),
    Spec("crisis_gate", "safety", 1, "Before the wellbeing bot answers, check whether the user mentions suicide, self-harm or abuse. Say ESCALATE or CONTINUE.", "{chatter}", lambda f: f.pick(["ESCALATE", "CONTINUE", "CONTINUE"])),
    Spec("damage_photos", "multimodal", 2, SUITE + "## Task\nAssess the damage visible in the photographs.", "Claim {code}", lambda f: f.text(2, 3), media=img),
    Spec("slide_qa", "multimodal", 1, "", "Look at the attached slides and answer: {question}", lambda f: f.text(1, 2), media=pdf),
    Spec("screenshot_bug", "multimodal", 1, "File a bug report from the screenshot: steps, expected, actual.", "Seen on {date} by {name}", lambda f: f.text(3, 4), media=img),
    Spec("it_agent", "agentic", 2, "IT service desk agent. Work through the incident with the tools until it is resolved; hand over to a person after three failed attempts.\nEmployee: {name}\nSite: {city}", "{sentence}", lambda f: f.sentence(),
         tools=[tool("lookup_device", "user"), tool("restart_service", "name"), tool("read_runbook", "topic"), tool("close_ticket", "note")], steps=8),
    Spec("research_agent", "agentic", 1, "", "Research {topic} on the web and write a report with sources.", lambda f: f.document(),
         tools=[tool("web_search", "query"), tool("open_page", "url"), tool("take_note", "text")], steps=16),
    Spec("data_agent", "agentic", 2, versions=[
        "Analyst with access to a warehouse. Explore tables, run queries, check results, then answer. Never modify data.",
        "Analyst with access to a warehouse. Explore tables, run queries, check results, then answer. Never modify data. Prefer small queries."],
        user="{question}", answer=lambda f: f.sentence(), tools=[tool("list_tables"), tool("run_query", "sql"), tool("plot", "x", "y")], steps=7),
    Spec("pet_shop_chat", "writing", 3, "Chat companion on the website of {company}. Talk about pets. Never give veterinary advice.", "{chatter}", lambda f: f.text(1, 3), turns=3),
]


def json_array(f) -> str:
    return "[" + f.json(text=f.name(), type="person") + ", " + f.json(text=f.city(), type="place") + "]"
