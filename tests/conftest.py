"""What every test shares: where the recorded data lies, and what to say when something is missing on this machine."""

from __future__ import annotations

import gc
import os
import re
from collections import Counter

import pytest
from hypothesis import HealthCheck, settings

# How long an example takes depends on what else the machine is doing; CI tries the same examples every time.
settings.register_profile(
    "any machine",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    derandomize=os.environ.get("CI") == "true",
)
settings.load_profile("any machine")

MISSING = re.compile(r"needs (?:the )?Debian package ([a-z0-9][a-z0-9.+-]*[a-z0-9+])")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the journeys, which are long, so that no process walks one alone at the end while the others have nothing to do."""
    items.sort(key=lambda item: item.get_closest_marker("journey") is None)


def pytest_collection_finish() -> None:
    """Thousands of collected tests stay to the end; looking through them for garbage again and again takes a tenth of the time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 20)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    terminalreporter.config.stash[SKIPS] = Counter(
        found.group(1)
        for report in terminalreporter.stats.get("skipped", [])
        if (found := MISSING.search(str(report.longrepr)))
    )
    terminalreporter.config.stash[NO_SHARED] = sum(
        "recorded data" in str(report.longrepr) for report in terminalreporter.stats.get("skipped", [])
    )


SKIPS = pytest.StashKey[Counter[str]]()
NO_SHARED = pytest.StashKey[int]()


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    """Make the very last line say what was left out and what would bring it back."""
    skipped, without_data = config.stash.get(SKIPS, Counter()), config.stash.get(NO_SHARED, 0)
    if without_data:
        print(f"{without_data} tests were skipped: the recorded data (../shared/data) is not on this machine.")
    if skipped:
        print(
            f"{sum(skipped.values())} tests were skipped for want of Debian packages: "
            + ", ".join(f"{name} ({count})" for name, count in sorted(skipped.items()))
        )
