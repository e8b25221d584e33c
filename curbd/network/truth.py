"""The network behind a teacher recording: its currents, and how an estimate compares with them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import xarray as xr

from curbd.network.equation import Network, weights
from curbd.network.sources import Source
from curbd.network.view import View
from curbd.storage import groups_of, read_netcdf

Array = np.ndarray


def read_with_truth(path: Path | str) -> tuple[xr.Dataset, xr.Dataset | None]:
    """A recording and, for a teacher, the network behind the recording."""
    truth = read_netcdf(path, "truth") if "truth" in groups_of(path) else None
    return read_netcdf(path), truth


def comparable_truth(recording: xr.Dataset, truth: xr.Dataset | None) -> xr.Dataset | None:
    """The network behind a recording, where its rates are those of the recording, else None.

    The weights of a teacher belong to rates phi(x). A recording that is scaled, as spikes are, has currents in other
    units.
    """
    return truth if recording.attrs["activity"] == "model" else None


def true_network(truth: xr.Dataset, hidden: Array | None = None) -> Network:
    """The network behind a teacher recording.

    Parameters
    ----------
    truth : group ``truth`` of a recording.
    hidden : (input,) which inputs a fit has inferred; these have no weight in the true network. None: none of them.
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
    )


def true_current(view: View, truth: xr.Dataset, source: Source, units: Array) -> Array:
    """Current that the source really sends; 0 for an input that a fit inferred.

    Parameters
    ----------
    view : the recording at its observed rates, with the hidden inputs of a fit.
    truth : the network behind the recording, see `comparable_truth`.
    source : one of the sources of the view.
    units : (unit,) units that receive the current.

    Returns
    -------
    (trial, time, unit) dimensionless, in the units of x in tau dx/dt = -x + J r + B u + b.
    """
    W = weights(true_network(truth, view.hidden))
    return view.z[..., source.columns] @ W[:, source.columns][units].T


def correlation(a: Array, b: Array) -> float:
    """Pearson correlation of two vectors, NaN where one of them is constant."""
    if not len(a):
        return float("nan")
    a, b = a - a.mean(), b - b.mean()
    scale = float(np.sqrt((a**2).sum() * (b**2).sum()))
    return float((a * b).sum() / scale) if scale > 0 else float("nan")


def against_truth(estimate: Array, true: Array) -> dict[str, float]:
    """Correlation, ratio of rms, and R2 (each unit about its mean) of a current with the true one; NaN if that is 0."""
    n = estimate.shape[-1]
    both = np.isfinite(estimate).all(-1) & np.isfinite(true).all(-1)
    e, t = estimate[both].reshape(-1, n), true[both].reshape(-1, n)
    if not (t**2).any():
        return {"true_r": np.nan, "true_ratio": np.nan, "true_r2": np.nan}
    spread = float(((t - t.mean(0)) ** 2).sum())
    return {
        "true_r": correlation(e.ravel(), t.ravel()),
        "true_ratio": float(np.sqrt((e**2).mean() / (t**2).mean())),
        "true_r2": 1 - float(((e - t) ** 2).sum()) / spread if spread > 0 else np.nan,
    }
