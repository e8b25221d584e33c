"""In-silico inactivation: silence a region, cut a pathway or an input, and compare with the intact network."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import xarray as xr

from curbd.config import Inactivation
from curbd.ensemble import member
from curbd.errors import UserError
from curbd.experiments import check_experiments
from curbd.hidden import with_hidden_inputs
from curbd.network import Cut, Network, phi_inverse, simulate
from curbd.recording.scaling import scaled_rates
from curbd.scores import true_network

Array = np.ndarray
RANDOM_GROUPS = 39
"""Groups of random units behind a p-value, whose smallest value is 1 / 40."""
SEED = 0
"""Seed of the random groups: all networks and perturbations of one size meet the same groups."""


class Perturbation(NamedTuple):
    """One thing that is silenced.

    Attributes
    ----------
    name : ``silence:ca1``.
    kind : region, pathway or input.
    strength : 1 silences fully.
    start_s, stop_s : window, from the first edge of its first bin to the last edge of its last one.
    when : (time,) bins of the window.
    units : (unit,) silenced units.
    weights : (target, source) mask of the cut weights.
    inputs : (input,) cut inputs.
    """

    name: str
    kind: str
    strength: float
    start_s: float
    stop_s: float
    when: Array
    units: Array
    weights: Array
    inputs: Array


class Place(NamedTuple):
    """Where an effect is read: units (unit,) of a target region, observed (trial, time) bins of a condition."""

    target: str
    condition: str
    units: Array
    observed: Array

    def bins(self, perturbation: Perturbation) -> Array:
        """(trial, time) bins of the condition inside the window of the perturbation."""
        return self.observed & perturbation.when


class Start(NamedTuple):
    """Where all runs start: x0 (trial, unit), inputs (trial, time, input), drive (trial, time, unit) or None."""

    x0: Array
    inputs: Array
    drive: Array | None


def inactivate(
    recording: xr.Dataset,
    networks: xr.Dataset,
    experiments: Mapping[str, Inactivation],
    truth: xr.Dataset | None = None,
) -> pd.DataFrame:
    """The table ``inactivations``: what each experiment does to each region.

    The effect is the perturbed minus the intact run of the network, both from the recorded state at the start of
    every trial, with the recorded inputs and without noise. A silenced unit's rate is held at 0 (times
    1 - strength); its state goes on. The null silences random groups of as many units.

    Parameters
    ----------
    truth : the network behind a teacher recording; adds the column ``true_r2``.

    Raises
    ------
    UserError : an experiment names a region or input that the recording has not, or a window outside its trials.
    """
    check_experiments(recording, experiments)
    plan = list(perturbations(with_hidden_inputs(recording, networks, 0), experiments))
    places = _places(recording)
    true_effects: list[Array] = []
    if truth is not None and recording.attrs["activity"] == "model":
        drive = np.nan_to_num(truth["drive"].values) if "drive" in truth else None
        known = [one._replace(inputs=one.inputs[: recording.sizes["input"]]) for one in plan]
        start = _start(recording)._replace(drive=drive)
        true_effects = [effect for effect, _ in _effects(true_network(truth), start, known)]
    rows = []
    for number, seed in enumerate(networks["seed"].values):
        network = member(networks, number)
        start = _start(with_hidden_inputs(recording, networks, number))
        # Perturbations of one size and window share their null.
        nulls: dict[tuple[int, float, bytes], Array] = {}
        for which, (effect, intact) in enumerate(_effects(network, start, plan)):
            perturbation = plan[which]
            alike = (int(perturbation.units.sum()), perturbation.strength, perturbation.when.tobytes())
            if alike not in nulls:
                nulls[alike] = _null(network, start, perturbation, intact, places)
            null = nulls[alike]
            for column, place in enumerate(places):
                bins = place.bins(perturbation)
                if not bins.any():
                    continue
                part = effect[bins][:, place.units]
                rms = float(np.sqrt((part**2).mean()))
                silenced = bool((perturbation.units & place.units).any())
                row: dict[str, Any] = {
                    "recording": recording.attrs["recording"],
                    "model": networks.attrs["model"],
                    "seed": int(seed),
                    "perturbation": perturbation.name,
                    "kind": perturbation.kind,
                    "strength": perturbation.strength,
                    "start_s": perturbation.start_s,
                    "stop_s": perturbation.stop_s,
                    "target": place.target,
                    "condition": place.condition,
                    "effect_rms": rms,
                    "effect_mean": float(part.mean()),
                    # What silencing does to the silenced units themselves is no finding.
                    **_against_null(rms, null[:0, column] if silenced else null[:, column]),
                }
                if truth is not None:
                    row["true_r2"] = (
                        _true_r2(part, true_effects[which][bins][:, place.units]) if true_effects else np.nan
                    )
                rows.append(row)
    return pd.DataFrame(rows)


def _true_r2(effect: Array, true: Array) -> float:
    """Share of the true effect's squares that is predicted; NaN where there is no true effect."""
    squares = float((true**2).sum())
    return 1 - float(((effect - true) ** 2).sum()) / squares if squares > 0 else float("nan")


def _places(recording: xr.Dataset) -> list[Place]:
    """Every region in every condition."""
    region = recording["region"].values.astype(str)
    condition = recording["condition"].values.astype(str)
    observed = np.isfinite(scaled_rates(recording).values).all(2)
    return [
        Place(str(target), str(name), region == target, observed & (condition == name)[:, None])
        for target in np.unique(region)
        for name in np.unique(condition)
    ]


def perturbations(recording: xr.Dataset, experiments: Mapping[str, Inactivation]) -> Iterator[Perturbation]:
    """The experiments of a config, one by one: ``region: null`` becomes each region in turn.

    Raises
    ------
    UserError : a window holds no bin of the recording.
    """
    region = recording["region"].values.astype(str)
    inputs = recording["input"].values.astype(str)
    regions = np.unique(region)
    for name, experiment in experiments.items():
        when = _when(recording, name, experiment)
        nothing = {
            "units": np.zeros(len(region), bool),
            "weights": np.zeros((len(region), len(region)), bool),
            "inputs": np.zeros(len(inputs), bool),
        }
        if experiment.kind == "region":
            chosen = regions if experiment.region is None else [experiment.region]
            parts = [(str(one), nothing | {"units": region == one}) for one in chosen]
        elif experiment.kind == "pathway":
            sources = regions if experiment.source is None else [experiment.source]
            targets = regions if experiment.target is None else [experiment.target]
            parts = [
                (f"{source}->{target}", nothing | {"weights": np.outer(region == target, region == source)})
                for target in targets
                for source in sources
                if source != target or (experiment.source and experiment.target)
            ]
        else:
            known = inputs if experiment.input is None else [experiment.input]
            parts = [(str(one), nothing | {"inputs": inputs == one}) for one in known]
        for what, arrays in parts:
            times = recording["time"].values[when]
            half = recording.attrs["dt_s"] / 2
            yield Perturbation(
                f"{name}:{what}",
                experiment.kind,
                experiment.strength,
                float(np.round(times[0] - half, 9)),
                float(np.round(times[-1] + half, 9)),
                when,
                **arrays,
            )


def _when(recording: xr.Dataset, name: str, experiment: Inactivation) -> Array:
    time = recording["time"].values
    low = -np.inf if experiment.start_s is None else experiment.start_s
    high = np.inf if experiment.stop_s is None else experiment.stop_s
    when = (time >= low) & (time < high)
    if not when.any():
        raise UserError.at(
            f"config, inactivations.{name}",
            found=f"a window from {low:g} to {high:g} s",
            expected=f"one inside the trials of recording {recording.attrs['recording']}, "
            f"{time[0]:g} to {time[-1]:g} s",
            todo="set start_s and stop_s in seconds from the alignment of the trials",
        )
    return when


def _start(recording: xr.Dataset) -> Start:
    """Recorded states and inputs; trials whose first bin is missing start from the silent state."""
    r = scaled_rates(recording).values
    u = np.nan_to_num(recording["inputs"].transpose("trial", "time", "input").values)
    return Start(np.nan_to_num(phi_inverse(r[:, 0])), u, None)


def _run(network: Network, start: Start, perturbation: Perturbation | None = None) -> Array:
    """Rates (trial, time, unit) of an intact or a perturbed run."""
    if perturbation is None:
        return simulate(network, start.x0, start.inputs, drive=start.drive)
    amount = perturbation.strength * perturbation.when
    inputs, gain, cut = start.inputs, None, None
    if perturbation.units.any():
        gain = 1 - (amount[:, None] * perturbation.units)[None]
    if perturbation.inputs.any():
        inputs = inputs * (1 - amount[:, None] * perturbation.inputs)
    if perturbation.weights.any():
        cut = Cut(network.J * perturbation.weights, amount)
    return simulate(network, start.x0, inputs, drive=start.drive, gain=gain, cut=cut)


def _effects(network: Network, start: Start, plan: list[Perturbation]) -> Iterator[tuple[Array, Array]]:
    """For each perturbation the perturbed minus the intact rates, and the intact ones."""
    intact = _run(network, start)
    for perturbation in plan:
        yield _run(network, start, perturbation) - intact, intact


def random_groups(n_units: int, size: int, seed: int) -> Array:
    """(group, unit) masks of random groups of units; none where no group could leave a unit alive."""
    if size >= n_units:
        return np.zeros((0, n_units), bool)
    rng = np.random.default_rng(seed)
    chosen = np.argsort(rng.random((RANDOM_GROUPS, n_units)), axis=1)[:, :size]
    groups = np.zeros((RANDOM_GROUPS, n_units), bool)
    np.put_along_axis(groups, chosen, True, axis=1)
    return groups


def _null(network: Network, start: Start, perturbation: Perturbation, intact: Array, places: list[Place]) -> Array:
    """(group, place) rms effect when random groups of as many units are silenced; only regions have this null.

    Silenced units themselves are left out of a target.
    """
    n_units = len(perturbation.units)
    size = int(perturbation.units.sum())
    groups = random_groups(n_units, size, SEED) if size else np.zeros((0, n_units), bool)
    rms = np.full((len(groups), len(places)), np.nan)
    for number, group in enumerate(groups):
        squares = (_run(network, start, perturbation._replace(units=group)) - intact) ** 2
        for column, place in enumerate(places):
            alive = place.units & ~group
            if alive.any():
                rms[number, column] = np.sqrt(squares[place.bins(perturbation)][:, alive].mean())
    return rms


def _against_null(effect_rms: float, null: Array) -> dict[str, float]:
    """Interval of the null and the share of groups with at least this effect."""
    known = null[np.isfinite(null)]
    if not len(known):
        return {"null_low": np.nan, "null_high": np.nan, "p_value": np.nan}
    low, high = np.percentile(known, [2.5, 97.5])
    p_value = (1 + (known >= effect_rms).sum()) / (len(known) + 1)
    return {"null_low": float(low), "null_high": float(high), "p_value": float(p_value)}
