"""Units beyond the recorded ones: where they are, and what they do in a free run."""

import numpy as np

from curbd.regression.transitions import TrainingData
from curbd.settings.models import Trajectory
from lrfit.estimators.hidden_units import free_run, with_unrecorded, with_unrecorded_rates
from lrfit.network import LowRank
from lrfit.teachers import constructed, tasks

RECORDED = 8


def recorded(seed, trials, task=tasks.delayed_match, samples=120):
    """A teacher of 45 units and its trials without noise, from starts that differ."""
    rng = np.random.default_rng([seed, trials])
    teacher = getattr(constructed, task.__name__)(seed, units=45)
    found = constructed.record(teacher, task(trials, rng), rng, noise_sd=0, spread=0.3)
    return teacher, found.rates[:, :samples], found.inputs[:, :samples]


def as_data(rates, u):
    n_units = rates.shape[2]
    return TrainingData(rates, u, np.zeros(n_units, dtype=int), 1, np.arange(len(rates)), tasks.DT_S, 1, tasks.TAU_S)


def error(one, rates, u):
    return np.nanmean((free_run(one, rates, u) - rates) ** 2)


def test_the_recorded_units_tell_where_the_others_are():
    teacher, rates, u = recorded(100, 5, tasks.random_dots, 60)
    one = LowRank(teacher.m, teacher.n, teacher.network)
    # Without noise all states lie in the space of latents and inputs; atanh of rates near 1 costs digits.
    np.testing.assert_allclose(with_unrecorded_rates(one, rates[..., :RECORDED], u), rates, atol=1e-6)
    np.testing.assert_allclose(free_run(one, rates[..., :RECORDED], u), rates[..., :RECORDED], atol=1e-6)


def test_bins_without_a_recorded_rate_have_no_other():
    teacher, rates, u = recorded(101, 3, tasks.random_dots, 60)
    rates[0, 10] = np.nan
    everywhere = with_unrecorded_rates(LowRank(teacher.m, teacher.n, teacher.network), rates[..., :RECORDED], u)
    missing = np.isnan(everywhere).all(2)
    assert missing[0, 10]
    assert missing.sum() == 1


def test_the_fit_has_the_recorded_units_first_and_the_others_behind_them():
    _, rates, u = recorded(100, 6)
    rates[0, 5] = np.nan
    one = with_unrecorded(as_data(rates[..., :RECORDED], u), 5, Trajectory(rank=2, steps=3), np.random.default_rng(0))
    assert one.m.shape == one.n.shape == (RECORDED + 5, 2)
    assert one.network.B.shape == (RECORDED + 5, 2)
    np.testing.assert_allclose(one.network.J, one.m @ one.n.T, atol=1e-12)


def test_refinement_lowers_the_error_of_free_runs_and_uses_the_added_units():
    _, rates, u = recorded(102, 6)
    rates = rates[..., :RECORDED]
    before, after = (
        with_unrecorded(as_data(rates, u), 5, Trajectory(rank=2, steps=steps), np.random.default_rng(0))
        for steps in (1, 50)
    )
    assert error(after, rates, u) < error(before, rates, u)
    assert after.n[RECORDED:].all()
