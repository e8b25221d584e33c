"""Whether a recording holds enough data, told before anything is fitted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from curbd import teachers
from curbd.recording.file_check import check_file
from curbd.recording.ingest import ingest_file
from curbd.recording.inspection import inspect
from curbd.recording.sufficiency import Amount, amount_of_recording, expected_amount, shortages
from curbd.settings.recording import RecordingSettings
from curbd.teachers import multi_region

ENOUGH = Amount(units={"A": 20, "B": 29}, bins=500, inputs=0, trials={"left": 20, "right": 20})


def test_enough_data_are_not_remarked_on() -> None:
    assert shortages(ENOUGH) == []


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        # 50 weights per unit: 49 units and the bias.
        ({"bins": 100}, ["2.0 training bins per weight", "at most 19 units", "2.5 times as many bins"]),
        ({"units": {"A": 20, "B": 4}}, ["fewer than 10 units in B (4)"]),
        ({"units": dict.fromkeys("ABC", 1) | {"D": 10}}, ["3 of 4 regions have one unit", "regions.merge"]),
        ({"units": {"A": 20}}, ["only one region (A)", "no pathway between regions"]),
        ({"bins": 249}, ["4.98 training bins per weight", "1.1 times as many bins"]),
        ({"trials": {"left": 20, "right": 2}}, ["1 of 2 conditions have fewer than 4 training trials"]),
    ],
)
def test_each_shortage_is_told_in_one_sentence(change: dict[str, object], expected: list[str]) -> None:
    (text,) = shortages(ENOUGH._replace(**change))
    assert all(part in text for part in expected), text


def test_units_and_bins_that_the_sentence_asks_for_are_enough() -> None:
    few = ENOUGH._replace(bins=100)
    assert shortages(few._replace(units={"A": 10, "B": 9}), ["single units"]) == []
    assert shortages(few._replace(bins=250)) == []


def test_check_ingest_and_inspect_tell_the_same_before_a_fit(tmp_path: Path) -> None:
    path = tmp_path / "short.h5"
    teachers.write_hdf5(multi_region(units=12, trials=10, samples=12, seed=0), path)
    recording = ingest_file(path, RecordingSettings()).recording
    amount = amount_of_recording(recording)
    train = recording["split"].values == "train"
    assert amount.bins == train.sum() * 11
    told = shortages(amount)
    assert any("training bins per weight" in text for text in told)
    assert [remark.split(": ", 1)[1] for remark in check_file(path, "hdf5", RecordingSettings(), "short").remarks][
        -len(told) :
    ] == told
    assert "no pathway between single units can be resolved" in inspect(path)


def test_the_expected_amount_counts_pairs_of_bins_inside_trials() -> None:
    inside = np.zeros((10, 8), dtype=bool)
    inside[:, 2:6] = True
    amount = expected_amount(np.array(["A", "A", "B"]), inside, np.repeat(["x", "y"], 5), inputs=1, test_fraction=0.2)
    assert amount == Amount(units={"A": 2, "B": 1}, bins=24, inputs=1, trials={"x": 4, "y": 4})
