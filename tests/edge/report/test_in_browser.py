"""The report in a real browser: light, dark and on a phone, nothing beside the screen, nothing that asks for the network."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from html import escape, unescape
from pathlib import Path

import pytest

import machine
from fairlead.core.moves import Plan
from fairlead.edge.report import render

MEASURE = """<script>
const wide = document.documentElement.scrollWidth, room = document.documentElement.clientWidth;
const scrolls = e => e && (getComputedStyle(e).overflowX === "auto" || scrolls(e.parentElement));
const beyond = [...document.querySelectorAll("body *")].filter(
  e => e.getBoundingClientRect().right > room + 1 && !scrolls(e)).map(e => e.tagName + " " + e.className);
const style = getComputedStyle(document.body);
top.document.title = JSON.stringify({wide, room, beyond, paper: style.backgroundColor, ink: style.color,
  asked: performance.getEntriesByType("resource").length, tables: document.querySelectorAll("table").length});
</script>"""


@dataclass(frozen=True)
class Seen:
    """What a browser made of the page."""

    wide: int
    room: int
    beyond: list[str]
    paper: str
    ink: str
    asked: int
    tables: int


@pytest.fixture(scope="module")
def browse(sample: Callable[..., Plan], tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Seen]:
    chromium = machine.program("chromium", package="chromium")
    folder = tmp_path_factory.mktemp("browser")
    html = render(sample(simulated=True), org="Example Org", truth={"w0": "+0.5 points"}, version="0.0.0")
    # The page forbids scripts, as it should; the copy that is measured is the page without that rule.
    free = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", html).replace("</body>", MEASURE + "</body>")
    page = folder / "page.html"

    def seen(*, width: int, dark: bool = False) -> Seen:
        # In a frame, for a browser's window cannot be made as narrow as a telephone.
        page.write_text(
            f'<body><iframe width="{width}" height="900" srcdoc="{escape(free)}"></iframe>', encoding="utf-8"
        )
        return measured(chromium, page, folder / f"{width}{dark}", dark=dark)

    return seen


def measured(chromium: str, page: Path, profile: Path, *, dark: bool) -> Seen:
    done = subprocess.run(
        [
            chromium, "--headless", "--disable-gpu", "--no-first-run", "--disable-background-networking",
            "--hide-scrollbars", f"--user-data-dir={profile}", "--window-size=1400,1000",
            f"--blink-settings=preferredColorScheme={0 if dark else 1}",
            *(["--no-sandbox"] if os.getuid() == 0 else []), "--dump-dom", page.as_uri(),
        ],
        capture_output=True, timeout=120, check=True, text=True,
    )  # fmt: skip
    title = re.search(r"<title>(.*?)</title>", done.stdout, re.DOTALL)
    assert title is not None, done.stdout[:300]
    return Seen(**json.loads(unescape(title[1])))


@pytest.mark.parametrize("width", [1280, 820, 390])
def test_nothing_lies_beside_the_screen(browse: Callable[..., Seen], width: int) -> None:
    seen = browse(width=width)
    assert seen.tables > 4
    assert seen.room <= width
    assert seen.wide <= seen.room
    assert seen.beyond == []
    assert seen.asked == 0, "the page asks the network for nothing"


def brightness(colour: str) -> float:
    return sum(float(part) for part in re.findall(r"[\d.]+", colour)[:3]) / 3


def test_it_is_light_or_dark_as_the_reader_has_it(browse: Callable[..., Seen]) -> None:
    light, dark = browse(width=1000), browse(width=1000, dark=True)
    assert brightness(light.paper) > 220 > 60 > brightness(light.ink)
    assert brightness(dark.paper) < 60 < 200 < brightness(dark.ink)
