"""Names of a package that wait until they are asked for."""

import subprocess
import sys

import pytest

import fairlead.core.evidence
import fairlead.core.redact
import fairlead.edge.app
import fairlead.scan

PACKAGES = [fairlead.core.evidence, fairlead.core.redact, fairlead.edge.app, fairlead.scan]


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.__name__)
def test_every_name_that_a_package_promises_is_there_and_no_other(package) -> None:
    assert all(getattr(package, name) is not None for name in package.__all__)
    with pytest.raises(AttributeError, match=rf"module '{package.__name__}' has no attribute 'nothing'"):
        package.nothing  # noqa: B018 - asking is the test


def test_a_name_is_loaded_when_it_is_asked_for_and_not_before() -> None:
    asked = (
        "import sys, fairlead.scan as scan; before = 'fairlead.scan.first' in sys.modules; scan.outlook;"
        " print(before, 'fairlead.scan.first' in sys.modules, 'outlook' in vars(scan))"
    )
    assert subprocess.check_output([sys.executable, "-c", asked], text=True) == "False True True\n"
