"""The documentation and the commands name the same things: nothing undocumented, nothing promised that is not there."""

from __future__ import annotations

import re
import shlex
import tomllib
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import click
import pytest

from fairlead.core.grade import GRADERS
from fairlead.edge import config, serve_settings
from fairlead.edge.cli.main import COMMANDS, cli
from machine import ROOT

PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md")])
WRITTEN = [page for page in PAGES if page.name != "commands.md"]
"""The pages that people write; commands.md is made from the commands themselves."""

BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`(fairlead [^`\n]+)`")
PLACEHOLDER = re.compile(r"[\[\]…|<>]")


def text_of(pages: list[Path]) -> str:
    return "\n".join(page.read_text(encoding="utf-8") for page in pages)


def leaves(command: click.Command = cli, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Each command that does something, with the words that call it."""
    if not isinstance(command, click.Group):
        yield path, command
        return
    context = click.Context(command)
    for name in command.list_commands(context):
        child = command.get_command(context, name)
        assert child is not None
        yield from leaves(child, (*path, name))


def called(line: str) -> list[str]:
    """The words after `fairlead` in a line that calls it, without comments, pipes and what only explains."""
    line = (
        line.split("  #", maxsplit=1)[0]
        .split(" | ", maxsplit=1)[0]
        .split(" > ", maxsplit=1)[0]
        .split(" && ", maxsplit=1)[0]
    )
    line = re.split(r"\s{3,}", line.strip())[0]
    return shlex.split(line)[1:]


def calls() -> Iterator[tuple[str, list[str]]]:
    """Every call of `fairlead` in a block or in running text, with the page it stands on."""
    for page in WRITTEN:
        text = page.read_text(encoding="utf-8")
        for language, block in BLOCK.findall(text):
            joined = block.replace("\\\n", " ")
            if language in {"", "sh", "bash", "console"}:
                for line in joined.splitlines():
                    bare = line.removeprefix("$ ").removeprefix(".venv/bin/")
                    if bare.startswith("fairlead "):
                        yield page.name, called(bare)
        for inline in INLINE.findall(BLOCK.sub("", text)):
            yield page.name, called(inline)


CALLS = list(calls())


@pytest.mark.parametrize(("page", "words"), CALLS, ids=[f"{page}: {' '.join(words)}" for page, words in CALLS])
def test_every_call_in_the_documentation_names_a_command_and_flags_that_exist(page: str, words: list[str]) -> None:
    path, command = found(words)
    assert path, f"{page} calls fairlead {' '.join(words)}, which is no command"
    flags = {flag for param in command.params for flag in [*param.opts, *param.secondary_opts]}
    flags |= {"--help", "-h", "--version"}
    used = {
        word.split("=")[0] for word in words if word.startswith("-") and word != "-" and not PLACEHOLDER.search(word)
    }
    assert used <= flags, f"{page}: fairlead {' '.join(path)} has no {', '.join(sorted(used - flags))}"


def found(words: list[str]) -> tuple[tuple[str, ...], click.Command]:
    """The command that these words call."""
    command: click.Command = cli
    path: list[str] = []
    for word in words:
        if not isinstance(command, click.Group):
            break
        if word.startswith("-"):
            return ("fairlead",), command
        child = command.get_command(click.Context(command), word.split("|")[0])
        if child is None:
            return (), command
        command, path = child, [*path, word]
    return tuple(path), command


def test_there_are_calls_to_look_at() -> None:
    assert len(CALLS) > 20
    assert {"README.md", "quickstart.md"} <= {page for page, _ in CALLS}


def test_every_command_is_named_on_a_page_that_somebody_wrote() -> None:
    text = text_of(WRITTEN)
    missing = [" ".join(path) for path, _ in leaves() if f"fairlead {' '.join(path)}" not in text]
    lists = re.findall(r"ledger ((?:\w+\|)+\w+)", text)
    missing = [name for name in missing if not any(name.split()[-1] in each.split("|") for each in lists)]
    assert missing == [], f"not named in README.md or docs/*.md: {', '.join(missing)}"


def test_every_flag_is_named_in_the_documentation() -> None:
    text = text_of(PAGES)
    missing = [
        f"{' '.join(path)} {flag}"
        for path, command in leaves()
        for param in command.params
        if isinstance(param, click.Option)
        for flag in param.opts
        if flag.startswith("--") and flag not in text
    ]
    assert missing == [], f"flags no page names: {', '.join(missing)}"


def test_every_command_has_its_place_on_the_first_page() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    missing = [name for name in COMMANDS if not re.search(rf"fairlead {name}\b", readme)]
    assert missing == []


def test_every_setting_is_named_in_the_documentation() -> None:
    text = text_of(PAGES)
    names = config.TOP | config.PILOT | config.JUDGING | config.JUDGE | config.CANDIDATE | config.PRICE
    names |= serve_settings.NAMES | serve_settings.UPSTREAM
    missing = sorted(name for name in names if not re.search(rf"\b{name}\b", text))
    assert missing == [], f"settings no page names: {', '.join(missing)}"


def test_the_settings_that_are_read_are_those_that_are_known() -> None:
    assert {field.name for field in fields(config.PilotSettings)} == config.PILOT
    assert {field.name for field in fields(config.JudgingSettings)} == config.JUDGING
    assert {field.name for field in fields(config.Settings)} == config.TOP


def test_every_grader_is_named_where_graders_are_explained() -> None:
    page = (ROOT / "docs" / "graders.md").read_text(encoding="utf-8")
    assert [name for name in GRADERS if f"`{name}`" not in page] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_settings_file_in_the_documentation_can_be_read(page: Path) -> None:
    for language, block in BLOCK.findall(page.read_text(encoding="utf-8")):
        table = tomllib.loads(block) if language == "toml" else {"project": None}
        if "project" not in table:  # a plugin's own pyproject.toml
            config.settings(table, where=page.name)
            serve_settings.serve_settings(table.get("serve", {}), page.name)


@pytest.mark.parametrize(
    "page", [*PAGES, ROOT / "ARCHITECTURE.md", ROOT / "CONTRIBUTING.md"], ids=lambda page: page.name
)
def test_every_page_that_is_linked_or_named_exists(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    linked = [target.split("#")[0] for target in re.findall(r"\]\((?!https?://)([^)\s]+)\)", text)]
    named = re.findall(r"\b(?:docs|design)/[\w-]+\.(?:md|png)", text)
    missing = [name for name in linked if name and not (page.parent / name).exists()]
    missing += [name for name in named if not (ROOT / name).exists()]
    assert missing == []
