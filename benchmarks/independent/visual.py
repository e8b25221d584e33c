"""Macaque V1 and V2 (Semedo et al. 2019, in the form of Gokcen et al. 2022): held-out prediction of the other area."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

import curbd
from benchmarks.independent.answers import Answer
from benchmarks.independent.networks import MODELS, fitted, session
from curbd.recording.scaling import scaled_rates

Array = np.ndarray
R2 = "held-out R2 of one area from the other"
PUBLISHED = {"mDLAG, lowest of the published data sets": 0.014, "mDLAG, highest of the published data sets": 0.074}
SETTINGS: dict[str, object] = {"test_fraction": 0.25}
RIDGES = (1e2, 1e3, 1e4, 1e5)
VALIDATION_TRIALS = 60


def answers(files: list[Path]) -> Iterator[Answer]:
    """How much of one area do the currents from the other area predict in held-out trials?"""
    for path in files:
        recording = session(path, SETTINGS).recording
        rates, train = scaled_rates(recording).values, recording["split"].values == "train"
        region = recording["region"].values.astype(str)
        for name in ("one_step (default)", "block_rank"):
            fit = curbd.view(recording, fitted(recording, MODELS[name]))
            for target, source in (("V2", "V1"), ("V1", "V2")):
                sender = next(entry for entry in fit.sources if entry.name == source)
                sent = fit.current(sender, region == target)
                value = _held_out_r2(sent[:, :-1], rates[:, 1:][..., region == target], train)
                yield Answer(R2, f"{target} from {source}", f"{name}: current alone", "model", value)
        for target, source in (("V2", "V1"), ("V1", "V2")):
            x, y = rates[..., region == source], rates[..., region == target]
            for name, z in {
                "ridge, same bin": x[:, 1:],
                "ridge, bin before": x[:, :-1],
                "ridge, both bins": np.concatenate([x[:, 1:], x[:, :-1]], axis=2),
            }.items():
                value = _ridge_r2(z, y[:, 1:], train)
                yield Answer(R2, f"{target} from {source}", name, "baseline", value)
            for name, value in PUBLISHED.items():
                yield Answer(R2, f"{target} from {source}", name, "ceiling", value)


def _held_out_r2(sent: Array, y: Array, train: Array) -> float:
    """R2 in held-out trials of activity from a current, with one slope for each unit from the training trials."""
    slope = (sent[train] * y[train]).sum((0, 1)) / np.maximum((sent[train] ** 2).sum((0, 1)), 1e-12)
    return _r2(y[~train], sent[~train] * slope)


def _ridge_r2(z: Array, y: Array, train: Array) -> float:
    """R2 in held-out trials of a ridge regression, with the penalty chosen on the last training trials."""
    trials = np.flatnonzero(train)
    fitted_on, chosen_on = trials[:-VALIDATION_TRIALS], trials[-VALIDATION_TRIALS:]
    best = max(RIDGES, key=lambda ridge: _r2(y[chosen_on], z[chosen_on] @ _solved(z[fitted_on], y[fitted_on], ridge)))
    return _r2(y[~train], z[~train] @ _solved(z[trials], y[trials], best))


def _solved(z: Array, y: Array, ridge: float) -> Array:
    flat = z.reshape(-1, z.shape[2])
    size = flat.var() * ridge
    return np.asarray(np.linalg.solve(flat.T @ flat + size * np.eye(z.shape[2]), flat.T @ y.reshape(-1, y.shape[2])))


def _r2(y: Array, predicted: Array) -> float:
    """Pooled share of the squared activity (each trial's own mean was taken away in the file) that is predicted."""
    return float(1 - ((y - predicted) ** 2).sum() / (y**2).sum())
