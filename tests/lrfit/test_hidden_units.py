"""Units beyond the recorded ones: where they are, and what they do in a free run."""

from __future__ import annotations

import numpy as np

from curbd.regression.transitions import TrainingData
from curbd.settings.estimators import Trajectory
from lrfit.estimators.hidden_units import recorded_free_run, with_unrecorded, with_unrecorded_rates
from lrfit.network import LowRank
from lrfit.teachers import constructed, low_rank_teacher, tasks
from lrfit.teachers.low_rank_teacher import LowRankTeacher

Array = np.ndarray

RECORDED = 8


def recorded(
    seed: int, trials: int, name: str = "delayed_match", samples: int = 120
) -> tuple[LowRankTeacher, Array, Array]:
    """A teacher of 45 units and its trials without noise, from starts that differ."""
    rng = np.random.default_rng([seed, trials])
    teacher = getattr(constructed, name)(seed, units=45)
    recording = low_rank_teacher.record(teacher, tasks.TASKS[name](trials, rng), rng, noise_sd=0, spread=0.3)
    return teacher, recording.rates[:, :samples], recording.inputs[:, :samples]


def as_data(rates: Array, u: Array) -> TrainingData:
    n_units = rates.shape[2]
    return TrainingData(
        r=rates,
        u=u,
        region=np.zeros(n_units, dtype=int),
        n_regions=1,
        trial=np.arange(len(rates)),
        dt_s=tasks.DT_S,
        substeps=1,
        tau_s=tasks.TAU_S,
    )


def error(network: LowRank, rates: Array, u: Array) -> float:
    return float(np.nanmean((recorded_free_run(network, rates, u) - rates) ** 2))


def test_the_recorded_units_tell_where_the_others_are() -> None:
    teacher, rates, u = recorded(100, 5, "random_dots", 60)
    network = LowRank(teacher.m, teacher.n, teacher.network)
    # Without noise all states lie in the space of latents and inputs; atanh of rates near 1 costs digits.
    np.testing.assert_allclose(with_unrecorded_rates(network, rates[..., :RECORDED], u), rates, atol=1e-6)
    np.testing.assert_allclose(recorded_free_run(network, rates[..., :RECORDED], u), rates[..., :RECORDED], atol=1e-6)


def test_bins_without_a_recorded_rate_have_no_other() -> None:
    teacher, rates, u = recorded(101, 3, "random_dots", 60)
    rates[0, 10] = np.nan
    everywhere = with_unrecorded_rates(LowRank(teacher.m, teacher.n, teacher.network), rates[..., :RECORDED], u)
    missing = np.isnan(everywhere).all(2)
    assert missing[0, 10]
    assert missing.sum() == 1


def test_the_fit_has_the_recorded_units_first_and_the_others_behind_them() -> None:
    _, rates, u = recorded(100, 6)
    rates[0, 5] = np.nan
    network = with_unrecorded(
        as_data(rates[..., :RECORDED], u), 5, Trajectory(rank=2, steps=3), np.random.default_rng(0)
    )
    assert network.m.shape == network.n.shape == (RECORDED + 5, 2)
    assert network.network.B.shape == (RECORDED + 5, 2)
    np.testing.assert_allclose(network.network.J, network.m @ network.n.T, atol=1e-12)


def test_refinement_lowers_the_error_of_free_runs_and_uses_the_added_units() -> None:
    _, rates, u = recorded(102, 6)
    rates = rates[..., :RECORDED]
    before, after = (
        with_unrecorded(as_data(rates, u), 5, Trajectory(rank=2, steps=steps), np.random.default_rng(0))
        for steps in (1, 50)
    )
    assert error(after, rates, u) < error(before, rates, u)
    assert after.n[RECORDED:].all()
