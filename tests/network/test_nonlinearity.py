"""Networks of relu, softplus and exponential units obey the equation as networks of tanh units do."""

import pickle

import numpy as np
import pytest
import torch

from curbd.network.equation import Network, simulate
from curbd.network.nonlinearity import EXPONENTIAL, RELU, TANH, softplus
from curbd.network.perturbation import silencing
from curbd.network.perturbed_run import perturbed_free_runs

NONLINEARITIES = [TANH, RELU, softplus(), softplus(4.0), EXPONENTIAL]
NAMES = [f"{phi.name}-{phi.sharpness:g}" for phi in NONLINEARITIES]
STATES = np.linspace(-3, 1.5, 50)


@pytest.mark.parametrize("phi", NONLINEARITIES, ids=NAMES)
def test_inverse_slope_and_tensors_agree_with_the_function(phi):
    r = phi.phi(STATES)
    shown = STATES if not phi.hides_silent else np.maximum(STATES, 0)
    np.testing.assert_allclose(phi.inverse(r), shown, atol=1e-9)
    step = 1e-6
    numeric = (phi.phi(STATES + step) - phi.phi(STATES - step)) / (2 * step)
    np.testing.assert_allclose(phi.slope(r), numeric, atol=1e-6)
    x = torch.tensor(STATES)
    into = torch.empty_like(x)
    phi.phi_of_tensor(x, out=into)
    np.testing.assert_allclose(into.numpy(), r, rtol=1e-12, atol=1e-15)
    assert pickle.loads(pickle.dumps(phi)).phi(0.3) == phi.phi(0.3)


def small_network(phi, rng):
    """A network of four units with one input."""
    J, B, b = 0.5 * rng.standard_normal((4, 4)), rng.standard_normal((4, 1)), 0.2 * rng.standard_normal(4)
    return Network(J=J, B=B, b=b, tau_s=0.1, dt_s=0.02, nonlinearity=phi)


@pytest.mark.parametrize("phi", NONLINEARITIES, ids=NAMES)
def test_runs_follow_the_equation_and_silenced_units_send_nothing(phi):
    rng = np.random.default_rng(0)
    network, u, x = small_network(phi, rng), rng.standard_normal((1, 20, 1)), rng.standard_normal((1, 4))
    r = simulate(network, x, u)
    silenced = perturbed_free_runs(network, r, u, [silencing(np.arange(4) == 0, 0.0, 1)])
    np.testing.assert_allclose(silenced[0][:, 0], r[:, 0])
    for run, held in ((r, False), (silenced[1], True)):
        state = phi.inverse(r[:, 0]) if held else x
        for t in range(19):
            rates = phi.phi(state)
            if held:
                rates[:, 0] = 0
            np.testing.assert_allclose(run[:, t], rates, atol=1e-10)
            state = state + 0.2 * (-state + rates @ network.J.T + u[:, t] @ network.B.T + network.b)
