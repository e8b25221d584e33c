"""Inactivation: what silencing does in a network that is known is what its own simulation does."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from known_network import known_networks, small

from curbd import tables
from curbd.config import Inactivation
from curbd.errors import UserError
from curbd.inactivation import inactivate, random_groups


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> tuple[xr.Dataset, xr.Dataset, xr.Dataset]:
    recording, truth = small(tmp_path_factory.mktemp("teacher"), process_noise=0.1)
    return recording, truth, known_networks(recording, truth)


def by_hand(recording: xr.Dataset, truth: xr.Dataset, J_cut: np.ndarray, silent: np.ndarray) -> np.ndarray:
    """Rates of the true network in a plain loop, with other weights and some units silent."""
    x = np.arctanh(recording["rates"].values[:, 0])
    u = recording["inputs"].values
    alpha = truth.attrs["dt_s"] / truth.attrs["tau_s"]
    rates = np.empty(recording["rates"].shape)
    for t in range(rates.shape[1]):
        rates[:, t] = np.where(silent, 0, np.tanh(x))
        x = x + alpha * (rates[:, t] @ J_cut.T + u[:, t] @ truth["B"].values.T - x)
    return rates


def test_silencing_a_region_of_a_known_network(known) -> None:
    recording, truth, networks = known
    table = inactivate(recording, networks, {"silence": Inactivation(region="B")}, truth)
    assert tables.problems("inactivations", table) == []
    region, J = recording["region"].values, truth["J"].values
    nobody = np.zeros(len(region), bool)
    effect = by_hand(recording, truth, J, region == "B") - by_hand(recording, truth, J, nobody)
    for target in "ABC":
        row = table[table.target == target]
        expected = effect[..., region == target]
        assert row["effect_rms"].item() == pytest.approx(np.sqrt((expected**2).mean()), rel=1e-9)
        assert row["effect_mean"].item() == pytest.approx(expected.mean(), rel=1e-9)
    np.testing.assert_allclose(table["true_r2"], 1, atol=1e-9)
    assert set(table["perturbation"]) == {"silence:B"}


def test_cutting_a_pathway_leaves_both_ends_alive(known) -> None:
    recording, truth, networks = known
    table = inactivate(recording, networks, {"cut": Inactivation(kind="pathway", source="A", target="B")}, truth)
    region, J = recording["region"].values, truth["J"].values.copy()
    nobody = np.zeros(len(region), bool)
    intact = by_hand(recording, truth, J, nobody)
    J[np.ix_(region == "B", region == "A")] = 0
    effect = (by_hand(recording, truth, J, nobody) - intact)[..., region == "B"]
    row = table[table.target == "B"]
    assert row["effect_rms"].item() == pytest.approx(np.sqrt((effect**2).mean()), rel=1e-9)
    assert row["p_value"].isna().all()


def test_default_experiment_silences_each_region(known) -> None:
    recording, truth, networks = known
    table = inactivate(recording, networks, {"silence": Inactivation()}, truth)
    assert set(table["perturbation"]) == {"silence:A", "silence:B", "silence:C"}
    other = table["perturbation"].str[-1] != table["target"]
    assert table[other]["p_value"].between(1 / 40, 1).all()
    assert (table[other]["null_low"] <= table[other]["null_high"]).all()
    assert table[~other]["p_value"].isna().all()


def test_nothing_happens_before_the_window_and_half_strength_does_less(known) -> None:
    recording, truth, networks = known
    experiments = {
        "late": Inactivation(region="A", start_s=0.4),
        "half": Inactivation(region="A", strength=0.1),
        "full": Inactivation(region="A"),
    }
    table = inactivate(recording, networks, experiments, truth).set_index(["perturbation", "target"])
    assert table.loc[("late:A", "B"), "start_s"] == pytest.approx(0.395)
    assert table.loc[("half:A", "A"), "effect_rms"] < table.loc[("full:A", "A"), "effect_rms"]
    before = inactivate(
        recording.isel(time=slice(0, 40)), networks, {"late": Inactivation(region="A", start_s=0.39)}, None
    )
    assert before.set_index("target").loc["B", "effect_rms"] == 0


def test_cutting_an_input_matters_to_the_region_that_it_reaches(known) -> None:
    recording, truth, networks = known
    table = inactivate(recording, networks, {"off": Inactivation(kind="input", input="sine")}, truth)
    assert table.set_index("target").loc["B", "effect_rms"] > 0.05
    np.testing.assert_allclose(table["true_r2"], 1, atol=1e-9)


def test_random_groups_have_the_size_of_the_region_and_are_the_same_each_time() -> None:
    groups = random_groups(24, 8, 0)
    assert (groups.sum(1) == 8).all()
    assert len(np.unique(groups, axis=0)) > 30
    np.testing.assert_array_equal(groups, random_groups(24, 8, 0))
    assert len(random_groups(8, 8, 0)) == 0


@pytest.mark.parametrize(
    ("experiment", "told"),
    [
        (Inactivation(region="D"), 'found "D"'),
        (Inactivation(kind="input", input="sin"), "did you mean 'sine'?"),
        (Inactivation(start_s=5.0, stop_s=6.0), "a window from 5 to 6 s"),
    ],
)
def test_what_the_recording_has_not_is_told(known, experiment: Inactivation, told: str) -> None:
    recording, _, networks = known
    with pytest.raises(UserError, match=told.replace("?", r"\?")):
        inactivate(recording, networks, {"try": experiment})


def test_lost_bins_are_left_out(tmp_path: Path) -> None:
    recording, truth = small(tmp_path)
    networks = known_networks(recording, truth)
    recording["rates"][3:, 40:] = np.nan
    table = inactivate(recording, networks, {"silence": Inactivation(region="A", start_s=0.6)}, truth)
    assert np.isfinite(table["effect_rms"]).all()
