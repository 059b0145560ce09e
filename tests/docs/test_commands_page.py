"""The generated page of commands is what the commands say of themselves today."""

import importlib.util

from machine import ROOT


def test_the_page_of_commands_says_what_their_help_says():
    spec = importlib.util.spec_from_file_location("make_commands", ROOT / "docs" / "make_commands.py")
    maker = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(maker)
    assert (ROOT / "docs" / "commands.md").read_text(encoding="utf-8") == maker.page(), "run make docs"
