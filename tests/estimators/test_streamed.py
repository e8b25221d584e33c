"""A fit from chunks of a recording is the fit of the whole recording, with memory that does not grow."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import curbd
from curbd.errors import UserError
from curbd.estimators import streamed
from curbd.estimators.accumulated import GROUPS_PER_FOLD, SAMPLE_TRANSITIONS, accumulate
from curbd.estimators.one_step import one_step
from curbd.estimators.streamed import fit_accumulated, fit_streamed, folds_and_groups
from curbd.network.equation import weights
from curbd.regression.transitions import TrainingData
from curbd.settings.estimators import OneStep
from curbd.settings.models import Model
from curbd.teachers import multi_region, write_hdf5
from tests.support.recovery import training_data

RNG = np.random.default_rng(0)
"""Generator of a deterministic fit, which does not use it."""


def chunked(data: TrainingData, size: int) -> list[TrainingData]:
    """Cut a recording into chunks of some trials, the last of which may be smaller."""
    return [data.of_trials(np.arange(len(data.r))[start : start + size]) for start in range(0, len(data.r), size)]


@pytest.mark.parametrize("tau_s", [0.1, None])
def test_a_fit_from_chunks_is_the_fit_of_the_whole_recording(tau_s: float | None) -> None:
    data = training_data(multi_region(units=8, trials=18, substeps=1, seed=100), tau_s=tau_s)
    data.r[2, 20:24] = np.nan
    whole = one_step(data, OneStep(), RNG)
    fitted = fit_accumulated(accumulate(chunked(data, 4), folds=5), OneStep())
    assert fitted.network.tau_s == pytest.approx(whole.network.tau_s, rel=1e-9)
    np.testing.assert_allclose(weights(fitted.network), weights(whole.network), atol=1e-8)
    assert fitted.posterior is not None
    assert whole.posterior is not None
    np.testing.assert_allclose(fitted.posterior.noise_variance, whole.posterior.noise_variance, rtol=1e-6)


def test_bootstrap_from_groups_spreads_as_a_bootstrap_of_trials() -> None:
    data = training_data(multi_region(units=6, trials=60, samples=60, substeps=1, seed=101), tau_s=0.1)
    accumulated = accumulate(chunked(data, 10), folds=5)
    resamples = [np.random.default_rng(seed) for seed in range(12)]
    streamed = [weights(fit_accumulated(accumulated, OneStep(), rng).network) for rng in resamples]
    trials = [rng.integers(len(data.r), size=len(data.r)) for rng in resamples]
    whole = [weights(one_step(data.of_trials(np.sort(chosen)), OneStep(), RNG).network) for chosen in trials]
    ratio = np.std(streamed, axis=0) / np.std(whole, axis=0)
    # The standard deviation of 12 values has a relative error of a fifth; the median is over hundreds of weights.
    assert np.median(ratio) == pytest.approx(1, abs=0.15)


def test_the_sample_in_memory_is_bounded_and_spread_over_the_recording() -> None:
    rng = np.random.default_rng(0)
    r = np.tanh(rng.standard_normal((6, 2000, 2)))
    empty = TrainingData(r, np.zeros((6, 2000, 0)), np.array([0, 1]), 2, np.arange(6), 0.01, 1, 0.1)
    accumulated = accumulate((empty for _ in range(15)), folds=5)
    kept = accumulated.sample()
    assert kept.r[..., 0].size <= 2 * SAMPLE_TRANSITIONS
    assert kept.trial.min() < 10
    assert kept.trial.max() > 80


def test_a_recording_is_fitted_from_disk(tmp_path: Path) -> None:
    teacher = multi_region(units=5, trials=20, samples=60, substeps=1, seed=102)
    write_hdf5(teacher, tmp_path / "teacher.h5")
    recording = curbd.ingest_file(tmp_path / "teacher.h5").recording
    recording.to_netcdf(tmp_path / "recording.nc", engine="h5netcdf")
    model = Model(family="full_rank", estimator="one_step", seeds=[0, 1], tau_s=0.1)
    with xr.open_dataset(tmp_path / "recording.nc", engine="h5netcdf") as opened:
        streamed = fit_streamed(opened, model, trials_at_once=3).networks
    whole = curbd.fit(recording, model).networks
    np.testing.assert_allclose(streamed["J"][0], whole["J"][0], atol=1e-8)
    assert np.corrcoef(streamed["J"].values.reshape(2, -1))[0, 1] > 0.9


def test_one_fit_by_the_evidence_holds_a_single_set_of_moments(tmp_path: Path) -> None:
    write_hdf5(multi_region(units=5, trials=20, samples=60, substeps=1, seed=102), tmp_path / "teacher.h5")
    recording = curbd.ingest_file(tmp_path / "teacher.h5").recording
    by_evidence = {"estimator": "one_step", "options": {"penalties": "evidence"}, "tau_s": 0.1}
    model = Model(family="full_rank", seeds=[0], **by_evidence)
    streamed = fit_streamed(recording, model, trials_at_once=3).networks
    np.testing.assert_allclose(streamed["J"], curbd.fit(recording, model).networks["J"], atol=1e-8)
    options = model.estimator_options()
    assert isinstance(options, OneStep)
    assert folds_and_groups(options, n_seeds=1) == (1, 1)
    assert folds_and_groups(options, n_seeds=2) == folds_and_groups(OneStep(), n_seeds=2) == (5, GROUPS_PER_FOLD)


def test_what_needs_the_data_again_is_refused() -> None:
    data = training_data(multi_region(units=4, trials=6, samples=30, seed=103), tau_s=0.1, substeps=2)
    with pytest.raises(UserError, match="several Euler steps"):
        accumulate([data], folds=5)
    with pytest.raises(UserError, match="2 trials"):
        accumulate([data._replace(substeps=1).of_trials(np.arange(2))], folds=5)


def test_a_large_recording_is_fitted_in_chunks_if_the_model_needs_it_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    write_hdf5(multi_region(units=5, trials=12, samples=60, substeps=1, seed=102), tmp_path / "large.h5")
    recording = curbd.ingest_file(tmp_path / "large.h5").recording
    monkeypatch.setattr(streamed, "LARGE_VARIABLE_BYTES", recording["rates"].nbytes - 1)
    caplog.set_level("INFO")
    once = Model(family="full_rank", estimator="one_step", seeds=[0], tau_s=0.1, substeps=1)
    more_than_once = {"substeps": 2}, {"estimator": "sparse"}
    several = [(once, True), *((once.model_copy(update=changes), False) for changes in more_than_once)]
    for model, in_chunks in several:
        caplog.clear()
        networks = streamed.fit_of_any_size(recording, model).networks
        assert ("read once" in caplog.text) == in_chunks
        np.testing.assert_allclose(networks["J"], curbd.fit(recording, model)[0]["J"], atol=1e-8)
