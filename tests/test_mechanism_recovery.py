"""The mechanism that is read from a fit to noisy trials is that of the network behind them."""

import numpy as np
import pytest

from benchmarks import mechanism

pytestmark = pytest.mark.slow


def read(experiment, network, seed=0):
    """Item -> (true, fitted) for a recording with process noise."""
    return {one.item: (one.true, one.fitted) for one in experiment(network, seed, 0.0)}


@pytest.mark.parametrize("network", ["constructed", "trained"])
def test_silencing_a_population_of_the_fit_predicts_what_it_does_to_the_network(network):
    found = read(mechanism.silencing, network)
    points = np.array([both for item, both in found.items() if not item.endswith("none")])
    assert len(points) >= 4
    assert points[:, 0].min() < 0.9  # silencing does something
    assert np.abs(points[:, 0] - points[:, 1]).mean() <= 0.05


@pytest.mark.parametrize("network", ["flip_flop", "random_dots"])
def test_the_fixed_points_of_the_fit_are_those_of_the_network(network):
    found = read(mechanism.fixed_points, network)
    assert found["distance of the stable points"][1] < 0.05
    assert all(true == fitted for item, (true, fitted) in found.items() if item.startswith("points"))


def test_the_cycle_of_the_fit_is_that_of_the_network():
    found = read(mechanism.limit_cycle, "oscillator")
    assert found["cycles"][1] == 1
    assert found["period_s"][1] == pytest.approx(1.0, rel=0.01)
    assert found["multiplier"][1] == pytest.approx(0.2, abs=0.02)


def test_the_gate_of_the_fit_opens_and_closes_as_that_of_the_network():
    found = read(mechanism.gating, "gating")
    for item, (_, fitted) in found.items():
        if item.endswith("silenced"):
            assert fitted < 1.2
        else:
            assert fitted >= 3
