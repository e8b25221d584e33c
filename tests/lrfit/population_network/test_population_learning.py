"""Weights and loadings given the latents."""

from __future__ import annotations

import numpy as np

from lrfit.population_network.fit import improve, start
from lrfit.population_network.hidden import with_drive
from lrfit.population_network.indicator import undecayed
from lrfit.population_network.loadings import read_out
from lrfit.population_network.model import curved
from lrfit.population_network.observation import expected
from lrfit.population_network.paths import Paths, first_paths, infer
from lrfit.population_network.recording import windows
from lrfit.population_network.statistics import scatter, transitions
from lrfit.population_network.weights import (
    ABSENT_PENALTY,
    MIN_PATHWAY_PENALTY,
    first_bin,
    persistence,
    regress,
    relevance,
    shrinkage,
)
from tests.support.small_population import small_model, small_recording


def known_paths(z: np.ndarray) -> Paths:
    """Latents without any doubt."""
    bins, _, latents = z.shape
    return Paths(
        mean=z,
        covariance=np.zeros((1, bins, latents, latents)),
        lagged=np.zeros((1, bins - 1, latents, latents)),
        log_determinant=np.zeros(1),
    )


def test_known_latents_give_ridge_regression() -> None:
    model = small_model(curvature=1.5)
    data, z = small_recording(model, trials=40, bins=20)
    prior = shrinkage(model, data.source_name)
    prior.penalty[0, 2:4] = ABSENT_PENALTY
    fitted = regress(model, transitions(model, data, known_paths(z)), prior)
    X = np.concatenate([curved(model, z[:-1]).value, data.sources[:-1]], 2).reshape(-1, 6)
    Y = (z[1:] - model.leak * z[:-1]).reshape(-1, 4)
    for region in (0, 1):
        own, root = model.group == region, np.diag(np.sqrt(prior.penalty[region]))
        W = np.linalg.lstsq(
            np.concatenate([X, root]), np.concatenate([Y[:, own], root @ persistence(model, own, 6).T]), rcond=None
        )[0].T
        assert np.allclose(np.concatenate([fitted.A, fitted.G], 1)[own], W, atol=1e-7)
    assert np.allclose(fitted.A[:2, 2:], 0, atol=1e-6)
    # 760 transitions: variances of the innovations to six standard errors.
    assert np.allclose(fitted.Q, model.Q, atol=6 * 0.1 * np.sqrt(2 / 760))


def test_moments_of_uncertain_latents_are_those_of_their_draws() -> None:
    model = small_model(gaussian=True)
    data, _ = small_recording(model)
    paths = infer(model, data, first_paths(model, data), 10)
    W = np.concatenate([model.A, model.G], 1)
    left = scatter(transitions(model, data, paths), W)
    F, wanted = np.diag(model.leak) + model.A, np.zeros((4, 4))
    for k in range(len(data.inside) - 1):
        off = paths.mean[k + 1] - paths.mean[k] @ F.T - data.sources[k] @ model.G.T
        both = np.block(
            [
                [paths.covariance[0, k], paths.lagged[0, k]],
                [paths.lagged[0, k].T, paths.covariance[0, k + 1]],
            ]
        )
        step = np.concatenate([-F, np.eye(4)], 1)
        wanted += off.T @ off + len(off) * step @ both @ step.T
    assert np.allclose(left, wanted)


def test_relevance_shrinks_an_absent_pathway_and_keeps_a_present_one() -> None:
    model = small_model()
    A = model.A.copy()
    A[:2, 2:], A[2:, :2] = 0, 0.3
    model = model._replace(A=A)
    data, z = small_recording(model, trials=40, bins=20)
    statistics, prior = transitions(model, data, known_paths(z)), shrinkage(model, data.source_name)
    for _ in range(20):
        fitted = regress(model, statistics, prior)
        prior = relevance(fitted, statistics, prior)
    assert prior.penalty[0, 2] > 20 * prior.penalty[1, 0]


def test_penalty_of_a_pathway_has_a_bound_where_latents_hardly_vary() -> None:
    model = small_model()
    A, G, Q = model.A.copy(), model.G.copy(), model.Q.copy()
    A[:2, 2:], A[2:, :2], G[2:], Q[2:, 2:] = 2.0, 0.0, 0.0, 1e-4 * np.eye(2)
    model = model._replace(A=A, G=G, Q=Q, start_mean=0 * model.start_mean, start_covariance=1e-4 * np.eye(4))
    data, z = small_recording(model, trials=40, bins=20)
    statistics, prior = transitions(model, data, known_paths(z)), shrinkage(model, data.source_name)
    for _ in range(5):
        fitted = regress(model, statistics, prior)
        prior = relevance(fitted, statistics, prior)
    assert prior.penalty[0, 2] == MIN_PATHWAY_PENALTY
    assert np.abs(fitted.A[:2, 2:]).max() < 1.0


def test_a_fit_does_not_depend_on_where_the_zero_of_its_latents_started() -> None:
    data, _ = small_recording(small_model(), trials=30, bins=20)
    first = start(data, [2, 2], 0.1)
    shift = np.array([0.4, -0.2, 0.3, 0.1])
    other = first._replace(
        model=first.model._replace(d=first.model.d + first.model.C @ shift, start_mean=first.model.start_mean - shift),
        paths=first.paths._replace(mean=first.paths.mean - shift),
    )
    fits = [improve(begun, data, 20).model for begun in (first, other)]
    # Weights between units do not depend on the directions of the latents, which the two fits need not share.
    weights = [fit.C @ fit.A @ np.linalg.pinv(fit.C) for fit in fits]
    assert np.allclose(*weights, atol=0.02)
    assert np.allclose(fits[0].d, fits[1].d, atol=0.05)


def test_loadings_reach_the_top_of_the_expected_likelihood() -> None:
    model = small_model()
    data, _ = small_recording(model, trials=20, bins=20)
    paths = infer(model, data, first_paths(model, data), 10)
    fitted = model
    for _ in range(15):
        fitted = read_out(fitted, data, paths)

    def value(C: np.ndarray) -> float:
        trial = fitted._replace(C=C)
        rate = expected(trial, data, paths.mean, paths.covariance)
        return float((data.activity * (paths.mean @ C.T + fitted.d) - rate).sum() - 0.5 * (C**2).sum())

    step = 1e-4
    for unit, latent in ((0, 1), (7, 2)):
        up, down = fitted.C.copy(), fitted.C.copy()
        up[unit, latent] += step
        down[unit, latent] -= step
        assert abs(value(up) - value(down)) / (2 * step) < 1e-2


def test_windows_cut_a_long_stretch_and_lose_nothing() -> None:
    stretch = np.arange(23.0).reshape(23, 1)
    cut = windows(stretch, 10)
    assert cut.shape == (3, 10, 1)
    assert np.array_equal(cut.ravel()[:23], stretch[:, 0])
    assert np.isnan(cut.ravel()[23:]).all()


def test_fluorescence_without_its_decay_is_the_spikes(rng: np.random.Generator) -> None:
    spikes = rng.poisson(0.5, (3, 30, 4)).astype(float)
    trace = spikes.copy()
    for k in range(1, 30):
        trace[:, k] += np.exp(-0.02 / 0.5) * trace[:, k - 1]
    back = undecayed(trace, 0.02, 0.5)
    assert np.isnan(back[:, 0]).all()
    assert np.allclose(back[:, 1:], spikes[:, 1:])


def test_latents_have_followed_a_drive_before_the_trial(rng: np.random.Generator) -> None:
    model = small_model()
    data, _ = small_recording(model, trials=400, bins=4)
    paths = known_paths(np.zeros((4, 400, 4)))
    driven, wider, _ = with_drive(model, paths, shrinkage(model, data.source_name), data, 0.2)
    of_drive = driven.start_covariance[4:, 4:]
    drive = rng.multivariate_normal(np.zeros(2), of_drive, 400)
    follows = rng.standard_normal((4, 2))
    wider.mean[0] = np.concatenate([drive @ follows.T + 0.5 * rng.standard_normal((400, 4)), drive], 1)
    start = first_bin(driven, data, wider).start_covariance
    np.testing.assert_array_equal(start[4:, 4:], of_drive)
    # 400 trials: four standard errors of weights on drives of unit variance, with noise of sd .5.
    assert np.allclose(start[:4, 4:] @ np.linalg.inv(of_drive), follows, atol=4 * 0.5 / np.sqrt(400))
    assert np.linalg.eigvalsh(start).min() > 0
