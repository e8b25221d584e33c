"""The smoother against the dense Gaussian posterior, which small problems allow to compute."""

from __future__ import annotations

import numpy as np
import torch

from curbd.network.equation import Network
from curbd.network.fit import Noise
from curbd.states.smoother import draw, improve, linearise, observations, time_first


def noise_of_one_unit(process: float, measurement: float, keep: float = 0.0) -> Noise:
    """Noise variances of one unit, behind an indicator if ``keep`` is not 0."""
    unit = torch.ones(1)
    return Noise(
        process=process * unit,
        measurement=measurement * unit,
        silent=None,
        least_excess=0 * unit,
        start_mean=0 * unit,
        start_variance=1e-2 * unit,
        amplitude=unit,
        keep=keep,
    )


def test_the_smoother_finds_the_posterior_of_a_linear_chain() -> None:
    """tanh is linear for small states: mean and variance must be those of the dense Gaussian posterior."""
    rng, n_samples, q, s = np.random.default_rng(3), 12, 4e-6, 1e-6
    network = Network(J=np.zeros((1, 1)), B=np.zeros((1, 0)), b=np.zeros(1), tau_s=0.1, dt_s=0.01)
    r = 0.003 * rng.standard_normal((1, n_samples, 1))
    noise = noise_of_one_unit(q, s)
    data = observations(r, np.zeros((1, n_samples, 0)))
    x = time_first(np.zeros_like(r))
    for _ in range(10):
        x = improve(x, linearise((x,), data, network, noise))
    step = np.eye(n_samples)[1:] - 0.9 * np.eye(n_samples)[:-1]
    precision = step.T @ step / q + np.eye(n_samples) / s
    precision[0, 0] += 100
    np.testing.assert_allclose(x[:, 0, 0], np.linalg.solve(precision, r[0, :, 0] / s), atol=1e-6)
    random = torch.Generator().manual_seed(0)
    chain = linearise((x,), data, network, noise)
    draws = np.stack([draw(chain, random)[:, 0, 0].numpy() for _ in range(2000)])
    # 2000 draws have a standard error of 3 % of the variance; five standard errors are allowed.
    np.testing.assert_allclose(draws.var(0), np.diag(np.linalg.inv(precision)), rtol=0.15)


def test_the_smoother_sees_through_an_indicator() -> None:
    """A linear chain behind a slow indicator, over a gap: the indicator starts in equilibrium after the gap."""
    rng, n_samples, q, s, keep = np.random.default_rng(4), 14, 4e-6, 1e-6, 0.8
    network = Network(J=np.zeros((1, 1)), B=np.zeros((1, 0)), b=np.zeros(1), tau_s=0.1, dt_s=0.01)
    c = 0.003 * rng.standard_normal((1, n_samples, 1))
    c[0, 6] = np.nan
    noise = noise_of_one_unit(q, s, keep)
    data = observations(c, np.zeros((1, n_samples, 0)))
    x = time_first(np.zeros_like(c))
    for _ in range(10):
        x = improve(x, linearise((x,), data, network, noise))
    through, step = np.zeros((n_samples, n_samples)), np.eye(n_samples)[1:] - 0.9 * np.eye(n_samples)[:-1]
    for start, stop in ((0, 6), (7, n_samples)):
        for t in range(start, stop):
            through[t] = 0 if t == start else keep * through[t - 1]
            through[t, t] = 1 if t == start else 1 - keep
    step = np.delete(step, [5, 6], axis=0)
    precision = step.T @ step / q + through.T @ through / s + 1e-6 * np.eye(n_samples)
    precision[0, 0] += 100
    expected = np.linalg.solve(precision, through.T @ np.nan_to_num(c[0, :, 0]) / s)
    np.testing.assert_allclose(x[:, 0, 0], expected, atol=1e-6)
    chain, random = linearise((x,), data, network, noise), torch.Generator().manual_seed(0)
    draws = np.stack([draw(chain, random)[:, 0, 0].numpy() for _ in range(2000)])
    observed = np.isfinite(c[0, :, 0])
    # 2000 draws have a standard error of 3 % of the variance; five standard errors are allowed.
    np.testing.assert_allclose(draws.var(0)[observed], np.diag(np.linalg.inv(precision))[observed], rtol=0.15)
