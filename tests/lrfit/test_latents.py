"""The table of latents says what the factors of the network and the recorded rates say."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import lrfit
from curbd import tables
from curbd.recording.scaling import scaled_rates
from lrfit.mechanism.latents import latents
from tests.support.known_network import recorded

Fitted = tuple[xr.Dataset, xr.Dataset]


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> Fitted:
    recording, _ = recorded(tmp_path_factory.mktemp("teacher"), units=10, rank=1, trials=10, samples=60, seed=1)
    recording["rates"][2, 40:] = np.nan
    model = lrfit.Model(family="low_rank", options={"rank": 3}, seeds=[4, 7])
    networks, seconds = lrfit.fit(recording, model, "three")
    assert len(seconds) == 2
    return recording, networks


def test_the_table_is_valid_and_complete(fitted: Fitted, tmp_path: Path) -> None:
    recording, networks = fitted
    table = latents(recording, networks)
    assert tables.problems("latents", table) == []
    assert len(table) == 2 * 10 * 60 * 3
    assert set(table["seed"]) == {4, 7}
    assert set(table["model"]) == {"three"}
    tables.write("latents", table, tmp_path / "latents.parquet")
    assert len(tables.read("latents", tmp_path / "latents.parquet")) == len(table)


def test_latents_times_loadings_are_the_recurrent_current(fitted: Fitted) -> None:
    recording, networks = fitted
    table = latents(recording, networks)
    table = table[table["seed"] == 7].sort_values(["trial", "time_s", "latent"])
    kappa = table["value"].to_numpy().reshape(-1, 3)
    fit = networks.sel(seed=7)
    r = scaled_rates(recording).values.reshape(-1, recording.sizes["unit"])
    np.testing.assert_allclose(kappa @ fit["m"].values.T, r @ fit["J"].values.T, atol=1e-12)


def test_bins_without_activity_are_empty(fitted: Fitted) -> None:
    table = latents(*fitted)
    late = (table["trial"] == 2) & (table["time_s"] > fitted[0]["time"].values[39] + 1e-9)
    assert table.loc[late, "value"].isna().all()
    assert table.loc[~late, "value"].notna().all()


def test_a_latent_has_the_condition_of_its_trial(fitted: Fitted) -> None:
    recording, networks = fitted
    recording = recording.assign_coords(condition=("trial", [f"c{trial % 2}" for trial in range(10)]))
    table = latents(recording, networks)
    assert tables.problems("latents", table) == []
    assert (table["condition"] == "c" + (table["trial"] % 2).astype(str)).all()


def test_a_fit_of_lower_rank_has_fewer_latents(fitted: Fitted) -> None:
    recording, networks = fitted
    networks = networks.copy(deep=True)
    networks["m"][0, :, 1:] = 0
    networks["n"][0, :, 1:] = 0
    table = latents(recording, networks)
    assert table.groupby("seed")["latent"].max().to_dict() == {4: 1, 7: 3}
    networks["m"][:], networks["n"][:] = 0, 0
    empty = latents(recording, networks)
    assert empty.empty
    assert tables.problems("latents", empty) == []


def test_the_networks_say_how_they_were_made(fitted: Fitted) -> None:
    _, networks = fitted
    assert networks.attrs["estimator"] == "reduced_rank"
    assert json.loads(networks.attrs["options"])["rank"] == 3
    assert np.array_equal(networks["J"].values, networks["m"].values @ networks["n"].values.transpose(0, 2, 1))
    assert not pd.isna(networks["tau_s"].values).any()
