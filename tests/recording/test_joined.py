"""Recordings of several days, joined by the ids of their units."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

import curbd
from curbd import teachers
from curbd.changes.change_table import change_tables
from curbd.cli import main
from curbd.errors import UserError
from curbd.recording.ingest import ingest_file
from curbd.recording.joined import write_joined
from curbd.settings.contrasts import Change
from curbd.storage.netcdf import write_netcdf


@pytest.fixture(scope="module")
def days(tmp_path_factory) -> list[xr.Dataset]:
    """Recordings of two days, between which the pathway from A to B changes; a unit of each day is lost on the other,
    and the units of the second day are in another order."""
    folder = tmp_path_factory.mktemp("days")
    both = teachers.two_days(units=9, samples=80, seed=200).teacher
    recordings = []
    for day, units in ((1, np.arange(26)), (2, np.arange(1, 27)[::-1])):
        chosen = both.trials["day"].to_numpy() == day
        part = both._replace(
            rates=both.rates[chosen], inputs=both.inputs[chosen], trials=both.trials[chosen], drive=both.drive[chosen]
        )
        path = folder / f"day_{day}.h5"
        teachers.write_hdf5(part, path)
        recording = ingest_file(path).recording
        recordings.append(recording.isel(unit=units))
    return recordings


def test_units_are_matched_and_trials_appended(days, tmp_path):
    lines = write_joined(days, tmp_path / "both.h5")
    assert lines[0] == "day_1: 25 of 26 units, 40 trials"
    joined = ingest_file(tmp_path / "both.h5").recording
    assert set(joined["unit_id"].values) == set(days[0]["unit_id"].values) & set(days[1]["unit_id"].values)
    for day in days:
        of_day = joined.isel(trial=joined["recording"].values == day.attrs["recording"])
        expected = day.swap_dims(unit="unit_id")["rates"].sel(unit_id=joined["unit_id"].values)
        np.testing.assert_allclose(
            of_day["rates"].transpose("trial", "time", "unit"), expected.transpose("trial", "time", "unit_id")
        )
        np.testing.assert_allclose(of_day["inputs"].transpose(*day["inputs"].dims), day["inputs"])


def test_the_pathway_that_changed_between_files_is_named(days, tmp_path):
    for day in days:
        write_netcdf({"/": day}, tmp_path / f"{day.attrs['recording']}.nc")
    both = str(tmp_path / "both.h5")
    assert main(["join", str(tmp_path / "day_1.nc"), str(tmp_path / "day_2.nc"), "--out", both]) == 0
    recording = ingest_file(both).recording
    networks = curbd.fit(recording, curbd.Model(family="full_rank", seeds=[0])).networks
    settings = {"days": Change(column="recording", permutations=39)}
    table = change_tables(recording, networks, settings).changes
    changed = table[table["verdict"] == "changed"]
    assert changed[["target", "source"]].to_numpy().tolist() == [["B", "A"]]
    into_b = table[table["target"] == "B"]
    assert (into_b["r2_drawn_together"] > into_b["r2_shared"]).all()


def test_recordings_that_do_not_fit_together_are_told(days, tmp_path):
    renamed = days[1].assign_coords(unit_id=("unit", np.char.add("new_", days[1]["unit_id"].values.astype(str))))
    out = tmp_path / "both.h5"
    with pytest.raises(UserError, match="0 units with the same id"):
        write_joined([days[0], renamed], out)
    with pytest.raises(UserError, match="79 bins of"):
        write_joined([days[0], days[1].isel(time=slice(79))], out)
    with pytest.raises(UserError, match="different names"):
        write_joined([days[0], days[0]], out)
    with pytest.raises(UserError, match="inputs"):
        write_joined([days[0], days[1].isel(input=slice(1))], out)
    assert not out.exists()
