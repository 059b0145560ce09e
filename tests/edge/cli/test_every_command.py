"""What holds for every command: help worth reading, one line for a slip, `--json`, and `fairlead doctor`."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from edge.cli.conftest import Run
from fairlead import __version__
from fairlead.edge.cli.main import COMMANDS, cli, main
from journeys.walk import COMMAND, environment, fairlead


def every(command: click.Command = cli, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Each command that does something, with the words that call it."""
    if not isinstance(command, click.Group):
        yield path, command
        return
    context = click.Context(command)
    for name in command.list_commands(context):
        child = command.get_command(context, name)
        assert child is not None
        yield from every(child, (*path, name))


LEAVES = list(every())
IDS = [" ".join(path) for path, _ in LEAVES]


@pytest.mark.parametrize(("path", "command"), LEAVES, ids=IDS)
def test_help_says_what_it_does_how_and_what_json_prints(
    run: Run, path: tuple[str, ...], command: click.Command
) -> None:
    done = run(*path, "--help")
    assert (done.code, done.err) == (0, "")
    assert run(*path, "-h").out == done.out
    assert " ".join(path) + " [OPTIONS]" in done.out
    assert "--json" in done.out
    assert "The record printed by --json" in " ".join(done.out.split())
    options = [param for param in command.params if isinstance(param, click.Option)]
    assert all(option.help and option.help.endswith((".", ")", ".]")) for option in options), (
        "every flag has a sentence"
    )
    assert max(len(line) for line in done.out.splitlines()) <= 130


@pytest.mark.parametrize(("path", "command"), LEAVES, ids=IDS)
def test_an_unknown_flag_is_one_line(run: Run, bare: Path, path: tuple[str, ...], command: click.Command) -> None:
    done = run(*path, "--no-such-flag")
    assert done.code == 2
    assert "--no-such-flag" in done.complaint
    assert not list(bare.iterdir())


@pytest.mark.parametrize("words", [["skan"], ["ledger", "bakup"], ["--no-such-flag"], ["scan", "--json", "--json=3"]])
def test_an_unknown_command_is_one_line(run: Run, words: list[str]) -> None:
    done = run(*words)
    assert done.code == 2
    assert done.complaint


def test_without_a_command_the_help_is_shown(run: Run) -> None:
    done = run()
    assert done.code == 2
    assert all(name in done.out + done.err for name in COMMANDS)


def test_the_version_is_told(run: Run) -> None:
    assert run("--version").out == f"fairlead {__version__}\n"


def test_no_flag_takes_a_secret() -> None:
    flags = {flag for _, command in LEAVES for param in command.params for flag in param.opts}
    assert not {"--key", "--api-key", "--token", "--password", "--secret"} & flags


def test_the_doctor_prints_a_line_a_check_and_the_documented_record(run: Run, bare: Path) -> None:
    record = run("doctor", "--json").record
    assert all(set(check) == {"name", "state", "finding", "remedy"} for check in record["checks"])
    assert all(check["state"] in {"ok", "note", "missing"} for check in record["checks"])
    done = run("doctor")
    assert len(done.out.splitlines()) == len(record["checks"])
    assert done.code == any(check["state"] == "missing" for check in record["checks"])
    assert not list(bare.iterdir())


def test_the_doctor_says_no_when_an_endpoint_does_not_answer(run: Run, bare: Path) -> None:
    assert run("doctor", "--endpoint", "http://127.0.0.1:9/v1").code == 1


def test_a_settings_file_that_cannot_be_used_is_one_line_for_every_command(run: Run, office: Path) -> None:
    (office / "fairlead.toml").write_text("leger = 'x'")
    for words in (["scan"], ["plan"], ["report"], ["verdict"], ["ledger", "export"]):
        done = run(*words)
        assert done.code == 2
        assert "unknown name 'leger'" in done.complaint


def test_the_settings_name_the_ledger_and_a_flag_beats_them(run: Run, office: Path) -> None:
    (office / "fairlead.db").rename(office / "other.db")
    (office / "settings.toml").write_text("ledger = 'other.db'\ncurrency = 'EUR'")
    record = run("scan", "--config", "settings.toml", "--json").record
    assert (record["exchanges"], record["currency"]) == (210, "EUR")
    assert run("scan", "--config", "settings.toml", "--ledger", "none.db").code == 2
    assert run("scan", "--config", "settings.toml", "--currency", "USD", "--json").record["currency"] == "USD"


# Plan and report


def test_a_plan_without_pilots_waits_for_all_and_is_the_documented_record(run: Run, office: Path) -> None:
    record = run("plan", "--json").record
    assert {"format", "made_at", "span", "span_unknown", "alpha", "declared", "rates", "moves", "method"} <= set(record)
    assert [move["action"] for move in record["moves"]] == ["wait", "wait"]
    shown = run("plan").out
    assert "no pilot yet" in " ".join(shown.split())


def test_a_plan_of_an_empty_ledger_is_said_to_be_one(run: Run, bare: Path) -> None:
    run("scan", "-", stdin=b"")
    done = run("plan", "--json")
    assert done.code in {0, 2}
    assert "Traceback" not in done.err


def test_a_report_needs_a_plan_and_is_written_where_it_is_wanted(run: Run, office: Path) -> None:
    assert "run fairlead plan first" in run("report").complaint
    run("plan")
    record = run("report", "-o", "june.html", "--organisation", "Acme <b>Ltd</b>", "--json").record
    page = (office / "june.html").read_text(encoding="utf-8")
    assert record == {"path": "june.html", "bytes": len(page.encode())}
    assert "Acme &lt;b&gt;Ltd" in page
    assert "nowhere/page.html cannot be written" in run("report", "-o", "nowhere/page.html").complaint


@pytest.mark.parametrize("price", ["acme", "acme=", "acme=x,y", "=1,2", "acme=1,-2", "acme=nan,1"])
def test_a_price_that_cannot_be_read_is_one_line(run: Run, office: Path, price: str) -> None:
    done = run("plan", "--price", price)
    assert done.code == 2
    assert done.complaint


# The real process


def test_output_that_nobody_reads_to_the_end_is_no_error(office: Path) -> None:
    ran = subprocess.run(
        f"{' '.join(COMMAND)} ledger export | head -1", shell=True, cwd=office, capture_output=True, env=environment(),
        check=False, timeout=60,
    )  # fmt: skip
    assert ran.stdout.count(b"\n") == 1
    assert b"Traceback" not in ran.stderr


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (OSError(28, "No space left on device"), "The disk is full; make room"),
        (OSError(30, "Read-only file system", "fairlead-demo"), "at fairlead-demo: the file system is read-only"),
        (PermissionError(13, "Permission denied", "logs"), "no right to use what stands at logs"),
    ],
    ids=["full", "read-only", "rights"],
)
def test_a_disk_that_cannot_be_written_is_one_line(
    run: Run, bare: Path, monkeypatch: pytest.MonkeyPatch, error: OSError, told: str
) -> None:
    def refused(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(Path, "mkdir", refused)
    assert told in run("demo", "--folder", "new").complaint


def test_another_error_of_the_system_is_a_bug_and_stays_one(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise OSError(9, "Bad file descriptor")

    monkeypatch.setattr(Path, "mkdir", broken)
    with pytest.raises(OSError, match="Bad file descriptor"):
        main(["demo", "--folder", "new"])


def test_the_module_runs_as_the_command_does(bare: Path) -> None:
    done = fairlead("verdict", "--wins", 120, "--ties", 960, "--losses", 120, "--margin", 0.05, cwd=bare)
    assert (done.code, done.out.splitlines()[0], done.err) == (0, "equivalent", "")


def test_output_that_cannot_hold_every_letter_is_written_all_the_same(office: Path) -> None:
    for command in (["scan"], ["plan"], ["scan", "--json"]):
        done = fairlead(*command, cwd=office, PYTHONUTF8="0", PYTHONIOENCODING="ascii")
        assert (done.code, done.err) == (0, "")


def test_an_option_in_front_of_the_command_is_told_where_it_stands(run: Run) -> None:
    done = run("--ledger", "a.db", "scan")
    assert done.code == 2
    assert done.err.splitlines() == [
        "fairlead: No such option '--ledger'. Options stand behind the command: fairlead scan logs/ --ledger …"
    ]
