"""Latents of a linear Gaussian network, against the joint precision of all bins built as one matrix."""

from __future__ import annotations

import numpy as np
import pytest

from lrfit.population_network.forward import predict_ahead
from lrfit.population_network.held_out import MAX_TURNS, MIN_CHANGE_NATS, held_out_nats, infer_each
from lrfit.population_network.likelihood import bound
from lrfit.population_network.model import Population
from lrfit.population_network.paths import Paths, covariances, factor, first_paths, infer, solve
from lrfit.population_network.recording import Recording, subset
from tests.support.small_population import small_model, small_recording

Array = np.ndarray


def joint(model: Population, data: Recording, trial: int) -> tuple[Array, Array]:
    """Prior mean (time x latent,) and covariance of all latents of a trial, by propagating them bin by bin."""
    F, bins, latents = np.diag(model.leak) + model.A, len(data.inside), len(model.group)
    mean, covariance = np.zeros((bins, latents)), np.zeros((bins, latents, bins, latents))
    mean[0], covariance[0, :, 0] = model.start_mean[0], model.start_covariance
    for k in range(1, bins):
        mean[k] = F @ mean[k - 1] + model.G @ data.sources[k - 1, trial]
        for j in range(k):
            covariance[k, :, j] = F @ covariance[k - 1, :, j]
            covariance[j, :, k] = covariance[k, :, j].T
        covariance[k, :, k] = F @ covariance[k - 1, :, k - 1] @ F.T + model.Q
    return mean.ravel(), covariance.reshape(bins * latents, bins * latents)


def test_block_tridiagonal_factor_is_the_dense_inverse(rng: np.random.Generator) -> None:
    bins, latents = 5, 3
    root = rng.standard_normal((bins * latents, bins * latents))
    dense = root @ root.T + 20 * np.eye(bins * latents)
    blocks = dense.reshape(bins, latents, bins, latents)
    for k in range(bins):
        for j in range(bins):
            if abs(k - j) > 1:
                blocks[k, :, j] = 0
    diagonal = np.stack([blocks[k, :, k] for k in range(bins)])
    upper = np.stack([blocks[k, :, k + 1] for k in range(bins - 1)])
    inverse = np.linalg.inv(dense).reshape(bins, latents, bins, latents)
    right = rng.standard_normal((bins, 2, latents))
    wanted = np.linalg.solve(dense, right.transpose(0, 2, 1).reshape(bins * latents, 2))
    for patterns in (1, 2):
        parts = factor(np.stack([diagonal] * patterns), np.stack([upper] * patterns))
        covariance, lagged = covariances(parts)
        assert np.allclose(covariance[-1], [inverse[k, :, k] for k in range(bins)])
        assert np.allclose(lagged[-1], [inverse[k, :, k + 1] for k in range(bins - 1)])
        solution = solve(parts, right, np.arange(2) % patterns)
        assert np.allclose(solution.transpose(0, 2, 1).reshape(bins * latents, 2), wanted)
        assert np.allclose(parts.log_determinant, np.linalg.slogdet(dense)[1])


@pytest.mark.parametrize("gaps", [False, True])
def test_gaussian_paths_and_bound_are_those_of_the_dense_joint(gaps: bool) -> None:
    model = small_model(gaussian=True)
    data, _ = small_recording(model)
    if gaps:
        # One pattern for all trials, so that the shared covariance is exact.
        data.seen[2:4, :, 3:] = 0
        data = data._replace(activity=data.activity * data.seen)
    paths = infer(model, data, first_paths(model, data), 12)
    nats = bound(model, data, paths)
    bins, latents = len(data.inside), len(model.group)
    for trial in range(data.inside.shape[1]):
        mean, prior = joint(model, data, trial)
        seen = data.seen[:, trial].ravel() > 0
        read = np.kron(np.eye(bins), model.C)[seen]
        y = (data.activity[:, trial] - model.d).ravel()[seen]
        whole = read @ prior @ read.T + np.diag(np.tile(model.noise, bins)[seen])
        gain = prior @ read.T @ np.linalg.inv(whole)
        off = y - read @ mean
        assert np.allclose(paths.mean[:, trial].ravel(), mean + gain @ off, atol=1e-6)
        posterior = (prior - gain @ read @ prior).reshape(bins, latents, bins, latents)
        assert np.allclose(paths.covariance[0], [posterior[k, :, k] for k in range(bins)], atol=1e-8)
        # For a Gaussian posterior the bound is the log likelihood itself.
        exact = -0.5 * (off @ np.linalg.solve(whole, off) + np.linalg.slogdet(whole)[1] + len(y) * np.log(2 * np.pi))
        assert np.isclose(nats[trial], exact, atol=1e-6)


@pytest.mark.parametrize("own_region", [False, True])
def test_gaussian_forward_prediction_is_the_mean_of_a_bin_given_all_earlier_bins(own_region: bool) -> None:
    model = small_model(gaussian=True)
    data, _ = small_recording(model)
    data.seen[2:4, :, 3:] = 0
    data = data._replace(activity=data.activity * data.seen)
    bins, units = len(data.inside), len(data.region)
    predicted = predict_ahead(model, data, own_region=own_region)
    mean, prior = joint(model, data, trial := 1)
    read = np.kron(np.eye(bins), model.C)
    covariance = read @ prior @ read.T + np.diag(np.tile(model.noise, bins))
    off = data.activity[:, trial].ravel() - read @ mean - np.tile(model.d, bins)
    for k in range(bins):
        for unit in range(units):
            known = data.seen[:, trial] > 0
            known[k:] = False
            if own_region:
                known &= data.region == data.region[unit]
            past, row = known.ravel(), k * units + unit
            correction = covariance[row, past] @ np.linalg.solve(covariance[np.ix_(past, past)], off[past])
            wanted = read[row] @ mean + model.d[unit] + correction
            assert predicted[k, trial, unit] == pytest.approx(wanted, abs=2e-5)


def test_mean_paths_of_counts_leave_the_bound_no_slope() -> None:
    model = small_model()
    data, _ = small_recording(model)
    paths = infer(model, data, first_paths(model, data), 60)
    step = 1e-4
    for k, trial, latent in ((0, 0, 0), (2, 1, 3), (5, 3, 1)):
        ends = []
        for sign in (1, -1):
            mean = paths.mean.copy()
            mean[k, trial, latent] += sign * step
            ends.append(bound(model, data, paths._replace(mean=mean))[trial])
        # The bound's second derivative is of order 10: a path 1e-4 away would have a slope of 1e-3.
        assert abs(ends[0] - ends[1]) / (2 * step) < 1e-3


@pytest.mark.parametrize(("rate_hz", "bin_s", "tanh"), [(100.0, 0.02, 3.0), (1.5, 0.05, 3.0), (1e6, 0.02, 0.0)])
def test_held_out_nats_do_not_depend_on_turns_or_start(rate_hz: float, bin_s: float, tanh: float) -> None:
    model = small_model(curvature=tanh)
    model = model._replace(d=np.full(10, np.log(0.5 * rate_hz * bin_s) if rate_hz < 1e6 else 0.0))
    data, _ = small_recording(model, trials=20, bins=40)
    data = data._replace(highest=rate_hz * bin_s)
    short = infer_each(model, data)
    long = infer_each(model, data, MIN_CHANGE_NATS / 100, 4 * MAX_TURNS)
    assert np.abs(short.nats - long.nats).max() < 0.1
    again = infer_each(model, data, start=infer_each(model._replace(A=0.9 * model.A), data).paths)
    # A trial near the highest rates can have a second optimum.
    assert np.median(np.abs(short.nats - again.nats)) < 0.01
    alone = held_out_nats(model, subset(data, np.array([3])))
    assert alone[0] == pytest.approx(short.nats[3], abs=0.02)
    shared = infer(model, data, first_paths(model, data), 15)
    assert short.nats.sum() > bound(model, data, shared).sum()


def test_bins_past_the_end_of_a_trial_change_nothing() -> None:
    model = small_model(gaussian=True)
    data, _ = small_recording(model)
    longer = data._replace(
        activity=np.concatenate([data.activity, np.zeros_like(data.activity[:2])]),
        seen=np.concatenate([data.seen, np.zeros_like(data.seen[:2])]),
        inside=np.concatenate([data.inside, np.zeros_like(data.inside[:2])]),
        sources=np.concatenate([data.sources, data.sources[:2]]),
    )
    short: Paths = infer(model, data, first_paths(model, data), 10)
    long = infer(model, longer, first_paths(model, longer), 10)
    assert np.allclose(long.mean[:6], short.mean, atol=1e-6)
    assert np.allclose(bound(model, longer, long), bound(model, data, short), atol=1e-6)
