"""Requests that come in families are worth fewer than they are many."""

import numpy as np
import pytest

from fairlead.core.errors import UsageError
from fairlead.core.evidence.cluster import cluster_se, clusters

VALUES = [1, -1, 0, 0, 1] * 11
KEYS = [size for size in range(1, 11) for _ in range(size)]


def test_the_standard_error_is_the_one_of_statsmodels():
    # statsmodels OLS(...).fit(cov_type="cluster"); the same formula as Inspect's `stderr(cluster=)`.
    assert cluster_se(VALUES, KEYS) == pytest.approx(0.06180629713, abs=1e-11)
    assert clusters(VALUES, KEYS).iid_se == pytest.approx(0.10183502, abs=1e-8)


def test_independent_requests_have_a_design_effect_of_one():
    values = np.random.default_rng(0).normal(size=4000).tolist()
    assert clusters(values, list(range(4000))).design_effect == pytest.approx(1)


def test_copies_of_one_request_count_once():
    values = np.repeat(np.random.default_rng(0).normal(size=500), 8).tolist()
    found = clusters(values, [place // 8 for place in range(4000)])
    assert found.design_effect == pytest.approx(8, rel=0.01)
    assert found.largest_share == pytest.approx(8 / 4000)


def test_few_or_lopsided_clusters_are_not_trusted():
    assert clusters([0.0, 1.0] * 100, [place // 2 for place in range(200)]).enough
    assert not clusters([0.0, 1.0] * 50, [place // 2 for place in range(100)]).enough
    lopsided = [0] * 60 + list(range(1, 141))
    assert not clusters([0.0, 1.0] * 100, lopsided).enough


def test_a_key_with_few_levels_is_a_stratum():
    assert clusters(VALUES, KEYS).is_stratum
    assert not clusters([0.0, 1.0] * 30, list(range(60))).is_stratum


def test_differences_that_never_vary_have_no_design_effect():
    assert clusters([0.0] * 4, [1, 1, 2, 2]).design_effect is None


@pytest.mark.parametrize(("values", "keys"), [([1.0, 0.0], [1]), ([1.0, 0.0], [1, 1]), ([float("nan"), 0.0], [1, 2])])
def test_clusters_that_cannot_be_used_are_refused(values, keys):
    with pytest.raises(UsageError):
        clusters(values, keys)
