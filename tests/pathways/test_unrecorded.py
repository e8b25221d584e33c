"""Hints of unrecorded units and inputs: none where everything is recorded, strong where something is not."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.signal import lfilter
from scipy.stats import multivariate_normal

from curbd.network.equation import decay
from curbd.network.nonlinearity import TANH
from curbd.pathways.held_out_past import RestOfFold
from curbd.pathways.past import TargetPast, target_past
from curbd.pathways.past_evidence import log_odds
from curbd.pathways.past_regression import past, past_regression
from curbd.pathways.unrecorded import Hints, common_share, hints, sharing
from curbd.pathways.verdict import (
    MAX_MEMORY_NATS,
    MAX_SHARED_SD,
    MAX_UNRECORDED_SHARE,
    MIN_IMMEDIATE_FRACTION,
    MIN_UNIQUE_T,
)
from curbd.regression.moments import moments, squared_error
from curbd.teachers import Teacher, multi_region

SMALL = {"units": 16, "trials": 20, "samples": 200, "substeps": 1}


def hints_of(teacher: Teacher, rates: np.ndarray | None = None, kept: slice = slice(None)) -> Hints:
    """The hints in rates of a teacher of which the ``kept`` units are recorded, at the true time constant."""
    r = (teacher.rates if rates is None else rates)[..., kept]
    region = np.unique(teacher.region[kept], return_inverse=True)[1]
    D = decay(teacher.network.dt_s, teacher.network.tau_s, 1)
    x = TANH.inverse(r)
    z = np.concatenate([r, teacher.inputs, np.ones((*r.shape[:2], 1))], axis=2)[:, :-1]
    return hints(z, (x[:, 1:] - D * x[:, :-1]) / (1 - D), region, D)


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("noise", [0.3, 1.0])
def test_there_is_no_hint_where_everything_was_recorded(seed: int, noise: float) -> None:
    hinted = hints_of(multi_region(**SMALL, process_noise=noise, seed=seed))
    assert (hinted.memory_nats < MAX_MEMORY_NATS).all()
    assert (hinted.shared_sd < MAX_SHARED_SD).all()


def test_units_that_were_not_recorded_leave_memory() -> None:
    teacher = multi_region(**SMALL | {"units": 40}, seed=3)
    hinted = hints_of(teacher, kept=slice(0, None, 2))
    assert (hinted.memory_nats > 2 * MAX_MEMORY_NATS).all()
    assert (hinted.memory_share > 2 * MAX_UNRECORDED_SHARE).all()


def test_the_share_of_memory_does_not_grow_with_the_recording_as_the_evidence_does() -> None:
    teacher = multi_region(**SMALL | {"units": 24, "trials": 80}, seed=8)
    hinted = [
        hints_of(teacher._replace(rates=teacher.rates[:n], inputs=teacher.inputs[:n]), kept=slice(0, None, 2))
        for n in (20, 80)
    ]
    assert (hinted[1].memory_nats > 3 * hinted[0].memory_nats).all()
    # Fewer trials determine fewer weights of the past, so that the share still grows a little.
    assert (hinted[1].memory_share < 3 * hinted[0].memory_share).all()


def test_a_source_adds_to_the_past_of_all_others_only_where_a_pathway_exists() -> None:
    teacher = multi_region(**SMALL | {"units": 32, "trials": 40}, absent=[("A", "B"), ("C", "A")], seed=9)
    hinted = hints_of(teacher, kept=slice(0, None, 2))
    region = np.eye(3, dtype=bool)
    absent = np.array([[False, True, False], [False, False, False], [True, False, False]])
    t = hinted.unique_t[:, :3]
    assert (t[absent] < MIN_UNIQUE_T).all()
    assert (t[~absent & ~region] > MIN_UNIQUE_T).all()


def test_an_input_adds_at_once_only_to_regions_that_it_enters() -> None:
    # A fifth of the units is recorded, so that the input also reaches every region by way of unrecorded units.
    teacher = multi_region(**SMALL | {"units": 80, "trials": 60}, seed=10)
    hinted = hints_of(teacher, kept=slice(0, None, 5))
    fraction = hinted.immediate_share[:, 3:] / hinted.unique_share[:, 3:]
    enters = np.array([[False, False], [True, False], [False, True]])
    reached = hinted.unique_t[:, 3:] > MIN_UNIQUE_T
    assert reached[enters].all()
    assert (fraction[enters] > 2 * MIN_IMMEDIATE_FRACTION).all()
    assert not (reached & (fraction > MIN_IMMEDIATE_FRACTION))[~enters].any()


def test_the_share_of_a_common_factor_is_the_variance_that_was_put_in(rng: np.random.Generator) -> None:
    # A factor of constant value in each trial: all lags have its full variance.
    factor = np.repeat(rng.standard_normal((200, 1)), 50, axis=1)
    loading = np.linspace(0.2, 0.6, 10)
    residual = rng.standard_normal((200, 50, 10)) + factor[..., None] * loading
    complete, variance = np.ones((200, 50), dtype=bool), 4 * np.ones(10)
    # Standard deviation of the variance of 200 normal numbers: a tenth.
    assert common_share(residual, complete, variance) == pytest.approx(np.mean(loading**2) / 4, rel=0.25)
    alone = [common_share(rng.standard_normal((20, 50, 10)), complete[:20], np.ones(10)) for _ in range(20)]
    assert abs(np.mean(alone)) < np.mean(loading**2) / 100


def test_an_input_that_was_not_recorded_is_shared_by_the_units_it_reaches_alone() -> None:
    hinted = hints_of(multi_region(**SMALL, inputs="hidden", seed=4))
    assert (hinted.shared_sd[1:] > MAX_SHARED_SD).all()
    assert hinted.shared_sd[0] < MAX_SHARED_SD
    assert hinted.memory_nats[0] < MAX_MEMORY_NATS


def test_an_indicator_leaves_memory() -> None:
    teacher = multi_region(**SMALL, seed=5)
    assert (hints_of(teacher, past(teacher.rates, 0.9)).memory_nats > 2 * MAX_MEMORY_NATS).all()


def test_missing_bins_do_not_matter(rng: np.random.Generator) -> None:
    teacher = multi_region(**SMALL, seed=6)
    rates = teacher.rates.copy()
    rates[3, 50:60] = np.nan
    rates[7, 150:] = np.nan
    hinted = hints_of(teacher, rates)
    assert (hinted.memory_nats < MAX_MEMORY_NATS).all()
    assert (hinted.shared_sd < MAX_SHARED_SD).all()


def test_rounding_errors_give_no_hint() -> None:
    teacher = multi_region(**SMALL | {"trials": 40}, process_noise=0.0, seed=7)
    region = np.unique(teacher.region, return_inverse=True)[1]
    z = np.concatenate([teacher.rates, teacher.inputs, np.ones((*teacher.rates.shape[:2], 1))], axis=2)
    rng = np.random.default_rng(0)
    # A regression without any noise on regressors that determine their weights.
    z[..., :48] = rng.standard_normal(z[..., :48].shape)
    hinted = hints(z, z[..., :48] @ teacher.network.J.T, region, 0.9)
    assert (hinted.shared_sd <= 0).all()
    assert (hinted.memory_nats < MAX_MEMORY_NATS).all()


def test_log_odds_are_a_ratio_of_two_likelihoods(rng: np.random.Generator) -> None:
    z, further = rng.standard_normal((60, 3)), rng.standard_normal((60, 2))
    y = z @ rng.standard_normal((3, 1)) + 3 * further @ rng.standard_normal((2, 1)) + 0.1 * rng.standard_normal((60, 1))
    ridge = np.array([2.0, 2.0, 2.0])
    unit_power = further / np.sqrt((further**2).mean(0))

    def likelihood(covariance: np.ndarray) -> float:
        """Log likelihood of y ~ N(0, s covariance) at the best noise variance s."""
        s = float(y[:, 0] @ np.linalg.solve(covariance, y[:, 0])) / 60
        return float(multivariate_normal(np.zeros(60), s * covariance).logpdf(y[:, 0]))

    base = np.eye(60) + z @ np.diag(1 / ridge) @ z.T
    best = max(likelihood(base + unit_power @ unit_power.T / strength) for strength in 10.0 ** np.arange(-2, 9, 0.25))
    nats, _ = log_odds(moments(np.hstack([z, unit_power]), y), 3, torch.as_tensor(ridge))
    assert nats == pytest.approx(best - likelihood(base), rel=1e-6)


@pytest.mark.parametrize("precision", [torch.float32, torch.float64])
def test_what_is_lost_without_regressors_is_what_refits_without_them_lose(
    rng: np.random.Generator, precision: torch.dtype
) -> None:
    z, y = rng.standard_normal((3, 60, 5)), rng.standard_normal((3, 60, 2))
    z[..., 3] = 1.0
    # Two units, an input and the bias; then the past.
    regression = past_regression(z[..., :4], y, np.array([0, 0, 1, 2]), 2, 0.5)
    ridge, fold = np.array([2.0, 3.0, 4.0, 1.0]), 1
    tested, total = regression.fold(fold, np.arange(2))
    rest = RestOfFold(tested, total, torch.as_tensor(ridge), precision)
    fitted = total._replace(ZZ=rest.ZZ, YZ=rest.YZ)

    def error(kept: np.ndarray, of_input: float) -> np.ndarray:
        penalty = np.append(ridge, [5.0, 5.0, of_input])[kept]
        gram = fitted.ZZ.numpy()[np.ix_(kept, kept)] + np.diag(penalty)
        W = np.zeros((2, 7))
        W[:, kept] = np.linalg.solve(gram, fitted.YZ.numpy()[:, kept].T).T
        return squared_error(tested, torch.as_tensor(W)).numpy()

    every, others = np.arange(7), np.array([0, 1, 3, 4, 5])
    for of_input in (5.0, 15.0):
        solved, _ = rest.held_out(torch.tensor([5.0, 5.0, of_input], dtype=torch.float64)).corrected()
        np.testing.assert_allclose(solved.error, error(every, of_input))
        lost = error(others, of_input) - error(every, of_input)
        # The squared change of a prediction is in single precision.
        np.testing.assert_allclose(solved.lost_without([np.array([2, 6])])[0], lost, rtol=1e-5)


@pytest.mark.parametrize(("common", "exact_enough"), [(0.5, True), (0.999999, False)])
def test_single_precision_tells_the_same_or_is_not_used(
    monkeypatch: pytest.MonkeyPatch, rng: np.random.Generator, common: float, exact_enough: bool
) -> None:
    """The rates of units that share nearly everything tell hardly more than a few of them."""
    own, shared = (lfilter([1], [1, -0.9], rng.standard_normal((20, 60, n)), axis=1) for n in (20, 3))
    z = np.ones((20, 60, 22))
    z[..., :20] = np.sqrt(1 - common) * own + np.sqrt(common) * shared @ rng.standard_normal((3, 20))
    z[..., 20] = rng.standard_normal((20, 60))
    y = z @ rng.standard_normal((22, 20)) + rng.standard_normal((20, 60, 20))
    regression = past_regression(z, y, np.repeat([0, 1, 2, 3], [10, 10, 1, 1]), 20, 0.9)

    def told() -> TargetPast:
        return target_past(regression, np.arange(10), np.full(22, 1e-3))

    double = told()
    monkeypatch.setattr("curbd.pathways.past.SINGLE_PRECISION_REGRESSORS", 1)
    single = told()
    assert np.array_equal(single.unique_t, double.unique_t) != exact_enough
    for share in ("unique_share", "immediate_share"):
        np.testing.assert_allclose(getattr(single, share), getattr(double, share), atol=1e-5)
    np.testing.assert_allclose(single.unique_t, double.unique_t, rtol=1e-3)


def test_random_signs_of_long_recordings_tell_independent_units_from_a_common_factor(rng: np.random.Generator) -> None:
    complete = np.ones((300, 25), dtype=bool)
    slow = lfilter([1], [1, -0.7], rng.standard_normal((20, 300, 25, 6)), axis=2)
    alone = np.array([sharing(residual, complete) for residual in slow])
    # Four standard errors of a mean and of a standard deviation of 20.
    assert abs(alone.mean()) < 4 / np.sqrt(20)
    assert alone.std(ddof=1) == pytest.approx(1, abs=4 / np.sqrt(40))
    assert sharing(slow[0] + 0.5 * slow[1][..., :1], complete) > MAX_SHARED_SD


def test_the_past_is_a_leaky_sum_of_earlier_bins() -> None:
    r = np.array([1.0, 0.0, 2.0, np.nan, 4.0, 0.0])[None, :, None]
    np.testing.assert_allclose(past(r, 0.5)[0, :, 0], [0, 0.5, 0.25, 1.125, 0, 2.0])


def test_independent_residuals_share_nothing_and_common_ones_do(rng: np.random.Generator) -> None:
    complete = np.ones((20, 100), dtype=bool)
    alone = [sharing(rng.standard_normal((20, 100, n)), complete) for n in (2, 10, 40) for _ in range(20)]
    # In standard deviations of independent units: 60 draws have a mean of 0 +- .13.
    assert np.mean(alone) == pytest.approx(0, abs=0.5)
    assert np.max(alone) < MAX_SHARED_SD
    # A fluctuation that is common to all units but new in every bin does not last over several bins.
    within_a_bin = rng.standard_normal((20, 100, 10)) + rng.standard_normal((20, 100, 1))
    assert sharing(within_a_bin, complete) < MAX_SHARED_SD
    # A slow fluctuation of single units is not shared.
    slow = past(rng.standard_normal((20, 100, 10)), 0.9)
    assert sharing(rng.standard_normal((20, 100, 10)) + 2 * slow, complete) < MAX_SHARED_SD
    assert sharing(rng.standard_normal((20, 100, 10)) + 2 * slow[..., :1], complete) > 2 * MAX_SHARED_SD
