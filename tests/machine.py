"""What this machine has: tests that need more skip, and say which Debian package or data would bring them back."""

from __future__ import annotations

import os
import shutil
from glob import glob
from pathlib import Path
from typing import NoReturn

import pytest

ROOT = Path(__file__).resolve().parents[1]
SHARED = ROOT.parent / "shared"


def missing(package: str) -> NoReturn:
    """Skip for want of a Debian package; under CI=true that is a failure, for CI installs what the tests need."""
    reason = f"needs Debian package {package}"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


def program(name: str, *, package: str, elsewhere: str = "") -> str:
    """Path of a program that a Debian package brings, or a skip that names the package."""
    found = sorted(glob(elsewhere)) if elsewhere else []  # noqa: PTH207 - an absolute pattern
    path = found[-1] if found else shutil.which(name)
    return path or missing(package)


def recorded(name: str) -> Path:
    """A file of the recorded data beside the repository, or a skip that says it is absent."""
    path = SHARED / "data" / name
    if not path.exists():
        pytest.skip(f"recorded data is absent: ../shared/data/{name}")
    return path
