"""Hints of unrecorded units and inputs: none where everything is recorded, strong where something is not."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal

from curbd.network.equation import decay, phi_inverse
from curbd.pathways.unrecorded import Hints, hints, log_odds, past, sharing
from curbd.pathways.verdict import MAX_MEMORY_NATS, MAX_SHARED_SD
from curbd.teachers import Teacher, multi_region

SMALL = {"units": 16, "trials": 20, "samples": 200, "substeps": 1}


def hints_of(teacher: Teacher, rates: np.ndarray | None = None, kept: slice = slice(None)) -> Hints:
    """The hints in rates of a teacher of which the ``kept`` units are recorded, at the true time constant."""
    r = (teacher.rates if rates is None else rates)[..., kept]
    region = np.unique(teacher.region[kept], return_inverse=True)[1]
    D = decay(teacher.network.dt_s, teacher.network.tau_s, 1)
    x = phi_inverse(r)
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
    assert (hints_of(teacher, kept=slice(0, None, 2)).memory_nats > 2 * MAX_MEMORY_NATS).all()


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
    assert log_odds(z, further, y, torch.as_tensor(ridge)) == pytest.approx(best - likelihood(base), rel=1e-6)


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
