"""A behavioural variable read out of the rates by a linear regression, so that effects on behaviour can be told."""

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
PENALTIES = 10.0 ** np.arange(-3, 5)
FOLDS = 5


class Readout(NamedTuple):
    """A linear readout of behaviour: weights (unit,) on the scaled rates, r2 on held-out trials."""

    name: str
    weights: Array
    r2: float


def behaviour(recording: xr.Dataset, names: Sequence[str]) -> dict[str, Array]:
    """Behavioural variables (trial, time): inputs as they are, trial columns held over the trial.

    A text column of two levels is 0 and 1; one of more levels gives a 0/1 variable ``<column>_<level>`` for each.

    Raises
    ------
    UserError : a name that is neither an input nor a trial column.
    """
    inputs = recording["input"].values.astype(str)
    columns = {str(name): values.values for name, values in recording.coords.items() if values.dims == ("trial",)}
    n_times = recording.sizes["time"]
    found: dict[str, Array] = {}
    for name in names:
        if name in inputs:
            found[name] = recording["inputs"].transpose("trial", "time", "input").values[..., inputs == name][..., 0]
        elif name in columns:
            values = columns[name]
            if values.dtype.kind in "biuf":
                found[name] = np.repeat(values.astype(float)[:, None], n_times, axis=1)
                continue
            levels = np.unique(values)
            for level in levels[1:] if len(levels) == 2 else levels:
                label = name if len(levels) == 2 else f"{name}_{level}"
                found[label] = np.repeat((values == level).astype(float)[:, None], n_times, axis=1)
        else:
            known = [*inputs, *columns]
            raise UserError.at(
                "config, bench.readout",
                found=f'"{name}"',
                expected=f"an input or trial column of recording {recording.attrs['recording']}: {', '.join(known)}",
                todo=did_you_mean(name, known),
            )
    return found


def require_trials(recording: xr.Dataset, names: Sequence[str]) -> None:
    """See that every behavioural variable is known in training trials enough for a cross-validation over them.

    Raises
    ------
    UserError : of a variable, fewer than two; or see `behaviour`.
    """
    for name, y in behaviour(recording, names).items():
        fitted, _ = _known(recording, y)
        number = int(fitted.any(1).sum())
        if number < 2:
            raise UserError.at(
                "config, bench.readout",
                found=f'"{name}" with {number} training trial{"" if number == 1 else "s"} in recording '
                f"{recording.attrs['recording']}",
                expected="two at least, as its penalty is chosen by cross-validation over trials",
                todo="leave it out",
            )


def readouts(recording: xr.Dataset, names: Sequence[str]) -> list[Readout]:
    """Ridge regressions of behavioural variables on the rates of all units in the same bin.

    The penalty is chosen by cross-validation over training trials; r2 is that of the held-out trials.

    Raises
    ------
    UserError : see `require_trials`.
    """
    require_trials(recording, names)
    r = scaled_rates(recording).values
    trial = np.indices(r.shape[:2])[0]
    found = []
    for name, y in behaviour(recording, names).items():
        fitted, held_out = _known(recording, y)
        folds = GroupKFold(min(FOLDS, int(fitted.any(1).sum())))
        search = GridSearchCV(Ridge(), {"alpha": PENALTIES}, cv=folds)
        search.fit(r[fitted], y[fitted], groups=trial[fitted])
        r2 = float(r2_score(y[held_out], search.predict(r[held_out]))) if held_out.any() else float("nan")
        found.append(Readout(name, np.asarray(search.best_estimator_.coef_), r2))
    return found


def _known(recording: xr.Dataset, y: Array) -> tuple[Array, Array]:
    """(trial, time) bins in which all rates and the variable are known, of training and of held-out trials."""
    rates = recording["rates"].transpose("trial", "time", "unit").values
    known = np.isfinite(rates).all(2) & np.isfinite(y)
    train = recording["split"].values == "train"
    return known & train[:, None], known & ~train[:, None]
