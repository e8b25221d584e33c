"""Currents sum to the total and do not depend on the gauge; echoes of known size; closed forms of effects."""

from __future__ import annotations

import numpy as np
import pytest

from curbd.teachers.populations import populations
from lrfit.population_network.currents import currents
from lrfit.population_network.echo import Echo, estimate_echo
from lrfit.population_network.fit import LOADINGS_EVERY, improve, start
from lrfit.population_network.hidden import stationary
from lrfit.population_network.information import Working, weight_information
from lrfit.population_network.model import curved, drift, regauge
from lrfit.population_network.paths import Paths, first_paths, infer
from lrfit.population_network.recording import from_arrays
from lrfit.population_network.silencing import silence
from tests.support.small_population import small_model, small_recording

Array = np.ndarray


def test_sources_sum_to_the_total_drive() -> None:
    model = small_model(curvature=2.0)
    data, _ = small_recording(model)
    paths = infer(model, data, first_paths(model, data), 10)
    parts = currents(model, data, paths)
    spread = np.einsum("ptll->tpl", paths.covariance) @ (model.group[:, None] == model.group)
    ahead = drift(model, curved(model, paths.mean, spread), data.sources) - model.leak * paths.mean
    assert np.allclose(parts.total, np.moveaxis(ahead @ model.C.T / (1 - 0.7), 0, 1))
    assert np.allclose(parts.current.sum(0), parts.total)
    assert parts.source == ("region:0", "region:1", "input:0", "bias")


def test_currents_do_not_depend_on_the_gauge(rng: np.random.Generator) -> None:
    model = small_model()
    data, _ = small_recording(model)
    T = np.zeros((4, 4))
    T[:2, :2], T[2:, 2:] = rng.standard_normal((2, 2)), rng.standard_normal((2, 2))
    moved = regauge(model, T)
    here = currents(model, data, infer(model, data, first_paths(model, data), 40))
    there = currents(moved, data, infer(moved, data, first_paths(moved, data), 40))
    assert np.allclose(here.current, there.current, atol=1e-4)


def test_silencing_removes_all_that_a_region_sends() -> None:
    model = small_model()
    data, _ = small_recording(model)
    paths = infer(model, data, first_paths(model, data), 10)
    effect = silence(model, data, paths, 1)
    # In a linear network the change d obeys d[k+1] = F d[k] - A_s (z[k] + d[k]).
    F, sent = np.diag(model.leak) + model.A, np.where(model.group == 1, model.A, 0)
    change = np.zeros_like(paths.mean)
    for k in range(len(change) - 1):
        change[k + 1] = change[k] @ F.T - (paths.mean[k] + change[k]) @ sent.T
    assert np.allclose(effect, np.moveaxis(change @ model.C.T, 0, 1))
    assert np.abs(effect[..., :5]).max() > 1e-3


def test_the_echo_of_a_silenced_region_ends_and_that_of_its_targets_changes(rng: np.random.Generator) -> None:
    model = small_model()
    data, _ = small_recording(model)
    paths = infer(model, data, first_paths(model, data), 10)
    weight = rng.standard_normal(model.C.shape) * (model.C != 0)
    echo = Echo(loadings=model.C, weight=weight, covariance=np.zeros((10, 8, 8)))
    z = paths.mean + np.moveaxis(silence(model, data, paths, 1) @ np.linalg.pinv(model.C).T, 0, 1)
    lag = np.subtract.outer(np.arange(len(z)), np.arange(len(z))) - 1
    filtered = np.where(lag >= 0, 0.3 * 0.7 ** np.maximum(lag, 0), 0.0)
    # f(z) = z in a linear network; the silenced region echoes nothing.
    sent = np.where(model.group == 1, 0.0, z) - paths.mean
    wanted = np.moveaxis(np.einsum("kj,jnl,ul->knu", filtered, sent, weight), 0, 1)
    added = silence(model, data, paths, 1, echo=echo) - silence(model, data, paths, 1)
    assert np.allclose(added, wanted)
    assert np.abs(added[..., :5]).max() > 1e-3


def test_information_of_latents_seen_exactly_is_that_of_an_autoregression() -> None:
    model = small_model()
    A = np.zeros((4, 4))
    A[0, 0], A[1, 1] = 0.2, -0.1
    model = model._replace(A=A, Q=0.1 * np.eye(4))
    at = Working(
        slope=np.eye(4), noise=1e-9 * np.eye(4), read=np.ones(4, bool), bins=1000.0, averages=np.zeros((1, 4, 4))
    )
    known = weight_information(model, at)
    # Each row of F is a regression on stationary latents: information bins * S / Q.
    F = np.diag(model.leak) + A
    wanted = np.kron(np.eye(4) / 0.1, 1000 * stationary(F, model.Q))
    assert np.allclose(known, wanted, rtol=1e-3, atol=1)


@pytest.mark.parametrize("size", [0.0, 0.6])
def test_units_that_echo_their_region_have_weights_of_their_own(size: float, rng: np.random.Generator) -> None:
    model = small_model(curvature=2.0)
    model = model._replace(C=model.C * 0.8, d=np.full(len(model.C), np.log(0.3)))
    bins, trials, latents = 80, 60, len(model.group)
    z = np.zeros((bins, trials, latents))
    h = np.zeros_like(z)
    for k in range(bins - 1):
        f = curved(model, z[k : k + 1]).value[0]
        z[k + 1] = 0.9 * z[k] + 0.4 * rng.standard_normal((trials, latents))
        h[k + 1] = 0.7 * h[k] + 0.3 * f
    region = np.array([model.group[np.flatnonzero(row)[0]] for row in model.C])
    weight = size * rng.standard_normal(model.C.shape) * (region[:, None] == model.group)
    # What is in proportion to the loadings is no echo, because all units share it.
    for own in (region == 0, region == 1):
        weight[own] -= model.C[own] @ np.linalg.lstsq(model.C[own], weight[own], rcond=None)[0]
    counts = rng.poisson(np.exp(z @ model.C.T + h @ weight.T + model.d))
    data = from_arrays(np.moveaxis(counts, 0, 1).astype(float), region, 0.02, evoked=False, highest_rate_hz=1e4)
    spread = np.broadcast_to(1e-6 * np.eye(latents), (1, bins, latents, latents))
    known = Paths(mean=z, covariance=spread, lagged=0.9 * spread[:, 1:], log_determinant=np.zeros(1))
    echo = estimate_echo(model, data, known)
    error = np.sqrt(np.mean((echo.weight - weight) ** 2))
    if size:
        assert error < 0.5 * size
        assert np.corrcoef(echo.weight[weight != 0], weight[weight != 0])[0, 1] > 0.8
    else:
        assert np.abs(echo.weight).max() < 0.1
        assert np.allclose(echo.loadings, model.C, atol=0.1)


@pytest.mark.parametrize("receives", [True, False])
def test_a_latent_that_hardly_varies_is_read_if_it_receives_what_other_regions_send(
    receives: bool, rng: np.random.Generator
) -> None:
    model = small_model()
    A = model.A.copy()
    # The second latent of the first region hardly varies, and no region receives it.
    A[:2, 2:], A[2:, :2] = 0.0, 0.0
    A[int(receives), 2:] = 0.1
    model = model._replace(A=A)
    bins, trials, latents = 60, 40, len(model.group)
    z = rng.standard_normal((bins, trials, latents)) * np.array([1.0, 0.05, 1.0, 1.0])
    region = np.array([model.group[np.flatnonzero(row)[0]] for row in model.C])
    counts = rng.poisson(np.exp(z @ model.C.T + model.d))
    data = from_arrays(np.moveaxis(counts, 0, 1).astype(float), region, 0.02, evoked=False, highest_rate_hz=1e4)
    spread = np.broadcast_to(1e-6 * np.eye(latents), (1, bins, latents, latents))
    known = Paths(mean=z, covariance=spread, lagged=0.9 * spread[:, 1:], log_determinant=np.zeros(1))
    loadings = estimate_echo(model, data, known).loadings[region == 0, :2]
    assert np.linalg.matrix_rank(loadings, tol=1e-8) == 1 + int(receives)


def test_superfluous_latents_do_not_take_up_the_echo() -> None:
    teacher = populations(
        regions=2, units=200, recorded=30, trials=80, bins=60, rate_hz=15.0, bulk=1.0, absent=0, seed=200
    )
    data = from_arrays(teacher.activity, teacher.region, teacher.bin_s, teacher.inputs, teacher.condition)

    def echo_sd(latents: int) -> Array:
        """Return the standard deviation over units and bins of what the echo adds to the current within each region."""
        fit = improve(start(data, [latents, latents], teacher.tau_s), data, 40, LOADINGS_EVERY)
        echoed = currents(fit.model, data, fit.paths, estimate_echo(fit.model, data, fit.paths)).current
        added = echoed - currents(fit.model, data, fit.paths).current
        return np.array([added[region][..., teacher.region == region].std() for region in (0, 1)])

    assert (echo_sd(4) > 0.5 * echo_sd(2)).all()
