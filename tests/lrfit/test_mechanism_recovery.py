"""The mechanism that is read from a fit to noisy trials is that of the network behind them."""

import numpy as np
import pandas as pd
import pytest

from benchmarks import mechanism
from benchmarks.mechanism_report import summary


def read(experiment, network, seed=0):
    """Item -> (true, fitted) for a recording with process noise."""
    return {one.item: (one.true, one.fitted) for one in experiment(network, seed, 0.0)}


@pytest.mark.slow
@pytest.mark.parametrize("network", ["constructed", "trained"])
def test_silencing_a_population_of_the_fit_predicts_what_it_does_to_the_network(network):
    found = read(mechanism.silencing, network)
    points = np.array([both for item, both in found.items() if not item.endswith("none")])
    assert len(points) >= 4
    assert points[:, 0].min() < 0.9  # silencing does something
    assert np.abs(points[:, 0] - points[:, 1]).mean() <= 0.05


@pytest.mark.slow
def test_the_fixed_points_of_the_fit_are_those_of_the_network():
    found = read(mechanism.fixed_points, "random_dots")
    assert found["distance of the stable points"][1] < 0.05
    assert all(true == fitted for item, (true, fitted) in found.items() if item.startswith("points"))


@pytest.mark.slow
def test_the_cycle_of_the_fit_is_that_of_the_network():
    found = read(mechanism.limit_cycle, "oscillator")
    assert found["cycles"][1] == 1
    assert found["period_s"][1] == pytest.approx(1.0, rel=0.01)
    assert found["multiplier"][1] == pytest.approx(0.2, abs=0.02)


@pytest.mark.slow
def test_the_gate_of_the_fit_opens_and_closes_as_that_of_the_network():
    found = read(mechanism.gating, "gating")
    for item, (_, fitted) in found.items():
        if item.endswith("silenced"):
            assert fitted < 1.2
        else:
            assert fitted >= 3


def test_the_table_says_what_was_asked_for_and_a_full_one_is_not_computed_again(tmp_path):
    lines = [
        {"experiment": experiment, "network": network, "measured": measured, "seed": seed, "item": item, "true": 1.0}
        for experiment, network in mechanism.WORK
        for measured in mechanism.MEASURED
        for seed in mechanism.SEEDS[experiment]
        for item in ("none", "true 0", "points", "distance of the stable points", "period_s", "multiplier", "silenced")
    ]
    table = pd.DataFrame(lines).assign(fitted=lambda rows: np.where(rows["item"] == "true 0", 0.9, 1.0))
    table.to_csv(tmp_path / "mechanism.csv", index=False)
    found = mechanism.measure(tmp_path / "mechanism.csv")
    assert len(found) == len(table)
    text = summary(found)
    assert "10 of 10" in text
    assert text.count("| silencing | trained |") == 8
    assert "0.00 % (0.00 %)" in text
