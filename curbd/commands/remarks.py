"""Remarks that a reader should know before reading the results of a run: limits that were reached, missing results."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from curbd.pathways.contradictions import contradictions
from curbd.pathways.window_table import MIN_WINDOW_BINS, is_too_short, time_windows
from curbd.recording.fluorescence import is_deconvolved, is_fluorescence
from curbd.recording.sufficiency import one_unit_regions
from curbd.recording.trial_remarks import remark_on_bins, remark_on_conditions
from curbd.regression.time_constant_limits import MAX_TAU_SAMPLES, at_lower_limit, at_upper_limit
from curbd.settings.estimators import (
    MAX_HIDDEN_INPUTS,
    BlockRank,
    OneStep,
    PopulationNetwork,
    ReducedRank,
    StateSpace,
    Trajectory,
)
from curbd.settings.models import Model
from curbd.settings.plan import Plan
from curbd.storage.netcdf import open_netcdf
from curbd.tables.files import read

MAX_TIME_CONSTANTS = 50
"""A perturbation of more time constants is called long: the free run has left the recorded trial long before."""


def remarks(results: Path, plan: Plan, fits: dict[str, list[str]]) -> dict[str, list[str]]:
    """Collect remarks on the recordings and models of a run.

    Parameters
    ----------
    results : folder of the run.
    plan : the plan of the run.
    fits : name of a recording -> models that have all their results.

    Returns
    -------
    Name of a recording -> sentences about the recording and its models.
    """
    return {recording: list(_of_recording(results, plan, recording, models)) for recording, models in fits.items()}


def _of_recording(results: Path, plan: Plan, name: str, models: list[str]) -> Iterator[str]:
    folder = results / name
    units = read("units", folder / "units.csv")
    units_of_region = units.loc[units["kept"], "region"].value_counts().to_dict()
    yield from _lost_regions(units, plan.recordings[name].settings.units.min_per_region)
    with open_netcdf(folder / "recording.nc") as recording:
        columns = plan.recordings[name].settings.windows.conditions
        if recording.attrs.get("stretches") == "trials":
            yield from filter(None, [remark_on_conditions(recording["condition"].values.astype(str), columns)])
        activity = str(recording.attrs["activity_name"])
        n_bins = (recording["rates"].count("unit") > 0).sum("time")
        yield from filter(None, [remark_on_bins(float(n_bins.median()), float(recording.attrs["dt_s"]))])
        yield from _lost_windows(recording, plan.config.verdict_windows_s)
    yield from _lost_experiments(folder / "experiments.json", plan, name)
    texts: dict[str, list[str]] = {}
    for model in models:
        with open_netcdf(folder / model / "network.nc") as networks:
            of_model = list(_of_networks(networks, plan.fit_model(name, model)))
            tau_s = float(networks["tau_s"].median())
        of_model += filter(None, [_without_indicator(activity, plan.config.models[model], tau_s)])
        pathways, nulls = (read(table, folder / model / f"{table}.csv") for table in ("pathways", "nulls"))
        is_of_populations = plan.config.models[model].level == "population"
        of_model += filter(None, [one_unit_regions(units_of_region)]) if is_of_populations else []
        if plan.experiments(name).inactivations:
            # The perturbed run of a population network follows the trial, with the innovations of the trial.
            effects = read("inactivations", folder / model / "inactivations.csv")
            of_model += (
                _experiments_on_units(folder, effects) if is_of_populations else _long_experiments(effects, tau_s)
            )
        if plan.config.models[model].constraints is not None:
            constraints = read("constraints", folder / model / "constraints.csv")
            of_model += [*_doubtful(constraints), *_far_units(constraints)]
        for text in [*of_model, *contradictions(pathways, nulls)]:
            texts.setdefault(text, []).append(model)
    yield from (f"{', '.join(named)}: {text}" for text, named in texts.items())


def _lost_regions(units: pd.DataFrame, fewest: int) -> Iterator[str]:
    """Regions of which no unit is fitted."""
    labelled = units[units["region"] != ""]
    kept = set(labelled.loc[labelled["kept"], "region"])
    lost = labelled[~labelled["region"].isin(kept)]
    small = lost[lost["reason"].str.startswith("fewer than")]
    regions = sorted(set(small["region"]))
    if regions:
        yield (
            f"{', '.join(regions)} {'are' if len(regions) > 1 else 'is'} left out, with fewer than {fewest} units that "
            "can be fitted (units.min_per_region)."
        )


def _lost_windows(recording: xr.Dataset, wanted: float | list[tuple[float, float]]) -> Iterator[str]:
    """Time windows without a verdict."""
    lost = [
        f"{window.start_s:g} to {window.stop_s:g} s"
        for window in time_windows(recording, wanted)
        if is_too_short(window)
    ]
    if lost:
        yield (
            f"there are no verdicts in the window{'s' * (len(lost) > 1)} {', '.join(lost)} (verdict_windows_s), with "
            f"fewer than {MIN_WINDOW_BINS} bins inside the trials."
        )


def _lost_experiments(path: Path, plan: Plan, recording: str) -> Iterator[str]:
    """Experiments that the recording cannot do."""
    if path.is_file():
        done = json.loads(path.read_text(encoding="utf-8"))["inactivations"]
        lost = [name for name in plan.experiments(recording).inactivations if name not in done]
        if lost:
            yield (
                f"the recording cannot run the experiment{'s' * (len(lost) > 1)} {', '.join(lost)}; "
                f"logs/experiments/{recording}.log gives the reason."
            )


def _long_experiments(effects: pd.DataFrame, tau_s: float) -> Iterator[str]:
    """Experiments whose perturbation is much longer than the time constant of the network."""
    seconds = (effects["stop_s"] - effects["start_s"]).groupby(effects["experiment"]).max()
    long = seconds[seconds > MAX_TIME_CONSTANTS * tau_s]
    if len(long):
        yield (
            f"the experiment{'s' * (len(long) > 1)} {', '.join(long.index)} "
            f"perturb{'s' * (len(long) == 1)} for up to {long.max():.3g} s, {long.max() / tau_s:.0f} time constants. "
            "The effect is then mostly that on a network which no longer follows the recorded trial: set start_s and "
            "stop_s, or sweep_s for successive windows."
        )


def _without_indicator(activity: str, model: Model, tau_s: float) -> str:
    """Fluorescence that is fitted as if it were the rates of the units; '' otherwise."""
    if model.level != "unit" or not is_fluorescence(activity) or is_deconvolved(activity):
        return ""
    options = model.estimator_options()
    if isinstance(options, StateSpace) and options.noise == "calcium":
        return ""
    return (
        f"fluorescence is fitted as if it were the rates of the units: the time constant ({tau_s:.2g} s) is that of "
        "the calcium indicator, and the currents are wrong. Use the estimator state_space with the option noise: "
        "calcium, a population network, or deconvolved activity."
    )


def _far_units(constraints: pd.DataFrame) -> Iterator[str]:
    """Penalties of distance with which shuffled positions predict as well."""
    if "distance_verdict" in constraints and (constraints["distance_verdict"] == "no_evidence").any():
        yield (
            "with shuffled positions of the units, the fit predicts held-out trials as well: the data do not support "
            "the penalty that grows with distance."
        )


def _doubtful(constraints: pd.DataFrame) -> Iterator[str]:
    """Constraints that the held-out data contradict or do not support."""
    words = {"contradicted": "the data contradict the constraints", "no_evidence": "the data do not support the signs"}
    for verdict, text in words.items():
        judged = constraints[constraints["verdict"] == verdict]
        if len(judged):
            of_fits = "" if len(judged) == 1 else f" in {len(judged)} fits"
            yield (
                f"{text}{of_fits}: {judged['reason'].iloc[0]}. Do not read currents or effects of inactivation from "
                "this model before the cell types and the other constraints are checked."
            )


def _experiments_on_units(folder: Path, effects: pd.DataFrame) -> Iterator[str]:
    """Experiments that a population network cannot do, because they act on single units."""
    if not (folder / "experiments.json").is_file():
        return
    wanted = json.loads((folder / "experiments.json").read_text(encoding="utf-8"))["inactivations"]
    done = set(effects["experiment"])
    lost = [name for name in wanted if name not in done]
    if lost:
        yield (
            f"a population network cannot run the experiment{'s' * (len(lost) > 1)} {', '.join(lost)}, which "
            f"{'act' if len(lost) > 1 else 'acts'} on single units or on weights of one sign."
        )


def _of_networks(networks: xr.Dataset, model: Model) -> Iterator[str]:
    """Limits that the fits of a model reached."""
    options = model.estimator_options()
    if isinstance(model.tau_s, str) and model.level == "unit":
        tau_s = networks["tau_s"].values
        dt_s = float(networks.attrs["dt_s"])
        if at_lower_limit(tau_s, dt_s).any():
            yield (
                f"the time constant is at its lower limit, one bin of {dt_s:g} s, and may be shorter: set tau_s, or "
                "use narrower bins."
            )
        if at_upper_limit(tau_s, dt_s).any():
            yield (
                f"the time constant is at or above its upper limit, {MAX_TAU_SAMPLES} bins, where it cannot be told "
                "from other causes of slow activity: set tau_s, or use wider bins."
            )
    max_rank = options.max_rank if isinstance(options, ReducedRank | Trajectory) and options.rank is None else None
    if max_rank is not None and networks.sizes.get("rank", 0) >= max_rank:
        yield f"the rank {max_rank} is the largest that was tried; if a higher rank may be needed, raise max_rank."
    if isinstance(options, BlockRank) and "block_rank" in networks:
        at_limit = int((networks["block_rank"].values[0] >= options.max_rank).sum())
        if at_limit:
            yield (
                f"{at_limit} {'pairs of regions have' if at_limit > 1 else 'pair of regions has'} the largest rank "
                f"that was tried, {options.max_rank}; if a higher rank may be needed, raise max_rank."
            )
    if isinstance(options, PopulationNetwork) and not networks["latents_suffice"]:
        yield (
            f"one latent more than the largest number that was tried ({options.max_dimensions}) predicts held-out "
            "units clearly better. Currents and intervals can be wrong, and no pathway is resolved "
            "(docs/populations.md, areas of chaotic units); raise max_dimensions."
        )
    if isinstance(options, PopulationNetwork) and networks["latents_suffice"] and "n_latents_high" in networks:
        yield from _latents_at_limit(networks, options.max_dimensions)
    if isinstance(options, OneStep) and options.hidden_inputs == "auto" and "input_hidden" in networks.coords:
        hidden = networks["input_hidden"].values.astype(bool)
        weights = networks["B"].values[0][:, hidden]
        region = networks["target_region"].values.astype(str)
        full = [name for name in np.unique(region) if _n_inputs(weights[region == name]) >= MAX_HIDDEN_INPUTS]
        if full:
            yield (
                f"{', '.join(full)} {'have' if len(full) > 1 else 'has'} as many hidden inputs as are tried "
                f"({MAX_HIDDEN_INPUTS}); more may act on the region."
            )


def _latents_at_limit(networks: xr.Dataset, max_dimensions: int) -> Iterator[str]:
    """Regions that may need more latents than were allowed."""
    at_limit = networks["n_latents_high"].values >= max_dimensions
    regions = networks["pathway_target"].values.astype(str)[at_limit]
    if len(regions):
        yield (
            f"{', '.join(regions)} may need more latents than the {max_dimensions} that were allowed (n_latents_high "
            "in regions.csv): raise max_dimensions in the options of the model (up to 10), and see whether the "
            "verdicts stay the same."
        )


def _n_inputs(weights: np.ndarray) -> int:
    """Number of inputs with any weight on the units; weights (unit, input)."""
    return int((np.abs(weights) > 0).any(axis=0).sum())
