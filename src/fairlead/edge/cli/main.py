"""The `fairlead` command: finds the sub-command, and turns every error raised on purpose into one line and exit code 2.

Exit codes: 0 done, 1 a verdict or a check says no, 2 the user can put it right. Anything else is a bug and shows its
traceback.
"""

from __future__ import annotations

import errno
import gc
import importlib
import io
import os
import signal
import sys
from collections.abc import Mapping, Sequence

import click

from fairlead import __version__
from fairlead.core.errors import FairleadError

COMMANDS = {
    "scan": "Read logs, find the workloads, say what each is and costs.",
    "workload": "List, show, name, merge, split, pin workloads; say where their texts may go.",
    "pilot": "Ask an open model the same requests, grade both, decide.",
    "review": "Show people pairs of answers, blind, and hear what they prefer.",
    "plan": "Order the workloads: what to move first, and what it saves.",
    "route": "See where workloads stand, move one by hand, take one back.",
    "report": "Write the plan as one HTML page worth mailing.",
    "serve": "Answer OpenAI and Anthropic requests, and keep them.",
    "run": "Scan, pilot, plan and report in one go.",
    "verdict": "Judge counts you already have, or show the verdicts on file.",
    "demo": "Run everything on a simulated organisation, offline.",
    "key": "Make, list, replace and revoke callers' keys.",
    "top": "Watch the gateway live: workloads, speed, money, errors.",
    "doctor": "Say what is missing on this machine.",
    "ledger": "Back up, export or erase what the ledger keeps.",
}


class Commands(click.Group):
    """Loads a command's module only when it is called, so that `fairlead --help` is quick."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """The commands in the order the work happens."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """The command called `cmd_name`."""
        if cmd_name not in COMMANDS:
            raise click.UsageError(f"There is no command {cmd_name!r}; there are: {', '.join(COMMANDS)}.")
        command: click.Command = importlib.import_module(f"fairlead.edge.cli.{cmd_name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """List the commands with their one sentence, without loading them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.command(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, "--version", message="fairlead %(version)s")
def cli() -> None:
    """Find which of your LLM workloads an open-weight model can take over, and prove it on your own traffic.

    \b
    Try it on simulated traffic:   fairlead demo
    Then on your own:              fairlead run logs.jsonl --endpoint http://localhost:8000/v1 --model NAME

    Every command takes --json for machines and --ledger for where things are kept. Exit codes: 0 done, 1 a verdict or
    check says no, 2 something you can put right.
    """


def look_for_garbage_seldom() -> None:
    """Have Python look for unreachable circles less often: a command holds many records that stay, and they are looked through too."""
    gc.set_threshold(20_000, 20, 50)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and leave with its exit code."""
    write_what_can_be_written()
    look_for_garbage_seldom()
    try:
        code = cli.main(args=list(arguments) if arguments is not None else None, standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message())
        code = 2
    except click.NoSuchOption as error:
        code = complain(error.format_message() + _behind(error))
    except click.ClickException as error:
        code = complain(error.format_message())
    except FairleadError as error:
        code = complain(str(error))
    except (KeyboardInterrupt, click.Abort):
        click.echo("Stopped. Everything so far is kept; the same command continues.", err=True)
        code = 128 + signal.SIGINT
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    except OSError as error:
        said = of_this_machine(error)
        if said is None:
            raise
        code = complain(said)
    sys.exit(code if isinstance(code, int) else 0)


def _behind(error: click.NoSuchOption) -> str:
    """What to do about an option that stands in front of the command."""
    is_in_front = error.ctx is not None and error.ctx.parent is None
    return f" Options stand behind the command: fairlead scan logs/ {error.option_name} …" if is_in_front else ""


_OF_THIS_MACHINE: Mapping[int, str] = {
    errno.ENOSPC: "The disk is full{at}; make room and run the same command again.",
    errno.EFBIG: "The disk is full or a limit on the size of files was reached{at}; make room and run the same command again.",
    errno.EDQUOT: "The quota of the disk is used up{at}; make room and run the same command again.",
    errno.EROFS: "Nothing can be written{at}: the file system is read-only; name a place that can be written.",
    errno.EACCES: "There is no right to use what stands{at}; change its owner or rights, or name another place.",
}


def of_this_machine(error: OSError) -> str | None:
    """What is wrong with the disk or its rights, in a line; `None` for what is no matter of the machine."""
    line = _OF_THIS_MACHINE.get(error.errno or 0)
    if line is None or (error.errno == errno.EACCES and not error.filename):
        return None
    return line.format(at=f" at {error.filename}" if error.filename else "")


def write_what_can_be_written() -> None:
    """Let a letter that the terminal's encoding does not have become a question mark, not an error."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def complain(message: str) -> int:
    """Print one line and give the exit code for what a user can put right."""
    click.echo("fairlead: " + " ".join(message.split()), err=True)
    return 2
