"""Latencies of single trials: their estimates, and pathways that only a varying latency seems to ask for."""

from __future__ import annotations

import numpy as np
import pytest

from curbd.teachers.populations import populations
from lrfit.population_network.fit import Fit, converge
from lrfit.population_network.fit_settings import DEFAULT_SETTINGS
from lrfit.population_network.form_choice import choose_form
from lrfit.population_network.held_out import held_out_nats
from lrfit.population_network.latency import align, are_needed, late_nats, latencies, shifted
from lrfit.population_network.recording import Recording, from_arrays, split
from lrfit.population_network.verdict import verdict

Array = np.ndarray
BIN_S = 0.05


@pytest.fixture
def bumps() -> tuple[Recording, Array]:
    """Two regions of constant rates with a bump at a time that varies from trial to trial, and this time in bins."""
    rng = np.random.default_rng(106)
    time_s, peak_s = BIN_S * np.arange(50), 1 + 0.2 * rng.standard_normal((80, 1))
    bump = np.exp(-0.5 * ((time_s - peak_s) / 0.2) ** 2)
    size, log_hz = rng.uniform(0.6, 1.5, 24), np.log(10) + 0.3 * rng.standard_normal(24)
    counts = rng.poisson(BIN_S * np.exp(log_hz + bump[..., None] * size)).astype(float)
    return from_arrays(counts, np.repeat([0, 1], 12), BIN_S), (peak_s[:, 0] - 1) / BIN_S


def late_steps(seed: int, latency_sd_s: float, absent: int | list[tuple[int, int]] = 2) -> tuple[Recording, Recording]:
    """Fitted and held-out trials of two regions that receive a step of the input."""
    teacher = populations(
        regions=2, recorded=12, trials=80, bins=80, absent=absent, latency_sd_s=latency_sd_s, seed=seed
    )
    return split(from_arrays(teacher.activity, teacher.region, teacher.bin_s, teacher.inputs, teacher.condition))


def fitted_to(fitted: Recording, held_out: Recording) -> tuple[Fit, float]:
    formed = choose_form(fitted, held_out, [2, 2], DEFAULT_SETTINGS)
    return converge(formed.fit, fitted), formed.common_nats


def test_latencies_of_a_common_response_are_found(bumps: tuple[Recording, Array]) -> None:
    data, true = bumps
    aligned = align(converge(choose_form(*split(data), [1, 1], DEFAULT_SETTINGS).fit, split(data)[0]), split(data)[0])
    of_fitted = np.arange(len(true)) % 5 != 4
    assert np.corrcoef(aligned.latency, true[of_fitted])[0, 1] > 0.8


def test_sources_are_shifted_by_the_latency_and_held_at_the_ends_of_a_trial() -> None:
    activity, inputs = np.zeros((2, 6, 2)), np.arange(12.0).reshape(2, 6, 1)
    activity[1, 4:] = np.nan
    late = shifted(from_arrays(activity, np.array([0, 1]), BIN_S, inputs), np.array([2, -1]))
    assert late.sources[:, 0, 0].tolist() == [0, 0, 0, 1, 2, 3]
    assert late.sources[:4, 1, 0].tolist() == [7, 8, 9, 9]


def test_a_recording_without_known_sources_has_no_latencies() -> None:
    data = from_arrays(np.zeros((5, 20, 2)), np.array([0, 1]), BIN_S)
    assert latencies(data).tolist() == [0]


def test_an_input_whose_latency_varies_is_no_pathway() -> None:
    fitted, held_out = late_steps(100, latency_sd_s=0.3)
    fit, common_nats = fitted_to(fitted, held_out)
    judged = verdict(fit, fitted, held_out, common_nats)
    assert not judged.resolved.any()
    # All other grounds hold for the pathway.
    assert judged.grounds[0, 1] == "latency"
    aligned = align(fit, fitted)
    assert are_needed(late_nats(aligned, held_out) - held_out_nats(fit.model, held_out))
    assert np.linalg.norm(aligned.fit.model.A[:2, 2:]) < 0.3 * np.linalg.norm(fit.model.A[:2, 2:])


def test_a_pathway_is_resolved_beside_an_input_whose_latency_varies() -> None:
    fitted, held_out = late_steps(101, latency_sd_s=0.3, absent=[(0, 1)])
    fit, common_nats = fitted_to(fitted, held_out)
    assert verdict(fit, fitted, held_out, common_nats).resolved.tolist() == [[False, False], [True, False]]


def test_trials_without_a_varying_latency_do_not_ask_for_latencies() -> None:
    fitted, held_out = late_steps(101, latency_sd_s=0.0, absent=[(0, 1)])
    fit, _ = fitted_to(fitted, held_out)
    aligned = align(fit, fitted)
    assert not are_needed(late_nats(aligned, held_out) - held_out_nats(fit.model, held_out))
