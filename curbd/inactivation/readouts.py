"""Linear predictions of behaviour from rates, from which effects of experiments on behaviour are read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import xarray as xr
from sklearn.linear_model import Ridge
from sklearn.metrics import r2_score
from sklearn.model_selection import GridSearchCV, GroupKFold

from curbd.errors import UserError, did_you_mean
from curbd.recording.scaling import scaled_rates

Array = np.ndarray
READOUT_PENALTIES = 10.0 ** np.arange(-3, 5)
"""Ridge penalties among which cross-validation chooses."""
MAX_READOUT_FOLDS = 5
"""Number of groups of training trials in the cross-validation, at most."""
MIN_READOUT_TRIALS = 2
"""Number of training trials without which no cross-validation over trials is possible."""


class Readout(NamedTuple):
    """A linear prediction of a behavioural variable.

    Attributes
    ----------
    name : name of the behavioural variable.
    weights : (unit,) weights on the scaled rates, in the units of the variable.
    r2 : R2 of the prediction on held-out trials; NaN where no held-out trial has the variable.
    """

    name: str
    weights: Array
    r2: float


def behaviour(recording: xr.Dataset, names: Sequence[str]) -> dict[str, Array]:
    """Behavioural variables (trial, time): inputs as they are, trial columns held over the trial.

    A text column with two levels becomes 0 and 1. A text column with more levels becomes one 0/1 variable
    ``<column>_<level>`` for each level.

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
    """Name -> (trial,) numbers of a trial column; a text column gives a 0/1 variable for each of its levels."""
    if values.dtype.kind in "biuf":
        return {name: values.astype(float)}
    levels = np.unique(values)
    if len(levels) == 2:
        return {name: (values == levels[1]).astype(float)}
    return {f"{name}_{level}": (values == level).astype(float) for level in levels}


def require_trials(recording: xr.Dataset, names: Sequence[str]) -> None:
    """Require that every behavioural variable is known in enough training trials for a cross-validation over trials.

    Raises
    ------
    UserError : a variable is known in fewer than two training trials; see also `behaviour`.
    """
    for name, y in behaviour(recording, names).items():
        train, _ = _complete_bins(recording, y)
        n_trials = int(train.any(1).sum())
        if n_trials < MIN_READOUT_TRIALS:
            raise UserError.at(
                "config, bench.readout",
                found=f'"{name}" with {n_trials} training trial{"" if n_trials == 1 else "s"} in recording '
                f"{recording.attrs['recording']}",
                expected="at least two, as the penalty of the regression is chosen by cross-validation over trials",
                todo=f'remove "{name}" from the list',
            )


def readouts(recording: xr.Dataset, names: Sequence[str]) -> list[Readout]:
    """Ridge regressions of behavioural variables on the rates of all units in the same bin.

    The penalty is chosen by cross-validation over training trials.

    Raises
    ------
    UserError : see `require_trials`.
    """
    require_trials(recording, names)
    r = scaled_rates(recording).values
    trial = np.indices(r.shape[:2])[0]
    regressions = []
    for name, y in behaviour(recording, names).items():
        train, held_out = _complete_bins(recording, y)
        folds = GroupKFold(min(MAX_READOUT_FOLDS, int(train.any(1).sum())))
        search = GridSearchCV(Ridge(), {"alpha": READOUT_PENALTIES}, cv=folds)
        search.fit(r[train], y[train], groups=trial[train])
        r2 = float(r2_score(y[held_out], search.predict(r[held_out]))) if held_out.any() else float("nan")
        regressions.append(Readout(name, np.asarray(search.best_estimator_.coef_), r2))
    return regressions


def _complete_bins(recording: xr.Dataset, y: Array) -> tuple[Array, Array]:
    """(trial, time) bins with all rates and the variable y (trial, time): in training trials, in held-out trials."""
    rates = recording["rates"].transpose("trial", "time", "unit").values
    complete = np.isfinite(rates).all(2) & np.isfinite(y)
    train = recording["split"].values == "train"
    return complete & train[:, None], complete & ~train[:, None]
