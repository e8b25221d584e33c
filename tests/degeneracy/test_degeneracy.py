"""Agreement of fits that are equal, that differ where nothing was recorded, and that differ everywhere."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from curbd import tables
from curbd.degeneracy.components import variance_components
from curbd.degeneracy.degeneracy_table import degeneracy_table, varied
from curbd.degeneracy.similarity import dynamical_similarity, linear_cka, procrustes_similarity
from tests.support.known_network import known_networks, small


def test_equal_fits_agree_and_another_network_does_not(tmp_path: Path) -> None:
    recording, truth = small(tmp_path)
    equal = known_networks(recording, truth, 2).assign_attrs(model="equal")
    rng = np.random.default_rng(0)
    wrong = known_networks(recording, truth).assign_attrs(model="wrong", estimator="force")
    wrong["J"][:] = 0.3 * rng.standard_normal(wrong["J"].shape)
    table = degeneracy_table(recording, {"equal": equal, "wrong": wrong})
    assert tables.problems("degeneracy", table) == []
    same = table[table["model_b"] == "equal"]
    assert set(same["varied"]) == {"data"}
    np.testing.assert_allclose(same["agreement"].dropna(), 1)
    other = table[table["model_b"] == "wrong"].set_index(["quantity", "target", "source"])
    assert set(other["varied"]) == {"estimator"}
    assert abs(other.loc[("J", "all", "all"), "agreement"]) < 0.3
    assert other.loc[("currents_between_regions", "all", "all"), "verdict"] == "degenerate"
    components = variance_components(table).set_index("quantity")
    assert components.loc["J", "data"] == pytest.approx(0, abs=1e-9)
    assert components.loc["J", "estimator"] > 0.7


def test_what_was_varied_is_read_from_the_models(tmp_path: Path) -> None:
    recording, truth = small(tmp_path)
    first = known_networks(recording, truth).assign_attrs(
        model="a", estimator="force", options='{"gain": 1, "passes": 5}'
    )
    assert varied(first, first) == "seed"
    assert varied(first, first.assign_attrs(model="b", options='{"gain": 0, "passes": 5}')) == "initialisation"
    assert varied(first, first.assign_attrs(model="b", options='{"gain": 0, "passes": 6}')) == "constraint"
    assert varied(first, first.assign_attrs(model="b").assign_coords(seed=[7])) == "initialisation"
    convex = known_networks(recording, truth).assign_attrs(model="a")
    assert varied(convex, convex.assign_attrs(model="b", constraints='{"signs": true}')) == "constraint"
    assert varied(convex, convex.assign_attrs(model="b", family="low_rank")) == "estimator"


def test_models_whose_first_fits_are_the_same_are_not_compared(tmp_path: Path) -> None:
    recording, truth = small(tmp_path)
    fits = known_networks(recording, truth, 2)
    models = {"resampled": fits.assign_attrs(model="resampled")}
    models["same_trials"] = fits.assign_attrs(model="same_trials", resample_trials=0)
    table = degeneracy_table(recording, models)
    assert set(table["varied"]) == {"data", "initialisation"}
    assert (table["model_a"] == table["model_b"]).all()


def test_similarities_of_rotated_activity_are_1_and_of_other_dynamics_less() -> None:
    rng = np.random.default_rng(0)
    angle = 0.3 * np.arange(200)[None] + 2 * np.pi * rng.random((5, 1))
    X = np.stack([np.cos(angle), np.sin(angle)], axis=2) + 1e-3 * rng.standard_normal((5, 200, 2))
    rotated = X @ np.array([[0.0, 1.0], [-1.0, 0.0]])
    flat = X.reshape(-1, 2), rotated.reshape(-1, 2)
    assert linear_cka(*flat) == pytest.approx(1)
    assert procrustes_similarity(*flat) == pytest.approx(1)
    assert dynamical_similarity(X, rotated) == pytest.approx(1, abs=0.02)
    slow = np.exp(-0.02 * np.arange(200))[None, :, None] * np.ones((5, 200, 2)) + 1e-3 * rng.standard_normal(
        (5, 200, 2)
    )
    assert dynamical_similarity(X, slow) < 0.9
