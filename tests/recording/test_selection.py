"""Which units are kept."""

import numpy as np
import pytest

from curbd.errors import UserError
from curbd.recording.selection import mean_rates, reasons_of, require_units, small_regions
from curbd.settings.recording import Units


def test_long_trials_weigh_more_in_the_mean_rate() -> None:
    rates = np.zeros((2, 30, 3))
    rates[1, 10:], rates[0, :, 1], rates[:, :, 2] = np.nan, np.nan, np.nan
    of_trials = np.array([[4.0, np.nan, np.nan], [8.0, 6.0, np.nan]])
    np.testing.assert_allclose(mean_rates(of_trials, rates), [(30 * 4 + 10 * 8) / 40, 6.0, np.nan])


def test_each_rule_gives_its_reason() -> None:
    rates = np.random.default_rng(0).random((4, 50, 7))
    rates[:, :, 1] = np.nan
    rates[:, :, 2] = 3.0
    rates[1, 10, 3] = np.nan
    rates[:3, :, 4] = 0.0
    mean = np.array([5.0, np.nan, 3.0, 5.0, 5.0, 0.01, np.nan])
    reasons = reasons_of(rates, np.array([True, True, True, False]), mean, Units(max_missing=0))
    assert reasons.tolist() == [
        "",
        "no finite value (NaN everywhere)",
        "constant",
        "missing (NaN) in bins where other units were recorded",
        "constant in the training trials",
        "mean rate below 0.1 Hz",
        "",
    ]


def test_bins_that_all_units_miss_cost_no_unit() -> None:
    rates = np.random.default_rng(0).random((3, 50, 4))
    rates[2, 30:] = np.nan
    assert not any(reasons_of(rates, np.array([True, True, False]), np.full(4, np.nan), Units()))


def test_small_regions_go_after_the_other_rules() -> None:
    kept = np.array([True, True, True, True, True, False])
    reasons = small_regions(["a", "a", "a", "b", "b", "b"], kept, Units(min_per_region=3))
    assert reasons.tolist() == ["", "", "", *["fewer than 3 units kept in region b"] * 2, ""]


def test_all_units_lost_counts_the_reasons() -> None:
    with pytest.raises(UserError, match=r"none of 3 kept \(2 constant; 1 no region label\)"):
        require_units(["constant", "no region label", "constant"], "rec")
