"""Trials and blocks."""

import numpy as np
import pandas as pd
import pytest

from curbd.errors import UserError
from curbd.recording.trials import TimeAxis, Trials
from curbd.recording.windows import conditions, trials_of
from curbd.settings.recording import Windows

SPAN = (0.0, 100.0)


def table() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "start_time": [0.0, 10.0, 20.0, 30.0],
            "stop_time": [5.0, 17.0, 26.0, 34.5],
            "choice_time": [1.0, np.nan, 22.0, 31.03],
            "side": ["left", "right", "left", "right"],
            "rewarded": [1, 0, 1, 1],
            "tags": ["wake", "sleep", "wake, quiet", "wake"],
        }
    )


def lay(settings: Windows, span_s: tuple[float, float] = SPAN) -> Trials:
    return trials_of(table(), "trials", settings, TimeAxis(span_s, 0.05, 0.4), "rec")


def test_ragged_trials_share_one_axis() -> None:
    trials = lay(Windows(table="trials"))
    assert trials.inside.sum(axis=1).tolist() == [100, 140, 120, 90]
    assert trials.time_s[0] == 0.025
    assert trials.time_s[-1] == 6.975
    np.testing.assert_allclose(trials.edges_s()[1, [0, -1]], [10.0, 17.0])


def test_alignment_offsets_and_absent_events() -> None:
    trials = lay(Windows(table="trials", align="choice_time", start_s=-0.5, stop_s=1.0))
    np.testing.assert_allclose(trials.zero_s, [1.0, 22.0, 31.03])
    assert len(trials.bins) == 30
    assert trials.bins[0] == -10
    assert trials.inside.all()
    assert "1 of 4 rows are left out, without a time in choice_time" in trials.notes[0]


def test_own_ends_relative_to_an_event() -> None:
    trials = lay(Windows(table="trials", align="choice_time"))
    # Whole bins between the ends of the third interval, 31.03 - 1.03 to 31.03 + 3.47.
    assert (trials.first[2], trials.last[2]) == (-20, 69)


def test_select_matches_numbers_texts_and_lists() -> None:
    assert len(lay(Windows(table="trials", select={"rewarded": [1.0]}))) == 3
    assert lay(Windows(table="trials", select={"tags": ["wake"]})).columns["side"].tolist() == ["left", "left", "right"]
    with pytest.raises(UserError, match=r"column side: found no row with up, expected one of the values left, right"):
        lay(Windows(table="trials", select={"side": ["up"]}))


def test_unknown_columns_are_named_with_a_guess() -> None:
    with pytest.raises(UserError, match=r"windows.align.*unknown column 'choise_time'.*did you mean 'choice_time'"):
        lay(Windows(table="trials", align="choise_time"))
    with pytest.raises(
        UserError, match=r"windows.conditions: found unknown column 'sides', expected one of start_time"
    ):
        conditions(table(), ["sides"], "rec")


def test_windows_outside_the_recording() -> None:
    with pytest.raises(
        UserError, match=r"windows from 0 to 34.5 s, expected time windows inside the recording, 500 to 900"
    ):
        lay(Windows(table="trials"), span_s=(500.0, 900.0))
    some = lay(Windows(table="trials"), span_s=(5.0, 28.0))
    assert some.zero_s.tolist() == [10.0, 20.0]
    assert "2 of 4 rows are left out, outside the recording" in some.notes[0]


def test_conditions() -> None:
    assert conditions(table(), [], "rec").tolist() == ["all"] * 4
    assert conditions(table(), ["rewarded"], "rec").tolist() == ["1", "0", "1", "1"]
    assert conditions(table(), ["side", "rewarded"], "rec")[1] == "side=right, rewarded=0"


def test_blocks_of_each_interval_keep_their_gaps() -> None:
    trials = lay(Windows(table="trials", continuous=True, block_s=2.0, gap_s=0.5))
    starts, stops = trials.zero_s, trials.zero_s + (trials.last - trials.first) * 0.05
    np.testing.assert_allclose(starts[:2], [0.0, 2.5])
    assert trials.columns["side"].tolist()[:2] == ["left", "left"]
    for (_, row), inside in zip(table().iterrows(), [2, 3, 3, 2], strict=True):
        mine = (starts >= row.start_time) & (stops <= row.stop_time + 1e-9)
        assert mine.sum() == inside
    assert (starts[1:] - stops[:-1]).min() >= 0.5 - 1e-9


def test_blocks_of_short_data_are_ten_and_the_gap_follows_the_smoothing() -> None:
    rows = pd.DataFrame({"start_time": [0.0], "stop_time": [60.0]})
    trials = trials_of(rows, "the whole recording", Windows(), TimeAxis((0.0, 60.0), 0.05, 0.4), "rec")
    assert len(trials) == 10
    assert np.diff(trials.zero_s).min() == pytest.approx((trials.last - trials.first).max() * 0.05 + 0.4)


def test_a_single_trial_is_cut_into_blocks_and_says_so() -> None:
    rows, axis = pd.DataFrame({"start_time": [0.0], "stop_time": [60.0]}), TimeAxis((0.0, 60.0), 0.05)
    trials = trials_of(rows, "trials", Windows(table="trials"), axis, "rec")
    assert len(trials) == 10
    assert "only trial is cut" in trials.notes[0]
    with pytest.raises(UserError, match="at least two blocks"):
        trials_of(rows.assign(stop_time=0.1), "trials", Windows(table="trials"), axis, "rec")


def test_times_from_the_start_of_each_trial_are_no_times_of_the_recording() -> None:
    """A column of reaction times would put all windows into the first seconds of the recording."""
    relative = table().assign(go_time=[0.5, 0.75, 1.0, 0.5])
    settings = Windows(table="trials", align="go_time", stop_s=1.0)
    with pytest.raises(UserError, match=r"0.5 to 1 in go_time.*as times from start_time.*write start_time \+ go_time"):
        trials_of(relative, "trials", settings, TimeAxis(SPAN, 0.05), "rec")


@pytest.mark.parametrize(("silence_s", "n_trials"), [(0.0, 3), (0.5, 4)])
def test_a_trial_that_begins_shortly_before_the_first_spike_is_used(silence_s: float, n_trials: int) -> None:
    axis = TimeAxis((0.3, 100.0), 0.05, silence_s=silence_s)
    trials = trials_of(table(), "trials", Windows(table="trials"), axis, "rec")
    assert len(trials) == n_trials
