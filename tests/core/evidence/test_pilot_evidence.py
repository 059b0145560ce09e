"""The engines of a pilot together: lists over many pilots, conflicts, runs, and a fast part of the benchmark."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fairlead.core.evidence import Claim, Floor, PilotEvidence, VerdictKind, e_bh, replayed
from fairlead.core.evidence.stakes import EFFECTS, Game, Step, Terms, growth
from fairlead.core.evidence.traffic import Traffic
from fairlead.core.evidence.verdict import CLAIMS
from fairlead.core.evidence.watch import Watch
from fairlead.core.evidence.window import Window
from fairlead.core.grade import grader
from fairlead.core.nouns import Candidate, Drawing, Estimand, Grade, OnFile, Pair
from fairlead.pilot.design import propose
from fairlead.testing.memory import MemoryLedger
from fairlead.testing.scripted import exchanges
from machine import recorded

CANDIDATE = Candidate(endpoint="http://localhost:8000/v1", model="open-1")


def ternary(seed, n, *, theta, q=0.2):
    chances = [(q - theta) / 2, 1 - q, (q + theta) / 2]
    return np.random.default_rng(seed).choice([-1.0, 0.0, 1.0], size=n, p=chances).tolist()


def pair(position, difference, *, incumbent=None):
    closed = max(-difference, 0.0) if incumbent is None else incumbent
    scores = {"incumbent": closed, "candidate": closed + difference}
    return Pair(position=position, exchange_id=f"x{position}", **{side: Grade(score=s) for side, s in scores.items()})


def design(count=60, **given):
    rows = MemoryLedger(exchanges(count)).rows("w1")
    settings = {
        "workload_id": "w1",
        "candidate": CANDIDATE,
        "grader": grader("agree"),
        "margin": 0.05,
        "timeout_s": 60.0,
    }
    return propose(rows=rows, **(settings | given))


@given(st.integers(0, 1000), st.integers(1, 200))
@settings(max_examples=20, deadline=None)
def test_settling_in_runs_proves_the_same_at_the_same_pair(seed, n_min):
    terms = Terms(margin=0.05)
    game = Game(terms, n_min=n_min)
    logs = {claim: terms.log_prior(null.sign) for claim, null in CLAIMS.items()}
    first = {}
    for n, z in enumerate(ternary(seed, 250, theta=-0.02 if seed % 2 else 0.05), 1):
        step = Step(z=z, low=-1.0, high=1.0, spread=0.2)
        game.settle(step)
        for claim, null in CLAIMS.items():
            theta = null.theta(0.05)
            logs[claim] = logs[claim] + growth(0.05 * EFFECTS, theta, float(null.sign), np.array(step)[:, None])
            if n >= n_min and np.logaddexp.reduce(logs[claim]) >= terms.bar(theta, null.sign):
                first.setdefault(claim, n)
    assert game.claims == first
    assert game.held(Claim.NOT_WORSE) == pytest.approx(float(np.logaddexp.reduce(logs[Claim.NOT_WORSE])), abs=1e-9)


@pytest.mark.parametrize("kind", ["traffic", "window"])
def test_a_mean_that_moves_on_the_way_is_a_conflict_and_no_verdict(kind):
    differences = ternary(1, 600, theta=0.15) + ternary(2, 900, theta=-0.15)
    terms = Terms(margin=0.05)
    evidence = Traffic(terms) if kind == "traffic" else Window(terms, size=60_000)
    for difference in differences:
        evidence.add(difference)
    assert evidence.torn
    judged = evidence.judgement()
    assert judged.conflict
    assert judged.verdict is VerdictKind.UNDECIDED
    assert not judged.replace_ok


def test_one_mean_is_hardly_ever_called_a_conflict():
    torn = 0
    for seed in range(30):
        traffic = Traffic(Terms(margin=0.05))
        for difference in ternary(seed, 400, theta=-0.05):
            traffic.add(difference)
        torn += traffic.torn
    assert torn / 30 <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / 30)


def test_a_list_over_adaptive_pilots_holds_what_is_true_and_hardly_anything_else():
    listed_false, listed = 0, 0
    for run in range(6):
        log_e = []
        for k in range(12):
            traffic = Traffic(Terms(margin=0.05))
            for difference in ternary(100 * run + k, 900, theta=0.0 if k < 6 else -0.05):
                traffic.add(difference)
            log_e.append(traffic.log_e(-0.05, 1))
        on = e_bh(log_e)
        listed += sum(on[:6])
        listed_false += sum(on[6:])
    assert listed >= 0.5 * 36
    assert listed_false / max(listed + listed_false, 1) <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / 36)


@pytest.mark.parametrize(("theta", "allowed"), [(-0.05, 0.05), (0.0, 0.05)])
def test_any_false_statement_at_a_boundary_is_as_rare_as_promised(theta, allowed):
    runs, wrong = 80, 0
    false = [Claim.NOT_WORSE, Claim.WORSE, Claim.BETTER] if theta < 0 else [Claim.BETTER, Claim.BEHIND, Claim.WORSE]
    for seed in range(runs):
        traffic = Traffic(Terms(margin=0.05))
        for difference in ternary(seed, 600, theta=theta):
            traffic.add(difference)
        wrong += any(claim in traffic.claims for claim in false)
    assert wrong / runs <= allowed + 3 * math.sqrt(allowed * (1 - allowed) / runs)


def test_the_default_needs_fewer_pairs_than_a_test_of_fixed_size():
    ends = []
    for seed in range(60):
        traffic = Traffic(Terms(margin=0.05))
        for difference in ternary(seed, 3000, theta=0.0):
            traffic.add(difference)
            if traffic.decided:
                break
        ends.append(traffic.n)
    assert np.median(ends) <= 0.8 * 841


@pytest.mark.parametrize("after", [60, 200])
def test_a_forecast_of_adaptive_stakes_is_of_the_right_size(after):
    enough = []
    for seed in range(40):
        differences = ternary(seed, 4000, theta=0.0)
        traffic = Traffic(Terms(margin=0.05))
        told = None
        for difference in differences:
            traffic.add(difference)
            if traffic.decided:
                break
            if traffic.n == after:
                told = traffic.expects()
        if told is not None:
            enough.append(told.p80 is None or traffic.n - after <= told.p80)
    assert np.mean(enough) >= 0.6, "four in five, less what a forecast from few pairs misses"


def test_a_window_never_forecasts_more_than_what_is_left():
    window = Window(Terms(margin=0.01), size=500)
    for difference in ternary(3, 200, theta=0.0):
        window.add(difference)
    told = window.expects()
    assert told.median is not None
    assert told.p80 is not None
    assert told.median <= told.p80 <= 300
    assert told.p_replace + told.p_worse == pytest.approx(1)


@pytest.mark.parametrize(
    "engine", [Traffic(Terms(margin=0.05)), Window(Terms(margin=0.05), size=900), Watch(0.05, 0.05)]
)
def test_a_forecast_is_of_the_moment_it_was_asked_for_and_takes_no_bet_from_pairs_that_come_meanwhile(engine):
    differences = ternary(5, 200, theta=0.0)
    for difference in differences[:60]:
        engine.add(difference)
    expected, forecaster = engine.expects(), engine.forecaster()
    for difference in differences[60:]:
        engine.add(difference)
    strength, claims = engine.strength, dict(engine.claims)
    assert forecaster() == expected
    assert (engine.strength, dict(engine.claims)) == (strength, claims)


def test_what_works_a_forecast_out_never_touches_evidence_that_goes_on_elsewhere():
    """A forecast on another thread once settled bets while pairs were added, and some of them were never bet on."""

    class Guarded(Traffic):
        away = False

        def __getattribute__(self, name):
            assert not object.__getattribute__(self, "away"), f"{name} was read by the forecast"
            return object.__getattribute__(self, name)

    traffic = Guarded(Terms(margin=0.05))
    for difference in ternary(5, 60, theta=0.0):
        traffic.add(difference)
    forecaster = traffic.forecaster()
    traffic.away = True
    assert forecaster().p80 is not None


def test_every_segments_interval_holds_at_once_and_a_failing_one_blocks():
    languages = [f"l{n % 5}" for n in range(1, 2001)]
    on_file = [OnFile(position=n, exchange_id=f"x{n}", segments=(lang,)) for n, lang in enumerate(languages, 1)]
    plan = design(2000, drawing=Drawing(segments=("language",), floor=0.1), estimand=Estimand.LIKE_THIS)
    rng = np.random.default_rng(0)
    pairs = [
        pair(n, (-1.0 if rng.random() < 0.4 else 0.0) if lang == "l3" else float(rng.random() < 0.2))
        for n, lang in enumerate(languages, 1)
    ]
    evidence = replayed(plan, on_file, pairs[:1500])
    judged = evidence.judgement()
    assert Claim.NOT_WORSE in evidence.claims
    assert {each.value: each.state for each in judged.segments}["l3"] is Floor.FAILS
    assert not judged.replace_ok
    assert "language = l3" in judged.blocked


WINDOW = design(600, margin=0.1, estimand=Estimand.WINDOW, drawing=Drawing(segments=("language",), floor=0.1))


def piloted(seed, *, proof=0.0, erased=0.0):
    """The evidence of a window of 600 requests, one in seven of them in the language where the open model is often wrong."""
    rng = np.random.default_rng(seed)
    languages = ["sw" if rng.random() < 0.15 else "en" for _ in range(600)]
    known = [OnFile(position=n, exchange_id=f"x{n}", closed=100, segments=(s,)) for n, s in enumerate(languages, 1)]
    evidence, gone, asked = PilotEvidence(WINDOW, known, proof=proof), set(), []
    for each in known:
        if evidence.decided or each.exchange_id in gone:
            continue
        if evidence.wants(each.exchange_id):
            wrong = rng.random() < (0.2 if each.segments[0] == "sw" else 0.01)
            asked.append(pair(each.position, -1.0 if wrong else 0.0, incumbent=1.0))
            evidence.add(asked[-1])
        if rng.random() < erased and each.position < len(known):
            lost = known[int(rng.integers(each.position, len(known)))].exchange_id
            gone.add(lost)
            evidence.forget(lost)
    return evidence, [each for each in known if each.exchange_id not in gone], asked


@pytest.mark.parametrize("proof", [0.0, 12.0])
def test_a_window_that_passed_pairs_over_for_its_segments_can_be_gone_on_with(proof):
    evidence, known, asked = piloted(70, proof=proof)
    assert replayed(WINDOW, known, asked).judgement() == evidence.judgement()


@pytest.mark.parametrize("seed", [5, 69, 178])
def test_once_closed_a_mean_takes_no_more_though_without_an_erased_request_it_would_not_be_decided(seed):
    evidence, known, asked = piloted(seed, erased=0.02)
    assert replayed(WINDOW, known, asked).n == evidence.n == len(asked)


def test_a_claim_of_several_parts_is_as_strong_as_its_weakest():
    evidence, _, _ = piloted(1)
    judged = evidence.judgement()
    assert {each.value for each in judged.segments} == {"en", "sw"}
    assert judged.log_e_replace < evidence.strength


def test_swahili_is_seen_behind_a_good_mean():
    pq = pytest.importorskip("pyarrow.parquet")
    table = pq.read_table(
        recorded("outcomes/mteb.parquet"), columns=["model", "benchmark", "item_id", "language", "score"]
    )
    found = {}
    for row in table.to_pylist():
        if "MIRACL" in f"{row['benchmark']}{row['item_id']}" and row["score"] is not None:
            found.setdefault(row["model"], {})[row["item_id"], row["language"]] = row["score"]
    open_one = next((name for name in found if "Qwen3-Embedding-0.6B" in name), None)
    closed = next((name for name in found if "text-embedding-3-large" in name), None)
    if open_one is None or closed is None:
        pytest.skip("the recorded data holds no such pair")
    shared = sorted(found[open_one].keys() & found[closed].keys(), key=str)
    by_language = {key: found[open_one][key] - found[closed][key] for key in shared}
    worst = min(by_language, key=lambda key: by_language[key])
    assert np.mean(list(by_language.values())) > 0
    assert by_language[worst] < -0.1
    # Queries of each language in proportion, each as much better or worse as the language is on the whole.
    rng = np.random.default_rng(0)
    keys = [shared[place] for place in rng.integers(0, len(shared), 2000)]
    names = [f"{key}" for key in keys]
    on_file = [OnFile(position=n, exchange_id=f"x{n}", segments=(name,)) for n, name in enumerate(names, 1)]
    plan = design(2000, margin=0.03, drawing=Drawing(segments=("language",), floor=0.05))
    pairs = []
    for n, key in enumerate(keys, 1):
        pairs.append(pair(n, round(float(np.clip(by_language[key] + rng.normal(0, 0.1), -1, 1)), 2)))
    judged = replayed(plan, on_file, pairs).judgement()
    assert judged.verdict in {VerdictKind.OPEN_LEADS, VerdictKind.EQUIVALENT}
    assert not judged.replace_ok
    failing = [each.value for each in judged.segments if each.state is Floor.FAILS]
    assert f"{worst}" in failing
