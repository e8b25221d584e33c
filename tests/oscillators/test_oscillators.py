"""Channels of fields as oscillators: the published resonance, frequency and damping behind noise, and the tables."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest
import xarray as xr

from curbd import tables
from curbd.cli import main
from curbd.errors import UserError
from curbd.network.oscillators import Oscillators, forces_by_source, saturated, simulate
from curbd.oscillators.fitting import fit_oscillators
from curbd.oscillators.oscillator_tables import oscillator_tables
from curbd.recording.ingest import ingest_file
from curbd.settings.plan_reading import read_plan
from curbd.settings.recording import RecordingSettings

RESONANCE = {0.5: 0.10522, 0.8: 0.21156, 1.0: 0.88498, 1.25: 0.14450, 2.0: 0.02733}
"""Frequency of the input, as a multiple of that of the oscillator -> amplitude, from the reference experiment."""
DT_S = 0.004
TWO_CHANNELS = RecordingSettings.model_validate({"units": {"min_per_region": 2}})
REGION = np.repeat(["A", "B"], 2)


@pytest.mark.parametrize(("ratio", "amplitude"), RESONANCE.items())
def test_resonance_is_that_of_the_reference(ratio, amplitude):
    omega = 2 * np.pi / 28
    oscillators = Oscillators(
        omega=np.array([omega]),
        gamma=np.array([0.01]),
        K=np.zeros((1, 1)),
        B=np.array([[0.04]]),
        b=np.zeros(1),
        saturation=0.04,
        dt_s=1.0,
    )
    x = simulate(oscillators, 0.1 * np.sin(ratio * omega * np.arange(4001))[None, :, None])[0, -2000:, 0]
    assert np.sqrt(2) * x.std() == pytest.approx(amplitude, abs=1e-4)


def coupled(seed: int = 100) -> tuple[Oscillators, np.ndarray]:
    """Oscillators of two regions, A driving B, and their fields without measurement noise."""
    rng = np.random.default_rng(seed)
    K = np.zeros((4, 4))
    K[np.ix_(REGION == "B", REGION == "A")] = rng.uniform(3, 5, (2, 2))
    oscillators = Oscillators(
        omega=2 * np.pi * np.array([8.0, 10.0, 9.0, 12.0]),
        gamma=np.array([4.0, 5.0, 6.0, 5.0]),
        K=K,
        B=np.zeros((4, 0)),
        b=np.zeros(4),
        saturation=200.0,
        dt_s=DT_S,
    )
    return oscillators, simulate(oscillators, np.zeros((12, 2600, 0)), noise_sd=1.0, rng=rng)[:, 100:]


def test_frequency_and_damping_are_found_behind_noise():
    oscillators, x = coupled()
    noise = x.std((0, 1)) / np.sqrt(10) * np.random.default_rng(0).standard_normal(x.shape)
    fitted = fit_oscillators(x + noise, np.zeros((*x.shape[:2], 0)), DT_S)
    np.testing.assert_allclose(fitted.omega, oscillators.omega, rtol=0.02)
    np.testing.assert_allclose(fitted.gamma, oscillators.gamma, rtol=0.15)
    assert np.corrcoef(fitted.K.ravel(), oscillators.K.ravel())[0, 1] > 0.9


def test_forces_of_all_sources_sum_to_the_force():
    oscillators, x = coupled()
    y, u = np.diff(x, axis=1) / DT_S, np.zeros((len(x), x.shape[1] - 1, 0))
    forces = forces_by_source(oscillators, y, u, REGION)
    total = np.sum(list(forces.values()), axis=0)
    np.testing.assert_allclose(total, saturated(oscillators, y @ oscillators.K.T), atol=1e-10)
    assert not forces["B"].any()


def written(path: Path, fields: np.ndarray) -> Path:
    with h5py.File(path, "w") as file:
        file["rates"] = fields
        file["time"] = np.arange(fields.shape[1]) * DT_S
        file["region"], file["unit_id"] = REGION.tolist(), [f"channel_{index}" for index in range(len(REGION))]
    return path


def test_the_command_finds_which_region_drives_which(tmp_path: Path) -> None:
    _, x = coupled()
    session = ingest_file(written(tmp_path / "fields.h5", x), TWO_CHANNELS)
    session.recording.to_netcdf(tmp_path / "recording.nc", engine="h5netcdf")
    arguments = ["--out", str(tmp_path / "oscillators.csv"), "--forces", str(tmp_path / "oscillator_forces.csv")]
    main(["oscillators", "--recording", str(tmp_path / "recording.nc"), *arguments])
    channels = tables.read("oscillators", tmp_path / "oscillators.csv")
    np.testing.assert_allclose(channels["frequency_hz"], [8.0, 10.0, 9.0, 12.0], rtol=0.02)
    forces = tables.read("oscillator_forces", tmp_path / "oscillator_forces.csv").set_index(["target", "source"])
    assert forces.loc[("B", "A"), "held_out_gain"] > 0.01 > forces.loc[("A", "B"), "held_out_gain"]
    assert forces.loc[("B", "A"), "share"] > 0.9


def test_what_cannot_be_fitted_is_said(tmp_path: Path) -> None:
    recording = ingest_file(written(tmp_path / "short.h5", coupled()[1][:, :20]), TWO_CHANNELS).recording
    with pytest.raises(UserError, match="about two periods"):
        oscillator_tables(recording)
    gaps = recording.assign(rates=xr.full_like(recording["rates"], np.nan))
    with pytest.raises(UserError, match="no training trial"):
        oscillator_tables(gaps)


def test_spikes_are_refused_before_any_work(tmp_path: Path) -> None:
    (tmp_path / "a.nwb").write_bytes(b"")
    table = tmp_path / "recordings.tsv"
    table.write_text("recording\tpath\tformat\na\ta.nwb\tnwb\n", encoding="utf-8")
    with pytest.raises(UserError, match="fields sampled at regular times"):
        read_plan({"recordings": str(table), "oscillators": True})
