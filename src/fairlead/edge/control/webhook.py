"""Tells an operator, by a signed call to an address from the settings, what happened to a route while nobody looked.

Rules kept here: an alert is in the ledger with the step it is about, so a restart tells it still; it is tried a bounded number
of times at growing intervals and then given up, which the ledger shows; no redirect is followed; nothing of a request is in it.

    X-Fairlead-Signature: t=<seconds since 1970>,v1=<hex HMAC-SHA256 of "<t>.<body>" with the secret>
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from collections.abc import Callable, Mapping
from datetime import datetime

import msgspec

from fairlead.core.errors import LedgerError
from fairlead.edge.route_settings import Webhook
from fairlead.edge.store import Ledger
from fairlead.edge.store.codec import microseconds
from fairlead.edge.store.routing import Alert

_FIRST_S, _LONGEST_S = 2.0, 3_600.0
SIGNATURE = "X-Fairlead-Signature"


def signature(body: bytes, *, secret: str, at: int) -> str:
    """The signature of a call; whoever has the secret can check who sent it and when.

    >>> signature(b"{}", secret="s", at=7)[:15]
    't=7,v1=77b42aeb'
    """
    signed = hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256)
    return f"t={at},v1={signed.hexdigest()}"


class Alerts:
    """What is to be told, told."""

    def __init__(
        self,
        webhook: Webhook | None,
        *,
        ledger: Callable[[], Ledger],
        environ: Mapping[str, str],
        now: Callable[[], datetime],
        tell: Callable[[str], None],
        first_s: float = _FIRST_S,
    ) -> None:
        """Without a webhook, alerts stay in the ledger and `tell` prints them."""
        self._webhook = webhook
        self._ledger = ledger
        self._environ = environ
        self._now = now
        self._say = tell
        self._first_s = first_s

    async def turn(self) -> None:
        """Try what is due."""
        try:
            due = await asyncio.to_thread(self._due)
        except LedgerError:
            return
        for alert in due:
            await self._try(alert)

    def _due(self) -> list[Alert]:
        return self._ledger().routing.due_alerts(now_us=microseconds(self._now()) or 0)

    async def _try(self, alert: Alert) -> None:
        webhook = self._webhook
        wait_s = min(self._first_s * 2**alert.tries, _LONGEST_S)
        until = (microseconds(self._now()) or 0) + int(1e6 * (wait_s + (0 if webhook is None else webhook.timeout_s)))
        if not await asyncio.to_thread(self._ledger().routing.lease_alert, alert, until_us=until):
            return
        if webhook is None:
            self._say(sentence(alert))
            await self._end(alert, told=True)
            return
        problem = await self._sent(webhook, alert)
        if not problem:
            await self._end(alert, told=True)
        elif alert.tries + 1 >= webhook.tries:
            self._say(f"Nobody could be told at the webhook in {webhook.tries} tries ({problem}): {sentence(alert)}")
            await self._end(alert, told=False)
        elif alert.tries == 0:
            self._say(f"The webhook could not be told ({problem}); it is tried again. {sentence(alert)}")

    async def _end(self, alert: Alert, *, told: bool) -> None:
        await asyncio.to_thread(self._ledger().routing.end_alert, alert, told=told)

    async def _sent(self, webhook: Webhook, alert: Alert) -> str:
        """Send it; what went wrong, in a few words, or nothing."""
        secret = self._environ.get(webhook.secret_env)
        if not secret:
            return f"the variable {webhook.secret_env} is not set"
        body = msgspec.json.encode(alert.record)
        headers = {
            "content-type": "application/json",
            "user-agent": "fairlead",
            SIGNATURE: signature(body, secret=secret, at=int(self._now().timestamp())),
        }
        import httpx2  # noqa: PLC0415 - few gateways have somebody to tell

        try:
            async with (
                httpx2.AsyncClient(timeout=webhook.timeout_s, follow_redirects=False) as client,
                client.stream("POST", webhook.url, content=body, headers=headers) as response,
            ):
                return "" if 200 <= response.status_code < 300 else f"status {response.status_code}"
        except httpx2.HTTPError as error:
            return type(error).__name__


def sentence(alert: Alert) -> str:
    """An alert in words."""
    said = alert.record if isinstance(alert.record, dict) else {}
    name = said.get("name") or said.get("workload")
    held = "; it stays there until a person says otherwise" if said.get("on_hold") else ""
    return f"{name} went from {said.get('before')} to {said.get('after')}: {said.get('why')}{held}."
