"""Time windows of verdicts, and networks of units in parts of the trial."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from curbd import tables
from curbd.commands.steps import judge_of_units
from curbd.estimators.fitting import fit
from curbd.pathways.window_table import in_window, is_too_short, time_windows, window_table
from curbd.settings.config import Config
from curbd.settings.models import Model
from tests.support.known_network import recorded

MODEL = Model(family="full_rank", estimator="one_step", seeds=[0])
HALF = 60
LATE = ("B", "A")


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> xr.Dataset:
    """The same network without a pathway from A to B in the first half of the trial, and with the pathway after it."""
    teacher = {"units": 8, "trials": 30, "samples": HALF, "substeps": 1, "density": 0.5, "coupling": 1.0, "seed": 5}
    folder = tmp_path_factory.mktemp("late")
    halves = [recorded(folder, absent=absent, regions=("A", "B"), **teacher)[0] for absent in ([LATE], [])]
    halves[1]["time"] = halves[1]["time"] + HALF * 0.01
    return xr.concat(halves, "time", data_vars="minimal", combine_attrs="override")


def test_a_length_divides_the_trial_into_successive_windows(recording: xr.Dataset) -> None:
    windows = time_windows(recording, 0.5)
    assert [len(window.bins) for window in windows] == [50, 50]
    assert windows[1].bins.tolist() == list(range(50, 100))
    assert windows[1].start_s == pytest.approx(windows[0].stop_s)
    assert windows[0].stop_s - windows[0].start_s == pytest.approx(0.5)


def test_a_window_has_the_bins_whose_centres_lie_in_it(recording: xr.Dataset) -> None:
    inside, outside, short = time_windows(recording, [(0.2, 0.6), (5.0, 6.0), (0.1, 0.13)])
    time = recording["time"].to_numpy()[inside.bins]
    assert time.min() >= 0.2
    assert time.max() < 0.6
    assert len(inside.bins) == 40
    assert [is_too_short(window) for window in (inside, outside, short)] == [False, True, True]


def test_trials_that_end_before_a_window_are_left_out(recording: xr.Dataset) -> None:
    ragged = recording.copy(deep=True)
    ragged["rates"].loc[{"trial": ragged["trial"][3], "time": ragged["time"][40:]}] = np.nan
    assert in_window(ragged, time_windows(ragged, [(0.0, 0.3)])[0]).sizes["trial"] == recording.sizes["trial"]
    assert in_window(ragged, time_windows(ragged, [(0.5, 0.8)])[0]).sizes["trial"] == recording.sizes["trial"] - 1


def test_networks_of_units_are_judged_in_every_window(recording: xr.Dataset) -> None:
    networks = fit(recording, MODEL, "m").networks
    windows = time_windows(recording, [(0.0, 0.6), (0.6, 1.2), (3.0, 4.0)])
    table = window_table(networks, windows, judge_of_units(fit)(recording, networks, MODEL))
    assert tables.problems("pathway_windows", table) == []
    early, late = (rows.set_index(["target", "source"]).loc[LATE] for _, rows in table.groupby("start_s"))
    assert late["share"] > 5 * early["share"]
    assert early["q_value"] > 0.05 > late["q_value"]
    assert late["grade"] in ("resolved", "supported")
    assert early["verdict"] == "unresolved"


def test_no_window_gives_an_empty_table(recording: xr.Dataset) -> None:
    networks = fit(recording, MODEL, "m").networks

    def never(_: object) -> pd.DataFrame:
        raise AssertionError("a window outside of the trials is not judged")

    assert window_table(networks, time_windows(recording, [(3.0, 4.0)]), never).empty


@pytest.mark.parametrize("wanted", [[[0.5, 0.5]], -1, [[0, 1, 2]], "early"])
def test_a_wrong_window_is_refused(wanted: object, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="verdict_windows_s"):
        Config(recordings="my.tsv", verdict_windows_s=wanted)
