"""Population networks of ingested recordings: counts, names, the split, and recordings without spike counts."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest
import xarray as xr

import lrfit
from curbd.errors import UserError
from curbd.recording.ingest import ingest_file
from curbd.settings.recording import RecordingSettings
from curbd.teachers.populations import PopulationTeacher, populations
from lrfit.population_network.ingested import from_recording

REGIONS = np.array(["V1", "LM"])


@pytest.fixture(scope="module")
def teacher() -> PopulationTeacher:
    """LM drives V1, and nothing comes back."""
    return populations(
        regions=2, units=100, recorded=15, trials=60, bins=50, rate_hz=12.0, absent=[(1, 0)], silencing=False, seed=210
    )


@pytest.fixture(scope="module")
def path(teacher: PopulationTeacher, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The spike counts of the teacher as rates in Hz, in an HDF5 file."""
    path = tmp_path_factory.mktemp("populations") / "teacher.h5"
    with h5py.File(path, "w") as file:
        file["rates"] = teacher.activity / teacher.bin_s
        file["time"] = np.arange(teacher.activity.shape[1]) * teacher.bin_s
        file["region"] = [str(label) for label in REGIONS[teacher.region]]
        file["inputs"] = teacher.inputs
        file["input_name"] = ["step"]
        file["trial/side"] = teacher.condition
    return path


def ingested(path: Path, **settings: object) -> xr.Dataset:
    """The recording of the file with the settings of a recording."""
    options = {"smoothing_s": 0, "windows": {"conditions": ["side"]}} | settings
    return ingest_file(path, RecordingSettings.model_validate(options)).recording


def test_counts_are_rates_times_the_bin_width(path: Path, teacher: PopulationTeacher) -> None:
    recording = ingested(path)
    data = from_recording(recording)
    np.testing.assert_array_equal(np.moveaxis(data.activity, 0, 1), teacher.activity)
    assert np.array_equal(data.region, (recording["region"] == "V1").to_numpy())
    assert data.source_name.count("input:0") == 1
    assert data.source_name.count("evoked") > 2
    assert data.highest == pytest.approx(100 * teacher.bin_s)


def test_fit_populations_names_pathways_and_currents(path: Path) -> None:
    recording = ingested(path)
    fit = lrfit.fit_populations(recording, dimensions=[2, 2])
    assert fit.regions == ("LM", "V1")
    pathways = fit.pathways.set_index(["target", "source"])
    assert pathways.loc[("V1", "LM"), "evidence_nats"] > 5 > pathways.loc[("LM", "V1"), "evidence_nats"]
    assert pathways.loc[("LM", "V1"), "verdict"] == "unresolved"
    assert fit.current.dims == ("source", "trial", "time", "unit")
    assert fit.current["source"].to_numpy()[:2].tolist() == ["LM", "V1"]
    assert "input:step" in fit.current["source"]
    np.testing.assert_allclose(fit.current.sum("source"), fit.analysis.currents.total)


def test_smoothed_activity_is_refused_with_the_setting_to_change(path: Path) -> None:
    with pytest.raises(UserError, match=r"smoothed over 0\.1 s.*set smoothing_s: 0"):
        from_recording(ingested(path, smoothing_s=0.1))


def test_rates_that_are_no_counts_are_refused(path: Path) -> None:
    recording = ingested(path)
    with pytest.raises(UserError, match="not a whole number of spikes per bin"):
        from_recording(recording.assign(rates=recording["rates"] + 0.3))


def test_rates_of_a_model_are_refused(path: Path) -> None:
    with pytest.raises(UserError, match="rates simulated by a model network"):
        from_recording(ingested(path).assign_attrs(activity="model"))
