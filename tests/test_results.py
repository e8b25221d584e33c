"""The results of a run as one object: tables as attributes, files opened when they are asked for."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
import xarray as xr

import curbd
from curbd import tables
from curbd.errors import UserError
from curbd.storage.netcdf import write_netcdf


@pytest.fixture
def results(tmp_path: Path) -> curbd.Results:
    """Results with one table and three files."""
    regions = pd.DataFrame(
        {
            "recording": ["r"],
            "region": ["NA"],
            "n_units": [3],
            "participation_ratio": [2.0],
            "n_trials": [4],
            "n_samples": [40],
            "samples_per_dimension": [20.0],
        }
    )
    tables.write("regions", regions, tmp_path / "tables" / "regions.csv")
    for file in ("r/recording.nc", "r/m/network.nc", "r/m/currents.nc"):
        write_netcdf({"/": xr.Dataset({"x": ("unit", [1.0, 2.0])})}, tmp_path / file)
    return curbd.read(tmp_path)


def test_tables_are_attributes_that_a_notebook_completes(results: curbd.Results) -> None:
    assert results.regions["region"].tolist() == ["NA"]
    assert results.regions is results.regions
    assert "regions" in dir(results)
    assert "group" not in dir(results)
    with pytest.raises(AttributeError, match="did you mean 'regions'"):
        _ = results.region


def test_files_are_opened_by_name(results: curbd.Results) -> None:
    assert list(results.recordings) == ["r"]
    assert results.networks["r/m"]["x"].sum() == 3
    assert list(results.currents_of_units) == ["r/m"]
    assert "regions" in repr(results)
    with pytest.raises(KeyError, match="expected one of r/m"):
        _ = results.networks["r/k"]


def test_a_folder_without_tables_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="expected the folder of the results of a run"):
        curbd.read(tmp_path / "nothing")
