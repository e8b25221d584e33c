"""The copy of a session's NWB file with currents, latents and verdicts, as pynwb and pynapple read it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pynapple
import pytest
from pynwb import NWBHDF5IO, validate

import curbd
from curbd import cli, tables
from curbd.errors import UserError
from curbd.export.nwb import export_nwb
from lrfit import cli as lrfit_cli
from tests.support.plans import write_plan


def run_steps(folder: Path, recording_file: Path) -> curbd.Results:
    """Results of a low-rank model of one recording, step by step as the workflow makes them."""
    model = {"family": "low_rank", "options": {"rank": 2}}
    plan = str(write_plan(folder, recording_file, models={"low_rank": model}))
    results = folder / "results"
    rec, fit = results / "rec", results / "rec" / "low_rank"
    recording = ["--recording", str(rec / "recording.nc")]
    network = ["--network", str(fit / "network.nc")]
    suffix = "nwb" if recording_file.suffix == ".nwb" else "hdf5"
    file = ["--name", "rec", "--path", str(recording_file), "--format", suffix, "--plan", plan]
    scores = ["--fits", str(fit / "fits.csv")]
    scores += ["--region-scores", str(fit / "region_scores.csv"), "--unit-scores", str(fit / "unit_scores.csv")]
    verdicts = ["--pathways", str(results / "tables" / "pathways.csv"), "--nulls", str(fit / "nulls.csv")]
    averages = ["--table", str(fit / "currents.parquet"), "--further-nulls", "false"]
    steps = [
        [cli, "ingest", *file, "--out", str(rec / "recording.nc")],
        [lrfit_cli, "fit", *recording, "--name", "low_rank", "--plan", plan, "--out", str(fit / "network.nc"), *scores],
        [cli, "currents", *recording, *network, "--out", str(fit / "currents.nc"), *averages, *verdicts],
        [lrfit_cli, "latents", *recording, *network, "--out", str(fit / "latents.parquet")],
    ]
    for program, *words in steps:
        assert program.main(words) == 0
    return curbd.read(results)


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> curbd.Results:
    """Results of a teacher's NWB file."""
    folder = tmp_path_factory.mktemp("export")
    assert cli.main(["teacher", "three_region", "--out", str(folder / "teacher.nwb")]) == 0
    return run_steps(folder, folder / "teacher.nwb")


@pytest.mark.usefixtures("one_thread")
def test_the_copy_is_valid_and_holds_what_the_results_hold(results: curbd.Results, tmp_path: Path) -> None:
    copy = tmp_path / "copy.nwb"
    assert export_nwb(results, "rec", copy) == ["curbd_low_rank"]
    assert not validate(path=str(copy))

    currents = results.currents_of_units["rec/low_rank"]["current"].isel(seed=0)
    recording = results.recordings["rec"]
    recorded = np.isfinite(recording["rates"]).any("unit").to_numpy()
    assert not recorded.all(), "bins are missing"
    times_s = recording["start_s"].to_numpy()[:, None] + recording["time"].to_numpy()
    with NWBHDF5IO(str(copy), "r") as io:
        session = io.read()
        module = session.processing["curbd_low_rank"]
        assert "ophys" in session.processing, "the data of the session are still there"
        assert module["units"]["region"][:].tolist() == recording["region"].to_numpy().tolist()
        for source in currents["source"].to_numpy():
            series = module[f"current_from_{source.replace(':', '_')}"]
            # The blocks of this teacher follow one another in time.
            np.testing.assert_allclose(series.timestamps[:], times_s[recorded])
            np.testing.assert_array_equal(series.data[:], currents.sel(source=source).to_numpy()[recorded])
        latents = tables.read("latents", results.folder / "rec" / "low_rank" / "latents.parquet")
        first = latents[(latents["seed"] == 0) & (latents["trial"] == 0) & (latents["latent"] == 1)]
        values = first.sort_values("time_s")["value"].to_numpy()[recorded[0]]
        np.testing.assert_allclose(module["latents"].data[: len(values), 0], values)
        verdicts = module["pathways"].to_dataframe()
    pd.testing.assert_series_equal(
        verdicts["share"].reset_index(drop=True), results.pathways["share"], check_index_type=False
    )
    assert verdicts["verdict"].tolist() == results.pathways["verdict"].tolist()


@pytest.mark.usefixtures("one_thread")
def test_pynapple_opens_the_currents_beside_the_spikes(results: curbd.Results, tmp_path: Path) -> None:
    export_nwb(results, "rec", tmp_path / "copy.nwb", ["low_rank"])
    session = pynapple.load_file(str(tmp_path / "copy.nwb"))
    source = str(results.recordings["rec"]["region"].to_numpy()[0])
    current = session[f"current_from_{source}"]
    assert isinstance(current, pynapple.TsdFrame)
    assert current.shape[1] == results.recordings["rec"].sizes["unit"]


def test_what_cannot_be_exported_is_told(results: curbd.Results, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="found no results, expected one of rec"):
        export_nwb(results, "reck", tmp_path / "copy.nwb")
    with pytest.raises(UserError, match="found no currents of full, expected models with currents, which are low_rank"):
        export_nwb(results, "rec", tmp_path / "copy.nwb", ["full"])
    with pytest.raises(UserError, match="found the file of the recording itself"):
        export_nwb(results, "rec", results.recordings["rec"].attrs["path"])

    assert not list(tmp_path.iterdir())
