"""Random recordings, written as files and read back, hold what a plain slow reader finds in the same numbers."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pynwb import NWBHDF5IO, NWBFile

from curbd.errors import UserError
from curbd.recording.ingest import Session, ingest_file
from curbd.recording.inspection import inspect
from curbd.settings.recording import RecordingSettings

Array = np.ndarray
WIDTH_S = 0.1
STOP_S = 12.0


def few(n_examples: int) -> settings:
    """The same few examples in every run: each of them writes a file."""
    return settings(
        max_examples=n_examples,
        derandomize=True,
        deadline=None,
        database=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture],
    )


def numbers(draw: st.DrawFn) -> np.random.Generator:
    return np.random.default_rng(draw(st.integers(0, 2**32 - 1)))


# --- NWB --------------------------------------------------------------------------------------------------------------


@st.composite
def spiking_sessions(draw: st.DrawFn) -> dict[str, Any]:
    """Spikes, labels and trials of a session, and how a file writes them."""
    rng = numbers(draw)
    n_units, n_trials = draw(st.integers(3, 6)), draw(st.integers(5, 9))
    spikes = []
    for _ in range(n_units):
        # In the middle of milliseconds, so that no spike lies on the edge of a bin.
        ticks = rng.choice(int(STOP_S * 1000), size=draw(st.integers(40, 120)), replace=False)
        times = np.r_[0.0005, (ticks + 0.5) / 1000, STOP_S - 0.0005]
        spikes.append(times)
    start = np.round(0.3 + 1.2 * np.arange(n_trials), 1)
    stop = start + np.round(rng.integers(3, 11, n_trials) / 10, 1)
    return {
        "rng": rng,
        "spikes": spikes,
        "regions": [str(label) for label in rng.choice(["A", "B", "C"], n_units)],
        "start": start,
        "stop": stop,
        "absent": rng.random(n_trials) < draw(st.sampled_from([0.0, 0.2])),
        "side": rng.integers(0, 2, n_trials),
        "labels_in": draw(st.sampled_from(["column", "electrodes", "peak", "group"])),
        "coded": draw(st.booleans()),
        "unit": draw(st.sampled_from(["", "ms", "seconds"])),
        "unsorted": draw(st.booleans()),
        "repeated": draw(st.booleans()),
        "not_finite": draw(st.booleans()),
        "without_electrode": draw(st.booleans()),
    }


def write_nwb(made: dict[str, Any], path: Path) -> Path:
    rng = made["rng"]
    nwbfile = NWBFile("a test", "identifier", datetime(2020, 1, 1, tzinfo=UTC))
    n_units, place = len(made["spikes"]), made["labels_in"]
    groups = {}
    for label in sorted(set(made["regions"])):
        device = nwbfile.create_device(f"probe of {label}")
        location = label if place == "group" else "unknown"
        groups[label] = nwbfile.create_electrode_group(f"shank of {label}", "a shank", location, device)
    # Electrodes in an order of their own: that of a unit is found by the reference alone.
    order = rng.permutation(n_units)
    if place in ("electrodes", "peak"):
        for unit in order:
            nwbfile.add_electrode(group=groups[made["regions"][unit]], location=made["regions"][unit])
    if place == "column":
        nwbfile.add_unit_column("location", "region")
    if place == "peak":
        nwbfile.add_unit_column("peak_channel", "electrode of the largest spikes")
    for unit, times in enumerate(made["spikes"]):
        written = np.r_[times, times[:3]] if made["repeated"] else times
        written = np.r_[written, np.nan] if made["not_finite"] else written
        written = rng.permutation(written) if made["unsorted"] else np.sort(written)
        row = int(np.flatnonzero(order == unit)[0])
        more: dict[str, Any] = {
            "column": {"location": made["regions"][unit]},
            "electrodes": {"electrodes": [row, row]},
            "peak": {"peak_channel": row},
            "group": {"electrode_group": groups[made["regions"][unit]]},
        }[place]
        nwbfile.add_unit(spike_times=written * (1000 if made["unit"] == "ms" else 1), **more)
    nwbfile.add_trial_column("cue_time", "time of a cue")
    for start, stop, absent in zip(made["start"], made["stop"], made["absent"], strict=True):
        nwbfile.add_trial(start_time=start, stop_time=stop, cue_time=np.nan if absent else start)
    if made["coded"]:
        nwbfile.trials.add_column("side", "side", data=made["side"].astype(np.uint8), enum=["left", "right"])
    else:
        nwbfile.trials.add_column("side", "side", data=[["left", "right"][side] for side in made["side"]])
    with NWBHDF5IO(path, "w") as io:
        io.write(nwbfile)
    with h5py.File(path, "a") as file:
        if made["unit"]:
            file["units/spike_times"].attrs["unit"] = made["unit"]
        if made["without_electrode"] and place == "electrodes":
            file["units/electrodes"][:2] = -1
    return path


@few(20)
@given(spiking_sessions())
def test_spikes_of_nwb_files(tmp_path_factory: pytest.TempPathFactory, made: dict[str, Any]) -> None:
    path = write_nwb(made, tmp_path_factory.mktemp("nwb") / "rec.nwb")
    session = ingest_file(
        path,
        RecordingSettings.model_validate(
            {
                "bin_width_s": WIDTH_S,
                "smoothing_s": 0,
                "windows": {"table": "trials", "align": "cue_time", "conditions": ["side"]},
                "units": {"min_per_region": 1, "min_rate_hz": 0},
            }
        ),
    )
    units, recording = session.units, session.recording
    first_has_none = made["without_electrode"] and made["labels_in"] == "electrodes"
    for unit, label in enumerate(made["regions"]):
        assert units["region"].iloc[unit] == ("" if unit == 0 and first_has_none else label)
        assert units["reason"].iloc[unit] in ("", "no region label", "constant", "constant in the training trials")
    kept = np.flatnonzero(units["kept"])
    trials = [trial for trial in range(len(made["start"])) if not made["absent"][trial]]
    assert recording["condition"].values.tolist() == [["left", "right"][made["side"][trial]] for trial in trials]
    for row, trial in enumerate(trials):
        n_bins = round((made["stop"][trial] - made["start"][trial]) / WIDTH_S)
        for column, unit in enumerate(kept):
            counts = [
                sum(
                    made["start"][trial] + k * WIDTH_S < time < made["start"][trial] + (k + 1) * WIDTH_S
                    for time in made["spikes"][unit]
                )
                for k in range(n_bins)
            ]
            rates = recording["rates"].values[row, :, column]
            np.testing.assert_allclose(rates[:n_bins], np.array(counts) / WIDTH_S, rtol=1e-9)
            assert np.isnan(rates[n_bins:]).all()


# --- plain HDF5 -------------------------------------------------------------------------------------------------------


@st.composite
def binned_files(draw: st.DrawFn) -> dict[str, Any]:
    """Rates of trials or of one stretch, and how a file writes them."""
    rng = numbers(draw)
    n_trials, n_bins, n_units = draw(st.integers(4, 7)), draw(st.integers(12, 20)), draw(st.integers(3, 5))
    rates = rng.integers(0, 2000, (n_trials, n_bins, n_units)).astype(float)
    for trial in range(n_trials):
        rates[trial, rng.integers(n_bins - 4, n_bins + 1) :] = np.nan
    rates[rng.random((n_trials, n_bins)) < draw(st.sampled_from([0.0, 0.1]))] = np.nan
    return {
        "rates": rates,
        "regions": [str(label) for label in rng.choice(["A", "B"], n_units)],
        "cue": rng.integers(0, 3, n_trials),
        "dims": draw(st.permutations(["trial", "time", "unit"])),
        "as_integers": draw(st.booleans()),
        "milliseconds": draw(st.booleans()),
        "matlab": draw(st.booleans()),
        "first_code": draw(st.sampled_from([0, 1])),
    }


def write_hdf5(made: dict[str, Any], path: Path) -> Path:
    names = ["trial", "time", "unit"]
    values = made["rates"].transpose([names.index(dim) for dim in made["dims"]])
    time = (np.arange(made["rates"].shape[1]) + 0.5) * WIDTH_S
    with h5py.File(path, "w") as file:
        if made["as_integers"]:
            stored = np.where(np.isnan(values), -32768, values).astype(np.int16)
            file["rates"] = stored
            file["rates"].attrs.update(scale_factor=0.5, add_offset=1.0, _FillValue=np.int16(-32768))
        else:
            file["rates"] = values * 0.5 + 1.0
        file["time"] = time * 1000 if made["milliseconds"] else time
        file["time"].attrs["units"] = "ms" if made["milliseconds"] else "s"
        labels = np.array(made["regions"], dtype="S1")
        file["region"] = labels[:, None] if made["matlab"] else labels
        codes = made["cue"] + made["first_code"]
        file["trial/cue"] = codes[:, None] if made["matlab"] else codes
        file["trial/cue"].attrs["levels"] = ["go", "stop", "wait"]
    return path


def session_of(made: dict[str, Any], path: Path) -> Session:
    keys = {
        "hdf5": {"dims": made["dims"]},
        "windows": {"conditions": ["cue"]},
        "units": {"min_per_region": 1, "max_missing": 1},
    }
    return ingest_file(path, RecordingSettings.model_validate(keys))


@few(25)
@given(binned_files())
def test_trials_of_hdf5_files(tmp_path_factory: pytest.TempPathFactory, made: dict[str, Any]) -> None:
    if made["first_code"] == 1 and set(made["cue"]) != {0, 1, 2}:
        # Codes from 1 are recognised where both ends of the list are there.
        made["cue"][:2] = [0, 2]
    session = session_of(made, write_hdf5(made, tmp_path_factory.mktemp("hdf5") / "rec.h5"))
    recording = session.recording
    assert session.units["region"].tolist() == made["regions"]
    assert recording["condition"].values.tolist() == [["go", "stop", "wait"][cue] for cue in made["cue"]]
    assert session.units["kept"].all()
    for trial, of_trial in enumerate(made["rates"]):
        for time, of_bin in enumerate(of_trial):
            for unit, value in enumerate(of_bin):
                found = recording["rates"].values[trial, time, unit]
                assert np.isnan(found) if np.isnan(value) else abs(found - (0.5 * value + 1.0)) < 1e-9


# --- damage -----------------------------------------------------------------------------------------------------------


def spoil(path: Path, rng: np.random.Generator, n_objects: int) -> None:
    """Delete, empty, shorten, retype or replace a few datasets of a file.

    Bytes are not changed at random, because the HDF5 library itself crashes on some files of that kind.
    """
    with h5py.File(path, "a") as file:
        names: list[str] = []
        file.visititems(
            lambda name, node: (
                names.append(name) if isinstance(node, h5py.Dataset) and not name.startswith("specifications") else None
            )
        )
        for name in rng.choice(sorted(names), size=min(n_objects, len(names)), replace=False):
            dataset = file[name]
            values, attributes = dataset[()], dict(dataset.attrs)
            new: Any = {
                0: None,
                1: np.zeros(0),
                2: np.ravel(values)[: np.size(values) // 2],
                3: np.full(np.shape(values), "n/a", dtype=object),
                4: np.full(np.shape(values), np.nan),
                5: np.full(np.shape(values), -1),
                6: np.full(np.shape(values), 10**9),
                7: np.zeros((2, 3, 4, 2)),
                8: h5py.ExternalLink("gone.h5", "/data"),
                9: "group",
            }[int(rng.integers(10))]
            del file[name]
            if isinstance(new, str):
                file.create_group(name)
            elif isinstance(new, h5py.ExternalLink):
                file[name] = new
            elif new is not None:
                if new.dtype == object:
                    new = np.array(new, dtype=h5py.string_dtype())
                file.create_dataset(name, data=new).attrs.update(attributes)


@few(40)
@given(binned_files(), st.integers(0, 2**32 - 1), st.integers(1, 2))
def test_damage_of_hdf5_gives_a_recording_or_one_message(
    tmp_path_factory: pytest.TempPathFactory, made: dict[str, Any], seed: int, n_objects: int
) -> None:
    path = write_hdf5(made, tmp_path_factory.mktemp("damaged") / "rec.h5")
    spoil(path, np.random.default_rng(seed), n_objects)
    message = "rec.h5"
    try:
        session_of(made, path)
    except UserError as error:
        message = str(error)
    # Any other error fails the test.
    assert "rec.h5" in message


@few(15)
@given(spiking_sessions(), st.integers(0, 2**32 - 1))
def test_damage_of_nwb_gives_a_recording_or_one_message(
    tmp_path_factory: pytest.TempPathFactory, made: dict[str, Any], seed: int
) -> None:
    path = write_nwb(made, tmp_path_factory.mktemp("damaged") / "rec.nwb")
    spoil(path, np.random.default_rng(seed), 2)
    message = "rec.nwb"
    try:
        inspect(path)
        ingest_file(path, RecordingSettings.model_validate({"units": {"min_per_region": 1}}))
    except UserError as error:
        message = str(error)
    assert "rec.nwb" in message
