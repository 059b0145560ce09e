from __future__ import annotations

import pytest

from fairlead.core.redact import Policy, Redactor
from fairlead.edge.recognisers import Recognisers

CHECKS = Recognisers()


@pytest.fixture
def mask() -> Redactor:
    return Redactor(CHECKS)


@pytest.fixture
def by_policy():
    def made(policy: Policy, key: bytes = b"k" * 32) -> Redactor:
        return Redactor(CHECKS, policy=policy, key=lambda: key)

    return made
