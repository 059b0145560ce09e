"""`fairlead top`: the gateway, live in a terminal."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import click
import httpx2
from rich.live import Live

from fairlead.core.errors import EndpointError, UsageError
from fairlead.edge import config as settings_file
from fairlead.edge import operate_settings, serve_settings
from fairlead.edge.admin_token import read_token, token_path
from fairlead.edge.cli import options
from fairlead.edge.cli.show import terminal
from fairlead.edge.cli.show.top import screen

_UNAUTHORIZED = 401


@click.command("top")
@click.option("--once", is_flag=True, help="Print one screen and leave.")
@click.option(
    "--every", type=click.FloatRange(min=0.2), default=2.0, show_default=True, help="Seconds between two looks."
)
@click.option("--admin-port", type=click.IntRange(1, 65535), help="Port of the admin page (default: as in settings).")
@options.ledger
@options.config
@options.as_json
def command(
    once: bool, every: float, admin_port: int | None, ledger: str | None, config: Path | None, as_json: bool
) -> None:
    """Watch the gateway: each workload's stage, rate, latency, cost today and saved, errors, and what was dropped.

    It asks the admin page of the gateway that runs on this machine, with the token beside the ledger (or in
    FAIRLEAD_ADMIN_TOKEN). Rates and added latency are of the last minute, money and errors of today (UTC).

    \b
    fairlead top                 until Ctrl-C
    fairlead top --once          one screen

    The record printed by --json: at, since, ready, planes, per_second, added_p50_s, added_p99_s, cost, saved, dropped,
    refused, and "workloads" and "upstreams" with everything the screen shows of each.
    """
    look = Looks(ledger=ledger, config=config, port=admin_port)
    if as_json:
        options.print_json(look.once())
        return
    shown = terminal.console()
    if once or not shown.is_terminal:
        shown.print(screen(look.once(), width=shown.width))
        return
    with Live(screen(look.once(), width=shown.width), console=shown, screen=True, auto_refresh=False) as live:
        while True:
            time.sleep(every)
            live.update(screen(look.once(), width=shown.width), refresh=True)


class Looks:
    """Asks the admin page for its overview."""

    def __init__(self, *, ledger: str | None, config: Path | None, port: int | None) -> None:
        where = ledger or settings_file.load(config).ledger
        admin = operate_settings.load(config).admin
        self._url = f"http://127.0.0.1:{port or serve_settings.load(config).admin_port}"
        given = os.environ.get(admin.token_env, "") if admin.token_env else ""
        path = token_path(admin, ledger=where)
        if not given and not path.exists():
            raise UsageError(f"There is no admin token at {path}; start the gateway here first: fairlead serve")
        headers = {"authorization": f"Bearer {given or read_token(path)}"}
        self._client = httpx2.Client(base_url=self._url, headers=headers, timeout=10, trust_env=False)

    def once(self) -> dict[str, Any]:
        """The overview now."""
        try:
            answer = self._client.get("/overview")
        except httpx2.HTTPError:
            raise EndpointError(
                f"No gateway answers at {self._url}; start one with: fairlead serve (or name its --admin-port)."
            ) from None
        if answer.status_code == _UNAUTHORIZED:
            raise UsageError(f"The gateway at {self._url} has another token: is it the one of this ledger?")
        if answer.is_error:
            raise EndpointError(f"The gateway at {self._url} answered {answer.status_code}.")
        shown: dict[str, Any] = answer.json()
        return shown
