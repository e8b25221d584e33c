"""Comparison of predictions with real perturbations: effects of an experiment in the network and in the brain."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import xarray as xr

from curbd.inactivation.check import require_single
from curbd.inactivation.effect_maps import Evidence, MapScore, pattern_baselines
from curbd.inactivation.measured_effects import Measured, measure
from curbd.recording.scaling import scaled_rates
from curbd.tables import TABLES, empty
from curbd.tables.perturbation_comparison import ALL_REGIONS

Array = np.ndarray
LEAST_PREDICTED_SHARE = 0.1
"""A predicted effect below this share of the largest predicted effect of the same perturbation counts as none."""
CORRELATIONS = ("r", "r_low", "r_high", "null_r", "r_p_value")
MAX_EFFECT_P_VALUE = 0.01
"""Largest p-value of a measured effect; one in a hundred regions without any effect is reported to have an effect."""


def compare(
    recording: xr.Dataset, perturbed: xr.Dataset | None, inactivations: pd.DataFrame, units: pd.DataFrame
) -> pd.DataFrame:
    """Build the table ``perturbation_comparison``: predicted and measured effects of real perturbations.

    The prediction is the mean effect of the experiment on each unit in the time window of the experiment, in
    simulations of the unperturbed trials. Each condition has the share that it has among the perturbed trials. Units
    that are perturbed directly are left out, because the effect on them is imposed and not predicted. The prediction
    can be compared with two baselines: no effect at all, whose R2 is 0, and for each unit the mean measured effect on
    all other units of the same region. Trials that networks were fitted to (`fit_all_but`) are left out.

    Parameters
    ----------
    recording : the recording that the networks were fitted to.
    perturbed : trials with a real perturbation, the field ``perturbed`` of `curbd.recording.ingest.Session`; None for a
        recording without such trials, of which the table has no rows.
    inactivations : the table ``inactivations`` of a model.
    units : the table ``inactivation_units`` of the model.

    Returns
    -------
    The table ``perturbation_comparison``.

    Raises
    ------
    UserError : an experiment is not a single perturbation, or no perturbed trial has an unperturbed counterpart.
    """
    if perturbed is None:
        return empty("perturbation_comparison")
    rows = list[dict[str, Any]]()
    if "fit_all_but" in perturbed.coords:
        perturbed = perturbed.isel(trial=perturbed["fit_all_but"].values == "")
    for experiment in np.unique(perturbed["perturbation"].values.astype(str)):
        predictions = inactivations[inactivations["experiment"] == experiment]
        names = [str(name) for name in predictions["perturbation"].unique()]
        require_single(recording, experiment, names)
        start_s, stop_s = float(predictions["start_s"].iloc[0]), float(predictions["stop_s"].iloc[0])
        alike = perturbed.isel(trial=perturbed["perturbation"].values == experiment)
        conditions = predictions["condition"]
        off, on = (trials.isel(trial=trials["condition"].isin(conditions)) for trials in (recording, alike))
        measured = measure(off, on, start_s, stop_s)
        unit_predictions = units[units["perturbation"] == names[0]]
        for seed, unit_rows in unit_predictions.groupby("seed"):
            verdicts = predictions[predictions["seed"] == seed].groupby("target")["verdict"].agg(set)
            predicted = _predicted(unit_rows, measured, recording)
            identity = {
                "recording": recording.attrs["recording"],
                "model": unit_rows["model"].iloc[0],
                "seed": int(str(seed)),
                "perturbation": names[0],
                "n_perturbed": int((measured.weight > 0).sum()),
                "n_unperturbed": int((measured.weight < 0).sum()),
            }
            compared = _Compared(
                measured, predicted, recording["region"].values.astype(str), _patterns(off, measured, predicted)
            )
            rows += [identity | row for row in _rows_of_fit(compared, verdicts)]
    table = pd.DataFrame(rows)
    return table.reindex(columns=[column.name for column in TABLES["perturbation_comparison"].columns])


def _patterns(off: xr.Dataset, measured: Measured, predicted: pd.DataFrame) -> Mapping[str, Array]:
    """Patterns of the effect that need no network, from the unperturbed trials (`pattern_baselines`)."""
    r, driven = scaled_rates(off).values, predicted["perturbed"].to_numpy(dtype=bool)
    complete = r[np.isfinite(r).all((1, 2))]
    sign = 1.0 if not driven.any() else float(np.sign(measured.effect[driven].mean())) or 1.0
    return pattern_baselines(complete, driven, sign)


def _predicted(units: pd.DataFrame, measured: Measured, recording: xr.Dataset) -> pd.DataFrame:
    """Average the predicted effect on every unit over conditions, with the weights of the measured effect.

    The ends of the intervals are averaged over conditions as well, as if all conditions had one common error;
    independent errors would give a narrower interval.

    Parameters
    ----------
    units : rows of one fit and one perturbation of the table ``inactivation_units``.
    measured : the trials from which the effect was measured.
    recording : the recording, for the order of the units.
    """
    names, counts = np.unique(measured.condition[measured.weight > 0], return_counts=True)
    share = pd.Series(counts / counts.sum(), index=names)
    rows = units[units["condition"].isin(names)]
    columns = ["effect_mean", "ci_low", "ci_high"]
    weighted = rows[columns].mul(rows["condition"].map(share), axis=0)
    summed = weighted.groupby(rows["unit_id"]).sum(min_count=len(names))
    summed["perturbed"] = rows.groupby("unit_id")["perturbed"].any()
    return summed.reindex(recording["unit_id"].values.astype(str))


class _Compared(NamedTuple):
    """Everything that the rows about one perturbation and one fit are computed from.

    Attributes
    ----------
    measured : the trials from which the effect was measured.
    predicted : predicted effect on every unit, as `_predicted` returns it.
    region : (unit,) labels.
    patterns : name of a baseline -> (unit,) pattern of the effect.
    """

    measured: Measured
    predicted: pd.DataFrame
    region: Array
    patterns: Mapping[str, Array]

    @property
    def free(self) -> Array:
        """(unit,) bool: True for units that are not perturbed directly."""
        return ~self.predicted["perturbed"].to_numpy(dtype=bool)

    @property
    def drive_ratio(self) -> float:
        """Measured change of the units that are perturbed directly, over their predicted change; NaN without either."""
        predicted = self.predicted["effect_mean"].to_numpy()[~self.free]
        if not predicted.size or not abs(np.nanmean(predicted)) > 0:
            return float("nan")
        return float(self.measured.effect[~self.free].mean() / np.nanmean(predicted))

    def scaled(self, averages: Array) -> dict[str, float]:
        """Columns about the prediction of the network if the perturbed units were to move as measured.

        Responses are taken to be proportional to the drive, which holds for small responses.
        """
        effect = averages @ self.measured.effect
        predicted = averages @ self.predicted["effect_mean"].fillna(0).to_numpy() * self.drive_ratio
        squares = float((effect**2).sum())
        r2 = 1 - float(((effect - predicted) ** 2).sum()) / squares if squares > 0 else float("nan")
        return {"drive_ratio": self.drive_ratio, "r2_scaled": r2}

    def maps(self, averages: Array) -> Iterator[tuple[str, MapScore]]:
        """Yield the scores of the network and of all baselines for the map of averages (entry, unit) over units."""
        trials = self.measured.trials
        evidence = Evidence(averages @ trials.effect, trials.chance() @ averages.T, trials.resampled() @ averages.T)
        n_entries = len(evidence.measured)
        yield "model", evidence.score(averages @ self.predicted["effect_mean"].fillna(0).to_numpy())
        yield "none", evidence.score(np.zeros(n_entries))
        if n_entries > 1:
            constant = (evidence.measured.sum() - evidence.measured) / (n_entries - 1)
            # The mean of all other entries falls where an entry rises: its correlation says nothing.
            yield "constant", evidence.score(constant)._replace(**dict.fromkeys(CORRELATIONS, np.nan))
        for name, pattern in self.patterns.items():
            yield name, evidence.score(averages @ pattern, has_scale=False)


def _rows_of_fit(compared: _Compared, verdicts: pd.Series) -> Iterator[dict[str, Any]]:
    """Yield rows about every region with units that are not perturbed directly, about these units, and about the map.

    Parameters
    ----------
    compared : measured and predicted effects of one perturbation.
    verdicts : target -> set of verdicts on the predicted effects.
    """
    targets = [str(name) for name in np.unique(compared.region[compared.free])]
    prediction = compared.predicted["effect_mean"].to_numpy()
    insides = {target: np.flatnonzero((compared.region == target) & compared.free) for target in targets}
    size = {target: float(np.sqrt(np.nanmean(prediction[inside] ** 2))) for target, inside in insides.items()}
    least = LEAST_PREDICTED_SHARE * max(size.values(), default=0.0)
    for target, inside in insides.items():
        supported = "supported" in verdicts[target]
        shared = {
            "target": target,
            "predicted_effect": "effect" if supported else "none" if size[target] <= least else "not_supported",
        }
        yield from (shared | row for row in _rows_of_region(compared, inside))
    if len(targets) > 1:
        averages = np.stack([np.isin(np.arange(len(prediction)), inside) / len(inside) for inside in insides.values()])
        p_value = compared.measured.p_value(np.flatnonzero(compared.free))
        effect = "effect" if p_value <= MAX_EFFECT_P_VALUE else "none"
        of_map: dict[str, Any] = {"target": ALL_REGIONS, "unit_id": "", "p_value": p_value, "measured_effect": effect}
        for name, score in compared.maps(averages):
            scaled = compared.scaled(averages) if name == "model" else {}
            yield of_map | {"baseline": name} | score._asdict() | scaled


def _rows_of_region(compared: _Compared, inside: Array) -> list[dict[str, Any]]:
    """Build the rows about a region, then the rows about its units (unit,), which are given by index."""
    measured, predicted = compared.measured, compared.predicted
    effect, error = measured.effect[inside], measured.standard_error[inside]
    prediction = predicted["effect_mean"].to_numpy()[inside]
    p_value = measured.p_value(inside)
    verdict = "effect" if p_value <= MAX_EFFECT_P_VALUE else "none"
    mean_of_units = measured._replace(r=measured.r[..., inside].mean(2, keepdims=True))
    of_region: dict[str, Any] = {
        "unit_id": "",
        "measured": float(effect.mean()),
        "measured_se": float(mean_of_units.standard_error[0]),
        "p_value": p_value,
        "measured_effect": verdict,
    }
    averages = np.eye(len(compared.region))[inside]
    scores = dict(compared.maps(averages)) if verdict == "effect" else {}
    constant = scores["constant"].r2 if "constant" in scores else np.nan
    low, high = (predicted[column].to_numpy()[inside] for column in ("ci_low", "ci_high"))
    unit_id = predicted.index.to_numpy()[inside]
    of_model = scores["model"]._asdict() | compared.scaled(averages) if scores else {}
    rows = [
        of_region | {"baseline": "model", "predicted": float(prediction.mean()), "r2_mean_effect": constant} | of_model
    ]
    rows += [of_region | {"baseline": name} | score._asdict() for name, score in scores.items() if name != "model"]
    return rows + [
        {
            "unit_id": str(unit_id[index]),
            "baseline": "model",
            "predicted": float(prediction[index]),
            "predicted_low": float(low[index]),
            "predicted_high": float(high[index]),
            "measured": float(effect[index]),
            "measured_se": float(error[index]),
            "measured_effect": verdict,
        }
        for index in range(len(inside))
    ]
