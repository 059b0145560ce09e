"""The nouns every part of Fairlead speaks in: frozen records, no behaviour beyond what follows from their fields.

A *request* is what an application asked; an *exchange* is a request with the answer, usage and latency it got; a
*workload* is the exchanges that do one job; a *candidate* is an open-weight model with settings that could answer
instead of the *incumbent*; a *pair* is one request answered by both; a *grade* says how good one answer is.

Rules kept here: what is not known is `None`, never zero; times are aware UTC datetimes; durations are seconds and
say so (`_s`); token counts are disjoint (they add up); money is `Decimal` and carries its currency.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Literal, TypeAlias

from fairlead.core.ids import digest
from fairlead.core.quick import quick

JSON: TypeAlias = "bool | int | float | str | list[JSON] | dict[str, JSON] | None"


class Category(StrEnum):
    """The nine kinds of work."""

    CODING = "coding"
    MULTILINGUAL = "multilingual"
    RETRIEVAL = "retrieval"
    REASONING = "reasoning"
    WRITING = "writing"
    STRUCTURED = "structured"
    AGENTIC = "agentic"
    MULTIMODAL = "multimodal"
    SAFETY = "safety"


class Dialect(StrEnum):
    """The protocol in which a body is written."""

    OPENAI_CHAT = "openai.chat"
    OPENAI_EMBEDDINGS = "openai.embeddings"
    ANTHROPIC_MESSAGES = "anthropic.messages"


class Endpoint(StrEnum):
    """What kind of call a request is, whatever its dialect."""

    CHAT = "chat"
    EMBEDDINGS = "embeddings"


class PartKind(StrEnum):
    """What one part of a message holds."""

    TEXT = "text"
    IMAGE = "image"
    DOCUMENT = "document"
    AUDIO = "audio"
    TOOL_CALL = "tool_call"
    TOOL_RESULT = "tool_result"
    THINKING = "thinking"


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One part of a message.

    `text` is the text, the tool result as text, or for media its address or data URL (empty when the log does not hold
    it). For tool calls `call_id`, `name` and `arguments` (parsed JSON, or the raw string when it does not parse to an
    object or a list) are set; for tool results `call_id`; for media `arguments` holds what was sent beside it.
    """

    kind: PartKind
    text: str = ""
    call_id: str | None = None
    name: str | None = None
    arguments: JSON = None
    media_type: str | None = None


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One turn: `role` is system, developer, user, assistant or tool."""

    role: str
    parts: tuple[Part, ...]

    @property
    def text(self) -> str:
        """The text parts, joined by newlines."""
        text = PartKind.TEXT
        return "\n".join([part.text for part in self.parts if part.kind is text])


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """A tool the model may call; `parameters` is its JSON schema.

    `kind` is "function", or the vendor's own word for a tool that runs at the vendor (web search, code) and that no
    other endpoint can offer.
    """

    name: str
    description: str = ""
    parameters: Mapping[str, JSON] = field(default_factory=dict[str, JSON])
    kind: str = "function"


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What an application asked, independent of the provider's dialect.

    `system` is the text of the leading system and developer messages or of Anthropic's `system`; `messages` are the
    rest. `schema` is the response's JSON schema; `json_mode` is true when JSON was asked for with or without one.
    `parameters` keeps every other top-level field of the body as sent (temperature, max_tokens, seed, …). `inputs` are
    the texts of an embeddings request.
    """

    endpoint: Endpoint
    model: str
    system: str = ""
    messages: tuple[Message, ...] = ()
    tools: tuple[Tool, ...] = ()
    tool_choice: JSON = None
    schema: Mapping[str, JSON] | None = None
    json_mode: bool = False
    stream: bool = False
    parameters: Mapping[str, JSON] = field(default_factory=dict[str, JSON])
    inputs: tuple[str, ...] = ()


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCall:
    """A call the model made; `arguments` is parsed JSON, or the raw string where it does not parse."""

    name: str
    arguments: JSON
    call_id: str | None = None


class FailureKind(StrEnum):
    """Why there is no usable answer. Each is scored 0 for the side that failed; none is dropped."""

    TIMEOUT = "timeout"
    CUT = "cut"
    SERVER_ERROR = "server error"
    REFUSED_REQUEST = "refused request"
    NOT_JSON = "not JSON"
    EMPTY = "empty"
    TOO_LARGE = "too large"
    NOT_RECORDED = "not recorded"


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why there is no usable answer, in words (`detail`, one line, at most 300 characters)."""

    kind: FailureKind
    detail: str = ""
    status: int | None = None


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Tokens of one exchange in disjoint counts: they add up to what was billed. `None` is unknown, not zero.

    `fresh` input read at full price; `cache_read`; `cache_write_5m`, `cache_write_1h`; `visible` output; `reasoning`
    output that was billed but not shown; `audio_in`, `image_in` and `audio_out` tokens that were counted apart, being
    billed apart.
    """

    fresh: int | None = None
    cache_read: int | None = None
    cache_write_5m: int | None = None
    cache_write_1h: int | None = None
    visible: int | None = None
    reasoning: int | None = None
    audio_in: int | None = None
    image_in: int | None = None
    audio_out: int | None = None

    @property
    def input(self) -> int | None:
        """All input tokens, cached ones included; `None` when the fresh count is unknown."""
        if self.fresh is None:
            return None
        cached = (self.cache_read or 0) + (self.cache_write_5m or 0) + (self.cache_write_1h or 0)
        return self.fresh + cached + (self.audio_in or 0) + (self.image_in or 0)

    @property
    def output(self) -> int | None:
        """All output tokens, reasoning included; `None` when the visible count is unknown."""
        if self.visible is None:
            return None
        return self.visible + (self.reasoning or 0) + (self.audio_out or 0)


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a model answered: text, tool calls, or a failure in their place.

    `model` is the version the endpoint says answered; `finish` its stop reason as sent. `embeddings` is the number of
    vectors an embeddings endpoint returned.
    """

    text: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    model: str | None = None
    finish: str | None = None
    embeddings: int = 0
    failure: Failure | None = None


class Fidelity(StrEnum):
    """What a log has lost of an exchange, so that it cannot be asked again as it was. Counted, never guessed."""

    TRUNCATED = "truncated"
    MEDIA_DROPPED = "media dropped"
    TOOLS_MISSING = "tools missing"
    PROMPT_ABSENT = "prompt absent"
    RECONSTRUCTED = "reconstructed"
    REDACTED = "redacted"


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """A request with the answer, usage and latency it got.

    `id` is the log's own id, or one made from the row's content; `row_hash` is the hash of the source row, so that
    reading a file twice adds nothing. `request_body` and `response_body` are the bodies as logged (JSON values), in
    `dialect`. `conversation` ties exchanges that are not independent (an agent's trajectory, a chat), `step` counts them
    from 1 where the log says; `user` is whom they were made for. `first_token_s` is the time to the first token.
    `fidelity` names what cannot be asked again as it was. `tier` is the service tier it was billed at, such as `batch`;
    `None` is the standard one.
    """

    id: str
    row_hash: str
    dialect: Dialect
    request: Request
    answer: Answer
    request_body: JSON
    response_body: JSON
    usage: Usage = Usage()
    started_at: datetime | None = None
    latency_s: float | None = None
    provider: str | None = None
    conversation: str | None = None
    user: str | None = None
    metadata: Mapping[str, JSON] = field(default_factory=dict[str, JSON])
    source: str = ""
    first_token_s: float | None = None
    step: int | None = None
    fidelity: tuple[Fidelity, ...] = ()
    tier: str | None = None


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Money:
    """An amount in its own currency (ISO code)."""

    amount: Decimal
    currency: str = "USD"


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenPrice:
    """What a million tokens cost, valid from `since` (ISO date), as `source` says.

    A cache price that is `None` means those tokens are billed as fresh input; `cache_write_1h` falls back on `cache_write`.
    `batch` is the share of it that the batch tier costs (0.5 is half); `None` is unknown.
    """

    input: Decimal
    output: Decimal
    cache_read: Decimal | None = None
    currency: str = "USD"
    since: str = ""
    source: str = ""
    cache_write: Decimal | None = None
    cache_write_1h: Decimal | None = None
    batch: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CategoryGuess:
    """Which kind of work a workload is, with the reasons in words; `others` also apply, strongest first."""

    category: Category
    confidence: float
    reasons: tuple[str, ...] = ()
    others: tuple[Category, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """The exchanges that do one job: the unit of decision. The id is minted once and never reused."""

    id: str
    name: str
    guess: CategoryGuess
    endpoint: Endpoint = Endpoint.CHAT


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """An open-weight model *with settings* that could answer a workload. Other settings are another candidate.

    `endpoint` is a base URL (`…/v1`); `key_env` names the environment variable that holds its key. `parameters` are set
    on every request, `drop` are removed, `rename` maps a logged parameter to the endpoint's name. `prompt_prefix` goes
    before the logged system prompt; `prompt` replaces it. `thinking_budget` is in tokens.
    """

    endpoint: str
    model: str
    version: str | None = None
    key_env: str | None = None
    parameters: Mapping[str, JSON] = field(default_factory=dict[str, JSON])
    drop: tuple[str, ...] = ()
    rename: Mapping[str, str] = field(default_factory=dict[str, str])
    prompt_prefix: str | None = None
    prompt: str | None = None
    thinking_budget: int | None = None
    price: TokenPrice | None = None

    def _prompts(self) -> tuple[str | int | None, ...]:
        return self.prompt_prefix, self.prompt, self.thinking_budget

    @property
    def id(self) -> str:
        """Hash of endpoint, model, version and settings; price and key are not part of who answers."""
        return "c" + digest(
            [self.endpoint, self.model, self.version, self.parameters, self.drop, self.rename, *self._prompts()],
            size=8,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Grade:
    """How good one answer is: `score` in 0..1 and why, in a few words."""

    score: float
    reason: str = ""


Side: TypeAlias = Literal["incumbent", "candidate"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """One answer a pilot obtained, as measured: `latency_s` of the last attempt, `attempts` made, tokens of all of them."""

    answer: Answer
    usage: Usage = Usage()
    latency_s: float | None = None
    attempts: int = 1
    response_body: JSON = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """One request answered by both sides, bet on at `position` (from 1) in the order the requests were drawn.

    `difference` is candidate minus incumbent, in -1..1, of scores rounded to hundredths: rounding comes before any bet.
    """

    position: int
    exchange_id: str
    incumbent: Grade
    candidate: Grade

    @property
    def difference(self) -> float:
        """Candidate's score minus the incumbent's."""
        return (round(100 * self.candidate.score) - round(100 * self.incumbent.score)) / 100


class Estimand(StrEnum):
    """What a verdict is about. The words are the ones a verdict is worded with."""

    LIKE_THIS = "traffic like this"
    WINDOW = "exactly this window"


class Engine(StrEnum):
    """How pairs become evidence; `design/engines.md` says which is used when, and why."""

    CONSTANT = "constant bets"
    ADAPTIVE = "adaptive stakes"
    REMAINING = "adaptive stakes on what remains of the window"


@dataclass(frozen=True, slots=True, kw_only=True)
class Betting:
    """The engine of a pilot with its settings, declared before the first pair.

    `scores_on_file` says that the incumbent's scores, known for every request before the candidate answers any, are used
    to guess differences. `share` of alpha guards "not worse" below minus the margin; `narrower`, `wider` and `behind` are the
    widths of the priors over effects.
    """

    engine: Engine = Engine.ADAPTIVE
    scores_on_file: bool = False
    share: float = 0.95
    narrower: float = 0.5
    wider: float = 0.7
    behind: float = 1.3


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    """By what rule requests are drawn: clusters bet on once each, declared weights, and segments with a floor each.

    `cluster` and `segments` are names of labels (conversation, user, model, prompt, tool, language, or a key of the log's
    metadata), `weight` is a key of the metadata. `floor` is how much worse the open model may be in any one segment.
    """

    cluster: str | None = "conversation"
    weight: str | None = None
    segments: tuple[str, ...] = ()
    floor: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OnFile:
    """What is known of the request at `position` in the drawn order before the candidate answers any.

    `closed` is the incumbent's score in hundredths, `None` where it is not used; `segments` its value of each of the
    design's segment labels.
    """

    position: int
    exchange_id: str
    closed: int | None = None
    segments: tuple[str, ...] = ()


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class ExchangeRow:
    """An exchange without its bodies, as the ledger keeps it: enough to count, cost and draw.

    `seq` is the ledger's own number, rising in the order of arrival. `request_key` is equal for equal requests.
    `model` is the version that answered where the response named it, else the one asked for. `by_candidate` says that a
    candidate answered through the gateway: nothing in it is the incumbent's but the request.
    """

    seq: int
    id: str
    request_key: str
    workload_id: str | None
    prompt_id: str | None
    dialect: Dialect
    endpoint: Endpoint
    model: str
    provider: str | None
    usage: Usage
    started_at: datetime | None
    latency_s: float | None
    failure: FailureKind | None
    conversation: str | None
    first_token_s: float | None = None
    step: int | None = None
    fidelity: tuple[Fidelity, ...] = ()
    tier: str | None = None
    user: str | None = None
    by_candidate: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Ungrouped:
    """A request that belongs to no workload yet, with its exchange's `seq` and time."""

    seq: int
    request: Request
    started_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Asker:
    """Who answers a drawn request over HTTP when it is not the candidate: the incumbent, asked again as logged."""

    endpoint: str
    dialect: Dialect
    model: str | None = None
    key_env: str | None = None

    @property
    def id(self) -> str:
        """Hash of where and as whom it is asked; the key is not part of it."""
        return "a" + digest([self.endpoint, self.dialect, self.model], size=8)


class Combine(StrEnum):
    """How the judges of a panel become one preference."""

    MEAN = "mean"
    MAJORITY = "majority"


@dataclass(frozen=True, slots=True, kw_only=True)
class Judge:
    """A model that is asked which of two answers it prefers. Another model or temperature is another judge.

    `family` says who made it where its name does not tell; `temperature` `None` sends none. Price and key are not part
    of who judges.
    """

    endpoint: str
    model: str
    dialect: Dialect = Dialect.OPENAI_CHAT
    key_env: str | None = None
    temperature: float | None = 0.0
    parameters: Mapping[str, JSON] = field(default_factory=dict[str, JSON])
    family: str | None = None
    price: TokenPrice | None = None

    @property
    def id(self) -> str:
        """Hash of where and as whom it is asked, and how."""
        return "j" + digest([self.endpoint, self.dialect, self.model, self.temperature, self.parameters], size=8)


@dataclass(frozen=True, slots=True, kw_only=True)
class Judging:
    """Who judges a pilot's pairs and by what words: `prompt` is the hash of everything the judges are told to look at.

    `forced` says that a judge of a contestant's own family was let in.
    """

    judges: tuple[Judge, ...]
    combine: Combine = Combine.MEAN
    prompt: str = ""
    forced: bool = False

    @property
    def name(self) -> str:
        """What the judges are called where they speak."""
        models = ", ".join(judge.model for judge in self.judges)
        return f"judge {models}" if len(self.judges) == 1 else f"panel of {models} ({self.combine})"

    @property
    def grader(self) -> str:
        """The grader's id that these judges amount to."""
        judges = "+".join(
            f"{judge.model}#{digest([judge.id, self.prompt], size=4)}"
            + ("" if judge.temperature is None else f"@{judge.temperature:g}")
            for judge in self.judges
        )
        return f"judge@1({judges})" if len(self.judges) == 1 else f"judge@1({self.combine}:{judges})"

    @property
    def plain(self) -> Judging:
        """Without what does not touch the evidence: prices and the names of keys."""
        return replace(self, judges=tuple(replace(judge, price=None, key_env=None) for judge in self.judges))


@dataclass(frozen=True, slots=True, kw_only=True)
class Reviewing:
    """Which pairs people are shown: one of every `block` pairs, at random; a block counts once `opinions` people answered.

    `wanted` says that the pilot goes on to its last pair whatever a grader or judge says, so that people have pairs.
    """

    block: int = 1
    opinions: int = 1
    wanted: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PilotDesign:
    """Everything a pilot decides before its first pair. Stored and hashed first; another design is other evidence.

    The pilot draws from the workload's exchanges with `seq` up to `frozen_seq` (`frozen_count` of them can be graded).
    `grader` is the grader's id, with version and settings; `labels_hash` the hash of the labels file's meaning.
    `incumbent` is `None` when the logged answers are used. `incumbent_models` and `prompt_ids` are what the log held.
    `betting` is how pairs become evidence, `drawing` by what rule requests are drawn.
    """

    workload_id: str
    candidate: Candidate
    grader: str
    labels_hash: str | None
    margin: float
    alpha: float
    n_max: int
    seed: int
    estimand: Estimand
    timeout_s: float
    frozen_seq: int
    frozen_count: int
    incumbent: Asker | None
    incumbent_models: tuple[str, ...]
    prompt_ids: tuple[str, ...]
    log_from: datetime | None
    log_to: datetime | None
    judging: Judging | None = None
    reviewing: Reviewing = Reviewing()
    betting: Betting = Betting()
    drawing: Drawing = Drawing()

    @property
    def id(self) -> str:
        """Hash of the whole design, so that a changed design can never be mistaken for the old one.

        What candidate and judges cost and which keys open them do not touch the evidence, so they are not in it.
        """
        return "p" + digest([self.bare], size=8)

    @property
    def bare(self) -> PilotDesign:
        """The design without prices and the names of keys."""
        return replace(
            self,
            candidate=replace(self.candidate, price=None, key_env=None),
            judging=None if self.judging is None else self.judging.plain,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Opinion:
    """What one judge said of a pair: 1 prefers the candidate, -1 the incumbent, 0 neither, `None` gave no readable verdict.

    Asked twice, once with either side first. `requests` were sent for it, repairs included; `usage` is that of all.
    """

    candidate_first: float | None
    incumbent_first: float | None
    repairs: int = 0
    requests: int = 0
    usage: Usage = Usage()

    @property
    def preference(self) -> float:
        """The mean of both orders; an order without a readable verdict counts as no preference."""
        return ((self.candidate_first or 0.0) + (self.incumbent_first or 0.0)) / 2

    @property
    def unread(self) -> int:
        """In how many of the two orders no verdict could be read."""
        return (self.candidate_first is None) + (self.incumbent_first is None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What the judges made of a pair; `by_rule` says why none was asked (one side failed, or both said the same).

    Lengths are those of the answers as shown, in characters. `shortened` answers were too long to be shown whole;
    `addressed` ones speak to whoever judges them.
    """

    preference: float
    opinions: tuple[Opinion, ...] = ()
    by_rule: str = ""
    incumbent_length: int = 0
    candidate_length: int = 0
    shortened: bool = False
    addressed: bool = False

    @property
    def is_mute(self) -> bool:
        """Whether judges were asked and none of them gave a verdict that could be read."""
        return bool(self.opinions) and all(opinion.unread == 2 for opinion in self.opinions)


class Choice(StrEnum):
    """What a person answers when shown two answers; the values are the keys that are pressed."""

    FIRST = "1"
    SECOND = "2"
    SAME = "="
    UNSURE = "?"


@dataclass(frozen=True, slots=True, kw_only=True)
class Preference:
    """One person's answer to one pair of a pilot, with the side that was shown first; nobody is told which that was."""

    position: int
    exchange_id: str
    reviewer: str
    choice: Choice
    first: Side

    @property
    def value(self) -> float:
        """1 prefers the candidate, -1 the incumbent; 0 when neither, or when the person could not tell."""
        if self.choice in {Choice.SAME, Choice.UNSURE}:
            return 0.0
        is_first = self.choice is Choice.FIRST
        return 1.0 if is_first == (self.first == "candidate") else -1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PairRow:
    """A pair as the ledger keeps it, with what both sides did: refusals, failures, latency, tokens, attempts."""

    pair: Pair
    incumbent_refused: bool
    candidate_refused: bool
    incumbent_failure: FailureKind | None
    candidate_failure: FailureKind | None
    incumbent_latency_s: float | None
    candidate_latency_s: float | None
    incumbent_usage: Usage
    candidate_usage: Usage
    candidate_attempts: int
    candidate_model: str | None
    judged: Judged | None = None
