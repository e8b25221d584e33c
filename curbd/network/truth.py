"""The network behind a teacher recording: its currents, and comparisons of estimated currents with true currents."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import xarray as xr

from curbd.network.adaptation import Adaptation
from curbd.network.current_pairs import CurrentPair
from curbd.network.equation import Network, weights
from curbd.network.nonlinearity import nonlinearity_of
from curbd.network.sources import Source
from curbd.network.view import View
from curbd.recording.scaling import is_model_activity
from curbd.storage.netcdf import groups_of, read_netcdf

Array = np.ndarray


def read_with_truth(path: Path | str) -> tuple[xr.Dataset, xr.Dataset | None]:
    """Read a recording and, if a teacher made the recording, the network behind it (else None).

    The rates of a large recording stay on disk, from which every step reads some trials at a time.
    """
    truth = _truth(path)
    return read_netcdf(path, large_on_disk=True), truth if truth is not None and "J" in truth else None


def read_true_currents(path: Path | str) -> xr.DataArray | None:
    """Read the true currents (source, trial, time, unit) of a teacher of populations; None for any other recording.

    True currents are in units of the log rate of the unit that receives them.
    """
    truth = _truth(path)
    return truth["current"] if truth is not None and "current" in truth else None


def _truth(path: Path | str) -> xr.Dataset | None:
    return read_netcdf(path, "truth") if "truth" in groups_of(path) else None


def comparable_truth(recording: xr.Dataset, truth: xr.Dataset | None, nonlinearity: str) -> xr.Dataset | None:
    """Return the network behind a recording, or None if its currents cannot be compared with estimated currents.

    The weights of a teacher act on the rates phi(x) of its units. If the recording holds other activity, for example
    spikes, its rates are scaled, and weights and currents that are estimated from scaled rates are in other units than
    the weights and currents of the teacher. The same holds for a fit with another nonlinearity than the teacher's.

    Parameters
    ----------
    recording : the recording.
    truth : the network behind the recording, or None.
    nonlinearity : name of the nonlinearity of the fitted network.
    """
    return truth if is_model_activity(recording, nonlinearity) else None


def true_network(truth: xr.Dataset, hidden: Array | None = None) -> Network:
    """Read the network behind a teacher recording.

    Parameters
    ----------
    truth : group ``truth`` of the file recording.nc.
    hidden : (input,) bool, True for inputs that a fit inferred; the weights of the true network for inferred inputs are
        0. None if no input was inferred.

        Returns
        -------
        The true network.
    """
    B = truth["B"].values
    if hidden is not None:
        recorded, B = B, np.zeros((len(B), len(hidden)))
        B[:, ~hidden] = recorded
    return Network(
        J=truth["J"].values,
        B=B,
        b=truth["b"].values,
        tau_s=float(truth.attrs["tau_s"]),
        dt_s=float(truth.attrs["dt_s"]),
        substeps=int(truth.attrs["substeps"]),
        adaptation=_adaptation(truth),
        nonlinearity=nonlinearity_of(str(truth.attrs.get("nonlinearity", "tanh"))),
        unit_tau_s=truth["unit_tau_s"].values if "unit_tau_s" in truth else None,
    )


def _adaptation(truth: xr.Dataset) -> Adaptation | None:
    """Read the adaptation of the units of a teacher, which is 0 at the start of every trial; None without any."""
    if "adaptation" not in truth:
        return None
    strength = truth["adaptation"].values
    return Adaptation(strength, float(truth.attrs["adaptation_tau_s"]), np.zeros(len(strength)))


def true_current(view: View, truth: xr.Dataset, source: Source, units: Array) -> Array:
    """Compute the current that a source sends in the true network; 0 for an input that a fit inferred.

    Parameters
    ----------
    view : the recording at its observed rates, with the hidden inputs of a fit.
    truth : the network behind the recording, as `comparable_truth` returns it.
    source : a source of the view.
    units : (unit,) bool or indices of the units that receive the current.

    Returns
    -------
    (trial, time, unit) current, in the (dimensionless) units of the state x in tau dx/dt = -x + J r + B u + b.
    """
    W = weights(true_network(truth, view.hidden))
    return view.z[..., source.columns] @ W[:, source.columns][units].T


def correlation(a: Array, b: Array) -> float:
    """Return the Pearson correlation of two vectors; NaN if either vector is constant."""
    if not len(a):
        return float("nan")
    a, b = a - a.mean(), b - b.mean()
    scale = float(np.sqrt((a**2).sum() * (b**2).sum()))
    return float((a * b).sum() / scale) if scale > 0 else float("nan")


def against_truth(pair: CurrentPair) -> dict[str, float]:
    """Compare an estimated current with the true current.

    Parameters
    ----------
    pair : the estimated current, then the true current.

    Returns
    -------
    ``true_r``, the correlation of the two currents; ``true_ratio``, the rms of the estimated current over the rms of
    the true current; ``true_r2``, the R2 of the estimated current, with the variance of each unit about its mean. All
    are NaN if the true current is 0.
    """
    squares, spread = pair.squares, float(pair.product[1, 1].sum())
    if squares[1, 1] <= 0:
        return {"true_r": np.nan, "true_ratio": np.nan, "true_r2": np.nan}
    missed = squares[0, 0] - 2 * squares[0, 1] + squares[1, 1]
    return {
        "true_r": pair.correlation(),
        "true_ratio": float(np.sqrt(squares[0, 0] / squares[1, 1])),
        "true_r2": 1 - float(missed) / spread if spread > 0 else np.nan,
    }
