"""The network behind a teacher recording: its currents, and how an estimate compares with them."""

from __future__ import annotations

import numpy as np
import xarray as xr

from curbd.network.equation import Network
from curbd.network.sources import Part

Array = np.ndarray


def correlation(a: Array, b: Array) -> float:
    """Pearson correlation of two vectors, NaN where one of them is constant."""
    if not len(a):
        return float("nan")
    a, b = a - a.mean(), b - b.mean()
    scale = float(np.sqrt((a**2).sum() * (b**2).sum()))
    return float((a * b).sum() / scale) if scale > 0 else float("nan")


def true_current(recording: xr.Dataset, truth: xr.Dataset, part: Part, rows: Array) -> Array:
    """(trial, time, unit) current that the source really sends to the units of a region; 0 for a hidden input."""
    rates = recording["rates"].transpose("trial", "time", "unit").values
    u = recording["inputs"].transpose("trial", "time", "input").values
    B = np.pad(truth["B"].values, ((0, 0), (0, u.shape[2] - truth.sizes["input"])))
    W = np.concatenate([truth["J"].values, B, truth["b"].values[:, None]], axis=1)
    z = np.concatenate([rates, u, np.ones((*rates.shape[:2], 1))], axis=2)
    return z[..., part.columns] @ W[np.ix_(rows, part.columns)].T


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


def true_network(truth: xr.Dataset) -> Network:
    """The network behind a teacher recording."""
    return Network(
        truth["J"].values,
        truth["B"].values,
        truth["b"].values,
        float(truth.attrs["tau_s"]),
        float(truth.attrs["dt_s"]),
        int(truth.attrs["substeps"]),
    )
