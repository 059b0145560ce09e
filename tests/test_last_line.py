"""What `make test` says last: how many tests were left out, and which Debian package would bring them back."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from machine import ROOT

SKIPPING = """
import machine

def test_with_a_package():
    machine.program("no-such-program", package="lib-nowhere2.0")

def test_with_the_same_package():
    machine.missing("lib-nowhere2.0")

def test_with_another_package():
    machine.missing("g++")

def test_with_recorded_data():
    machine.recorded("no-such-file.parquet")

def test_without_any():
    pass
"""


def outcome(folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """A run of these tests with the project's own conftest."""
    for name in ("conftest.py", "machine.py"):
        shutil.copy(ROOT / "tests" / name, folder / name)
    (folder / "test_some.py").write_text(SKIPPING)
    kept = {name: value for name, value in os.environ.items() if name != "CI" and not name.startswith("PYTEST_")}
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", str(folder)],
        cwd=folder, capture_output=True, text=True, check=False, env={**kept, **environment}, timeout=120,
    )  # fmt: skip


def test_the_last_line_counts_what_was_left_out_and_names_the_packages(tmp_path: Path) -> None:
    done = outcome(tmp_path)
    assert done.returncode == 0, done.stdout
    *_, before, last = done.stdout.splitlines()
    assert last == "3 tests were skipped for want of Debian packages: g++ (1), lib-nowhere2.0 (2)"
    assert before.startswith("1 tests were skipped: the recorded data")


def test_under_ci_a_missing_package_is_a_failure_and_missing_data_is_not(tmp_path: Path) -> None:
    done = outcome(tmp_path, CI="true")
    assert done.returncode == 1
    assert "3 failed, 1 passed, 1 skipped" in done.stdout
