"""Currents and effects under rounded and noisy weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from curbd.inactivation import run_experiments
from curbd.inactivation.tabulate import inactivation_table
from curbd.network.altered_weights import fewest_bits, most_noise, rounded, with_noise
from curbd.network.view import view
from curbd.pathways.robustness import current_robustness
from curbd.settings.experiments import ExperimentSettings, Inactivation
from tests.support.known_network import known_networks, small


def test_rounding_keeps_zero_and_the_largest_weight_and_errs_by_half_a_step() -> None:
    block = np.random.default_rng(0).standard_normal((20, 20))
    block[0, 0] = 0
    for bits in (4, 8):
        copy = rounded(block, bits)
        assert len(np.unique(copy)) <= 2**bits - 1
        assert copy[0, 0] == 0
        assert np.abs(copy).max() == pytest.approx(np.abs(block).max())
        assert np.abs(copy - block).max() <= np.abs(block).max() / (2 ** (bits - 1) - 1) / 2 * (1 + 1e-9)


def test_noise_is_in_proportion_to_every_weight() -> None:
    block = np.repeat([[1.0], [10.0]], 4000, axis=1)
    copy = with_noise(block, 0.1, np.random.default_rng(0))
    np.testing.assert_allclose((copy - block).std(1), [0.1, 1.0], rtol=0.05)


def test_a_conclusion_holds_from_the_number_of_bits_at_which_it_no_longer_changes() -> None:
    holds = {4: [True, False, False], 5: [False, True, False], 6: [True, True, False]}
    np.testing.assert_array_equal(fewest_bits({b: np.array(h) for b, h in holds.items()}), [6, 5, np.nan])
    np.testing.assert_array_equal(most_noise({b / 10: np.array(h) for b, h in holds.items()}), [0.4, 0, 0])


def test_a_current_of_equal_weights_needs_the_fewest_bits_and_one_of_cancelling_weights_more(tmp_path: Path) -> None:
    recording, truth = small(tmp_path)
    fit = view(recording, known_networks(recording, truth))
    source = fit.pathway_sources[0]
    fit.network.J[:, source.columns] = 1.0
    # Weights that leave out what the units of the source do together, up to a rest of a thousandth.
    target = np.flatnonzero(fit.region == fit.regions[1])
    products = fit.activity_moments.scatter[np.ix_(source.columns, source.columns)]
    fit.network.J[np.ix_(target, source.columns)] = np.linalg.eigh(products)[1][:, 0]
    bits, noise = current_robustness(fit, source)
    assert bits[0] == 4
    assert noise[0] >= 0.2
    assert noise[1] < noise[0]


def test_effects_have_a_robustness_in_every_condition(tmp_path: Path) -> None:
    recording, truth = small(tmp_path)
    settings = ExperimentSettings(groups=19, posterior_draws=0)
    outcome = run_experiments(recording, known_networks(recording, truth), {"off": Inactivation()}, settings=settings)
    table = inactivation_table(outcome)
    assert table["robust_bits"].dropna().between(4, 8).all()
    assert table["robust_noise"].notna().all()
    assert table["robust_bits"].notna().mean() > 0.5
