"""Trials with a real perturbation stay out of everything that a network is fitted to."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from curbd.errors import UserError
from curbd.recording.ingest import ingest
from curbd.recording.perturbed import perturbations_of
from curbd.settings.recording import RecordingSettings
from tests.support.in_memory import trial_file

LASER = [{"column": "laser", "value": "on", "like": "off"}]


def settings(**keys: object) -> RecordingSettings:
    return RecordingSettings.model_validate({"perturbed": LASER} | keys)


def laser_file(path: Path, rates: np.ndarray, **columns: object):
    table = pd.DataFrame({"laser": ["off", "on"] * (len(rates) // 2)} | columns)
    return trial_file(path, rates, 0.05 * np.arange(rates.shape[1]), ["A"] * 3 + ["B"] * 3, table)


def test_what_happens_in_perturbed_trials_changes_nothing_but_themselves(tmp_path, rng) -> None:
    rates = rng.random((20, 30, 6))
    wild = rates.copy()
    wild[1::2] = 100 * rng.random((10, 30, 6))
    calm, stirred = (ingest(laser_file(tmp_path / "a.h5", data), settings(), "rec") for data in (rates, wild))
    recording = calm.recording
    np.testing.assert_array_equal(recording["rates"], rates[::2])
    assert recording.drop_attrs().identical(stirred.recording.drop_attrs())
    pd.testing.assert_frame_equal(calm.units, stirred.units)
    pd.testing.assert_frame_equal(calm.regions, stirred.regions)
    assert "10 of 20 trials hold a real perturbation" in recording.attrs["notes"]
    apart = stirred.perturbed
    assert apart is not None
    np.testing.assert_array_equal(apart["rates"], wild[1::2])
    np.testing.assert_array_equal(apart["scale"], recording["scale"])
    assert set(apart["perturbation"].values) == {"off"}


def test_the_kept_units_and_conditions_are_those_of_the_recording(tmp_path, rng) -> None:
    rates = rng.random((12, 20, 6))
    rates[:, :, 1] = 3.0
    file = laser_file(tmp_path / "a.h5", rates, side=["left", "left", "right"] * 4)
    keys = {"windows": {"conditions": ["side"]}, "units": {"min_per_region": 2}}
    session = ingest(file, settings(**keys), "rec")
    recording, apart = session.recording, session.perturbed
    assert apart is not None
    assert list(apart["unit_id"].values) == list(recording["unit_id"].values) == ["u0", "u2", "u3", "u4", "u5"]
    np.testing.assert_array_equal(apart["rates"].sel(unit="u4"), rates[1::2, :, 4])
    assert list(apart["condition"].values) == ["left", "left", "right"] * 2
    assert ingest(file, settings(**keys, perturbed=[]), "rec").perturbed is None


@pytest.mark.parametrize(
    ("cells", "value", "expected"),
    [
        (["on", "off"], "on", [True, False]),
        (["on", "off"], True, [True, False]),  # what YAML makes of an unquoted on
        ([True, False], True, [True, False]),
        ([1, 0], 1, [True, False]),
        ([0.5, 0.0], 0, [False, True]),
    ],
)
def test_the_value_is_compared_by_what_it_says(cells, value, expected) -> None:
    wanted = RecordingSettings.model_validate({"perturbed": [{"column": "laser", "value": value, "like": "x"}]})
    found = perturbations_of(pd.DataFrame({"laser": cells}), wanted.perturbed, "rec")
    assert list(found == "x") == expected


@pytest.mark.parametrize(
    ("entries", "cells", "message"),
    [
        ([{"column": "lasr", "value": "on", "like": "x"}], ["on", "off"], "did you mean 'laser'"),
        ([{"column": "laser", "value": "blue", "like": "x"}], ["on", "off"], "one of off, on"),
        ([{"column": "laser", "value": "on", "like": "x"}], ["on", "on"], "every trial"),
        (2 * [{"column": "laser", "value": "on", "like": "x"}], ["on", "off"], "one perturbation for each trial"),
    ],
)
def test_mistakes_are_reported(entries, cells, message) -> None:
    wanted = RecordingSettings.model_validate({"perturbed": entries})
    with pytest.raises(UserError, match=message):
        perturbations_of(pd.DataFrame({"laser": cells}), wanted.perturbed, "rec")


def test_blocks_of_continuous_data_are_not_trials(tmp_path, rng) -> None:
    file = trial_file(tmp_path / "a.h5", rng.random((1, 400, 6)), 0.05 * np.arange(400), ["A"] * 6)
    with pytest.raises(UserError, match="blocks of continuous data"):
        ingest(file, settings(), "rec")


def test_perturbed_trials_are_marked_by_several_columns() -> None:
    columns = pd.DataFrame({"light": ["blue", "blue", "yellow", "blue"], "genotype": ["TPH", "WT", "TPH", "TPH"]})
    entry = {"column": "light", "value": "blue", "like": "x", "where": {"genotype": ["TPH"]}}
    wanted = RecordingSettings.model_validate({"perturbed": [entry]})
    assert perturbations_of(columns, wanted.perturbed, "rec").tolist() == ["x", "", "", "x"]
    absent = RecordingSettings.model_validate({"perturbed": [entry | {"where": {"genotype": ["KO"]}}]})
    with pytest.raises(UserError, match="no trial with light blue and genotype KO"):
        perturbations_of(columns, absent.perturbed, "rec")
