"""Where requests go, and which key goes with them."""

import pytest

from fairlead.core.errors import UsageError
from fairlead.core.nouns import Dialect
from fairlead.edge.clients.address import PROVIDERS, address, key_for


@pytest.mark.parametrize(
    ("given", "base"),
    [
        ("http://localhost:8000", "http://localhost:8000/v1"),
        ("http://localhost:8000/v1/", "http://localhost:8000/v1"),
        ("https://host.example/openai/v1/chat/completions", "https://host.example/openai/v1"),
        ("https://HOST.example/v1", "https://host.example/v1"),
        ("http://[::1]:8000/v1", "http://[::1]:8000/v1"),
        ("https://münchen.example/v1", "https://xn--mnchen-3ya.example/v1"),
        ("https://host.example/my models/v1", "https://host.example/my%20models/v1"),
    ],
)
def test_a_base_url_is_read_however_it_is_written(given, base):
    assert address(given).base_url == base
    assert address(given).url(Dialect.OPENAI_EMBEDDINGS) == f"{base}/embeddings"


@pytest.mark.parametrize(
    "given",
    [
        "",
        "localhost:8000",
        "ftp://host/v1",
        "file:///etc/passwd",
        "https://",
        "http://host:port/v1",
        "http://host/v1?a=b",
        "http://ho st/v1",
        "http://host\x00/v1",
        "http://[::1/v1",
    ],
)
def test_an_address_that_cannot_be_used_is_refused_with_one_that_could(given):
    with pytest.raises(UsageError, match="https://host:8000/v1"):
        address(given)


def test_a_password_in_an_address_is_refused_and_not_repeated():
    with pytest.raises(UsageError) as refused:
        address("https://user:hunter2@host.example/v1")
    assert "hunter2" not in str(refused.value)


def test_the_named_variable_wins_and_must_be_set():
    at = address("https://gpu.example/v1")
    assert key_for(at, key_env="MINE", environ={"MINE": "k1", "FAIRLEAD_CANDIDATE_KEY": "k2"}) == "k1"
    with pytest.raises(UsageError, match="MINE is not set"):
        key_for(at, key_env="MINE", environ={"FAIRLEAD_CANDIDATE_KEY": "k2"})


def test_a_providers_own_variable_is_read_for_its_own_host_over_https_only():
    environ = {name: f"key of {name}".replace(" ", "-") for name in PROVIDERS.values()}
    assert key_for(address("https://api.openai.com/v1"), key_env=None, environ=environ) == "key-of-OPENAI_API_KEY"
    for elsewhere in ("https://gpu.example/v1", "http://api.openai.com/v1", "https://api.openai.com.evil.example/v1"):
        assert key_for(address(elsewhere), key_env=None, environ=environ) is None


def test_without_any_variable_no_key_is_sent():
    assert key_for(address("http://localhost:8000"), key_env=None, environ={}) is None


@pytest.mark.parametrize("value", [" ", "two words", "line\nend", "schlüssel"])
def test_a_variable_that_holds_no_key_is_named_and_its_content_is_not_shown(value):
    with pytest.raises(UsageError, match="FAIRLEAD_CANDIDATE_KEY") as refused:
        key_for(address("http://localhost:8000"), key_env=None, environ={"FAIRLEAD_CANDIDATE_KEY": value})
    assert value.strip() == "" or value not in str(refused.value)
