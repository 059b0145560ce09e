import os
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from fairlead.core.errors import PriceListError
from fairlead.core.nouns import TokenPrice, Usage
from fairlead.edge.catalog.prices import Prices
from fairlead.edge.control.price_list import ListApart

TODAY = datetime(2026, 11, 23, 12, tzinfo=UTC)
SMALL = Usage(fresh=1000, cache_read=300, visible=100, reasoning=20)


@pytest.fixture(scope="module")
def apart() -> Iterator[ListApart]:
    listed = ListApart()
    yield listed
    listed.close()


@pytest.mark.parametrize(
    ("model", "provider", "tier"),
    [
        ("gpt-4o", "openai", None),
        ("gpt-4o", None, "batch"),
        ("claude-sonnet-4-5", None, None),
        ("gemini-2.5-pro", "google", None),
        ("deepseek-chat", "deepseek", None),
        ("openrouter/openai/gpt-4o", None, None),
        ("gpt-99-ultra", "openai", None),
        ("gpt-4o", "acme-gateway", None),
        ("moderation", "openai", None),
        ("schlüssel-é", None, None),
    ],
)
def test_a_list_in_another_process_says_what_one_in_this_process_says(apart, model, provider, tier):
    here, there = Prices(today=TODAY), Prices(today=TODAY, listed=apart)
    at = TODAY - timedelta(days=30)
    assert there.cost_of(model, provider, SMALL, at, tier=tier) == here.cost_of(model, provider, SMALL, at, tier=tier)
    assert there.price_of(model, provider, at) == here.price_of(model, provider, at)
    assert there.provider_of(model, provider) == here.provider_of(model, provider)


@pytest.mark.parametrize("url", ["https://api.openai.com/v1", "http://127.0.0.1:8000/v1", "https://api.together.ai/v1"])
def test_providers_are_known_by_their_address_there_too(apart, url):
    assert Prices(listed=apart).provider_at(url) == Prices().provider_at(url)


def test_a_users_own_price_needs_no_list_at_all():
    nowhere = ListApart("/does/not/exist")
    prices = Prices({"mine": [TokenPrice(input=Decimal(2), output=Decimal(4))]}, listed=nowhere)
    with pytest.raises(PriceListError):
        prices.provider_at("https://api.openai.com/v1")
    assert nowhere.in_dollars("USD") == 1


def test_what_other_currencies_are_worth_is_asked_there_and_unknown_ones_have_no_worth(apart):
    assert apart.in_dollars("EUR") > Decimal("0.5")
    assert apart.in_dollars("XXQ") is None


def test_a_process_that_was_killed_is_replaced_and_nobody_notices(apart):
    prices = Prices(today=TODAY, listed=apart)
    assert prices.provider_at("https://api.openai.com/v1") == "openai"
    apart._child.kill()
    apart._child.wait()
    assert prices.cost_of("gpt-4o", "openai", SMALL, TODAY) == Prices(today=TODAY).cost_of(
        "gpt-4o", "openai", SMALL, TODAY
    )


def test_a_process_that_nobody_asks_ends_and_the_next_question_starts_another():
    listed = ListApart(sys.executable, "-c", "from fairlead.edge.control.price_list import main; main(idle_s=0.01)")
    assert "openai" in listed.providers()
    first = listed._child
    assert first.wait(timeout=30) == 0
    assert listed.provider_at("https://api.openai.com/v1") == "openai"
    assert listed._child is not first
    listed.close()


def test_a_process_that_has_ended_does_not_stay_in_the_table_of_processes_until_somebody_asks_again():
    listed = ListApart(sys.executable, "-c", "print('[]', flush=True)")
    assert listed.providers() == frozenset()
    child = listed._child
    assert child is not None
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # it has ended, and nobody has taken note
    listed.bury()
    assert listed._child is None
    assert child.returncode == 0
    with pytest.raises(ProcessLookupError):
        os.kill(child.pid, 0)
    listed.bury()


def test_a_list_that_cannot_be_asked_is_not_taken_for_one_that_knows_nothing(monkeypatch):
    listed = ListApart("/does/not/exist")
    prices = Prices(today=TODAY, listed=listed)
    with pytest.raises(PriceListError, match="does not answer"):
        prices.cost_of("gpt-4o", "openai", SMALL, TODAY)
    with pytest.raises(PriceListError, match="a moment ago"):
        prices.cost_of("gpt-4o", "openai", SMALL, TODAY)
    monkeypatch.setattr(listed, "_command", (sys.executable, "-m", "fairlead.edge.control.price_list"))
    monkeypatch.setattr(listed, "_not_before", 0.0)
    assert prices.cost_of("gpt-4o", "openai", SMALL, TODAY).money is not None
    listed.close()


def test_a_text_that_is_none_is_refused_before_the_process_sees_it(apart):
    with pytest.raises(PriceListError):
        apart.seller("openai", "\ud800")
    assert Prices(listed=apart).provider_at("https://api.openai.com/v1") == "openai"
