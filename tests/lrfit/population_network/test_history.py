"""Own spike history of units: windows, likelihood, averages over unknown spikes, and refractory teachers."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from curbd.network.sources import SELF_HISTORY
from curbd.recording.ingest import ingest_file
from curbd.settings.experiments import Inactivation
from curbd.settings.models import Model
from curbd.settings.recording import RecordingSettings
from curbd.storage.netcdf import read_netcdf, write_netcdf
from curbd.teachers import write_populations
from curbd.teachers.populations import PopulationTeacher, populations
from curbd.teachers.spikes import recovery
from lrfit.population_network.currents import currents
from lrfit.population_network.experiments import run_population_experiments
from lrfit.population_network.fit import improve, start
from lrfit.population_network.fitting import fit_recording
from lrfit.population_network.history import (
    expected_unseen,
    filter_of_lags,
    history_windows,
    learn_history,
    past_counts,
    with_past,
)
from lrfit.population_network.history_choice import history_gain, is_needed, is_tried
from lrfit.population_network.likelihood import bound
from lrfit.population_network.model import Population
from lrfit.population_network.observation import expected, log_rate
from lrfit.population_network.paths import first_paths, infer
from lrfit.population_network.recording import Recording, from_arrays, split, subset
from lrfit.population_network.scores import co_smoothed, score_populations
from lrfit.population_network.simulation import simulate
from lrfit.population_network.view import population_views
from lrfit.population_network.window_verdict import in_bins
from tests.support.small_population import small_model

Array = np.ndarray
BIN_S = 0.003
REFRACTORY_S = 0.01


def shape(*, trials: int, bins: int, bin_s: float = BIN_S) -> Recording:
    """A recording without spikes of two regions of five units each."""
    data = from_arrays(
        np.zeros((trials, bins, 10)),
        np.repeat([0, 1], 5),
        bin_s,
        np.zeros((trials, bins, 1)),
        evoked=False,
        highest_rate_hz=1e6,
    )
    return data._replace(activity=data.activity.astype(float), seen=data.seen.astype(float))


def refractory_model(rng: np.random.Generator, rate_hz: float = 40.0) -> Population:
    """The small network, whose units are refractory to different degrees."""
    windows = len(history_windows(BIN_S))
    history = -(2.0 ** -np.arange(windows)) * rng.uniform(0.5, 2, (10, 1))
    return small_model()._replace(history=history, d=np.full(10, np.log(rate_hz * BIN_S)))


def teacher(refractory_s: float, seed: int) -> PopulationTeacher:
    return populations(
        regions=2,
        units=60,
        recorded=12,
        trials=50,
        bins=250,
        bin_s=BIN_S,
        rate_hz=20.0,
        absent=[(0, 1)],
        refractory_s=refractory_s,
        seed=seed,
    )


def recording_of(taught: PopulationTeacher) -> Recording:
    return from_arrays(taught.activity, taught.region, taught.bin_s, taught.inputs, taught.condition)


@pytest.mark.parametrize("bin_s", [0.001, 0.002, 0.003, 0.004, 0.02, 0.05])
def test_past_counts_are_sums_over_windows_that_follow_one_another(bin_s: float, rng: np.random.Generator) -> None:
    windows = history_windows(bin_s)
    assert windows[0][0] == 1
    assert all(before[1] + 1 == after[0] for before, after in pairwise(windows))
    assert windows[-1][1] * bin_s <= 0.03 + 1e-9 or windows == [(1, 1)]
    activity = rng.poisson(0.5, (40, 2, 3)).astype(np.float32)
    past = past_counts(activity, bin_s)
    for index, (first, last) in enumerate(windows):
        for k in range(41):
            lags = [activity[k - lag] for lag in range(first, last + 1) if k >= lag]
            np.testing.assert_array_equal(past[index, k], np.sum(lags, 0) if lags else np.zeros((2, 3)))


def test_selected_trials_and_bins_keep_their_past(rng: np.random.Generator) -> None:
    data = with_past(simulate(refractory_model(rng), shape(trials=6, bins=40), rng)[0])
    assert data.past is not None
    some = in_bins(subset(data, np.array([1, 4])), np.arange(20, 30))
    np.testing.assert_array_equal(some.past, data.past[:, 20:30][:, :, [1, 4]])


def test_the_history_of_a_unit_ends_at_the_largest_bound(rng: np.random.Generator) -> None:
    model = refractory_model(rng)
    data, _ = simulate(model, shape(trials=8, bins=100), rng)
    paths = infer(model, data, first_paths(model, data), 10)
    learnt = model
    for _ in range(20):
        learnt = learn_history(learnt, data, paths)

    def objective(change: Array) -> float:
        history = learnt.history + change
        return float(bound(learnt._replace(history=history), data, paths).sum() - 0.5 * (history**2).sum())

    for unit, window in [(0, 0), (3, 1), (9, 3)]:
        step = np.zeros_like(learnt.history)
        step[unit, window] = 1e-3
        up, down, here = objective(step), objective(-step), objective(0 * step)
        # The maximum is nearer than .002.
        assert abs(up - down) < 0.004 * (2 * here - up - down) / 1e-3
        assert 2 * here > up + down


def test_the_average_over_unknown_spikes_is_that_of_many_simulations(rng: np.random.Generator) -> None:
    model = refractory_model(rng)._replace(Q=1e-12 * np.eye(4), start_covariance=1e-12 * np.eye(4))
    data, z = simulate(model, shape(trials=4000, bins=30), rng)
    of_counts = data.activity.mean(1)
    averaged = expected_unseen(model, data, z).mean(1)
    without = expected_unseen(model._replace(history=np.zeros((10, 0))), data._replace(past=None), z).mean(1)
    late = slice(10, None)
    error = np.abs(averaged / of_counts - 1)[late].mean()
    loss = np.abs(without / of_counts - 1)[late].mean()
    # Counts of 4000 trials of .1 per bin have an error of .05.
    assert error < 0.07
    assert loss > 3 * error


def test_units_with_bursts_have_their_mean_rate_if_their_spikes_are_unknown(rng: np.random.Generator) -> None:
    windows, model = len(history_windows(BIN_S)), small_model()
    model = model._replace(
        C=0.3 * model.C,
        history=np.tile(np.where(np.arange(windows) < 2, 2.5, -2.0), (10, 1)),
        d=np.full(10, np.log(3 * BIN_S)),
    )
    data, _ = simulate(model, shape(trials=40, bins=200)._replace(highest=100 * BIN_S), rng)
    paths = infer(model, data, first_paths(model, data), 10)
    learnt = model
    for _ in range(5):
        learnt = learn_history(learnt, data, paths)
    unseen = expected_unseen(learnt, data, paths.mean, paths.covariance).mean((0, 1))
    seen = expected(learnt, data, paths.mean, paths.covariance).mean((0, 1))
    without = expected(learnt, data._replace(past=None), paths.mean, paths.covariance).mean((0, 1))
    assert without.sum() < 0.85 * seen.sum()
    np.testing.assert_allclose(unseen, seen, rtol=0.1)


def test_sources_sum_to_the_log_rate_of_the_next_bin(rng: np.random.Generator) -> None:
    model = refractory_model(rng)
    data, _ = simulate(model, shape(trials=3, bins=50), rng)
    paths = infer(model, data, first_paths(model, data), 5)
    parts = currents(model, data, paths)
    assert parts.source[-1] == SELF_HISTORY
    np.testing.assert_allclose(parts.current.sum(0), parts.total)
    assert data.past is not None
    own = np.einsum("wtnu,uw->ntu", data.past, model.history)
    np.testing.assert_allclose(parts.current[-1][:, :-1], own[:, 1:], atol=1e-12)
    without = currents(model._replace(history=np.zeros((10, 0))), data._replace(past=None), paths)
    np.testing.assert_array_equal(parts.current[:-1], without.current)


def test_spikes_of_hidden_units_do_not_reach_their_prediction(rng: np.random.Generator) -> None:
    model = refractory_model(rng)
    data, _ = simulate(model, shape(trials=5, bins=60), rng)
    hidden = np.arange(10) % 5 == 0
    changed = data.activity.copy()
    changed[..., hidden] += 1
    before, after = (co_smoothed(model, with_past(data._replace(activity=part))) for part in (data.activity, changed))
    np.testing.assert_allclose(before[..., hidden], after[..., hidden])
    assert np.abs(before - after)[..., ~hidden].max() > 1e-3


def test_the_history_of_refractory_units_is_found() -> None:
    taught = teacher(REFRACTORY_S, seed=300)
    fitted, held_out = split(recording_of(taught))
    gain, error = history_gain(fitted, held_out, [2, 2], taught.tau_s)
    assert is_needed(gain, error)
    data = with_past(recording_of(taught))
    model = improve(start(data, [2, 2], taught.tau_s), data, 15).model
    true = recovery(REFRACTORY_S, BIN_S)
    for window, (first, last) in enumerate(history_windows(BIN_S)):
        # 24 units with 500 spikes each; a window of several lags has the mean of their effects.
        assert np.average(model.history[:, window]) == pytest.approx(true[first - 1 : last].mean(), abs=0.15)
    assert filter_of_lags(model, BIN_S).shape == (10, 24)


def test_no_history_is_found_where_there_is_none() -> None:
    taught = teacher(0.0, seed=301)
    assert not is_needed(*history_gain(*split(recording_of(taught)), [2, 2], taught.tau_s))


def test_a_history_is_tried_in_fine_bins_of_spikes_only() -> None:
    fine, coarse = shape(trials=2, bins=5, bin_s=0.005), shape(trials=2, bins=5, bin_s=0.01)
    assert is_tried(fine, "auto")
    assert not is_tried(coarse, "auto")
    assert is_tried(coarse, True)
    assert not is_tried(fine, False)
    assert not is_tried(fine._replace(indicator_s=0.5), True)


def test_the_history_goes_through_all_steps(tmp_path: Path) -> None:
    taught = populations(
        regions=2, units=30, recorded=6, trials=30, bins=120, bin_s=BIN_S, refractory_s=REFRACTORY_S, absent=0, seed=302
    )
    write_populations(taught, tmp_path / "teacher.h5")
    settings = RecordingSettings.model_validate({"smoothing_s": 0, "bin_width_s": BIN_S})
    recording = ingest_file(tmp_path / "teacher.h5", settings).recording
    options = {"dimensions": 1, "max_hidden_drives": 0, "self_history": True}
    model = Model.model_validate({"family": "low_rank", "estimator": "population", "options": options})
    fits = fit_recording(recording, model)
    write_netcdf({"/": fits.networks}, tmp_path / "network.nc")
    networks = read_netcdf(tmp_path / "network.nc")
    view = population_views(recording, networks)[0]
    np.testing.assert_array_equal(networks["history"][0], view.fitted.model.history)
    assert networks["window_last_s"].values[-1] == pytest.approx(0.03)
    # Sources of the view sum to what reaches the latents, and to what the own spikes add.
    current = {source.name: view.current(source) for source in view.sources}
    own = current.pop(SELF_HISTORY)
    with_own = log_rate(view.fitted.model, view.data, view.fitted.paths.mean)
    without_own = log_rate(view.fitted.model, view.data._replace(past=None), view.fitted.paths.mean)
    np.testing.assert_allclose(own[:, :-1], np.moveaxis(with_own - without_own, 0, 1)[:, 1:], atol=1e-5)
    reached = view.z[..., : -len(view.region)] @ view.W[:, : -len(view.region)].T
    np.testing.assert_allclose(sum(current.values()), reached, atol=1e-9)
    fitted = score_populations(recording, networks, fits.seconds).fits
    assert fitted["history_gain_nats"].notna().all()
    silence = {"silence": Inactivation.model_validate({"kind": "region"})}
    effects = run_population_experiments(recording, networks, silence)[0].fit_effects
    for silent, target in ((0, 1), (1, 0)):
        on_target = effects.mean[:, silent, ..., target]
        # The current of a bin reaches the target in the next bin.
        assert not on_target[..., 0].any()
        assert on_target[..., 1:].all()
