"""Tables of gated units: gates are found where they move, and none where they stand still."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from curbd import tables
from curbd.errors import UserError
from curbd.gates.gate_tables import gate_tables
from curbd.teachers.gated import gated

DT_S = 0.005


def recorded(gate_gain: float, n_test: int = 12) -> xr.Dataset:
    """A recording of eight gated units in two regions, with bins that are missing at the end of some trials."""
    h = gated(gate_gain=gate_gain, weight_size=5.0, units=8, trials=48, samples=200, noise_sd=0.1, seed=100).h
    r = np.tanh(h)
    r[::5, 150:] = np.nan
    coords = {
        "unit_id": ("unit", [f"u{unit}" for unit in range(8)]),
        "region": ("unit", ["A"] * 4 + ["B"] * 4),
        "condition": ("trial", ["all"] * 48),
        "split": ("trial", np.where(np.arange(48) < 48 - n_test, "train", "test")),
        "scale": ("unit", np.ones(8)),
    }
    inputs = np.random.default_rng(0).standard_normal((*r.shape[:2], 1))
    variables = {"rates": (("trial", "time", "unit"), r), "inputs": (("trial", "time", "input"), inputs)}
    return xr.Dataset(variables, coords, {"recording": "gated", "dt_s": DT_S, "activity": "model"})


def test_gates_that_move_are_found_with_their_time_constant() -> None:
    of_recording = gate_tables(recorded(5.0))
    gates, currents = of_recording.gates, of_recording.currents
    assert tables.problems("gates", gates) == []
    assert tables.problems("gate_currents", currents) == []
    assert (gates["verdict"] == "supported").sum() >= 6
    # Gates and states have a time constant of 0.1 s; the search is on a grid.
    assert gates["tau_s"].iloc[0] == pytest.approx(0.1, rel=0.5)
    shares = currents.groupby("target")[["current_share", "drive_share"]].sum()
    np.testing.assert_allclose(shares, 1)
    driving = currents.set_index(["target", "source"])["drive_nats"]
    assert driving["A", "B"] > 10 > abs(driving["A", "inputs"])
    verdict = currents.set_index(["target", "source"])["drive_verdict"]
    assert verdict["A", "B"] == "supported"
    assert verdict["A", "inputs"] == "no_evidence"


def test_gates_that_stand_still_are_not_supported() -> None:
    gates = gate_tables(recorded(0.0), tau_s=0.1).gates
    assert set(gates["verdict"]) == {"no_evidence"}
    assert set(gates["tau_s"]) == {0.1}
    assert gates["opening"].mean() == pytest.approx(0.5, abs=0.1)


def test_shrinkage_of_weights_is_no_gain_of_gates() -> None:
    # Activity without any dynamics: weights are best shrunk to 0, and gates must gain nothing by that.
    recording = recorded(0.0, n_test=42).isel(time=slice(0, 24))
    rng = np.random.default_rng(1)
    recording["rates"] = recording["rates"].dims, np.tanh(0.3 * rng.standard_normal(recording["rates"].shape))
    gates = gate_tables(recording, tau_s=2 * DT_S).gates
    # It would be 11 nats if the weights were shrunk with moving gates only.
    assert gates["held_out_nats"].median() < 2


def test_a_recording_without_test_trials_is_refused() -> None:
    with pytest.raises(UserError, match="no two successive bins of test trials"):
        gate_tables(recorded(0.0, n_test=0))
