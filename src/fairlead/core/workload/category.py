"""Which of the nine kinds of work a workload is, and why, in words a finance lead can read.

What the calls are made of decides first (endpoint, images and files, rounds of tool calls); then evidence is added up
over a sample of exchanges, structure weighing more than words. A workload is judged, never one exchange: a harmless
question and a dangerous one may read alike.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from fairlead.core.nouns import JSON, Answer, Category, CategoryGuess, Request
from fairlead.core.workload.language import NAMES, LanguageOf
from fairlead.core.workload.shape import first_user, mark_of
from fairlead.core.workload.signals import signals

_FIRST: Final = 50
_THEN_ONE_IN: Final = 64
_MOST: Final = 2_000
_FLOOR: Final = 0.35
_OTHERS: Final = 0.5

C = Category


@dataclass(frozen=True, slots=True)
class _Evidence:
    """What a signal is worth for a category, and how it reads; `{share}` is the share of calls that show it."""

    signal: str
    category: Category
    weight: float
    words: str


def _rows(category: Category, *rows: tuple[str, float, str]) -> list[_Evidence]:
    return [_Evidence(signal, category, weight, words) for signal, weight, words in rows]


EVIDENCE: Final[tuple[_Evidence, ...]] = (
    *_rows(
        C.STRUCTURED,
        ("schema", 1.3, "answers are JSON of a fixed schema ({share} of calls)"),
        ("json mode", 1.1, "answers are asked for as JSON ({share} of calls)"),
        ("tools", 0.9, "tools are offered ({share} of calls)"),
        ("called", 0.9, "the answer is a tool call ({share} of calls)"),
        ("json answer", 0.5, "answers are JSON ({share} of calls)"),
        ("short answer", 0.5, "answers are a word or two ({share} of calls)"),
        ("shapes", 0.4, "the prompt asks for labels or fields"),
    ),
    *_rows(
        C.MULTILINGUAL,
        ("user rare language", 1.0, "people write in {languages} ({share} of calls)"),
        ("system rare language", 0.7, "the prompt itself is written in {languages}"),
        ("reply rare language", 0.7, "answers are in {languages} ({share} of calls)"),
        ("user other language", 0.5, "people write in {languages} ({share} of calls)"),
        ("reply other language", 0.3, "answers are in {languages} ({share} of calls)"),
        ("language changes", 0.6, "the answer is in another language than the request ({share} of calls)"),
        ("translates", 0.8, "the prompt speaks of translating"),
    ),
    *_rows(
        C.RETRIEVAL,
        ("retrieves", 0.5, "the prompt says to answer from given texts or to search them"),
        ("data tags", 0.6, "retrieved texts stand in the prompt ({share} of calls)"),
        ("cites", 0.35, "answers cite their source ({share} of calls)"),
    ),
    *_rows(
        C.CODING,
        ("code answer", 1.0, "answers are program code ({share} of calls)"),
        ("code asked", 0.7, "requests hold program code ({share} of calls)"),
        ("codes", 0.35, "the prompt speaks of programming"),
    ),
    *_rows(
        C.REASONING,
        ("reasons", 0.45, "the prompt asks to think a problem through"),
        ("sum", 0.8, "questions ask for a figure to be worked out ({share} of calls)"),
        ("works out", 0.5, "answers work towards a result ({share} of calls)"),
        ("effort", 0.5, "the model is set to think first ({share} of calls)"),
    ),
    *_rows(
        C.SAFETY,
        ("guards", 0.55, "the prompt is about harm, abuse or policy"),
        ("sensitive", 0.9, "questions touch dangerous or hateful subjects ({share} of calls)"),
        ("declines", 0.6, "the model declines to help ({share} of calls)"),
    ),
    *_rows(
        C.WRITING,
        ("writes", 0.3, "the prompt asks for a text to be written or reworked"),
        ("long answer", 0.25, "answers are long prose ({share} of calls)"),
        ("turns", 0.3, "conversations run over several turns ({share} of calls)"),
    ),
    *_rows(
        C.AGENTIC,
        ("many rounds", 1.0, "runs take three or more rounds of tool calls ({share} of calls)"),
        ("rounds", 0.5, "calls follow on a tool's result ({share} of calls)"),
        ("react", 0.8, "the prompt sets up thought, action and observation"),
    ),
    *_rows(
        C.MULTIMODAL,
        ("image", 1.0, "images are attached ({share} of calls)"),
        ("document", 1.0, "PDF or other files are attached ({share} of calls)"),
        ("audio", 1.0, "recordings are attached ({share} of calls)"),
    ),
)
_PRIOR: Final[Mapping[Category, float]] = {C.WRITING: 0.25}


@dataclass(slots=True)
class CategoryTally:
    """Evidence about one workload, exchange by exchange; `language_of` names the language of texts in Latin script.

    The first fifty exchanges are read, then one in sixty-four, chosen by content so that their order hardly matters.
    """

    language_of: LanguageOf | None = None
    seen: int = 0
    read: int = 0
    sums: dict[str, float] = field(default_factory=dict[str, float])

    def add(self, request: Request, answer: Answer | None = None) -> None:
        """Take one exchange into account."""
        self.seen += 1
        if self.read >= _FIRST and (self.read >= _MOST or self._is_left_out(request)):
            return
        self._read(signals(request, answer, self.language_of))

    def add_signals(self, found: Mapping[str, float] | None) -> None:
        """Take one exchange into account whose signals are known, or which was left out (`None`)."""
        self.seen += 1
        if found is not None:
            self._read(found)

    def _read(self, found: Mapping[str, float]) -> None:
        self.read += 1
        for name, value in found.items():
            self.sums[name] = self.sums.get(name, 0.0) + value

    def _is_left_out(self, request: Request) -> bool:
        return mark_of(f"{len(request.messages)} {first_user(request)}") % _THEN_ONE_IN != 0

    def share(self, signal: str) -> float:
        """The mean of a signal over the exchanges read; for facts, the share that show it."""
        return self.sums.get(signal, 0.0) / self.read if self.read else 0.0

    def scores(self) -> dict[Category, float]:
        """The evidence for each category, added up."""
        scores = {category: _PRIOR.get(category, 0.0) for category in Category}
        for row in EVIDENCE:
            scores[row.category] += row.weight * self.share(row.signal)
        if self.share("tools") > 0.5 and not self._is_agentic():
            scores[C.AGENTIC] *= 0.5
        return scores

    def _is_agentic(self) -> bool:
        if self.share("react") > 0.5:
            return True
        uses_tools = max(self.share("tools"), self.share("rounds"), self.share("called")) > 0.3
        return uses_tools and (self.share("many rounds") > 0.12 or self.share("rounds") > 0.6)

    def guess(self) -> CategoryGuess:
        """What kind of work this is: a primary category, how sure that is, why, and which others apply."""
        if not self.read:
            return CategoryGuess(category=C.WRITING, confidence=0.0, reasons=("no exchange has been read yet",))
        if self.share("embeddings") > 0.5:
            return CategoryGuess(category=C.RETRIEVAL, confidence=1.0, reasons=("calls go to an embeddings endpoint",))
        scores = self.scores()
        primary = self._decided() or max(scores, key=lambda category: (scores[category], category.value))
        if primary is self._decided():
            return self._told(primary, scores, confidence=0.95)
        best = scores[primary]
        if best < _FLOOR:
            return self._told(C.WRITING, scores, confidence=0.0)
        runner_up = max(score for category, score in scores.items() if category is not primary)
        return self._told(primary, scores, confidence=min(0.95, best / (best + runner_up)))

    def _decided(self) -> Category | None:
        """The category that structure alone decides."""
        if self.share("media") > 0.3:
            return C.MULTIMODAL
        return C.AGENTIC if self._is_agentic() else None

    def _told(self, primary: Category, scores: Mapping[Category, float], *, confidence: float) -> CategoryGuess:
        others = sorted(
            (c for c in scores if c is not primary and scores[c] - _PRIOR.get(c, 0.0) >= _OTHERS),
            key=lambda c: -scores[c],
        )
        reasons = self._reasons(primary) or ("nothing points to another kind of work",)
        return CategoryGuess(
            category=primary, confidence=round(confidence, 2), reasons=reasons, others=tuple(others[:3])
        )

    def _reasons(self, category: Category) -> tuple[str, ...]:
        rows = [(row.weight * self.share(row.signal), row) for row in EVIDENCE if row.category is category]
        strong = sorted((entry for entry in rows if entry[0] >= 0.1), key=lambda entry: -entry[0])
        return tuple(self._worded(row) for _, row in strong[:3])

    def _worded(self, row: _Evidence) -> str:
        share = f"{min(1.0, self.share(row.signal)):.0%}".replace("%", " %")
        return row.words.replace("{share}", share).replace("{languages}", self._languages())

    def _languages(self) -> str:
        found = {
            name[9:]: total for name, total in self.sums.items() if name.startswith("language ") and name[9:] in NAMES
        }
        common = sorted(found, key=lambda code: (-found[code], code))[:3]
        return " and ".join(NAMES[code] for code in common) or "another language"

    def to_json(self) -> JSON:
        """The tally as JSON."""
        return {"seen": self.seen, "read": self.read, "sums": dict(self.sums)}

    @classmethod
    def from_json(cls, state: JSON, language_of: LanguageOf | None = None) -> CategoryTally:
        """The tally that `to_json` wrote."""
        assert isinstance(state, dict)
        sums = state["sums"]
        assert isinstance(sums, dict)
        known = {name: float(str(value)) for name, value in sums.items()}
        return cls(language_of=language_of, seen=int(str(state["seen"])), read=int(str(state["read"])), sums=known)

    def merged(self, other: CategoryTally) -> CategoryTally:
        """This tally with what another one saw."""
        sums = dict(self.sums)
        for name, value in other.sums.items():
            sums[name] = sums.get(name, 0.0) + value
        return CategoryTally(self.language_of, self.seen + other.seen, self.read + other.read, sums)
