"""`fairlead serve`: the gateway."""

from __future__ import annotations

import importlib
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Final

import click
import msgspec

from fairlead.core.errors import UsageError
from fairlead.edge.cli import options
from fairlead.edge.serve_settings import ServeSettings, base_snapshot, load


@click.command("serve")
@options.ledger
@options.config
@click.option("--host", help="Address to listen on (default: 127.0.0.1, this machine only).")
@click.option("--port", type=click.IntRange(1, 65535), help="Port to listen on (default: 8080).")
@click.option("--admin-port", type=click.IntRange(1, 65535), help="Port of the admin page, on this machine only.")
@click.option(
    "--workers", type=click.IntRange(1, 256), help="Data plane processes (default: 1; one per core is plenty)."
)
@click.option(
    "--take-over", is_flag=True, help="Take the port over from the gateway that runs there, losing no request."
)
@click.option(
    "--reload", "reload_", is_flag=True, help="Tell the running gateway to read its settings again, and leave."
)
@click.option(
    "--plan", "plan_", is_flag=True, help="First begin what the newest plan says to move, as fairlead route apply does."
)
@click.option("--stop", is_flag=True, help="Tell the running gateway to finish its requests and end, and leave.")
@options.as_json
def command(
    ledger: str | None,
    config: Path | None,
    host: str | None,
    port: int | None,
    admin_port: int | None,
    workers: int | None,
    take_over: bool,
    reload_: bool,
    plan_: bool,
    stop: bool,
    as_json: bool,
) -> int | None:
    """Answer OpenAI and Anthropic requests, keep them, and move one workload at a time.

    \b
    Start it:                fairlead serve
    Point a client at it:    OPENAI_BASE_URL=http://127.0.0.1:8080/v1
                             ANTHROPIC_BASE_URL=http://127.0.0.1:8080

    With no settings it listens on this machine only, passes each caller's own key to the provider that it was meant for
    (and keeps it nowhere), and keeps every exchange in the ledger, redacted. Upstreams, keys and limits stand in the
    [serve] part of fairlead.toml. SIGHUP reads it again, SIGTERM finishes what is on its way and ends.

    The record printed by --json, once it serves: host, port, admin_port, workers, pid.
    """
    from fairlead.edge.gateway import supervisor  # noqa: PLC0415  # --help needs none of it

    may_have_routes_now = plan_ or may_have_routes(ledger or load(config).ledger)

    def settings() -> ServeSettings:
        found = load(config)
        return replace(
            found,
            host=host or found.host,
            port=port or found.port,
            admin_port=admin_port or found.admin_port,
            workers=workers or found.workers,
            routes_first=found.routes_first or may_have_routes_now,
        )

    wanted = settings()
    if reload_ or stop:
        supervisor.tell(wanted.port, supervisor.RELOAD if reload_ else supervisor.STOP)
        click.echo("Settings are read again." if reload_ else "The gateway finishes its requests and ends.")
        return None

    refuse_nowhere(ledger or load(config).ledger)
    if plan_:
        apply_plan(ledger=ledger, config=config)

    return answer(wanted, settings, ledger=ledger, config=config, take_over=take_over, as_json=as_json)


def answer(
    wanted: ServeSettings,
    settings: Callable[[], ServeSettings],
    *,
    ledger: str | None,
    config: Path | None,
    take_over: bool,
    as_json: bool,
) -> int:
    """Serve until told to stop; `settings` reads them anew."""
    from fairlead.edge.gateway import supervisor  # noqa: PLC0415  # --help needs none of it

    def control(listener: socket.socket) -> None:
        module = importlib.import_module("fairlead.edge.control.process")  # the data planes load no database
        found = settings()
        module.main(listener, config=config, ledger=ledger, base=base_snapshot(found), admin_port=found.admin_port)

    def ready(settings: ServeSettings) -> None:
        click.echo(_as_json(settings) if as_json else _as_text(settings))

    running = supervisor.Supervisor(
        wanted,
        load=settings,
        control=control,
        on_ready=ready,
        complain=lambda message: click.echo(f"fairlead: {message}", err=True),
    )
    return running.run(take_over=take_over)


def refuse_nowhere(ledger: str) -> None:
    """Refuse to begin where no ledger can be made. One that is there and cannot be written keeps nobody from an answer."""
    if "://" in ledger or Path(ledger).exists():
        return
    folder = Path(ledger).absolute().parent
    if not folder.is_dir():
        raise UsageError(
            f"{ledger} cannot be made: there is no folder {folder}. Make it, or name another with --ledger."
        )
    if not os.access(folder, os.W_OK):
        raise UsageError(f"{ledger} cannot be made: {folder} cannot be written. Name another place with --ledger.")


_LOOK: Final = "SELECT EXISTS (SELECT 1 FROM routes) OR EXISTS (SELECT 1 FROM state WHERE key = 'data classes')"


def may_have_routes(ledger: str) -> bool:
    """Whether a ledger may hold routes or data classes; what cannot be read in a moment may.

    Looked up in a process of its own: the data planes are forked from this one and hold no database.
    """
    if "://" in ledger:
        return True
    if not Path(ledger).exists():
        return False
    looking = os.fork()
    if not looking:
        os._exit(_looked(f"{Path(ledger).absolute().as_uri()}?mode=ro"))
    return os.waitstatus_to_exitcode(os.waitpid(looking, 0)[1]) != 0


def _looked(where: str) -> int:
    """0 where there is neither a route nor a data class."""
    try:
        import sqlite3  # noqa: PLC0415 - not in the process that serves

        with closing(sqlite3.connect(where, uri=True, timeout=0.2)) as file:
            return int(file.execute(_LOOK).fetchone()[0])
    except Exception:  # noqa: BLE001 - whatever it is, it may have routes
        return 1


def apply_plan(*, ledger: str | None, config: Path | None) -> None:
    """Begin what the newest plan says to move; in a process of its own, for this one opens no database."""
    named = [*(["--ledger", ledger] if ledger else []), *(["--config", str(config)] if config else [])]
    done = subprocess.run(  # noqa: S603 - this Python, and arguments that are the user's own
        [sys.executable, "-m", "fairlead", "route", "apply", *named], check=False, stdout=sys.stderr
    )
    if done.returncode:
        raise click.exceptions.Exit(done.returncode)


def _as_text(settings: ServeSettings) -> str:
    where = f"http://{settings.host}:{settings.port}"
    return f"Serving on {where} (OpenAI: {where}/v1, Anthropic: {where}). Stop with Ctrl-C."


def _as_json(settings: ServeSettings) -> str:
    record = {
        "host": settings.host,
        "port": settings.port,
        "admin_port": settings.admin_port,
        "workers": settings.workers,
        "pid": os.getpid(),
    }
    return msgspec.json.encode(record).decode()
