"""Recovery on small teachers, hidden drives, gaps, and what must not leak."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from benchmarks.populations import correlation
from curbd.teachers.populations import PopulationTeacher, populations, slow_drive
from curbd.teachers.spiking_areas import spiking_areas
from lrfit.population_network.analysis import analyse
from lrfit.population_network.currents import currents
from lrfit.population_network.drive_choice import choose_drives
from lrfit.population_network.evidence import evidence, without
from lrfit.population_network.fit import improve, restart, start
from lrfit.population_network.fit_settings import DEFAULT_SETTINGS
from lrfit.population_network.recording import from_arrays, split, subset
from lrfit.population_network.simulation import simulate
from lrfit.population_network.verdict import MIN_PATHWAY_NATS, verdict


@pytest.fixture(scope="module")
def teacher() -> PopulationTeacher:
    """Two regions, the second drives the first, nothing comes back."""
    return populations(
        regions=2, units=100, recorded=20, trials=80, bins=60, rate_hz=12.0, absent=[(1, 0)], silencing=True, seed=200
    )


def test_teacher_sends_nothing_where_there_is_no_pathway(teacher: PopulationTeacher) -> None:
    first, second = teacher.region == 0, teacher.region == 1
    assert not teacher.current[0][..., second].any()
    assert teacher.current[1][..., first].std() > 0.05
    assert not teacher.silencing[0][..., second].any()
    assert np.abs(teacher.silencing[1][..., first]).max() > 0.1


def test_drive_is_smooth_and_of_unit_variance(rng: np.random.Generator) -> None:
    path = slow_drive(rng, 100, 4000, 0.02)
    assert path.var() == pytest.approx(1, abs=0.1)
    assert np.corrcoef(path[0], path[1])[0, 1] > 0.98


def test_latency_and_gain_of_a_teacher_vary_from_trial_to_trial() -> None:
    options: dict[str, Any] = {"regions": 2, "units": 50, "recorded": 20, "trials": 200, "absent": 2, "seed": 203}
    plain, late = populations(**options), populations(**options, latency_sd_s=0.3)
    louder = populations(**options, trial_gain_sd=0.6)
    np.testing.assert_array_equal(late.inputs, plain.inputs)
    np.testing.assert_array_equal(louder.current, plain.current)

    def response(teacher: PopulationTeacher, bins: slice) -> float:
        """Return the mean difference of the current within a region between the conditions."""
        sent = teacher.current[0][:, bins][..., teacher.region == 0].mean(1)
        return float(np.abs(sent[teacher.condition == 1].mean(0) - sent[teacher.condition == 0].mean(0)).mean())

    before_step = slice(10, 25)
    assert response(late, before_step) > 1.5 * response(plain, before_step)
    means = [np.log(teacher.activity.mean((1, 2))).std() for teacher in (plain, louder)]
    assert means[1] > 0.4 > 0.3 > means[0]


def test_areas_without_synapses_fire_alike() -> None:
    plain = spiking_areas(trials=10, units=20, bins=20, seed=200)
    assert 5 < plain.activity.mean() / plain.bin_s < 60


def test_analysis_recovers_currents_and_the_missing_pathway(teacher: PopulationTeacher) -> None:
    data = from_arrays(teacher.activity, teacher.region, teacher.bin_s, teacher.inputs, teacher.condition)
    result = analyse(data, dimensions=[2, 2])
    first = teacher.region == 0
    assert correlation(teacher.current[1][..., first], result.currents.current[1][..., first]) > 0.8
    assert not result.verdict.resolved[1, 0]
    assert result.verdict.evidence.nats[0, 1] > MIN_PATHWAY_NATS > result.verdict.evidence.nats[1, 0]
    assert np.allclose(result.currents.current.sum(0), result.currents.total)
    assert result.deviation.shape == (2, *teacher.activity.shape)
    true = teacher.current[1][..., first] * teacher.gain[first]
    fitted = result.currents.current[1][..., first]
    off = (fitted - fitted.mean((0, 1))) - (true - true.mean((0, 1)))
    assert np.mean(np.abs(off) < 1.96 * result.deviation[1][..., first]) > 0.8
    assert result.echo.weight.shape == result.fit.model.C.shape


def test_held_out_trials_have_no_part_in_the_fit(teacher: PopulationTeacher) -> None:
    data = from_arrays(teacher.activity, teacher.region, teacher.bin_s, teacher.inputs, teacher.condition)
    fitted, held_out = split(data)
    assert fitted.inside.shape[1] + held_out.inside.shape[1] == 80
    changed = teacher.activity.copy()
    out = np.arange(80) // 2 % 5 == 4
    changed[out] = 3.0
    other, _ = split(from_arrays(changed, teacher.region, teacher.bin_s, teacher.inputs, teacher.condition))
    here, there = (improve(start(part, [2, 2], 0.1), part, 3) for part in (fitted, other))
    assert np.array_equal(here.model.A, there.model.A)


def test_two_held_out_trials_resolve_nothing(teacher: PopulationTeacher) -> None:
    data = from_arrays(teacher.activity, teacher.region, teacher.bin_s, teacher.inputs, teacher.condition)
    fitted, held_out = split(data)
    fit = improve(start(fitted, [2, 2], teacher.tau_s), fitted, 20)
    judged = verdict(fit, fitted, subset(held_out, np.arange(2)), 0.0)
    assert judged.grounds[0, 1] == "few_held_out"
    assert not judged.resolved.any()


def test_too_few_latents_resolve_nothing(teacher: PopulationTeacher) -> None:
    data = from_arrays(teacher.activity, teacher.region, teacher.bin_s, teacher.inputs, teacher.condition)
    fitted, held_out = split(data)
    fit = improve(start(fitted, [2, 2], teacher.tau_s), fitted, 20)
    enough, few = (verdict(fit, fitted, held_out, 0.0, suffice) for suffice in (True, False))
    assert enough.resolved.any()
    assert not few.resolved.any()
    assert (few.grounds[enough.resolved] == "few_latents").all()


def test_gaps_ragged_trials_and_gaussian_units(teacher: PopulationTeacher) -> None:
    activity = teacher.activity.copy()
    activity[::2, 45:] = np.nan
    activity[:20, :, 3] = np.nan
    data = from_arrays(activity, teacher.region, teacher.bin_s, teacher.inputs, teacher.condition)
    state = improve(start(data, [2, 2], 0.1), data, 25)
    current = currents(state.model, data, state.paths).current[1]
    first = teacher.region == 0
    assert correlation(teacher.current[1][:, :45, first], current[:, :45, first]) > 0.7
    rates = np.sqrt(teacher.activity)
    smooth = from_arrays(rates, teacher.region, teacher.bin_s, teacher.inputs, teacher.condition)
    gaussian = improve(start(smooth, [2, 2], 0.1, gaussian=True), smooth, 25)
    current = currents(gaussian.model, smooth, gaussian.paths).current[1]
    assert correlation(teacher.current[1][..., first], current[..., first]) > 0.6


def test_a_hidden_drive_is_kept_where_there_is_one() -> None:
    driven = populations(units=100, recorded=20, trials=120, bins=60, hidden=1.0, seed=201)
    data = from_arrays(driven.activity, driven.region, driven.bin_s, driven.inputs, driven.condition)
    driven_fit = choose_drives(*split(data), [2, 2, 2], DEFAULT_SETTINGS)
    assert driven_fit.gains[0] > 10
    assert driven_fit.fit.model.group.max() == 3


def test_a_network_without_a_pathway_gives_little_evidence_for_it(
    teacher: PopulationTeacher, rng: np.random.Generator
) -> None:
    data = from_arrays(teacher.activity, teacher.region, teacher.bin_s, teacher.inputs, teacher.condition)
    data = subset(data, np.arange(40))
    state = improve(start(data, [2, 2], 0.1), data, 25)
    less = improve(without(state, 1, 0), data, 20)
    for _ in range(2):
        drawn, _ = simulate(less.model, data, rng)
        # The refit starts at a weight of 0 with the penalty of the fit, so that the pathway can come back.
        again = improve(restart(less._replace(prior=state.prior), drawn), drawn, 20)
        assert evidence(again, drawn).nats[1, 0] < 10
