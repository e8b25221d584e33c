"""Known inputs on the bins of the activity."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from curbd.errors import UserError
from curbd.recording.ingest import ingest
from curbd.recording.inputs import known_inputs, names_of_input
from curbd.recording.missing_inputs import over_holes
from curbd.recording.recording_file import RecordingFile
from curbd.recording.trials import TimeAxis, Trials
from curbd.recording.windows import trials_of
from curbd.settings.recording import Input, RecordingSettings, Windows
from tests.support.in_memory import series, spike_file, trial_file

TIME = np.arange(0.0, 6.01, 0.02)
"""Sample times of the series, s."""


@pytest.fixture
def file(tmp_path: Path) -> RecordingFile:
    trials = pd.DataFrame(
        {
            "start_time": [0.0, 2.0, 4.0],
            "stop_time": [1.0, 3.0, 5.0],
            "contrast": [0.5, np.nan, 1.0],
            "side": ["left", "right", ""],
            "go_time": [0.25, np.nan, 4.5],
            "end_time": [0.55, np.nan, 4.8],
        }
    )
    return spike_file(
        tmp_path / "rec.nwb",
        [np.arange(0, 6, 0.01)],
        ["a"],
        (0.0, 6.0),
        intervals={"trials": trials, "light": pd.DataFrame({"start_time": [0.25], "stop_time": [2.1]})},
        series={
            "ramp": series("ramp", TIME, TIME),
            "late": series("late", TIME[100:], TIME[100:]),
            "eye": series("eye", np.column_stack([TIME, -TIME]), TIME),
        },
    )


def lay(file: RecordingFile) -> Trials:
    return trials_of(file.intervals["trials"], "trials", Windows(table="trials"), TimeAxis((0.0, 6.0), 0.1), "rec")


def read(file: RecordingFile, *entries: Input) -> tuple[np.ndarray, list[str], list[str]]:
    trials = lay(file)
    return known_inputs(file, entries, trials, np.ones((3, 10), bool), "rec")


def test_a_series_is_averaged_in_each_bin(file: RecordingFile) -> None:
    values, names, _ = read(file, Input(name="ramp", series="ramp"), Input(name="eye", series="eye"))
    assert names == ["ramp", "eye_0", "eye_1"]
    # Samples 0.00 to 0.08 lie in the first bin.
    np.testing.assert_allclose(values[0, :3, 0], [0.04, 0.14, 0.24], atol=1e-9)
    np.testing.assert_allclose(values[2, 0], [4.04, 4.04, -4.04], atol=1e-9)


def test_intervals_give_the_covered_share(file: RecordingFile) -> None:
    values, names, _ = read(file, Input(name="light", interval="light"))
    assert names == ["light"]
    np.testing.assert_allclose(values[0, :, 0], [0, 0, 0.5, 1, 1, 1, 1, 1, 1, 1], atol=1e-9)
    np.testing.assert_allclose(values[1, :, 0], [1] + [0] * 9, atol=1e-9)


def test_trial_columns_are_held_and_texts_become_levels(file: RecordingFile) -> None:
    values, names, notes = read(file, Input(name="contrast", column="contrast"), Input(name="side", column="side"))
    assert names == ["contrast", "side_left", "side_right"]
    np.testing.assert_allclose(values[:, 4], [[0.5, 1, 0], [0, 0, 1], [1, 0, 0]])
    assert notes == [
        "input contrast: 1 of 3 trials have no contrast; 0 is used.",
        "input side: 1 of 3 trials have no side; 0 is used.",
    ]


def test_a_column_that_is_on_between_two_events(file: RecordingFile) -> None:
    values, _, _ = read(file, Input(name="go", column="contrast", start="go_time", stop="end_time"))
    np.testing.assert_allclose(values[0, :, 0], [0, 0, 0.25, 0.5, 0.5, 0.25, 0, 0, 0, 0], atol=1e-9)
    assert not values[1].any()
    np.testing.assert_allclose(values[2, :, 0], [0, 0, 0, 0, 0, 1, 1, 1, 0, 0], atol=1e-9)


def test_a_series_that_starts_late_is_refused_with_its_range(file: RecordingFile) -> None:
    with pytest.raises(UserError, match=r"no value of late in 10 of 30 bins.*lasts from 2 to 6 s.*from 0 to 5 s"):
        read(file, Input(name="late", series="late"))


def test_an_input_that_does_not_vary_is_told(tmp_path: Path, rng: np.random.Generator) -> None:
    time_s = np.arange(30) * 0.1
    inputs = np.broadcast_to(np.stack([np.full(30, 2.5), time_s], axis=1), (6, 30, 2))
    rates = rng.uniform(0, 20, (6, 30, 4))
    held = trial_file(tmp_path / "rec.h5", rates, time_s, ["A", "A", "B", "B"], inputs=inputs)
    settings = RecordingSettings(units={"min_per_region": 2})
    notes = ingest(held, settings, "rec").recording.attrs["notes"]
    assert "input in0: the value is 2.5 in all bins" in notes
    assert "input in1" not in notes


def test_no_activity_needs_no_input(file: RecordingFile) -> None:
    observed = np.ones((3, 10), bool)
    observed[0] = False
    values, _, _ = known_inputs(file, [Input(name="late", series="late")], lay(file), observed, "rec")
    assert np.isfinite(values).all()
    assert not values[0].any()


def test_unknown_names(file: RecordingFile) -> None:
    with pytest.raises(
        UserError, match=r"inputs\[0\] \(x\).series: found unknown time series 'rampp'.*did you mean 'ramp'"
    ):
        read(file, Input(name="x", series="rampp"))
    with pytest.raises(UserError, match=r"unknown interval table 'lights', expected one of light, trials"):
        read(file, Input(name="x", interval="lights"))
    with pytest.raises(UserError, match=r"unknown column 'sid'"):
        read(file, Input(name="x", column="sid"))


def test_an_input_with_delays_acts_later_than_it_is_measured(file: RecordingFile) -> None:
    entry = Input(name="ramp", series="ramp", lags_s=[0, 0.2, -0.1])
    # The ramp begins with the first trial, in which a delayed input is not known.
    observed = np.repeat([[False], [True], [True]], 10, axis=1)
    values, names, _ = known_inputs(file, [entry], lay(file), observed, "rec")
    assert names == ["ramp", "ramp_lag_0.2s", "ramp_lag_-0.1s"]
    # The trial begins at 2 s, and a ramp holds the time itself.
    np.testing.assert_allclose(values[1, :, 0] - values[1, :, 1], 0.2, atol=1e-9)
    np.testing.assert_allclose(values[1, :, 2] - values[1, :, 0], 0.1, atol=1e-9)
    light, _, _ = read(file, Input(name="light", interval="light", lags_s=[0, 0.2]))
    np.testing.assert_allclose(light[0, 2:, 1], light[0, :-2, 0], atol=1e-9)
    cue, _, _ = read(file, Input(name="cue", column="side", start="go_time", stop="end_time", lags_s=[0.2]))
    now, _, _ = read(file, Input(name="cue", column="side", start="go_time", stop="end_time"))
    np.testing.assert_allclose(cue[:, 2:], now[:, :-2], atol=1e-9)
    assert names_of_input(file, entry, lay(file), "rec") == names


def test_delays_of_a_constant_are_a_mistake() -> None:
    with pytest.raises(ValueError, match="constant over a trial"):
        Input(name="contrast", column="contrast", lags_s=[0, 0.1])
    with pytest.raises(ValueError, match="every delay only once"):
        Input(name="ramp", series="ramp", lags_s=[0.1, 0.1])


def test_short_holes_of_an_input_are_interpolated_and_long_ones_are_left(rng: np.random.Generator) -> None:
    """Blinks: at most half a second in the middle of a trial, or at one of its ends."""
    line = np.linspace(0.0, 39.0, 40)
    values = np.tile(line[:, None], (3, 1, 2))
    values[0, [4, 5, 6, 7, 8, 20], 0] = np.nan
    values[1, :3, 1] = np.nan
    values[2, 10:16, 0] = np.nan
    filled, n_filled = over_holes(values, np.ones((3, 40), bool), dt_s=0.1)
    np.testing.assert_allclose(filled[0, :, 0], line)
    np.testing.assert_array_equal(filled[1, :3, 1], 3.0)
    assert np.isnan(filled[2, 10:16, 0]).all()
    assert n_filled == 9


def test_a_series_with_a_long_hole_is_refused_with_its_reason(file: RecordingFile) -> None:
    holed = np.where(((TIME > 2.2) & (TIME < 2.95))[:, None], np.nan, np.column_stack([TIME, -TIME]))
    file.series["eye"] = series("eye", holed, TIME)
    with pytest.raises(UserError, match=r"no value of eye_0 in 8 of 30 bins.*holes of more than 0.5 s"):
        read(file, Input(name="eye", series="eye"))
