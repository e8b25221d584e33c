"""Currents are J r, their sources sum to the total, and the table says what the array holds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from curbd import tables
from curbd.estimators.fitting import fit
from curbd.network.view import views
from curbd.pathways import current_file
from curbd.pathways.current_file import write_currents
from curbd.pathways.currents import current_table, decompose, mean_currents
from curbd.settings.models import Model
from curbd.storage.netcdf import read_netcdf
from tests.support.known_network import known_networks, small

Known = tuple[xr.Dataset, xr.Dataset, xr.Dataset, xr.DataArray]
"""A recording, its truth, the true network as a fit, and the currents of this fit."""


@pytest.fixture(scope="module")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> Known:
    recording, truth = small(tmp_path_factory.mktemp("teacher"))
    networks = known_networks(recording, truth)
    return recording, truth, networks, decompose(recording, networks)


def test_currents_at_a_known_network_are_its_weights_times_the_rates(teacher: Known) -> None:
    recording, truth, _, current = teacher
    rates, region = recording["rates"].values, recording["region"].values
    for target in np.unique(region):
        for source in np.unique(region):
            block = truth["J"].values[np.ix_(region == target, region == source)]
            expected = rates[..., region == source] @ block.T
            computed = current.sel(source=source).values[0][..., region == target]
            # One product of float64 numbers of order one.
            np.testing.assert_allclose(computed, expected, atol=1e-10)


def test_sources_sum_to_the_total_current(teacher: Known) -> None:
    recording, truth, _, current = teacher
    total = recording["rates"].values @ truth["J"].values.T
    total = total + recording["inputs"].values @ truth["B"].values.T + truth["b"].values
    np.testing.assert_allclose(current.sum("source").values[0], total, atol=1e-10)
    assert list(current["source"].values) == ["A", "B", "C", "input:sine", "input:step", "bias"]


def test_the_current_of_a_unit_is_chosen_by_its_name(teacher: Known) -> None:
    recording, _, _, current = teacher
    unit_id = recording["unit_id"].values[3]
    np.testing.assert_array_equal(current.sel(unit=unit_id), current.isel(unit=3))
    assert list(current["unit"].values) == list(recording["unit_id"].values)


def test_averages_over_regions_need_no_current_of_a_unit(teacher: Known) -> None:
    recording, _, networks, current = teacher
    fit = views(recording, networks)[0]
    averaged = mean_currents(fit.network, fit.region_of_unit, fit.r, fit.u)
    assert averaged.shape == (*fit.r.shape[:2], len(fit.regions), len(fit.sources))
    for target, region in enumerate(fit.regions):
        expected = current.values[0][..., fit.region == region].mean(-1)
        np.testing.assert_allclose(np.moveaxis(averaged[:, :, target], -1, 0), expected, atol=1e-12)


def test_missing_bins_have_no_current(tmp_path: Path) -> None:
    recording, truth = small(tmp_path)
    networks = known_networks(recording, truth)
    recording["rates"][2, 60:] = np.nan
    current = decompose(recording, networks)
    assert np.isnan(current.values[:, :, 2, 60:]).all()
    assert np.isfinite(np.delete(current.values, 2, axis=2)).all()


def test_the_file_holds_the_currents_in_single_precision(teacher: Known, tmp_path: Path) -> None:
    recording, truth, networks, current = teacher
    write_currents(views(recording, networks), networks, tmp_path / "currents.nc")
    stored = read_netcdf(tmp_path / "currents.nc")["current"]
    assert stored.dtype == np.float32
    xr.testing.assert_allclose(stored.astype(float), current, rtol=1e-6, atol=1e-7)
    assert stored.attrs == current.attrs
    # Compressed, with four bytes for each number; the names take a few kilobytes.
    assert (tmp_path / "currents.nc").stat().st_size < 4 * current.size + 20_000
    total = recording["rates"].values @ truth["J"].values.T
    total = total + recording["inputs"].values @ truth["B"].values.T + truth["b"].values
    # Six sources, each rounded to one part in 2^24.
    np.testing.assert_allclose(stored.sum("source", dtype=float).values[0], total, atol=1e-6)


def test_a_file_that_is_written_in_blocks_is_the_same(
    teacher: Known, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recording, _, networks, current = teacher
    recording = recording.copy(deep=True)
    recording["rates"][1, 7:] = np.nan
    monkeypatch.setattr(current_file, "BLOCK_VALUES", 1)
    monkeypatch.setattr(current_file, "CHUNK_UNITS", 2)
    monkeypatch.setattr(current_file, "CHUNK_VALUES", 50)
    write_currents(views(recording, networks), networks, tmp_path / "currents.nc")
    stored = read_netcdf(tmp_path / "currents.nc")["current"]
    assert stored.encoding["chunksizes"][2:] == (1, 25, 2)
    expected = decompose(recording, networks)
    xr.testing.assert_allclose(stored.astype(float), expected, rtol=1e-6, atol=1e-7)
    assert np.isnan(stored.values[0, :, 1, 7:]).all()
    assert current.shape == stored.shape


def test_table_holds_means_and_signed_currents_that_add_up(teacher: Known) -> None:
    recording, _, networks, current = teacher
    table = current_table(recording, networks)
    assert tables.problems("currents", table) == []
    wide = table.pivot(index=["target", "source", "time_s"], columns="sign", values="mean")
    np.testing.assert_allclose(wide["excitatory"] + wide["inhibitory"], wide["net"], atol=1e-10)
    region = recording["region"].values
    expected = current.sel(source="B").values[0][:, 17][:, region == "A"]
    row = table[(table.target == "A") & (table.source == "B") & (table.sign == "net")]
    row = row[np.isclose(row.time_s, recording["time"].values[17])]
    assert row["mean"].item() == pytest.approx(expected.mean(), abs=1e-12)
    assert row["rms"].item() == pytest.approx(np.sqrt((expected**2).mean()), abs=1e-12)


def test_excitatory_current_passes_the_positive_weights_only(teacher: Known) -> None:
    recording, truth, networks, _ = teacher
    table = current_table(recording, networks)
    region = recording["region"].values
    block = np.maximum(truth["J"].values[np.ix_(region == "C", region == "A")], 0)
    expected = (recording["rates"].values[:, 5][:, region == "A"] @ block.T).mean()
    row = table[(table.target == "C") & (table.source == "A") & (table.sign == "excitatory")]
    tabulated = row[np.isclose(row.time_s, recording["time"].values[5])]["mean"].item()
    assert tabulated == pytest.approx(expected, abs=1e-12)


def test_intervals_of_a_fit_cover_the_true_means(tmp_path: Path) -> None:
    recording, truth = small(tmp_path, trials=30)
    model = Model(family="full_rank", tau_s=0.1, seeds=[0])
    networks, _ = fit(recording, model, "one_step")
    table = current_table(recording, networks)
    true = current_table(recording, known_networks(recording, truth))
    both = table[table.sign == "net"].merge(true[true.sign == "net"], on=["target", "source", "condition", "time_s"])
    regions = both[both.source.isin(["A", "B", "C"])]
    covered = (regions.ci_low_x <= regions.mean_y) & (regions.mean_y <= regions.ci_high_x)
    # Bins of one fit are far from independent: over nine pathways the share scatters widely about .95.
    assert covered.mean() > 0.85
    assert (regions.ci_high_x > regions.ci_low_x).all()


def test_without_posterior_or_seeds_there_is_no_interval(teacher: Known) -> None:
    recording, _, networks, _ = teacher
    table = current_table(recording, networks)
    assert table[["ci_low", "ci_high"]].isna().all().all()
