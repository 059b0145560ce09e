"""A judged pilot over real HTTP, killed again and again, asks no judge twice and ends as one that was left alone."""

from __future__ import annotations

import random
import shutil
import signal
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from fairlead.edge.store import Ledger
from fairlead.testing.judge import FakeJudge, by
from fairlead.testing.recorded import RecordedServer
from fairlead.testing.recording import Recording
from journeys.walk import FIRST_DAY, fairlead, line, served, start, write_lines

pytestmark = [pytest.mark.journey, pytest.mark.timeout(300)]

COUNT, PAIRS, KILLS = 110, 100, 4


class Counting(FakeJudge):
    """A fake judge that tells when so many questions have come."""

    def __init__(self) -> None:
        super().__init__(by(lambda text: -len(text)), latency_s=0.02)
        self._wanted, self._happened = 0, threading.Event()

    def after(self, more: int) -> threading.Event:
        self._wanted, self._happened = len(self.asked) + more, threading.Event()
        return self._happened

    async def __call__(self, scope, receive, send) -> None:
        await super().__call__(scope, receive, send)
        if len(self.asked) >= self._wanted:
            self._happened.set()


@dataclass(frozen=True)
class Setting:
    folder: Path
    endpoint: str
    judge: Counting
    judge_url: str

    def arguments(self, ledger: str) -> list[object]:
        return [
            "pilot", "--ledger", ledger, "--endpoint", self.endpoint, "--model", "qwen3", "--judge", f"mistral-large@{self.judge_url}",
            "--controls", 0, "--verbosity", 0, "--people", "--n-max", PAIRS, "--concurrency", 8, "--yes", "--json",
        ]  # fmt: skip


def asked(number: int) -> dict[str, object]:
    system = "You write one line to a customer about a parcel."
    return {
        "messages": [{"role": "system", "content": system}, {"role": "user", "content": f"Parcel {number} is late."}]
    }


@pytest.fixture(scope="module")
def setting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Setting]:
    folder, dice, made = tmp_path_factory.mktemp("judged"), random.Random(3), Recording()
    log = [
        line(f"x{n}", "gpt-4o", asked(n), f"Late: {'sorry ' * dice.randrange(9)}{n}", at=FIRST_DAY)
        for n in range(COUNT)
    ]
    for n in range(COUNT):
        made.add(model="qwen3", request=asked(n), response=f"Delayed: {'sorry ' * dice.randrange(9)}{n}")
    write_lines(folder / "log.jsonl", log)
    assert fairlead("scan", "log.jsonl", "--ledger", "scanned.db", cwd=folder).code == 0
    judge = Counting()
    with served(made) as server, RecordedServer(judge) as court:
        yield Setting(folder, server.url, judge, court.url)


def kept(path: Path) -> int:
    with Ledger.open(path, create=False) as ledger:
        return ledger.size().judgements


def test_a_judged_pilot_that_is_killed_asks_no_judge_twice_and_ends_the_same(setting: Setting) -> None:
    shutil.copy(setting.folder / "scanned.db", setting.folder / "alone.db")
    alone = fairlead(*setting.arguments("alone.db"), cwd=setting.folder)
    assert len(setting.judge.asked) == 2 * PAIRS, alone.err
    (whole,) = alone.record["pilots"]
    assert whole["speaker"] == "judge mistral-large"
    assert whole["said"].startswith(("judge mistral-large", "undecided (judge mistral-large)"))

    ledger, dice = "killed.db", random.Random(1)
    shutil.copy(setting.folder / "scanned.db", setting.folder / ledger)
    for how in [signal.SIGKILL, signal.SIGINT] * (KILLS // 2):
        moment = setting.judge.after(dice.randrange(5, 40))
        process = start(*setting.arguments(ledger), cwd=setting.folder)
        try:
            assert moment.wait(60)
            process.send_signal(how)
            process.communicate(timeout=60)
        finally:
            process.kill()
            process.communicate()

    known, before = kept(setting.folder / ledger), len(setting.judge.asked)
    resumed = fairlead(*setting.arguments(ledger), cwd=setting.folder)
    assert known > 0
    assert len(setting.judge.asked) - before == 2 * PAIRS - known, "exactly what was not kept is asked"
    (again,) = resumed.record["pilots"]
    for part in ("judgement", "words", "said"):
        assert again[part] == whole[part]


def test_a_judge_of_a_contestants_family_is_refused_in_one_line(setting: Setting) -> None:
    shutil.copy(setting.folder / "scanned.db", setting.folder / "kin.db")
    arguments = [str(each).replace("mistral-large", "gpt-4.1") for each in setting.arguments("kin.db")]
    done = fairlead(*arguments, cwd=setting.folder)
    assert done.code == 2
    assert "gpt-4.1 is of OpenAI's family, and so is the incumbent gpt-4o" in done.complaint
    forced = fairlead(*arguments, "--force-judge", "--dry-run", cwd=setting.folder)
    assert forced.code == 0


def test_texts_that_must_stay_here_are_shown_to_no_judge_elsewhere(setting: Setting) -> None:
    shutil.copy(setting.folder / "scanned.db", setting.folder / "here.db")
    with Ledger.open(setting.folder / "here.db", create=False) as ledger:
        (workload,) = ledger.workloads()
    toml = f'[privacy.workloads."{workload.name}"]\ndata_class = "local only"\n'
    (setting.folder / "here.toml").write_text(toml, encoding="utf-8")
    common = [
        "--endpoint",
        setting.endpoint,
        "--model",
        "qwen3",
        "--ledger",
        "here.db",
        "--config",
        "here.toml",
        "--dry-run",
    ]
    away = fairlead("pilot", *common, "--judge", "mistral-large@https://api.mistral.ai/v1", cwd=setting.folder)
    assert away.code == 2
    assert "is local only, and the judge mistral-large is at api.mistral.ai" in away.complaint
    assert fairlead("pilot", *common, "--judge", f"mistral-large@{setting.judge_url}", cwd=setting.folder).code == 0


def test_a_dry_run_says_where_texts_would_go_and_at_what_cost(setting: Setting) -> None:
    shutil.copy(setting.folder / "scanned.db", setting.folder / "dry.db")
    arguments = [each for each in setting.arguments("dry.db") if each not in {"--json", "--yes"}]
    before = len(setting.judge.asked)
    done = fairlead(*arguments, "--dry-run", "--judge-price", "2,6", cwd=setting.folder)
    text = " ".join(done.out.split())
    assert (
        f"also go to 127.0.0.1:{setting.judge_url.split(':')[2].split('/')[0]}: 200 questions at most, costing ≤ $"
        in text
    )
    assert "The verdict will say what judge mistral-large prefers, not which answers are better" in text
    assert len(setting.judge.asked) == before
