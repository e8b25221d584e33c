"""Relu units under the sparse prior: what silent bins tell, and when the prior is used."""

import numpy as np
import pytest

from benchmarks.recorded import recorded
from curbd.estimators.fitting import fit
from curbd.network.equation import weights
from curbd.network.nonlinearity import RELU
from curbd.network.silent_states import silent_states
from curbd.network.view import view
from curbd.pathways.pathway_evidence import truth_evidence
from curbd.regression.moments import moments
from curbd.regression.silent_information import SilentBins, SilentInformation
from curbd.regression.silent_units import expected_transitions
from curbd.regression.transitions import TrainingData, regressors, targets, transitions
from curbd.settings.models import Model
from curbd.teachers import multi_region

NOISE = np.full(12, 0.9)


def teacher(units: int, **settings):
    common = {"trials": 20, "samples": 120, "substeps": 1, "gain": 1.0, "inhibition": 1.5, "nonlinearity": RELU}
    return multi_region(units=units, absent=[("B", "A"), ("C", "B")], seed=101, **common | settings)


def data_of(truth):
    _, region = np.unique(truth.region, return_inverse=True)
    return TrainingData(
        r=truth.rates,
        u=truth.inputs,
        region=region,
        n_regions=3,
        trial=np.arange(len(truth.rates)),
        dt_s=0.01,
        substeps=1,
        tau_s=0.1,
        nonlinearity=RELU,
    )


def information_on(truth):
    data = data_of(truth)
    states = silent_states(truth.network, data.r, data.u, NOISE)
    return SilentInformation(truth.network, SilentBins(data, np.arange(12)), states, NOISE)


def test_units_that_are_never_silent_have_the_moments_of_equal_weights():
    truth = teacher(4, bias=4.0, gain=0.2, coupling=0.1, inhibition=0.0)
    late = truth._replace(rates=truth.rates[:, 40:], inputs=truth.inputs[:, 40:])
    assert (late.rates > 0).all()
    pairs = transitions(data_of(late))
    plain = moments(regressors(pairs), targets(pairs, late.network.decay))
    information = information_on(late).of_units(np.arange(12))
    for unit in range(12):
        np.testing.assert_allclose(information.ZZ[unit], plain.ZZ, rtol=1e-5, atol=1e-3)
    np.testing.assert_allclose(information.YZ, plain.YZ, rtol=1e-5, atol=1e-3)


def test_the_regression_has_the_slope_of_the_likelihood_given_all_bins():
    truth = teacher(4, bias=0.3)
    assert 0.2 < (truth.rates == 0).mean() < 0.8
    data, network = data_of(truth), truth.network
    pairs = transitions(data)
    information = information_on(truth).of_units(np.arange(12))
    slope = information.YZ.numpy() - np.einsum("uab,ub->ua", information.ZZ.numpy(), weights(network))
    # The slope of a likelihood with unknown states is the expected slope given these states (Fisher's identity).
    expected, _ = expected_transitions(pairs, silent_states(network, data.r, data.u, NOISE))
    z = regressors(pairs)
    of_states = (targets(expected, network.decay) - z @ weights(network).T).T @ z
    standard_error = np.sqrt(NOISE[0] * np.diagonal(information.ZZ.numpy(), axis1=1, axis2=2))
    assert np.sqrt(np.mean(((slope - of_states) / standard_error) ** 2)) < 0.05
    assert np.sqrt(np.mean((of_states / standard_error) ** 2)) > 0.5


@pytest.mark.parametrize(("density", "prior"), [(0.15, "sparse_prior"), (1.0, "evidence")])
def test_the_sparse_prior_is_used_where_it_makes_held_out_rates_more_likely(density, prior):
    recording, truth = recorded(teacher(15, bias=0.5, density=density))
    plain = {"family": "full_rank", "nonlinearity": "relu", "seeds": [0], "tau_s": 0.1}
    of_default = fit(recording, Model(**plain)).networks
    assert set(of_default["penalty_by"].values) == {prior}
    if prior == "sparse_prior":
        of_ridge = fit(recording, Model(**plain, options={"penalties": "evidence"})).networks
        views = [view(recording, networks) for networks in (of_default, of_ridge)]
        r = [np.nanmean(truth_evidence(seen, seen, truth)["true_r"]) for seen in views]
        assert r[0] > r[1] + 0.03
        same = fit(recording, Model(**plain, estimator="sparse")).networks
        np.testing.assert_allclose(same["J"], of_default["J"], atol=1e-6)
