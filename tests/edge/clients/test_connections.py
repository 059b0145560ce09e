"""Encrypted connections and proxies, over real sockets."""

import asyncio
import shutil
import ssl
import subprocess

import pytest

from fairlead.core.errors import EndpointError
from fairlead.core.nouns import FailureKind
from fairlead.edge.clients.address import address
from fairlead.edge.clients.connections import needs_proxy, trusted_authorities
from fairlead.edge.clients.http import Endpoint

from .conftest import ANSWER, BODY, Hurried, served


@pytest.fixture(autouse=True)
def fresh_authorities(monkeypatch):
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    trusted_authorities.cache_clear()
    yield
    trusted_authorities.cache_clear()


@pytest.fixture(scope="session")
def certificate(tmp_path_factory):
    if shutil.which("openssl") is None:
        pytest.skip("making a certificate needs openssl")
    folder = tmp_path_factory.mktemp("tls")
    files = folder / "cert.pem", folder / "key.pem"
    subprocess.run(
        f"openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=DNS:localhost "
        f"-out {files[0]} -keyout {files[1]}".split(),
        check=True,
        capture_output=True,
    )
    return files


async def answering(wire):
    while True:
        await wire.request()
        await wire.answer()


def test_a_second_answer_to_one_request_is_never_taken_for_the_next(replies):
    connections = []

    async def handle(wire):
        connections.append(wire)
        await wire.request()
        if len(connections) > 1:
            await wire.answer(ANSWER.replace(b"42", b"43"))
        else:
            await wire.write((b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(ANSWER), ANSWER)) * 2)
            await asyncio.Event().wait()

    one, two = replies(handle, times=2)
    assert (one.answer.text, two.answer.text) == ("42", "43")


@pytest.mark.parametrize("raw", [b"hello\r\n\r\n", b"SSH-2.0-OpenSSH\r\n", b"HTTP/1.1 200 OK\r\nx: " + b"a" * 300_000])
def test_what_is_not_http_is_a_cut_answer(replies, raw):
    async def handle(wire):
        await wire.request()
        await wire.write(raw)
        await asyncio.Event().wait()

    (reply,) = replies(handle)
    assert reply.answer.failure.kind is FailureKind.CUT


def encrypted(url):
    return url.replace("http://127.0.0.1", "https://localhost")


def asked_over_tls(certificate):
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*certificate)

    async def main():
        async with served(answering, tls=context) as url, Endpoint(encrypted(url), random=Hurried()) as ask:
            return [await ask(BODY) for _ in range(2)]

    return asyncio.run(main())


def test_an_encrypted_endpoint_whose_certificate_is_trusted_answers(certificate, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
    assert [reply.answer.text for reply in asked_over_tls(certificate)] == ["42", "42"]


def test_a_certificate_nobody_vouches_for_is_refused_and_said_so(certificate):
    with pytest.raises(EndpointError, match="cannot be reached: its certificate is not trusted"):
        asked_over_tls(certificate)


def test_an_endpoint_that_does_not_speak_tls_is_said_so():
    async def puzzled(wire):
        await wire.reader.read(100)
        await wire.answer(b"", status="400 Bad Request")

    async def main():
        async with served(puzzled) as url, Endpoint(encrypted(url), random=Hurried()) as ask:
            await ask(BODY)

    with pytest.raises(EndpointError, match="cannot be reached: TLS failed"):
        asyncio.run(main())


def through_a_proxy(monkeypatch, handle, **settings):
    async def main():
        async with served(handle) as url:
            monkeypatch.setenv("http_proxy", url.removesuffix("/v1"))
            async with Endpoint("http://models.example/v1", random=Hurried(), **settings) as ask:
                return await ask(BODY)

    return asyncio.run(main())


def test_the_environments_proxy_is_used(monkeypatch):
    seen = []

    async def handle(wire):
        seen.append(await wire.request())
        await wire.answer()

    reply = through_a_proxy(monkeypatch, handle)
    assert reply.answer.text == "42"
    assert seen[0][0].startswith("POST http://models.example/v1/chat/completions HTTP/1.1")


def test_what_goes_wrong_behind_a_proxy_is_told_the_same_way(monkeypatch):
    async def cut(wire):
        await wire.request()
        await wire.write(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n{")

    async def reset(wire):
        await wire.request()
        wire.reset()

    for handle in (cut, reset):
        reply = through_a_proxy(monkeypatch, handle)
        assert (reply.answer.failure.kind, reply.attempts) == (FailureKind.CUT, 3)


def test_a_proxy_that_is_not_there_is_an_error(monkeypatch):
    async def main():
        async with served(answering) as url:
            pass
        monkeypatch.setenv("http_proxy", url.removesuffix("/v1"))
        async with Endpoint("http://models.example/v1", random=Hurried()) as ask:
            await ask(BODY)

    with pytest.raises(EndpointError, match=r"http://models\.example/v1 cannot be reached"):
        asyncio.run(main())


def test_exceptions_from_the_proxy_and_this_machine_are_asked_directly(monkeypatch):
    monkeypatch.setenv("http_proxy", "http://proxy.example:3128")
    monkeypatch.setenv("no_proxy", "inside.example")
    assert needs_proxy(address("http://models.example/v1"))
    assert not needs_proxy(address("https://models.example/v1"))
    assert not needs_proxy(address("http://gpu.inside.example/v1"))
    assert not needs_proxy(address("http://localhost:8000/v1"))
