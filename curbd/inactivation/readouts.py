"""Readouts: linear predictions of behaviour from rates, with which effects of experiments on behaviour are
predicted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import xarray as xr

from curbd.errors import UserError, did_you_mean
from curbd.recording.scaling import scaled_rates

Array = np.ndarray
READOUT_PENALTIES = 10.0 ** np.arange(-3, 5)
"""Ridge penalties among which cross-validation chooses."""
MAX_READOUT_FOLDS = 5
"""Largest number of groups of training trials in the cross-validation."""
MIN_READOUT_TRIALS = 2
"""Smallest number of training trials with which cross-validation over trials is possible."""


class Readout(NamedTuple):
    """A linear prediction of a behavioural variable.

    Attributes
    ----------
    name : name of the behavioural variable.
    weights : (unit,) weights on the scaled rates, in the units of the variable.
    r2 : R2 of the prediction on held-out trials; NaN if no held-out trial has the variable.
    """

    name: str
    weights: Array
    r2: float


def behaviour(recording: xr.Dataset, names: Sequence[str]) -> dict[str, Array]:
    """Collect behavioural variables (trial, time): inputs over time, and trial columns, constant within a trial.

    A column of strings with two levels becomes 0 and 1. A column of strings with more levels becomes one 0/1 variable
    ``<column>_<level>`` per level.

    Raises
    ------
    UserError : a name that is neither an input nor a trial column.
    """
    inputs = recording["input"].values.astype(str)
    columns = {str(name): values.values for name, values in recording.coords.items() if values.dims == ("trial",)}
    n_times = recording.sizes["time"]
    variables: dict[str, Array] = {}
    for name in names:
        if name in inputs:
            u = recording["inputs"].transpose("trial", "time", "input").values
            variables[name] = u[..., inputs == name][..., 0]
        elif name in columns:
            for label, values in _numbers(name, columns[name]).items():
                variables[label] = np.repeat(values[:, None], n_times, axis=1)
        else:
            choices = [*inputs, *columns]
            raise UserError.at(
                "config, bench.readout",
                found=f'"{name}"',
                expected=f"an input or trial column of recording {recording.attrs['recording']}: {', '.join(choices)}",
                todo=did_you_mean(name, choices),
            )
    return variables


def _numbers(name: str, values: Array) -> dict[str, Array]:
    """Convert a trial column to numbers, name -> (trial,); a column of strings gives one 0/1 variable per level."""
    if values.dtype.kind in "biuf":
        return {name: values.astype(float)}
    levels = np.unique(values)
    if len(levels) == 2:
        return {name: (values == levels[1]).astype(float)}
    return {f"{name}_{level}": (values == level).astype(float) for level in levels}


def require_trials(recording: xr.Dataset, names: Sequence[str]) -> None:
    """Raise an error if a behavioural variable is known in too few training trials for cross-validation over trials.

    Raises
    ------
    UserError : a variable is known in fewer than two training trials, or is neither an input nor a trial column.
    """
    for name, y in behaviour(recording, names).items():
        train, _ = _complete_bins(recording, y)
        n_trials = int(train.any(1).sum())
        if n_trials < MIN_READOUT_TRIALS:
            raise UserError.at(
                "config, bench.readout",
                found=f'"{name}" with {n_trials} training trial{"" if n_trials == 1 else "s"} in recording '
                f"{recording.attrs['recording']}",
                expected="at least two training trials, because the penalty of the regression is chosen by "
                "cross-validation over trials",
                todo=f'remove "{name}" from bench.readout in the config',
            )


def readouts(recording: xr.Dataset, names: Sequence[str], nonlinearity: str | None = None) -> list[Readout]:
    """Fit readouts: ridge regressions of behavioural variables on the rates of all units in the same bin.

    The penalty is chosen by cross-validation over training trials.

    Parameters
    ----------
    recording : the recording.
    names : names of inputs or trial columns.
    nonlinearity : name of the nonlinearity of the network whose rates are read; None for that of the recording.

    Returns
    -------
    One readout per behavioural variable.

    Raises
    ------
    UserError : a variable is known in fewer than two training trials, or is neither an input nor a trial column.
    """
    require_trials(recording, names)
    r = scaled_rates(recording, nonlinearity).values
    variables = behaviour(recording, names)
    return [_readout(name, r, y, *_complete_bins(recording, y)) for name, y in variables.items()]


def _readout(name: str, r: Array, y: Array, train: Array, held_out: Array) -> Readout:
    """Fit the readout of a variable y (trial, time) from rates r (trial, time, unit) to the bins that a mask names."""
    from sklearn.linear_model import Ridge
    from sklearn.metrics import r2_score
    from sklearn.model_selection import GridSearchCV, GroupKFold

    trial = np.indices(y.shape)[0]
    folds = GroupKFold(min(MAX_READOUT_FOLDS, int(train.any(1).sum())))
    search = GridSearchCV(Ridge(), {"alpha": READOUT_PENALTIES}, cv=folds)
    search.fit(r[train], y[train], groups=trial[train])
    r2 = float(r2_score(y[held_out], search.predict(r[held_out]))) if held_out.any() else float("nan")
    return Readout(name, np.asarray(search.best_estimator_.coef_), r2)


def _complete_bins(recording: xr.Dataset, y: Array) -> tuple[Array, Array]:
    """Return masks (trial, time) of the bins with all rates and the variable y, in training and in held-out trials."""
    rates = recording["rates"].transpose("trial", "time", "unit").values
    complete = np.isfinite(rates).all(2) & np.isfinite(y)
    train = recording["split"].values == "train"
    return complete & train[:, None], complete & ~train[:, None]
