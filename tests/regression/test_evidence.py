"""Penalties and time constants by the evidence, and data for which the evidence has no optimum."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal

from curbd.estimators.fitting import fit
from curbd.estimators.one_step import one_step
from curbd.network.equation import decay
from curbd.regression.evidence import (
    evidence_penalties,
    held_out_likelihood,
    input_units,
    is_inside,
    updated_penalties,
)
from curbd.regression.moments import inverse_factor, moments, squared_error
from curbd.regression.time_constant import estimate_tau
from curbd.regression.time_constant_limits import at_limit
from curbd.regression.transitions import source_of_regressor, targets, transitions
from curbd.settings.estimators import OneStep
from curbd.settings.models import Model
from curbd.teachers import CLIP, multi_region
from tests.support.known_network import recorded
from tests.support.recovery import training_data

RNG = np.random.default_rng(0)
"""The estimator is deterministic and does not use it."""


def test_a_penalty_is_the_ratio_of_noise_to_weight_variance(rng: np.random.Generator) -> None:
    region = np.repeat([0, 1], 30)
    z = np.concatenate([rng.standard_normal((2000, 60)), np.ones((2000, 1))], axis=1)
    true = np.array([[25.0, 400.0], [100.0, 50.0]])
    W = rng.standard_normal((60, 60)) / np.sqrt(true[region][:, region])
    y = z[:, :60] @ W.T + rng.standard_normal((2000, 60))
    penalty = evidence_penalties(moments(z, y), source_of_regressor(region, 0), np.ones((2, 3)))
    # The standard error of the variance of 900 weights is 5 %; it is a little larger where weights are shrunk.
    np.testing.assert_allclose(penalty[:, :2], true, rtol=0.2)
    assert is_inside(penalty)


@pytest.mark.parametrize("unit", [1.0, 1000.0])
def test_an_input_counts_where_it_reaches_and_nowhere_else(unit: float, rng: np.random.Generator) -> None:
    region = np.repeat([0, 1], 30)
    z = np.concatenate([rng.standard_normal((500, 60)), unit * rng.standard_normal((500, 1)), np.ones((500, 1))], 1)
    weight = np.where(region == 0, rng.standard_normal(60), 0)
    y = 0.1 * z[:, :60] @ rng.standard_normal((60, 60)) + np.outer(z[:, 60] / unit, weight)
    y += rng.standard_normal((500, 60))
    penalty = evidence_penalties(moments(z, y), source_of_regressor(region, 1), np.ones((2, 4))) / np.array(
        [1, 1, unit**2, 1]
    )
    # Noise and weights of the input have variance 1; the variance of a weight given 500 samples is 1 / 500.
    assert 0.3 < penalty[0, 2] < 3
    assert penalty[1, 2] > 200
    # No unit has a bias.
    assert (penalty[:, 3] > 200).all()


def test_few_rounds_reach_the_penalties_of_many_plain_rounds() -> None:
    # The two inputs of this teacher reach some regions only; plain rounds need hundreds of factorisations.
    data = training_data(multi_region(units=6, trials=12, samples=60, substeps=1, seed=104), tau_s=0.1)
    pairs = transitions(data)
    z = np.concatenate([pairs.r, pairs.u, np.ones((len(pairs.r), 1))], axis=1)
    m = moments(z, targets(pairs, decay(data.dt_s, 0.1, 1)))
    source = source_of_regressor(data.region, data.u.shape[2])
    chosen = evidence_penalties(m, source, np.ones((data.n_regions, source.max() + 1)))
    unit = input_units(m.ZZ, float(m.n), source, data.n_regions)
    for target in range(data.n_regions):
        rows, penalty = np.flatnonzero(data.region == target), np.ones(source.max() + 1)
        for _ in range(500):
            ridge = torch.as_tensor(penalty[source])
            inverse = torch.linalg.inv(m.ZZ + torch.diag(ridge))
            W = m.YZ[rows] @ inverse
            undetermined = (ridge * inverse.diagonal()).expand(W.shape)
            penalty = updated_penalties(W, squared_error(m, W, rows), undetermined, float(m.n), source, unit)
        np.testing.assert_allclose(chosen[target], penalty, rtol=0.1)


def test_the_likelihood_of_a_fold_is_that_of_a_multivariate_normal(rng: np.random.Generator) -> None:
    region, fold = np.zeros(2, dtype=int), np.repeat([0, 1], [12, 8])
    z = np.concatenate([rng.standard_normal((20, 2)), np.ones((20, 1))], axis=1)
    y = rng.standard_normal((20, 2))
    penalty, source = np.array([[3.0, 0.5]]), source_of_regressor(region, 0)
    ridge = penalty[0, source]
    expected = 0.0
    for k in (0, 1):
        rest, held_out = fold != k, fold == k
        S = np.linalg.inv(z[rest].T @ z[rest] + np.diag(ridge))
        W = y[rest].T @ z[rest] @ S
        free = rest.sum() - np.trace(z[rest].T @ z[rest] @ S)
        for unit in range(2):
            noise = ((y[rest, unit] - z[rest] @ W[unit]) ** 2).sum() / free
            spread = noise * (np.eye(held_out.sum()) + z[held_out] @ S @ z[held_out].T)
            expected += multivariate_normal(z[held_out] @ W[unit], spread).logpdf(y[held_out, unit]) / 2
    assert held_out_likelihood(moments(z, y, fold), source, penalty) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("trials", [5, 20])
def test_the_time_constant_does_not_depend_on_how_much_was_recorded(trials: int) -> None:
    data = training_data(multi_region(units=20, trials=trials, substeps=1, tau_s=0.05, seed=101))
    # With 5 trials the standard error is a few percent.
    assert estimate_tau(data, transitions(data)) == pytest.approx(0.05, rel=0.06)


def test_a_time_constant_of_more_than_100_samples_is_found() -> None:
    data = training_data(multi_region(units=15, trials=10, samples=200, substeps=1, tau_s=3.0, gain=1.2, seed=106))
    tau_s = estimate_tau(data, transitions(data))
    # 300 samples; over seeds 100 to 104 the error was up to 8 %.
    assert tau_s == pytest.approx(3.0, rel=0.12)
    assert at_limit(tau_s, data.dt_s)


@pytest.mark.parametrize("process_noise", [0.0, 0.3])
def test_noise_on_the_rates_does_not_make_the_time_constant_short(process_noise: float) -> None:
    teacher = multi_region(units=20, trials=20, samples=200, substeps=1, process_noise=process_noise, seed=104)
    noise = 0.02 * np.random.default_rng(0).standard_normal(teacher.rates.shape)
    data = training_data(teacher._replace(rates=np.clip(teacher.rates + noise, -CLIP, CLIP)))
    # The estimate without instruments is .02 s.
    assert estimate_tau(data, transitions(data)) == pytest.approx(0.1, rel=0.3)


def test_noisy_recordings_are_judged_by_the_evidence_and_smooth_ones_by_held_out_error() -> None:
    noisy, smooth = (
        training_data(multi_region(units=15, trials=8, process_noise=noise, seed=102), tau_s=0.1)
        for noise in (0.3, 0.0)
    )
    assert one_step(noisy, OneStep(), RNG).penalty_by == "evidence"
    assert one_step(smooth, OneStep(), RNG).penalty_by == "cross_validation"


def test_a_choice_that_was_asked_for_is_made() -> None:
    data = training_data(multi_region(units=8, trials=8, seed=103), tau_s=0.1)
    fits = {how: one_step(data, OneStep(penalties=how), RNG) for how in ("evidence", "cross_validation")}
    assert {how: fit_by.penalty_by for how, fit_by in fits.items()} == {how: how for how in fits}
    assert not np.allclose(fits["evidence"].penalty, fits["cross_validation"].penalty)


def test_the_network_file_says_how_penalties_were_chosen(tmp_path) -> None:
    recording, _ = recorded(tmp_path, units=8, trials=10, samples=80, substeps=1, seed=3)
    networks, _ = fit(recording, Model(family="full_rank", tau_s=0.1, seeds=[0, 1]), "full")
    assert networks["penalty_by"].dims == ("seed",)
    assert set(networks["penalty_by"].values) <= {"evidence", "cross_validation"}


def test_trials_of_two_samples_have_a_time_constant() -> None:
    data = training_data(multi_region(units=5, trials=60, samples=2, substeps=1, seed=105))
    # The standard deviation over teachers is 7 %.
    assert estimate_tau(data, transitions(data)) == pytest.approx(0.1, rel=0.2)


def test_the_factor_of_an_inverse_is_upper_triangular_and_keeps_the_gram_matrix(rng: np.random.Generator) -> None:
    z = rng.standard_normal((40, 6))
    gram, ridge = torch.as_tensor(z.T @ z), torch.as_tensor(rng.uniform(1, 2, 6))
    before = gram.clone()
    U = inverse_factor(gram, ridge)
    np.testing.assert_allclose(U @ U.mT, np.linalg.inv(before + torch.diag(ridge)), atol=1e-12)
    assert (U.tril(-1) == 0).all()
    assert (gram == before).all()
    with pytest.raises(torch.linalg.LinAlgError):
        inverse_factor(-gram, ridge)
