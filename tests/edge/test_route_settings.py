"""`[serve.routes]`: what holds for all, what holds for one, and slips that are one line."""

import tomllib
from decimal import Decimal

import pytest

from fairlead.core.errors import InputError
from fairlead.edge.route_settings import NAMES, Start, load, routes_settings
from fairlead.serve.snapshot import Disconnect

FULL = """
[serve.routes]
share = 0.2
budget = "50.00"
[serve.routes."Invoice fields"]
share = 0.5
only = ["local"]
start = "canary"
disconnect = "drain"
inject_usage = false
slow_s = 12
[serve.webhook]
url = "https://ops.example/hooks/fairlead"
secret_env = "HOOK_SECRET"
"""


def read(text):
    return routes_settings(tomllib.loads(text).get("serve", {}), "fairlead.toml [serve]")


def test_one_workload_has_its_own_settings_over_those_of_all():
    found = read(FULL)
    own, other = found.of("w1", "Invoice fields"), found.of("w2", "Mail")
    assert (own.share, other.share) == (0.5, 0.2)
    assert own.budget == other.budget == Decimal("50.00")
    assert (own.only, own.start, own.disconnect, own.slow_s) == (("local",), Start.CANARY, Disconnect.DRAIN, 12)
    assert not own.inject_usage
    assert other.inject_usage
    assert found.webhook is not None
    assert found.webhook.secret_env == "HOOK_SECRET"


def test_without_a_file_the_defaults_hold(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert load().of("w1").share == 0.1
    (tmp_path / "fairlead.toml").write_text(FULL)
    assert load().of("w1").share == 0.2


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[serve.routes]\nshare = 2", r"\[serve\.routes\]: share must be from 0 to 1, not 2"),
        ("[serve.routes]\nalpha = 0", r"alpha must be more than 0 and below 1, not 0"),
        ('[serve.routes."A"]\nshaer = 0.1', r'\[serve\.routes\."A"\] has an unknown name \'shaer\''),
        ("[serve.routes]\nshaer = 0.1", r"\[serve\.routes\] has an unknown name 'shaer'"),
        ('[serve.routes]\nonly = "local"', r'only must be a list of upstreams, such as \["local"\]'),
        ('[serve.routes]\nstart = "moved"', r"start must be one of shadow, canary, not 'moved'"),
        ('[serve.routes]\njudges = "mistral"', r"judges must be a list of names from \[judges\]"),
        ('[serve.routes]\nrepair = "yes"', r"repair must be true or false, not 'yes'"),
        ("[serve.routes]\nbudget = -1", r"budget must be zero or more"),
        ('[serve.webhook]\nurl = "ftp://x"\nsecret_env = "S"', r"needs url = "),
        ('[serve.webhook]\nurl = "https://x"', r"needs secret_env"),
    ],
)
def test_a_slip_is_one_line_that_names_the_place(text, told):
    with pytest.raises(InputError, match=told):
        read(text)


def test_every_setting_can_be_given():
    values = {
        "candidate": '"qwen"', "start": '"shadow"', "share": "0.1", "shadow_share": "1.0", "canary_paired": "0.5",
        "moved_paired": "0.05", "margin": "0.03", "n_max": "5000", "coverage": "0.9", "horizon": "500", "alpha": "0.01",
        "false_alarms_per_year": "1", "errors": "0.02", "slow": "0.05", "refusals": "0.03", "schema": "0.02",
        "slow_s": "30", "budget": '"5.00"', "currency": '"GBP"', "concurrency": "4", "queue": "100", "timeout_s": "60",
        "grader": '"agree"', "labels": '"labels.jsonl"', "only": '["local"]', "fallbacks": '["spare:qwen3"]',
        "disconnect": '"cancel"', "inject_usage": "true", "repair": "true",
        "judges": '["mistral"]', "judge_concurrency": "2",
    }  # fmt: skip
    assert set(values) == NAMES
    text = "[serve.routes]\n" + "\n".join(f"{name} = {value}" for name, value in values.items())
    assert read(text).general.currency == "GBP"
