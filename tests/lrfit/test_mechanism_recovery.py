"""The mechanism that is read from a fit to noisy trials is that of the network behind them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks import mechanism
from benchmarks.mechanism_report import summary


def read(experiment: mechanism.Experiment, network: str, seed: int = 0) -> Mapping[str, tuple[float, float]]:
    """Item -> (true, fitted) for a recording with process noise."""
    return {row.item: (row.true, row.fitted) for row in experiment(network, seed, 0.0)}


@pytest.mark.slow
@pytest.mark.parametrize("network", ["constructed", "trained"])
def test_silencing_a_population_of_the_fit_predicts_what_it_does_to_the_network(network: str) -> None:
    numbers = read(mechanism.silencing, network)
    points = np.array([both for item, both in numbers.items() if not item.endswith("none")])
    assert len(points) >= 4
    assert points[:, 0].min() < 0.9  # silencing does something
    assert np.abs(points[:, 0] - points[:, 1]).mean() <= 0.05


@pytest.mark.slow
def test_the_fixed_points_of_the_fit_are_those_of_the_network() -> None:
    numbers = read(mechanism.fixed_points, "random_dots")
    assert numbers["distance of the stable points"][1] < 0.05
    assert all(true == fitted for item, (true, fitted) in numbers.items() if item.startswith("points"))


@pytest.mark.slow
def test_the_cycle_of_the_fit_is_that_of_the_network() -> None:
    numbers = read(mechanism.limit_cycle, "oscillator")
    assert numbers["cycles"][1] == 1
    assert numbers["period_s"][1] == pytest.approx(1.0, rel=0.01)
    assert numbers["multiplier"][1] == pytest.approx(0.2, abs=0.02)


@pytest.mark.slow
def test_the_gate_of_the_fit_opens_and_closes_as_that_of_the_network() -> None:
    numbers = read(mechanism.gating, "gating")
    for item, (_, fitted) in numbers.items():
        if item.endswith("silenced"):
            assert fitted < 1.2
        else:
            assert fitted >= 3


def test_the_table_says_what_was_asked_for_and_a_full_one_is_not_computed_again(tmp_path: Path) -> None:
    lines = [
        {"experiment": experiment, "network": network, "measured": measured, "seed": seed, "item": item, "true": 1.0}
        for experiment, network in mechanism.WORK
        for measured in mechanism.MEASUREMENT_NOISE_SDS
        for seed in mechanism.SEEDS[experiment]
        for item in ("none", "true 0", "points", "distance of the stable points", "period_s", "multiplier", "silenced")
    ]
    table = pd.DataFrame(lines).assign(fitted=lambda rows: np.where(rows["item"] == "true 0", 0.9, 1.0))
    table.to_csv(tmp_path / "mechanism.csv", index=False)
    numbers = mechanism.measure(tmp_path / "mechanism.csv")
    assert len(numbers) == len(table)
    text = summary(numbers)
    assert "10 of 10" in text
    assert text.count("| silencing | trained |") == 8
    assert "0.00 % (0.00 %)" in text
