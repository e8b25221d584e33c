"""Choices on held-out data: numbers of latents, linear or curved networks, and ranks of pathways."""

from __future__ import annotations

import numpy as np
import pytest

from curbd.teachers.populations import PopulationTeacher, populations
from lrfit.population_network.dimensions import choose_dimensions
from lrfit.population_network.drive_choice import SLOW_DRIVE_TAU_S, choose_drives
from lrfit.population_network.evidence import evidence
from lrfit.population_network.fit import converge
from lrfit.population_network.fit_settings import DEFAULT_SETTINGS, PopulationSettings
from lrfit.population_network.form_choice import choose_form
from lrfit.population_network.hidden import drive_tau_s
from lrfit.population_network.ranks import pathway_rank, rank_losses
from lrfit.population_network.recording import Recording, from_arrays, split
from lrfit.population_network.verdict import judge, verdict

Array = np.ndarray
WEIGHT_SD = 0.1


def recording_of(teacher: PopulationTeacher) -> Recording:
    return from_arrays(teacher.activity, teacher.region, teacher.bin_s, teacher.inputs, teacher.condition)


def uncertain(weights: Array, rng: np.random.Generator) -> tuple[Array, Array]:
    """Draw estimates of weights (row, column), and return them with the precision of their correlated errors."""
    mix = rng.standard_normal((weights.size, weights.size)) / np.sqrt(weights.size)
    covariance = WEIGHT_SD**2 * (mix @ mix.T + 0.2 * np.eye(weights.size))
    drawn = rng.multivariate_normal(weights.ravel(), covariance)
    return drawn.reshape(weights.shape), np.linalg.inv(covariance)


@pytest.mark.parametrize("rank", [0, 1, 2])
def test_ranks_of_uncertain_weights(rank: int, rng: np.random.Generator) -> None:
    into, out = (np.linalg.qr(rng.standard_normal((size, rank or 1)))[0] for size in (4, 3))
    weights = 2.0 * into @ out.T * (rank > 0)
    chosen = [pathway_rank(*uncertain(weights, rng)) for _ in range(100)]
    assert np.mean([choice.rank == rank for choice in chosen]) > 0.88
    assert all(choice.low <= choice.rank <= choice.high for choice in chosen)
    assert np.mean([choice.low <= rank <= choice.high for choice in chosen]) > 0.95


def test_ranks_do_not_depend_on_the_coordinates_of_the_latents(rng: np.random.Generator) -> None:
    weights, precision = uncertain(rng.standard_normal((3, 3)), rng)
    into, out = (rng.standard_normal((3, 3)) + 3 * np.eye(3) for _ in range(2))
    both = np.linalg.inv(np.kron(into, out.T))
    there = rank_losses(into @ weights @ out, both.T @ precision @ both)
    assert there == pytest.approx(rank_losses(weights, precision), rel=1e-2, abs=1e-2)


def test_losses_of_equally_certain_weights_are_their_squared_singular_values(rng: np.random.Generator) -> None:
    weights = rng.standard_normal((3, 4))
    sizes = np.linalg.svd(weights)[1] ** 2
    expected = 0.5 * np.array([sizes.sum(), sizes[1:].sum(), sizes[2:].sum(), 0])
    assert rank_losses(weights, np.eye(12)) == pytest.approx(expected, abs=1e-3)


def test_regions_have_numbers_of_latents_of_their_own() -> None:
    teacher = populations(
        regions=2, units=100, recorded=30, trials=100, bins=60, rate_hz=15.0, rank=[2, 3], absent=0, seed=200
    )
    chosen = choose_dimensions(*split(recording_of(teacher)), DEFAULT_SETTINGS)
    assert chosen.number == [2, 3]
    assert chosen.suffice
    assert all(low <= number <= high for low, number, high in zip(chosen.low, chosen.number, chosen.high, strict=True))


def test_a_third_latent_is_missed_if_two_are_the_most_that_are_tried() -> None:
    teacher = populations(
        regions=2, units=100, recorded=30, trials=100, bins=60, rate_hz=15.0, rank=3, absent=0, seed=200
    )
    trials = split(recording_of(teacher))
    assert not choose_dimensions(*trials, PopulationSettings(max_dimensions=2)).suffice
    assert choose_dimensions(*trials, PopulationSettings(max_dimensions=3)).suffice


def test_numbers_of_latents_can_be_chosen_beside_a_hidden_drive() -> None:
    teacher = populations(
        regions=2, units=100, recorded=20, trials=100, bins=60, rate_hz=12.0, hidden=1.0, absent=0, seed=203
    )
    trials = split(recording_of(teacher))
    plain, driven = (choose_dimensions(*trials, PopulationSettings(max_dimensions=2), taus_s) for taus_s in ([], [0.2]))
    assert driven.number == [2, 2]
    assert (driven.co_smoothing.sum(1) > plain.co_smoothing.sum(1)).all()


@pytest.mark.parametrize("linear", [False, True])
def test_held_out_trials_tell_linear_from_curved_teachers(linear: bool) -> None:
    teacher = populations(regions=2, units=100, recorded=20, trials=60, bins=60, linear=linear, absent=0, seed=200)
    formed = choose_form(*split(recording_of(teacher)), [2, 2], DEFAULT_SETTINGS)
    assert formed.fit.model.curvature.any() != linear
    assert formed.curved_gain < 0 if linear else formed.curved_gain > 0


@pytest.mark.parametrize("drives", [1, 2])
def test_curved_teachers_with_hidden_drives_stay_curved(drives: int) -> None:
    teacher = populations(
        units=100, recorded=20, trials=100, bins=60, rate_hz=12.0, hidden=1.0, drives=drives, absent=0, seed=201
    )
    formed = choose_form(*split(recording_of(teacher)), [2, 2, 2], PopulationSettings(max_drives=2))
    assert formed.fit.model.curvature.any()
    assert formed.fit.model.group.max() - 2 == drives


@pytest.fixture
def with_gain(rng: np.random.Generator) -> tuple[Recording, Recording]:
    """Fitted and held-out trials of two regions of constant rates, with a common gain that changes between trials."""
    log_hz = np.log(rng.gamma(4, 2.5, 24)) + 0.5 * rng.standard_normal((80, 1, 1))
    counts = rng.poisson(0.05 * np.exp(np.broadcast_to(log_hz, (80, 50, 24)))).astype(float)
    return split(from_arrays(counts, np.repeat([0, 1], 12), 0.05))


def test_a_drive_counts_with_its_gain_in_the_form_in_which_it_is_larger(with_gain: tuple[Recording, Recording]) -> None:
    fitted, held_out = with_gain
    formed = choose_form(fitted, held_out, [1, 1], PopulationSettings(tau_s=None))
    in_curved = choose_drives(fitted, held_out, [1, 1], PopulationSettings(tau_s=None))
    # The gain of whole trials is a slow drive in a curved network.
    assert drive_tau_s(in_curved.fit.model, fitted.bin_s) == pytest.approx([SLOW_DRIVE_TAU_S])
    # The linear network that is chosen takes a part of the gain for pathways, and needs no drive.
    assert not formed.fit.model.curvature.any()
    assert formed.fit.model.group.max() == 1
    assert formed.drive_gains == pytest.approx(in_curved.gains)
    # A pathway must outweigh the drive all the same.
    strong = evidence(formed.fit, fitted)._replace(
        **dict.fromkeys(("nats", "share", "expected_r2"), np.full((2, 2), 9.0))
    )

    def grounds(lost: Array, lost_to_drive: Array, late: tuple[float, Array]) -> set[str]:
        losses = lambda target, source: lost, lambda target, source: lost_to_drive, lambda target, source: late
        judged = judge(strong, *losses, 20, formed.common_nats)
        return {judged.grounds[0, 1], judged.grounds[1, 0]}

    less, lost = (np.full(20, share * in_curved.gains[0] / 20) for share in (0.9, 1.1))
    assert grounds(less, less, (9.0, less)) == {"common_drive"}
    assert grounds(lost, lost, (9.0, lost)) == {""}
    assert grounds(lost, -lost, (9.0, lost)) == {"common_drive"}
    # With latencies, the pathway must gain as much as without them.
    assert grounds(lost, lost, (5.0, lost)) == grounds(lost, lost, (9.0, -lost)) == {"latency"}


def test_a_gain_of_all_units_that_changes_from_trial_to_trial_is_no_pathway(
    with_gain: tuple[Recording, Recording],
) -> None:
    fitted, held_out = with_gain
    formed = choose_form(fitted, held_out, [1, 1], PopulationSettings(tau_s=None))
    without_drives, judged = (verdict(formed.fit, fitted, held_out, nats) for nats in (0.0, formed.common_nats))
    assert without_drives.resolved.any()
    assert not judged.resolved.any()


def test_a_response_of_two_regions_whose_time_varies_is_no_pathway() -> None:
    rng = np.random.default_rng(106)
    time_s, peak_s = 0.05 * np.arange(50), 1 + 0.2 * rng.standard_normal((80, 1))
    bump = np.exp(-0.5 * ((time_s - peak_s) / 0.2) ** 2)
    size, log_hz = rng.uniform(0.6, 1.5, 24), np.log(10) + 0.3 * rng.standard_normal(24)
    counts = rng.poisson(0.05 * np.exp(log_hz + bump[..., None] * size)).astype(float)
    fitted, held_out = split(from_arrays(counts, np.repeat([0, 1], 12), 0.05))
    formed = choose_form(fitted, held_out, [1, 1], DEFAULT_SETTINGS)
    judged = verdict(converge(formed.fit, fitted), fitted, held_out, formed.common_nats)
    assert not judged.resolved.any()
    # A pathway would be resolved by what it gains alone.
    gained = judged.held_out_nats > np.maximum(judged.held_out_error, formed.common_nats)
    assert (judged.grounds[gained] == "common_drive").all()
    assert gained.any()
