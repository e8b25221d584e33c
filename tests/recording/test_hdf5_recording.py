"""Plain HDF5 recordings: the layout, its mappings, the truth of teacher files, and messages."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from curbd.errors import UserError
from curbd.recording import open_recording
from curbd.recording.recording_file import BinnedTrials, Series
from curbd.settings.recording import RecordingSettings

TRIALS, TIMES, UNITS, INPUTS = 4, 10, 3, 2


@pytest.fixture
def content(rng) -> dict:
    """Datasets of a complete file in the plain layout."""
    return {
        "rates": rng.random((TRIALS, TIMES, UNITS)),
        "time": np.arange(TIMES) * 0.05 - 0.1,
        "region": np.array(["a", "b", "b"], dtype=object),
        "unit_id": np.array(["u1", "u2", "u3"], dtype=object),
        "cell_type": np.array(["exc", "I", ""], dtype=object),
        "position": rng.random((UNITS, 3)),
        "inputs": rng.random((TRIALS, TIMES, INPUTS)),
        "input_name": np.array(["light", "tone"], dtype=object),
        "trial/contrast": np.array([0, 1, 0, 1]),
        "trial/side": np.array(["left", "right", "left", "left"], dtype=object),
    }


@pytest.fixture
def save(tmp_path: Path):
    def write(content: dict, attributes: dict | None = None, name: str = "recording.h5") -> Path:
        with h5py.File(tmp_path / name, "w") as file:
            for key, values in content.items():
                file[key] = values
            for key, value in (attributes or {}).items():
                *group, attribute = key.rsplit("/", 1)
                file.require_group(group[0] if group else "/").attrs[attribute] = value
        return tmp_path / name

    return write


def open_file(path: Path, **settings):
    return open_recording(path, "hdf5", RecordingSettings.model_validate(settings), name="rec")


def test_the_plain_layout(content, save):
    with open_file(save(content)) as opened:
        assert isinstance(opened.activity, BinnedTrials)
        np.testing.assert_array_equal(opened.activity.read(), content["rates"])
        np.testing.assert_array_equal(opened.activity.time_s, content["time"])
        np.testing.assert_array_equal(opened.activity.inputs(), content["inputs"])
        assert opened.activity.input_names == ("light", "tone")
        assert list(opened.activity.trials["side"]) == ["left", "right", "left", "left"]
        assert list(opened.activity.trials["contrast"]) == [0, 1, 0, 1]
        units = opened.units
        assert list(units["unit_id"]) == ["u1", "u2", "u3"]
        assert list(units["region"]) == ["a", "b", "b"]
        assert set(units["region_source"]) == {"hdf5:region"}
        assert list(units["cell_type"]) == ["excitatory", "inhibitory", "unknown"]
        np.testing.assert_array_equal(units[["x", "y", "z"]].astype(float), content["position"])
        assert not opened.already_phi
        assert opened.truth is None


def test_what_is_optional_may_be_missing(content, save):
    with open_file(save({key: content[key] for key in ("rates", "time", "region")})) as opened:
        assert opened.activity.inputs().shape == (TRIALS, TIMES, 0)
        assert opened.activity.trials.shape == (TRIALS, 0)
        assert list(opened.units["unit_id"]) == ["0", "1", "2"]
        assert set(opened.units["cell_type"]) == {"unknown"}
        assert opened.units["x"].isna().all()


@pytest.mark.parametrize("dims", [("unit", "trial", "time"), ("time", "unit", "trial")])
def test_axes_in_any_order(content, save, dims):
    plain = ("trial", "time", "unit")
    content["rates"] = content["rates"].transpose([plain.index(dim) for dim in dims])
    expected = content["rates"].transpose([dims.index(dim) for dim in plain])
    with open_file(save(content), hdf5={"dims": dims}) as opened:
        np.testing.assert_array_equal(opened.activity.read(), expected)


def test_one_continuous_stretch(content, save, rng):
    content["rates"] = rng.random((TIMES, UNITS))
    content["inputs"] = content["inputs"][0]
    content["pupil"] = np.arange(TIMES)
    del content["trial/contrast"], content["trial/side"]
    content |= {"trial/start_time": [0.0, 0.2], "trial/stop_time": [0.1, 0.3]}
    with open_file(save(content)) as opened:
        assert isinstance(opened.activity, Series)
        np.testing.assert_array_equal(opened.activity.read(2, 5), content["rates"][2:5])
        assert set(opened.series) == {"light", "tone", "pupil"}
        np.testing.assert_array_equal(opened.series["tone"].read(1, 3), content["inputs"][1:3, 1:])
        assert list(opened.intervals["trial"]["stop_time"]) == [0.1, 0.3]


def test_cell_arrays_of_matlab_are_followed(content, save):
    path = save(content)
    with h5py.File(path, "a") as file:
        cells = [
            file.create_dataset(f"#refs#/{n}", data=np.array([[ord(c)] for c in t], "uint16"))
            for n, t in enumerate(["V1", "V1", "LM"])
        ]
        file.create_dataset("areas", data=np.array([[cell.ref for cell in cells]], dtype=h5py.ref_dtype))
    with open_file(path, hdf5={"region": "areas"}) as opened:
        assert list(opened.units["region"]) == ["V1", "V1", "LM"]


def test_structured_arrays_are_tables_of_units_and_trials(content, save):
    del content["region"], content["unit_id"], content["trial/contrast"], content["trial/side"]
    units = [(7, b"V1", 0.5), (8, b"V1", 0.25), (9, b"LM", 0.75)]
    content["neurons"] = np.array(units, dtype=[("id", "i4"), ("area", "S4"), ("depth", "f8")])
    trials = [(index, side) for index, side in enumerate([b"left", b"right", b"left", b"left"])]
    content["trials"] = np.array(trials, dtype=[("number", "i2"), ("side", "S5")])
    content["comment"] = h5py.Empty("f8")
    layout = {"region": "neurons/area", "unit_id": "neurons/id", "trial": "trials"}
    with open_file(save(content), hdf5=layout) as opened:
        assert list(opened.units["region"]) == ["V1", "V1", "LM"]
        assert list(opened.units["unit_id"]) == ["7", "8", "9"]
        assert list(opened.activity.trials["side"]) == ["left", "right", "left", "left"]


def test_trial_columns_of_another_shape_cost_themselves_only(content, save):
    content |= {
        "trial/target": np.arange(8.0).reshape(4, 2),
        "trial/note": np.arange(3),
        "trial/video": np.ones((4, 9)),
    }
    with open_file(save(content)) as opened:
        assert list(opened.activity.trials["target"]) == ["0.0, 1.0", "2.0, 3.0", "4.0, 5.0", "6.0, 7.0"]
        assert set(opened.activity.trials) == {"contrast", "side", "target"}
        left_out = [note for note in opened.notes if "is left out" in note]
    assert any(note.startswith("trial/note is left out: it has the shape (3,)") for note in left_out)
    assert any(note.startswith("trial/video is left out") for note in left_out)


def test_trial_columns_of_which_none_fits_are_a_mistake(content, save):
    content |= {"trial/contrast": np.arange(3), "trial/side": np.arange(3)}
    with pytest.raises(UserError, match=r"trial/contrast: found shape \(3,\), expected \(4,\).*hdf5.trial to null"):
        open_file(save(content))


def test_only_what_is_asked_for_is_read(content, save):
    """A terabyte that was never written: reading all of it, or all its times, would not fit into any memory."""
    path = save({"region": content["region"]})
    samples = 40_000_000_000
    with h5py.File(path, "a") as file:
        file.create_dataset("rates", (samples, UNITS), "f8", chunks=(1000, UNITS), fillvalue=0.5)
        file.create_dataset("pupil", (samples,), "f8", chunks=(1000,))
    with open_file(path, hdf5={"sampling_rate_hz": 1000.0}) as opened:
        np.testing.assert_array_equal(opened.activity.read(samples - 2, samples), np.full((2, UNITS), 0.5))
        assert opened.series["pupil"].read(5, 7).shape == (2, 1)


def test_zebrafish_by_a_mapping(recordings: Path):
    layout = {"rates": "fluorescence", "dims": ["unit", "time"], "region": "region/acronym", "sampling_rate_hz": 1.0}
    path = recordings / "zebrafish_fish6.h5"
    with open_file(path, hdf5=layout) as opened:
        assert opened.activity.columns == 70
        assert opened.activity.time_s().size == 892
        with h5py.File(path, "r", locking=False) as file:
            np.testing.assert_array_equal(opened.activity.read(100, 103), file["fluorescence"][:, 100:103].T)
        assert opened.units["region"].nunique() == 70
        assert {"Pit", "RH", "GG"} <= set(opened.units["region"])


def test_the_truth_of_a_teacher(content, save, rng):
    content |= {
        "truth/J": rng.random((UNITS, UNITS)),
        "truth/B": rng.random((UNITS, INPUTS)),
        "truth/b": rng.random(UNITS),
    }
    attributes = {"truth/tau_s": 0.1, "truth/dt_s": 0.05, "truth/substeps": 5}
    with open_file(save(content, attributes)) as opened:
        np.testing.assert_array_equal(opened.truth.J, content["truth/J"])
        np.testing.assert_array_equal(opened.truth.B, content["truth/B"])
        np.testing.assert_array_equal(opened.truth.b, content["truth/b"])
        assert (opened.truth.tau_s, opened.truth.dt_s, opened.truth.substeps) == (0.1, 0.05, 5)
        assert opened.truth.drive is None


def test_a_truth_without_bias_substeps_and_inputs(content, save, rng):
    del content["inputs"], content["input_name"]
    content["truth/J"] = rng.random((UNITS, UNITS))
    with open_file(save(content, {"truth/tau_s": 0.1, "truth/dt_s": 0.05})) as opened:
        assert opened.truth.B.shape == (UNITS, 0)
        assert not opened.truth.b.any()
        assert opened.truth.substeps == 1


def test_model_rates_are_taken_as_they_are(content, save):
    with open_file(save(content, {"activity": "model"})) as opened:
        assert opened.already_phi
        np.testing.assert_array_equal(opened.activity.read(), content["rates"])
    content["rates"][0, 0, 0] = 1.5
    with (
        open_file(save(content, {"activity": "model"})) as opened,
        pytest.raises(UserError, match=r"values up to 1.5 with.*\(-1, 1\)"),
    ):
        opened.activity.read()


def test_selection_by_any_dataset_of_units(content, save):
    content["quality"] = np.array([1.0, 2.0, 1.0])
    with open_file(save(content), units={"select": {"quality": [1]}}) as opened:
        assert list(opened.units["reason"]) == ["", "quality is 2", ""]
    with pytest.raises(UserError, match=r"unknown column 'depth'"):
        open_file(save(content), units={"select": {"depth": [1]}})


def change(**values):
    return lambda content: content.update({key: np.asarray(value) for key, value in values.items()})


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda c: c.pop("rates"), r"rates: found no such dataset \(the file holds .*region.*hdf5.rates"),
        (lambda c: c.pop("time"), "no dataset of times and no sampling rate.*because a rate is never guessed"),
        (lambda c: c.pop("region"), "no region label anywhere"),
        (change(rates=np.zeros((TRIALS, TIMES, 0))), "an empty dataset"),
        (change(rates=np.zeros(TIMES)), r"float64 of shape \(10,\), expected numbers \(trial, time, unit\)"),
        (change(time=np.arange(9.0)), "time: found 9 times, expected 10"),
        (change(time=np.zeros(TIMES)), "times that are not finite or do not increase"),
        (change(unit_id=np.arange(2)), "unit_id: found 2 values, expected 3"),
        (change(position=np.zeros((UNITS, 2))), r"position: found shape \(3, 2\), expected \(3, 3\)"),
        (
            change(inputs=np.zeros((TRIALS, 9, INPUTS))),
            r"inputs of shape \(4, 9, 2\), which does not agree with the shape of the activity",
        ),
        (change(input_name=np.array([b"light"])), "input_name: found light, expected 2 different names"),
        (change(time=np.arange(11.0)), r"11 times, expected 10.*edges of the bins: write their centres"),
        (change(time=np.zeros((TRIALS, TIMES))), r"40 times of shape \(4, 10\).*write the times of one trial"),
        (change(time=np.array([b"12:30"] * TIMES)), r"time: found texts, such as '12:30', expected numbers of seconds"),
        (change(**{"truth/J": np.zeros((2, 2))}), "truth: found missing attributes: tau_s, dt_s"),
    ],
)
def test_files_that_cannot_be_used_are_reported(content, save, damage, message):
    damage(content)
    with pytest.raises(UserError, match=message):
        open_file(save(content))


def test_a_drive_of_another_length_is_reported(content, save, rng):
    content |= {"truth/J": rng.random((UNITS, UNITS)), "truth/drive": np.zeros((TRIALS, 9, UNITS))}
    with pytest.raises(UserError, match=r"truth/drive: found shape \(4, 9, 3\), expected \(4, 10, 3\)"):
        open_file(save(content, {"truth/tau_s": 0.1, "truth/dt_s": 0.05}))


def test_a_truth_of_another_size_is_reported(content, save):
    content["truth/J"] = np.zeros((2, 2))
    with pytest.raises(UserError, match=r"truth/J: found shape \(2, 2\), expected \(3, 3\)"):
        open_file(save(content, {"truth/tau_s": 0.1, "truth/dt_s": 0.05}))


def test_the_other_axis_order_is_proposed(recordings: Path):
    layout = {"rates": "fluorescence", "region": "region/acronym", "sampling_rate_hz": 1.0}
    with pytest.raises(UserError, match=r"found 70 values, expected 892.*in another order, give it under hdf5.dims"):
        open_file(recordings / "zebrafish_fish6.h5", hdf5=layout)


def test_a_stated_rate_is_mentioned_and_not_used(recordings: Path):
    layout = {"rates": "fluorescence", "dims": ["unit", "time"], "region": "region/acronym"}
    with pytest.raises(UserError, match=r"the file has an attribute sampling_rate_hz = 1.0"):
        open_file(recordings / "zebrafish_fish6.h5", hdf5=layout)


def test_dims_that_do_not_fit_the_shape(content, save):
    with pytest.raises(UserError, match=r"hdf5.dims: found time, unit for rates of shape"):
        open_file(save(content), hdf5={"dims": ["time", "unit"]})


def test_a_group_of_region_columns_is_reported(recordings: Path):
    layout = {"rates": "fluorescence", "dims": ["unit", "time"], "sampling_rate_hz": 1.0}
    with pytest.raises(
        UserError, match=r"found the group 'region', expected a dataset .one of region/acronym, region/name"
    ):
        open_file(recordings / "zebrafish_fish6.h5", hdf5=layout)


def test_an_nwb_file_opened_as_hdf5_is_reported(recordings: Path):
    with pytest.raises(UserError, match=r"it is an NWB file: set its format to nwb"):
        open_file(recordings / "A8604-211122.nwb")


def test_a_file_that_is_not_hdf5(tmp_path):
    (tmp_path / "rates.h5").write_bytes(b"no signature" * 50)
    with pytest.raises(UserError, match=r"a file that is not HDF5"):
        open_file(tmp_path / "rates.h5")
