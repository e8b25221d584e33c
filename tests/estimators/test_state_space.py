"""Measurement noise: the regression on the states behind noisy rates recovers currents that noise would distort."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest
from scipy.ndimage import gaussian_filter1d
from scipy.signal import lfilter

from curbd import tables, teachers
from curbd.errors import UserError
from curbd.estimators.fitting import fit
from curbd.estimators.one_step import one_step
from curbd.estimators.state_space import state_space
from curbd.network.fit import Fit
from curbd.pathways.currents import decompose
from curbd.pathways.judge import judge
from curbd.recording.ingest import ingest_file
from curbd.regression.transitions import TrainingData
from curbd.scores.score import score
from curbd.settings.estimators import OneStep, StateSpace
from curbd.settings.models import Model
from curbd.settings.recording import RecordingSettings
from curbd.states.infer import infer_states, smoothed
from tests.support.known_network import small
from tests.support.recovery import between_regions, correlation, training_data

Array = np.ndarray
NOISE = 0.05
PROCESS_SD = 0.3 * np.sqrt(0.01 / 0.1)


def make_teacher(seed: int = 300, **changes: object) -> teachers.Teacher:
    """Three regions of 15 units, one Euler step a sample, no measurement noise: the tests add it themselves."""
    settings: dict[str, object] = {"units": 15, "trials": 20, "samples": 200, "substeps": 1, "seed": seed}
    return teachers.multi_region(**(settings | changes))


def noisy(data: TrainingData, sd: float = NOISE) -> TrainingData:
    rng = np.random.default_rng(1)
    return data._replace(r=np.clip(data.r + sd * rng.standard_normal(data.r.shape), -0.9999, 0.9999))


def fitted(data: TrainingData, **options: object) -> Fit:
    return state_space(data, StateSpace(**options), np.random.default_rng(0))


def regressed(data: TrainingData, width: float = 0.0) -> Fit:
    """One-step regression on rates smoothed with a Gaussian of so many samples."""
    r = np.clip(gaussian_filter1d(data.r, width, axis=1), -0.999, 0.999) if width else data.r
    return one_step(data._replace(r=r), OneStep(), np.random.default_rng(0))


def through_indicator(rates: Array, keep: float, sd: float) -> Array:
    """Rates (trial, time, unit) as a slow indicator shows them, with noise."""
    filtered, _ = lfilter([1 - keep], [1, -keep], rates, axis=1, zi=keep * rates[:, :1])
    return filtered + sd * np.random.default_rng(1).standard_normal(rates.shape)


@pytest.fixture(scope="module")
def teacher() -> teachers.Teacher:
    return make_teacher()


@pytest.fixture(scope="module")
def state_fit(teacher: teachers.Teacher) -> Fit:
    return fitted(noisy(training_data(teacher, tau_s=0.1)))


def test_noisy_rates_give_better_currents_than_any_smoothing(teacher: teachers.Teacher, state_fit: Fit) -> None:
    data = noisy(training_data(teacher, tau_s=0.1))
    smoothed_scores = np.array([between_regions(teacher, regressed(data, width).network) for width in (0, 1, 2, 3)])
    r, r2 = between_regions(teacher, state_fit.network)
    assert r > smoothed_scores[:, 0].max() + 0.01
    assert r2 > smoothed_scores[:, 1].max() + 0.03


def test_both_noises_are_told_apart(state_fit: Fit) -> None:
    # An error of a fifth still tells a user whether process noise or measurement noise limits the fit.
    assert state_fit.measurement_noise_sd is not None
    assert state_fit.process_noise_sd is not None
    assert np.mean(state_fit.measurement_noise_sd) == pytest.approx(NOISE, rel=0.2)
    assert np.mean(state_fit.process_noise_sd) == pytest.approx(PROCESS_SD, rel=0.2)


def test_without_measurement_noise_nothing_is_lost(teacher: teachers.Teacher) -> None:
    data = training_data(teacher, tau_s=0.1)
    exact = fitted(data)
    (r, r2), (r_plain, r2_plain) = (between_regions(teacher, fit.network) for fit in (exact, regressed(data)))
    assert r > r_plain - 0.002
    assert r2 > r2_plain - 0.005
    assert exact.measurement_noise_sd is not None
    assert np.mean(exact.measurement_noise_sd) < 0.01


def test_the_time_constant_is_not_that_of_the_noise_nor_of_the_smoothing(teacher: teachers.Teacher) -> None:
    data = noisy(training_data(teacher))
    # Noise on the rates pulls the regression's time constant towards one sample, smoothing to twice the true one.
    assert regressed(data).network.tau_s < 0.08
    assert fitted(data).network.tau_s == pytest.approx(0.1, rel=0.2)


def test_spike_counts_give_better_currents_than_smoothing() -> None:
    counted = make_teacher(trials=60)
    data = training_data(counted, tau_s=0.1)
    spikes = np.random.default_rng(2).poisson(50 * 0.01 * (1 + counted.rates) / 2)
    data = data._replace(r=2 * spikes / (50 * 0.01) - 1)
    smoothed_scores = [between_regions(counted, regressed(data, width).network)[0] for width in (2, 4)]
    state_fit = fitted(data, noise="counts")
    assert between_regions(counted, state_fit.network)[0] > max(smoothed_scores) + 0.05
    # The variance of counts is their mean: 4 (1 + r) / 2 / .5 in these units.
    assert state_fit.measurement_noise_sd is not None
    assert np.sqrt((state_fit.measurement_noise_sd**2).mean()) == pytest.approx(2.0, rel=0.2)


def test_currents_behind_a_slow_indicator_are_found(teacher: teachers.Teacher) -> None:
    keep = float(np.exp(-0.01 / 0.5))
    data = training_data(teacher, tau_s=0.1)
    shown = data._replace(r=through_indicator(teacher.rates, keep, 0.01))
    calcium = fitted(shown, noise="calcium", indicator_s=0.5, rounds=10)
    smoothed_fit = regressed(shown, 1.0)
    assert between_regions(teacher, calcium.network)[0] > between_regions(teacher, smoothed_fit.network)[0] + 0.3
    assert calcium.measurement_noise_sd is not None
    assert np.mean(calcium.measurement_noise_sd) == pytest.approx(0.01, rel=0.2)


def test_the_decay_time_of_an_indicator_is_estimated() -> None:
    teacher = make_teacher(units=10, samples=150, dt_s=0.05, substeps=5, inputs="none")
    shown = training_data(teacher, tau_s=None)
    rates = through_indicator(teacher.rates, float(np.exp(-0.05 / 0.8)), 0.01)
    shown = shown._replace(r=rates / np.abs(rates).max((0, 1)) * 0.9)
    fit = fitted(shown, noise="calcium", rounds=6)
    assert fit.noise is not None
    # What units share is removed by a factor analysis, which leaves an error of about a fifth.
    assert -0.05 / np.log(fit.noise.keep) == pytest.approx(0.8, rel=0.3)
    assert between_regions(teacher, fit.network)[0] > between_regions(teacher, regressed(shown).network)[0] + 0.2
    assert regressed(shown).network.tau_s > 0.3


def test_rates_behind_an_indicator_may_be_larger_than_what_it_shows(teacher: teachers.Teacher) -> None:
    keep = float(np.exp(-0.01 / 0.5))
    data = training_data(teacher, tau_s=0.1, trials=slice(10))
    shown = through_indicator(teacher.rates[:10], keep, 0.01)
    shown *= 0.8 / np.abs(shown).max((0, 1))
    options = {"noise": "calcium", "indicator_s": 0.5, "rounds": 5}
    shown_data = data._replace(r=shown)
    state_fit = infer_states(fitted(shown_data, **options), shown_data, np.ones(10, bool), np.random.default_rng(0))
    assert state_fit.states is not None
    rates = state_fit.states.rates
    assert np.abs(rates).max() < 1
    r = [correlation(rates[..., unit], teacher.rates[:10, :, unit]) for unit in range(rates.shape[2])]
    assert np.median(r) > 0.95


def test_intervals_hold_the_truth_and_are_wider_for_the_noise(teacher: teachers.Teacher, state_fit: Fit) -> None:
    exact = regressed(training_data(teacher, tau_s=0.1))
    assert state_fit.posterior is not None
    assert exact.posterior is not None
    assert 0.88 < _coverage(teacher, state_fit) < 0.99
    # Rates without noise carry more information about the weights as a whole.
    assert np.linalg.slogdet(state_fit.posterior.gram)[1] < np.linalg.slogdet(exact.posterior.gram)[1] - 1


def _coverage(teacher: teachers.Teacher, fit: Fit) -> float:
    """Share of the weights inside their 95 % interval."""
    assert fit.posterior is not None
    inside = []
    for row, ridge in enumerate(fit.posterior.ridge):
        covariance = np.linalg.inv(fit.posterior.gram + np.diag(ridge)) * fit.posterior.noise_variance[row]
        n = len(teacher.region)
        inside.append(np.abs(fit.network.J[row] - teacher.network.J[row]) < 1.96 * np.sqrt(np.diag(covariance)[:n]))
    return float(np.mean(inside))


def test_inferred_rates_are_nearer_to_the_true_ones(teacher: teachers.Teacher, state_fit: Fit) -> None:
    data = noisy(training_data(teacher, tau_s=0.1))
    r = data.r.copy()
    r[2, 150:] = np.nan
    states = infer_states(state_fit, data._replace(r=r), np.ones(len(r), bool), np.random.default_rng(0)).states
    assert states is not None
    assert np.isnan(states.rates[2, 150:]).all()
    bins = np.isfinite(r)
    error, best = ((rates[bins] - teacher.rates[bins]).std() for rates in (states.rates, smoothed(r)))
    assert error < 0.75 * NOISE
    assert error < best
    # The covariance states the size of the errors; errors near -1 or 1, where noise was cut off, are a little smaller.
    assert np.sqrt(np.diag(states.covariance).mean()) == pytest.approx(error, rel=0.2)


def test_a_held_out_trial_is_inferred_from_its_own_data_alone(teacher: teachers.Teacher, state_fit: Fit) -> None:
    data = noisy(training_data(teacher, tau_s=0.1))
    changed = data.r.copy()
    changed[1:] = 0.0
    train = np.arange(len(changed)) > 0
    first, second = (
        infer_states(state_fit, data._replace(r=r), train, np.random.default_rng(0)).states.rates[0]
        for r in (data.r, changed)
    )
    # The held-out trial gets other random numbers, and conjugate gradients may end a step sooner or later.
    np.testing.assert_allclose(first, second, atol=0.02)


def test_missing_bins_are_left_out(teacher: teachers.Teacher) -> None:
    data = noisy(training_data(teacher, tau_s=0.1))
    r = data.r.copy()
    r[:5, 150:] = np.nan
    r[7, 40:45, 3] = np.nan
    holes = fitted(data._replace(r=r), rounds=3)
    short = data._replace(r=np.where(np.isnan(r).any(2, keepdims=True), np.nan, r))
    # A bin in which one unit is missing counts as missing; the other values of the bin must not matter.
    assert np.isfinite(holes.network.J).all()
    np.testing.assert_allclose(holes.network.J, fitted(short, rounds=3).network.J, atol=0.01)


def test_one_trial_without_inputs_can_be_fitted() -> None:
    alone = make_teacher(trials=1, inputs="none")
    data = noisy(training_data(alone, tau_s=0.1))
    network = fitted(data._replace(u=np.zeros((*data.r.shape[:2], 0))), rounds=3).network
    assert network.B.shape == (45, 0)
    assert np.isfinite(network.J).all()


def test_same_seed_same_network(teacher: teachers.Teacher) -> None:
    data = noisy(training_data(teacher, tau_s=0.1, trials=slice(4)))
    first, second = fitted(data, rounds=2), fitted(data, rounds=2)
    np.testing.assert_array_equal(first.network.J, second.network.J)


def test_noises_are_stored_with_the_network(tmp_path: Path) -> None:
    recording, _ = small(tmp_path, measurement_noise=NOISE)
    model = Model(family="full_rank", estimator="state_space", options={"rounds": 2}, seeds=[0, 1], tau_s=0.1)
    networks, _ = fit(recording, model, "noisy")
    for kind in ("measurement_noise_sd", "process_noise_sd"):
        assert networks[kind].dims == ("seed", "target")
        assert (networks[kind] > 0).all()
    fits = score(recording, networks, [1.0, 1.0]).fits
    assert tables.problems("fits", fits) == []
    assert fits["measurement_noise_sd"].to_numpy() == pytest.approx(NOISE, rel=0.5)
    assert (fits["measurement_noise_share"] < 0.2).all()


def test_currents_of_spike_counts_are_those_of_the_rates_behind_them(tmp_path: Path) -> None:
    """From a file of counts to the table of pathways, the peak rates unknown."""
    counted = make_teacher(trials=40)
    spikes = np.random.default_rng(2).poisson(50 * 0.01 * (1 + counted.rates) / 2)
    write(counted, spikes / 0.01, tmp_path / "counts.h5")
    options = {"noise": "counts", "rounds": 10}
    model = Model(family="full_rank", estimator="state_space", options=options, seeds=[0], tau_s=0.1)
    recording = ingest_file(tmp_path / "counts.h5", RecordingSettings(scaling="counts"), "counts").recording
    networks, _ = fit(recording, model, "counts")
    current = decompose(recording, networks)
    smoothed_rates = ingest_file(tmp_path / "counts.h5", RecordingSettings(smoothing_s=0.05), "counts").recording
    plain, _ = fit(smoothed_rates, Model(family="full_rank", seeds=[0], tau_s=0.1), "plain")
    smoothed_current = decompose(smoothed_rates, plain)
    pairs = [(target, source) for target in "ABC" for source in "ABC" if target != source]
    r, r_smoothed = (
        np.mean(
            [
                correlation(
                    teachers.true_current(counted, target, source),
                    decomposed.sel(source=source).values[0][..., counted.region == target],
                )
                for target, source in pairs
            ]
        )
        for decomposed in (current, smoothed_current)
    )
    assert r > r_smoothed + 0.1
    total = np.concatenate([networks["inferred_rates"].values[0], recording["inputs"].values], axis=2)
    J, B = networks["J"].values[0], networks["B"].values[0]
    expected = total @ np.concatenate([J, B], axis=1).T + networks["b"].values[0]
    # Inferred rates are stored in single precision and cut off at .999, as all rates are.
    np.testing.assert_allclose(current.sum("source").values[0], expected, atol=0.05)
    pathways = judge(recording, networks)
    assert tables.problems("pathways", pathways) == []
    assert pathways["predicted_r2"].notna().all()
    expected_current = current.sel(source="B").values[0][..., counted.region == "A"]
    row = pathways[(pathways.target == "A") & (pathways.source == "B")]
    assert row["rms"].item() == pytest.approx(np.sqrt((expected_current**2).mean()))


def test_counts_that_are_smoothed_or_scaled_as_rates_are_refused(tmp_path: Path) -> None:
    counted = make_teacher(units=4, trials=5, samples=50)
    write(counted, np.round(50 * (1 + counted.rates)), tmp_path / "counts.h5")
    model = Model(family="full_rank", estimator="state_space", options={"noise": "counts"}, seeds=[0])
    for settings in (RecordingSettings(), RecordingSettings(scaling="counts", smoothing_s=0.05)):
        recording = ingest_file(tmp_path / "counts.h5", settings, "counts").recording
        with pytest.raises(UserError, match="expected scaling: counts, smoothing_s: 0"):
            fit(recording, model, "counts")


def write(teacher: teachers.Teacher, rates: Array, path: Path) -> None:
    """A file of observed rates, without the truth."""
    with h5py.File(path, "w") as file:
        file["rates"], file["time"], file["inputs"] = rates, teacher.time_s, teacher.inputs
        file["region"], file["input_name"] = [str(name) for name in teacher.region], teacher.input_name
