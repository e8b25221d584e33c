"""Predictions against real perturbations: what an experiment does in the network beside what it did in the brain."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import xarray as xr

from curbd.errors import UserError
from curbd.inactivation.check import require_one
from curbd.recording.scaling import scaled_rates
from curbd.tables import TABLES

Array = np.ndarray
SHUFFLES = 999
"""Random exchanges of perturbed and other trials behind a p-value."""
SEED = 0
"""Seed of these exchanges."""
P_EFFECT = 0.01
"""A region has a measured effect where its p-value is not larger: one call in a hundred regions without any."""


class Measured(NamedTuple):
    """What a real perturbation did: perturbed minus other trials of the same condition.

    Attributes
    ----------
    r : (trial, time, unit) scaled rates in the window, of both kinds of trials.
    weight : (trial,) by which trials are summed to the effect: perturbed ones count equally, the others so that every
        condition has the share that it has among the perturbed ones.
    condition : (trial,) labels.
    """

    r: Array
    weight: Array
    condition: Array

    @property
    def effect(self) -> Array:
        """(unit,) mean over the window."""
        result: Array = self.weight @ self.r.mean(1)
        return result

    @property
    def standard_error(self) -> Array:
        """(unit,) of the effect, from the spread over trials of one kind and condition; NaN where there is one only."""
        variance, means = np.zeros(self.r.shape[2]), self.r.mean(1)
        for name in np.unique(self.condition):
            for kind in (self.weight > 0, self.weight < 0):
                part = np.flatnonzero(kind & (self.condition == name))
                spread = means[part].var(0, ddof=1) if len(part) > 1 else np.nan
                variance = variance + (self.weight[part] ** 2).sum() * spread
        result: Array = np.sqrt(variance)
        return result

    def p_value(self, units: Array) -> float:
        """Share of random exchanges of trials within conditions with at least this effect, rms over time and units."""
        r = self.r[..., units].reshape(len(self.r), -1)
        rng = np.random.default_rng(SEED)
        weight = np.repeat(self.weight[None], SHUFFLES, axis=0)
        for name in np.unique(self.condition):
            part = self.condition == name
            weight[:, part] = rng.permuted(weight[:, part], axis=1)
        found = ((self.weight @ r) ** 2).sum()
        return float((1 + (((weight @ r) ** 2).sum(1) >= found * (1 - 1e-12)).sum()) / (SHUFFLES + 1))


def compare(
    recording: xr.Dataset, perturbed: xr.Dataset, inactivations: pd.DataFrame, units: pd.DataFrame
) -> pd.DataFrame:
    """The table ``perturbation_comparison``: predicted beside measured effects of real perturbations.

    The prediction is the mean effect of the experiment on each unit in its window, in the trials that the networks were
    fitted to, each condition with the share that it has among the perturbed trials. Units that are acted on directly
    are left out, as their effect is no prediction. Beside it stand two baselines: no effect at all, whose R2 is 0, and
    for each unit the mean measured effect on the other units of its region.

    Parameters
    ----------
    recording : what the networks were fitted to.
    perturbed : of `curbd.recording.ingest.Session`.
    inactivations, units : the tables ``inactivations`` and ``inactivation_units`` of a model.

    Raises
    ------
    UserError : the experiment stands for several perturbations, or no perturbed trial has a counterpart.
    """
    rows = list[dict[str, Any]]()
    for name in np.unique(perturbed["perturbation"].values.astype(str)):
        mine = inactivations[inactivations["experiment"] == name]
        alike = mine["perturbation"].unique()
        require_one(recording, name, [str(one) for one in alike])
        start_s, stop_s = float(mine["start_s"].iloc[0]), float(mine["stop_s"].iloc[0])
        like = perturbed.isel(trial=perturbed["perturbation"].values == name)
        others, done = (trials.isel(trial=trials["condition"].isin(mine["condition"])) for trials in (recording, like))
        measured = measure(others, done, start_s, stop_s)
        predictions = units[units["perturbation"] == alike[0]]
        for seed, of_seed in predictions.groupby("seed"):
            predicted = _predicted(of_seed, measured, recording)
            verdicts = mine[mine["seed"] == seed].groupby("target")["verdict"].agg(set)
            for target in np.unique(recording["region"].values.astype(str)):
                inside = (recording["region"].values == target) & ~predicted["perturbed"].to_numpy(dtype=bool)
                if inside.any():
                    known = {
                        "recording": recording.attrs["recording"],
                        "model": of_seed["model"].iloc[0],
                        "seed": int(str(seed)),
                        "perturbation": alike[0],
                        "target": str(target),
                        "n_perturbed": int((measured.weight > 0).sum()),
                        "n_unperturbed": int((measured.weight < 0).sum()),
                        "predicted_effect": "effect" if "supported" in verdicts[target] else "none",
                    }
                    rows += [known | row for row in _rows(measured, predicted, np.flatnonzero(inside))]
    table = pd.DataFrame(rows)
    return table.reindex(columns=[column.name for column in TABLES["perturbation_comparison"].columns])


def measure(recording: xr.Dataset, perturbed: xr.Dataset, start_s: float, stop_s: float) -> Measured:
    """The measured effect in a window, of trials in which every bin of it was observed.

    The bins are those of the recording: perturbed trials may begin or end at others.

    Raises
    ------
    UserError : the perturbed trials do not cover the window, or no other trial has one of their conditions.
    """
    time = recording["time"].values
    window = time[(time > start_s) & (time < stop_s)]
    r, condition = [], []
    for trials in (perturbed, recording):
        # Both count their bins from the same alignment: the same bin differs by rounding only.
        rates = scaled_rates(trials).reindex(time=window, method="nearest", tolerance=recording.attrs["dt_s"] / 4)
        inside = rates.values
        complete = np.isfinite(inside).all((1, 2)) & (len(window) > 0)
        r.append(inside[complete])
        condition.append(trials["condition"].values.astype(str)[complete])
    shared = np.intersect1d(*condition)
    if not len(shared):
        raise UserError.at(
            f"recording {recording.attrs['recording']}, perturbed",
            found=f"no condition with perturbed and other trials that cover {start_s:g} to {stop_s:g} s",
            expected="both kinds of trials in a condition",
            todo="let both cover the experiment, and leave the column that tells them apart out of windows.conditions",
        )
    kept = [np.isin(labels, shared) for labels in condition]
    on, off = (labels[keep] for labels, keep in zip(condition, kept, strict=True))
    of_others = np.zeros(len(off))
    for name in shared:
        of_others[off == name] = (on == name).mean() / (off == name).sum()
    return Measured(
        np.concatenate([part[keep] for part, keep in zip(r, kept, strict=True)]),
        np.concatenate([np.full(len(on), 1 / len(on)), -of_others]),
        np.concatenate([on, off]),
    )


def _predicted(units: pd.DataFrame, measured: Measured, recording: xr.Dataset) -> pd.DataFrame:
    """Effect of every unit of the recording: conditions averaged as in the measured effect.

    The interval is that of the conditions, averaged alike: as wide as if they erred together.
    """
    names, counts = np.unique(measured.condition[measured.weight > 0], return_counts=True)
    share = pd.Series(counts / counts.sum(), index=names)
    some = units[units["condition"].isin(names)]
    columns = ["effect_mean", "ci_low", "ci_high"]
    weighted = some[columns].mul(some["condition"].map(share), axis=0)
    summed = weighted.groupby(some["unit_id"]).sum(min_count=len(names))
    summed["perturbed"] = some.groupby("unit_id")["perturbed"].any()
    return summed.reindex(recording["unit_id"].values.astype(str))


def _rows(measured: Measured, predicted: pd.DataFrame, inside: Array) -> list[dict[str, Any]]:
    """The row of a region, then those of its units."""
    effect, error = measured.effect[inside], measured.standard_error[inside]
    guess = predicted["effect_mean"].to_numpy()[inside]
    p_value = measured.p_value(inside)
    found = "effect" if p_value <= P_EFFECT else "none"
    mean_of_units = Measured(measured.r[..., inside].mean(2, keepdims=True), measured.weight, measured.condition)
    whole = {
        "unit_id": "",
        "predicted": float(guess.mean()),
        "measured": float(effect.mean()),
        "measured_se": float(mean_of_units.standard_error[0]),
        "p_value": p_value,
        "measured_effect": found,
        **(_agreement(effect, error, guess) if found == "effect" else {}),
    }
    low, high = (predicted[column].to_numpy()[inside] for column in ("ci_low", "ci_high"))
    ids = predicted.index.to_numpy()[inside]
    return [whole] + [
        {
            "unit_id": str(ids[place]),
            "predicted": float(guess[place]),
            "predicted_low": float(low[place]),
            "predicted_high": float(high[place]),
            "measured": float(effect[place]),
            "measured_se": float(error[place]),
            "measured_effect": found,
        }
        for place in range(len(inside))
    ]


def _agreement(effect: Array, error: Array, guess: Array) -> dict[str, float]:
    """Scores over units: of the prediction, of the mean effect, and what noise would leave of a perfect prediction."""
    squares = float((effect**2).sum())
    scores = {"r2": 1 - float(((effect - guess) ** 2).sum()) / squares}
    if len(effect) > 1:
        others = (effect.sum() - effect) / (len(effect) - 1)
        scores["r2_mean_effect"] = 1 - float(((effect - others) ** 2).sum()) / squares
    spread = float(effect.var())
    if len(effect) > 2 and spread > 0:
        scores["ceiling_r"] = float(np.sqrt(np.clip(1 - (error**2).mean() / spread, 0, 1)))
        if guess.std() > 0:
            scores["r"] = float(np.corrcoef(effect, guess)[0, 1])
    return scores
