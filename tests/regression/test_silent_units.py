"""Time constants of relu units: what silence tells, and trials that begin at rest."""

import numpy as np

from curbd.network.equation import simulate
from curbd.network.likelihood import log_likelihood
from curbd.network.nonlinearity import RELU
from curbd.network.silent_states import FIRST_SD, first_sds, silent_states
from curbd.regression.silent_units import with_time_constant
from curbd.teachers import multi_region

NOISE_SD = 0.3
TAUS_S = (0.05, 0.1, 0.2)


def network_from_rest():
    """A network of relu units, and its rates in trials that begin at the state 0."""
    teacher = multi_region(units=6, trials=30, samples=60, substeps=1, nonlinearity=RELU, inhibition=1.5, seed=101)
    network, rng = teacher.network, np.random.default_rng(102)
    x0 = np.zeros((30, 18))
    noise_sd = NOISE_SD * network.dt_s / network.tau_s
    return network, simulate(network, x0, teacher.inputs, noise_sd=noise_sd, rng=rng), teacher.inputs


def test_another_time_constant_does_the_same_to_active_units_and_only_silence_tells_the_two_apart():
    network, r, u = network_from_rest()
    nats = {}
    active = (r[:, 1:] > 0) & (r[:, :-1] > 0)
    for tau_s in TAUS_S:
        changed = with_time_constant(network, tau_s)
        noise = np.full(18, (NOISE_SD * tau_s / network.tau_s) ** 2)
        first_sd = np.full(18, FIRST_SD)
        for _ in range(10):
            first_sd = first_sds(silent_states(changed, r, u, noise, first_sd=first_sd), r)
        nats[tau_s] = log_likelihood(changed, r, u, noise, np.full(18, 1e-3), first_sd)
    for tau_s in TAUS_S:
        np.testing.assert_allclose(nats[tau_s][active], nats[0.1][active], rtol=1e-9, atol=1e-9)
    assert max(TAUS_S, key=lambda tau_s: nats[tau_s].sum()) == network.tau_s


def test_states_of_trials_that_begin_at_rest_are_near_zero():
    network, r, u = network_from_rest()
    noise, first_sd = np.full(18, NOISE_SD**2), np.full(18, FIRST_SD)
    for _ in range(20):
        first_sd = first_sds(silent_states(network, r, u, noise, first_sd=first_sd), r)
    assert np.median(first_sd) < 0.1
    precision = np.full(18, 1e-3)
    assert log_likelihood(network, r, u, noise, precision, first_sd).sum() > (
        log_likelihood(network, r, u, noise, precision).sum()
    )
