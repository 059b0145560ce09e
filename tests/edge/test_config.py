"""`fairlead.toml`: everything it can say, and what is said when it says something else."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from fairlead.core.errors import FairleadError, InputError, UsageError
from fairlead.edge.config import Settings, load, share

WHOLE = """
ledger = "postgresql://localhost/fairlead"
currency = "gbp"
organisation = "Acme Ltd"

[pilot]
margin = 0.02
alpha = 0.1
n_max = 900
seed = 4
concurrency = 32
timeout_s = 20

[candidates.qwen]
endpoint = "http://localhost:8000/v1"
model = "qwen3-32b"
version = "2026-09"
key_env = "QWEN_KEY"
parameters = { temperature = 0.2, stop = ["###"] }
drop = ["logprobs"]
rename = { max_completion_tokens = "max_tokens" }
prompt_prefix = "Think briefly."
thinking_budget = 512
price = { input = 0.10, output = "0.40", cache_read = 0.05, currency = "eur", since = "2026-11-01", source = "offer" }

[prices."acme-9b"]
input = 1
output = 2
"""


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)

    def written(text: str | bytes) -> Path:
        path = tmp_path / "fairlead.toml"
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return path

    return written


def test_without_a_file_the_defaults_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert load() == Settings()


def test_a_file_in_the_working_folder_is_read_unasked(write) -> None:
    write('currency = "CHF"')
    assert load().currency == "CHF"


def test_everything_can_be_said(write) -> None:
    settings = load(write(WHOLE))
    assert (settings.ledger, settings.currency) == ("postgresql://localhost/fairlead", "GBP")
    assert settings.organisation == "Acme Ltd"
    assert (settings.pilot.margin, settings.pilot.n_max, settings.pilot.timeout_s) == (0.02, 900, 20)
    qwen = settings.candidates["qwen"]
    assert (qwen.endpoint, qwen.model, qwen.version) == ("http://localhost:8000/v1", "qwen3-32b", "2026-09")
    assert qwen.parameters == {"temperature": 0.2, "stop": ["###"]}
    assert (qwen.drop, qwen.rename) == (("logprobs",), {"max_completion_tokens": "max_tokens"})
    assert (qwen.thinking_budget, qwen.key_env) == (512, "QWEN_KEY")
    assert qwen.price is not None
    assert (qwen.price.input, qwen.price.output) == (Decimal("0.1"), Decimal("0.40")), "exact, as written"
    assert (qwen.price.currency, qwen.price.cache_read) == ("EUR", Decimal("0.05"))
    assert settings.prices["acme-9b"].output == 2


def test_a_named_file_that_is_absent_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere\.toml cannot be read"):
        load(tmp_path / "nowhere.toml")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("ledger = ", "is not valid TOML"),
        (b"\xff\xfe", "is not a text in UTF-8"),
        ("leger = 'x'", "unknown name 'leger'; known are"),
        ("ledger = 3", "ledger must be text, not 3"),
        ("currency = []", "currency must be text"),
        ("pilot = 3", "must be a table, not 3"),
        ("[pilot]\nmargn = 0.1", r"\[pilot\] has an unknown name 'margn'"),
        ("[pilot]\nmargin = true", "margin must be a number, not True"),
        ("[pilot]\nmargin = '5%'", "margin must be a number, not '5%'"),
        ("[pilot]\nseed = 'x'", "seed must be a number"),
        ("candidates = []", "must be a table"),
        ("[candidates]\nq = 1", "must be a table, not 1"),
        ("[candidates.q]\nmodel = 'm'", "needs endpoint"),
        ("[candidates.q]\nendpoint = 'http://x/v1'", "needs model"),
        ("[candidates.q]\nendpoint = 'http://x/v1'\nmodel = 'm'\nkey = 'sk-1'", "unknown name 'key'"),
        ("[candidates.q]\nendpoint = 'http://x/v1'\nmodel = 'm'\ndrop = 'a'", "drop must be a list"),
        ("[candidates.q]\nendpoint = 'http://x/v1'\nmodel = 'm'\nrename = 3", "rename must be a table"),
        ("[candidates.q]\nendpoint = 'http://x/v1'\nmodel = 'm'\nprice = 0.3", "price must be a table"),
        ("[prices.m]\ninput = 1", "needs output = PRICE"),
        ("[prices.m]\ninput = -1\noutput = 1", "input must be zero or more, not -1"),
        ("[prices.m]\ninput = 'cheap'\noutput = 1", "needs input = PRICE"),
        ("[prices.m]\ninput = nan\noutput = 1", "input must be zero or more"),
        ("[prices.m]\ninput = 1\noutput = inf", "output must be zero or more"),
    ],
)
def test_what_cannot_be_used_is_one_line_that_names_the_place(write, text: str | bytes, says: str) -> None:
    path = write(text)
    with pytest.raises(FairleadError, match=says) as told:
        load(path)
    assert "\n" not in str(told.value)
    assert "fairlead.toml" in str(told.value)


def test_a_key_that_was_written_down_is_refused_without_repeating_it(write) -> None:
    path = write("[candidates.q]\nendpoint = 'http://x/v1'\nmodel = 'm'\napi_key = 'sk-live-123'")
    with pytest.raises(InputError) as told:
        load(path)
    assert "sk-live-123" not in str(told.value)


@pytest.mark.parametrize("value", [0, 1, -0.1, 3, float("nan"), float("inf")])
def test_a_share_lies_between_0_and_1(value: float) -> None:
    with pytest.raises(UsageError, match=f"margin = {value:g} cannot be used"):
        share(value, name="margin")


def test_a_share_in_between_is_itself() -> None:
    assert share(0.03, name="margin") == 0.03
