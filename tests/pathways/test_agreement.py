"""Agreement between the fits of an ensemble."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from curbd.estimators.fitting import fit
from curbd.inactivation import run_experiments
from curbd.inactivation.tabulate import unit_table
from curbd.network.view import views
from curbd.pathways.agreement import agreement, silencing_effects
from curbd.pathways.judge import judge
from curbd.settings.experiments import ExperimentSettings, Inactivation
from curbd.settings.models import Model
from tests.support.known_network import known_networks, small


def test_agreement_is_the_mean_correlation_of_pairs(rng: np.random.Generator) -> None:
    a, b = rng.standard_normal((2, 30, 4))
    assert agreement(np.stack([a, 2 * a, -a])) == pytest.approx((1 - 1 - 1) / 3)
    expected = np.corrcoef(a.ravel(), b.ravel())[0, 1]
    assert agreement(np.stack([a, b])) == pytest.approx(expected)
    b[3] = np.nan
    kept = np.arange(30) != 3
    assert agreement(np.stack([a, b])) == pytest.approx(np.corrcoef(a[kept].ravel(), b[kept].ravel())[0, 1])
    assert np.isnan(agreement(a[None]))
    assert np.isnan(agreement(np.zeros((2, 5))))


def test_fits_that_share_a_block_agree_on_it_alone(tmp_path: Path) -> None:
    recording, truth = small(tmp_path)
    networks = known_networks(recording, truth, n_seeds=2)
    J = networks["J"].values.copy()
    rows = (networks["target_region"] == "A").values[:, None] & (networks["source_region"] == "B").values
    J[1] = np.where(rows, np.random.default_rng(5).standard_normal(rows.shape), J[1])
    networks["J"] = networks["J"].copy(data=J)
    table = judge(recording, networks).set_index(["target", "source"])
    assert abs(table.loc[("A", "B"), "J_seed_r"]) < 0.4
    np.testing.assert_allclose(table["J_seed_r"].drop(("A", "B")).dropna(), 1)
    assert table.loc[("A", "B"), "inactivation_seed_r"] < 0.7
    # The effect of silencing a region on itself is imposed and not predicted.
    assert table["inactivation_seed_r"][[("A", "A"), ("B", "B"), ("C", "C")]].isna().all()


def test_effects_are_those_of_the_experiments(tmp_path: Path) -> None:
    recording, truth = small(tmp_path)
    networks = known_networks(recording, truth)
    effects = silencing_effects(views(recording, networks))[0]
    settings = ExperimentSettings(groups=0, posterior_draws=0)
    units = unit_table(
        run_experiments(recording, networks, {"silence": Inactivation(kind="region")}, settings=settings)
    )
    tabulated = units[~units["perturbed"]].pivot_table(
        index="perturbation", columns=["condition", "unit_id"], values="effect_mean", dropna=False
    )
    names = recording["unit_id"].values.astype(str)
    for index, name in enumerate(np.unique(recording["condition"].values.astype(str))):
        np.testing.assert_allclose(tabulated[name][names], effects[:3, index].mean(1), atol=1e-12)


def test_effects_start_with_the_first_complete_bin(tmp_path: Path) -> None:
    recording, truth = small(tmp_path)
    networks = known_networks(recording, truth, n_seeds=2)
    masked = recording.copy(deep=True)
    masked["rates"][:, :2] = np.nan
    whole = silencing_effects(views(masked, networks))
    cut = silencing_effects(views(recording.isel(time=slice(2, None)), networks))
    np.testing.assert_array_equal(whole[..., 2:, :], cut)
    assert np.isnan(whole[..., :2, :]).all()


def test_more_data_make_refits_agree_more(tmp_path: Path) -> None:
    agreed = {}
    for trials in (6, 40):
        recording, _ = small(tmp_path, trials=trials, process_noise=0.5)
        networks, _ = fit(recording, Model(family="full_rank", tau_s=0.1), "full")
        table = judge(recording, networks)
        between = table[table["source"].isin(["A", "B", "C"]) & (table["source"] != table["target"])]
        agreed[trials] = between[["J_seed_r", "seed_r", "inactivation_seed_r"]].mean()
    assert (agreed[40] > agreed[6]).all(), agreed
    # Predictions of silencing go beyond the data: they agree less than the currents do.
    assert 0.6 < agreed[40]["inactivation_seed_r"] < agreed[40]["seed_r"], agreed
