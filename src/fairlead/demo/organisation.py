"""A month of a made-up company's calls to closed models: logs in two formats, a labels file, graders, and the truth.

Corvane Marine Supply sells gear for boats. Its fourteen jobs, a product search and some idle chatter are mixed by time of
day, as a proxy would have logged them. The same seed writes the same files. What a job is called, its category and how
often each model is right stand in `truth.json` and nowhere else: no id, order, metadata or prompt names them.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from pathlib import Path
from random import Random
from typing import Any

import msgspec

from fairlead.demo.chatter import ad_hoc, searched
from fairlead.demo.jobs import JOBS, Job
from fairlead.demo.jobs.task import Task
from fairlead.demo.requests import body_of, cached_tokens, token
from fairlead.demo.simulated.bodies import VERSIONS, Told, chat_completion, message, prompt_tokens, reasoning_tokens
from fairlead.demo.simulated.chance import Draws
from fairlead.demo.simulated.embeddings import embeddings
from fairlead.demo.simulated.prompt import mapping, read
from fairlead.demo.simulated.rates import Side, true_difference, true_rate
from fairlead.demo.simulated.solvers import answer, kind_of
from fairlead.demo.simulated.solvers.said import Said
from fairlead.demo.words import dice

NOW = datetime(2026, 11, 23, 6, 0, tzinfo=UTC)
DAYS = 30
SEARCHES, AD_HOC_CHATS = 620, 260
LABELLED = 0.985
CHATTER, SEARCH = "ad hoc chats", "product search"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """Where the sample organisation was written, and how large it is."""

    folder: Path
    logs: Path
    labels: Path
    graders: Path
    truth: Path
    exchanges: int
    broken_lines: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One exchange, ready to be written (a line, because 25,000 nested objects are slow to keep), and its author's knowledge."""

    at: datetime
    id: str
    line: bytes
    is_anthropic: bool
    job: str
    kind: str | None = None
    expected: Any = None
    grader: str | None = None


def generate(folder: Path, *, seed: int = 7, now: datetime = NOW) -> Sample:
    """Write the sample organisation into a folder (made if need be) and say what was written."""
    logs = folder / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    calls = sorted(all_calls(seed, now), key=lambda call: (call.at, call.id))
    broken = write_logs(logs, calls, seed=seed)
    labels, truth, graders = folder / "labels.jsonl", folder / "truth.json", folder / "graders.py"
    write_lines(labels, label_lines(calls, seed=seed))
    truth.write_text(json.dumps(truth_of(calls), indent=1) + "\n", encoding="utf-8")
    graders.write_text(files("fairlead.demo").joinpath("user_graders.py").read_text(encoding="utf-8"), encoding="utf-8")
    return Sample(
        folder=folder,
        logs=logs,
        labels=labels,
        graders=graders,
        truth=truth,
        exchanges=len(calls),
        broken_lines=broken,
    )


def all_calls(seed: int, now: datetime) -> Iterator[Call]:
    """The calls of every job, search and chat, in no particular order."""
    for job in JOBS:
        yield from job_calls(job, dice(seed, job.name), now, seed)
    rng = dice(seed, "other")
    for _ in range(SEARCHES):
        yield search_call(rng, now)
    for _ in range(AD_HOC_CHATS):
        yield chat_call(rng, now)


def moment(rng: Random, now: datetime, hours: tuple[int, int]) -> datetime:
    """A time within the month: mostly working days, mostly within the hours."""
    while True:
        day = (now - timedelta(days=rng.randrange(1, DAYS + 1))).replace(hour=0, minute=0, second=0, microsecond=0)
        if day.weekday() < 5 or rng.random() < 0.3:
            break
    hour = rng.triangular(hours[0], hours[1] + 1, sum(hours) / 2) if rng.random() < 0.93 else rng.uniform(0, 24)
    return day + timedelta(hours=min(hour, 23.99), milliseconds=rng.randrange(1000))


def version_at(job: Job, at: datetime, now: datetime) -> int:
    """Which version of a job's prompt was live."""
    share = 1 - (now - at) / timedelta(days=DAYS + 1)
    return min(int(max(share, 0.0) * len(job.writers)), len(job.writers) - 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A distinct request, with what its author and the simulated closed model make of it."""

    at: datetime
    task: Task
    body: dict[str, Any]
    kind: str | None
    said: Said
    lost: str | None
    tokens: int
    reasoning: int


def job_calls(job: Job, rng: Random, now: datetime, seed: int) -> Iterator[Call]:
    """All calls of a job: its distinct requests, then repeats of some of them within the next hours."""
    asked = list(distinct(job, rng, now, seed))
    for each in asked:
        yield job_call(job, each, each.at, rng)
    for _ in range(job.calls - job.distinct):
        each = rng.choice(asked)
        yield job_call(job, each, min(each.at + timedelta(minutes=rng.expovariate(1 / 90)), now), rng)


def distinct(job: Job, rng: Random, now: datetime, seed: int) -> Iterator[Asked]:
    """The distinct requests of a job, answered by the closed model."""
    known = set[str]()
    while len(known) < job.distinct:
        at = moment(rng, now, job.hours)
        task = job.writers[version_at(job, at, now)](rng, at)
        body = body_of(job, task, rng)
        prompt = read(body)
        key = prompt.key
        if key in known:
            continue
        known.add(key)
        draws = Draws(seed, key)
        yield Asked(
            at=at,
            task=task,
            body=body,
            kind=kind_of(prompt),
            said=answer(prompt, side=Side.CLOSED, draws=draws),
            lost=draws.fault(Side.CLOSED),
            tokens=prompt_tokens(body),
            reasoning=reasoning_tokens(body, draws),
        )


def job_call(job: Job, asked: Asked, at: datetime, rng: Random) -> Call:
    """One call of a job, as it was logged."""
    told = Told(
        said=asked.said,
        model=VERSIONS[job.model],
        id=token(rng),
        created=int(at.timestamp()),
        prompt=asked.tokens,
        cached=cached_tokens(job, asked.task) if rng.random() < job.cached_share else 0,
        reasoning=asked.reasoning,
    )
    whole = message(told) if job.dialect == "anthropic" else chat_completion(told)
    answered = failed(job.dialect, whole, asked.lost) if asked.lost else whole
    id_ = token(rng, 20)
    return Call(
        at=at,
        id=id_,
        line=line(id_, asked.body, answered, at, rng),
        is_anthropic=job.dialect == "anthropic",
        job=job.name,
        kind=asked.kind,
        expected=asked.task.expected,
        grader=job.grader,
    )


def failed(dialect: str, told: Mapping[str, Any], lost: str) -> dict[str, Any]:
    """What a log holds when no whole answer came: an error in the provider's words, or an empty answer."""
    if lost == "hang" and dialect == "anthropic":
        return {"type": "error", "error": {"type": "timeout_error", "message": "Request timed out."}}
    if lost == "hang":
        return {"error": {"type": "timeout", "code": None, "message": "Request timed out.", "param": None}}
    if dialect == "anthropic":
        return {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
    choice = {**told["choices"][0], "message": {"role": "assistant", "content": "", "refusal": None}}
    return {**told, "choices": [{**choice, "finish_reason": "length"}]}


def line(id_: str, body: Mapping[str, Any], answered: Mapping[str, Any], at: datetime, rng: Random) -> bytes:
    """A line of the log around two bodies; now and then the proxy did not note how long it took."""
    usage = mapping(answered.get("usage"))
    out = int(usage.get("completion_tokens", usage.get("output_tokens", 0)))
    took = round((0.35 + out * rng.uniform(0.008, 0.02)) * rng.lognormvariate(0, 0.35), 3)
    noted: dict[str, Any] = {"env": "prod", "release": f"2026.{at.isocalendar().week}.{at.weekday()}"}
    if rng.random() < 0.7:
        noted["user_id"] = f"u_{rng.randrange(48):03d}{rng.randrange(16):x}"
    row: dict[str, Any] = {"id": id_, "request": body, "response": answered, "started_at": stamp(at), "metadata": noted}
    if rng.random() > 0.02:
        row["latency_s"] = took if "error" not in answered else 60.0
    return msgspec.json.encode(row)


def stamp(at: datetime) -> str:
    """A time as the proxy writes it."""
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def search_call(rng: Random, now: datetime) -> Call:
    """A search in the shop: an embeddings request."""
    at, model = moment(rng, now, (5, 21)), "text-embedding-3-large"
    body = {"model": model, "input": searched(rng), "dimensions": 256, "encoding_format": "base64"}
    id_ = token(rng, 20)
    told = line(id_, body, embeddings(body, model=model), at, rng)
    return Call(at=at, id=id_, line=told, is_anthropic=False, job=SEARCH)


def chat_call(rng: Random, now: datetime) -> Call:
    """Somebody trying something out."""
    at, model = moment(rng, now, (7, 19)), rng.choice(("gpt-4o", "gpt-4o-mini"))
    asked, said = ad_hoc(rng)
    body: dict[str, Any] = {"model": model, "messages": [{"role": "user", "content": asked}]}
    told = Told(
        said=Said(text=said),
        model=VERSIONS[model],
        id=token(rng),
        created=int(at.timestamp()),
        prompt=prompt_tokens(body),
    )
    id_ = token(rng, 20)
    written = line(id_, body, chat_completion(told), at, rng)
    return Call(at=at, id=id_, line=written, is_anthropic=False, job=CHATTER)


def write_logs(logs: Path, calls: Sequence[Call], *, seed: int) -> int:
    """One file per provider and half of the month, the older ones packed; returns how many lines are broken."""
    middle = calls[len(calls) // 2].at
    spoiled = {
        call.id: fate for call, fate in zip(dice(seed, "broken").sample(calls, len(BREAKS)), BREAKS, strict=True)
    }
    for is_anthropic, name in ((False, "openai"), (True, "anthropic")):
        for late in (False, True):
            chosen = [call for call in calls if call.is_anthropic == is_anthropic and (call.at >= middle) == late]
            path = logs / f"{name}-{chosen[0].at:%Y-%m-%d}.jsonl{'' if late else '.gz'}"
            write_lines(path, (spoiled.get(call.id, bytes)(call.line) for call in chosen))
    return len(spoiled)


def cut_short(line: bytes) -> bytes:
    """A line whose writer was killed."""
    return line[: len(line) // 3]


def not_utf8(line: bytes) -> bytes:
    """A line with bytes that are no text."""
    return line[:60] + b"\xff\xfe\x00\x9c" + line[80:]


def wrong_shape(line: bytes) -> bytes:
    """A line whose messages are no messages."""
    return msgspec.json.encode(
        {**msgspec.json.decode(line), "request": {"model": "gpt-4o", "messages": "see attachment"}}
    )


BREAKS = (cut_short, not_utf8, wrong_shape)


def write_lines(path: Path, lines: Iterable[bytes]) -> None:
    """Write lines, packed when the name says so."""
    opened = gzip.GzipFile(path, "wb", compresslevel=2, mtime=0) if path.suffix == ".gz" else path.open("wb")
    with opened as out:
        for each in lines:
            out.write(each + b"\n")


def label_lines(calls: Sequence[Call], *, seed: int) -> Iterator[bytes]:
    """What the people who labelled the log wrote down: what is right, and how it is to be compared."""
    rng = dice(seed, "labels")
    labelled = [call for call in calls if call.grader and rng.random() < LABELLED]
    rng.shuffle(labelled)
    for call in labelled:
        yield msgspec.json.encode({"id": call.id, "expected": call.expected, "grader": call.grader})


def truth_of(calls: Sequence[Call]) -> dict[str, Any]:
    """What really is: the jobs with their rates, and which exchange belongs to which."""
    kinds = {call.job: call.kind for call in calls if call.kind}
    jobs: dict[str, Any] = {}
    for job in JOBS:
        kind = kinds[job.name]
        rates = {"closed": true_rate(kind, Side.CLOSED), "open": true_rate(kind, Side.OPEN)}
        jobs[job.name] = {"category": job.category, **rates, "difference": true_difference(kind)}
    jobs[SEARCH] = {"category": "retrieval"}
    jobs[CHATTER] = {"category": None}
    names = list(jobs)
    return {"jobs": jobs, "exchanges": {call.id: names.index(call.job) for call in calls}}
