"""Conversion of the experiments of a config into perturbations of the network of one recording."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from typing import NamedTuple

import numpy as np
import pandas as pd
import xarray as xr

from curbd.errors import UserError, did_you_mean
from curbd.inactivation.selection import random_subset, selected
from curbd.network.perturbation import WEIGHT_SIGNS, Action, Cut, Perturbation, combined, contradictions, no_action
from curbd.recording.scaling import silent
from curbd.settings.experiments import Inactivation, Intervention

Array = np.ndarray


class Preparation(NamedTuple):
    """A recording on which experiments are done, and the inputs, latents and populations that a model adds to it.

    Attributes
    ----------
    recording : the recording.
    hidden_inputs : names of the inputs that the fit inferred.
    n_latents : number of latents of a low-rank network, 0 for any other network.
    populations : table with the columns unit_id and population, or None for a model without populations.
    measured : name of an experiment -> (unit,) change of the scaled rates in the perturbed trials that refer to this
        experiment; None before any trial is read, where a change of 1 stands for every change of rates.
    experiment : name of the experiment that is prepared.
    nonlinearity : name of the nonlinearity of the network; None for that of the recording.
    """

    recording: xr.Dataset
    hidden_inputs: tuple[str, ...] = ()
    n_latents: int = 0
    populations: pd.DataFrame | None = None
    measured: Mapping[str, Array] | None = None
    experiment: str = ""
    nonlinearity: str | None = None

    @property
    def input_name(self) -> Array:
        """(input,) names of the recorded inputs, then of the hidden inputs."""
        return np.array([*self.recording["input"].values.astype(str), *self.hidden_inputs], dtype=str)

    @property
    def region(self) -> Array:
        """(unit,) region of every unit."""
        return self.recording["region"].values.astype(str)

    def change_of_rates(self, intervention: Intervention, where: str) -> Array:
        """Return by how much a drive in units of the rate moves the scaled rate of each unit (unit,) that it reaches.

        Raises
        ------
        UserError : the change is to be measured, and no perturbed trial refers to the experiment.
        """
        if self.measured is None:
            return np.ones(self.recording.sizes["unit"])
        if intervention.value != "measured":
            return float(intervention.value or 0) / self.recording["scale"].values
        if self.experiment not in self.measured:
            raise UserError.at(
                f"{where}.value",
                found="measured",
                expected="perturbed trials that refer to this experiment, in recording "
                f"{self.recording.attrs['recording']}",
                todo="name the experiment in the key like of perturbed, or give the drive as a number",
            )
        return self.measured[self.experiment]


class LabelledAction(NamedTuple):
    """An action, its name in the tables, and other fields of `Perturbation`.

    Attributes
    ----------
    label : name in the tables; it includes the share of the units if only a part of a group is perturbed.
    acts_on : what is perturbed.
    action : what is done at full strength.
    fraction : share of the units of a group that is perturbed; NaN if the action does not act on a single group.
    pathway : (source, target) regions of a cut pathway, else None.
    interventions : the actions of which a combination consists; empty for a single action.
    """

    label: str
    acts_on: str
    action: Action
    fraction: float = np.nan
    pathway: tuple[str, str] | None = None
    interventions: tuple[Action, ...] = ()


def perturbations_of(preparation: Preparation, experiments: Mapping[str, Inactivation]) -> list[Perturbation]:
    """Expand every experiment into perturbations: one per region (or other target) left open, dose and time window.

    Parameters
    ----------
    preparation : the recording, and what a model adds to it.
    experiments : name of the experiment -> its settings.

    Returns
    -------
    The perturbations of all experiments, in the order of the experiments.

    Raises
    ------
    UserError : an unknown name, an empty group, a time window or condition without any bin, or contradictory
        interventions.
    """
    return [
        perturbation
        for name, experiment in experiments.items()
        for perturbation in _perturbations_of_one(preparation, name, experiment)
    ]


def _perturbations_of_one(preparation: Preparation, name: str, experiment: Inactivation) -> Iterator[Perturbation]:
    """Yield the perturbations of one entry of ``inactivations`` in the config."""
    where = f"config, inactivations.{name}"
    preparation = preparation._replace(experiment=name)
    conditions = _conditions(preparation.recording, experiment, where)
    windows = _windows(preparation.recording, experiment, conditions, where)
    kind, actions = _actions(preparation, experiment, where)
    doses = experiment.strength if isinstance(experiment.strength, list) else [experiment.strength]
    time, half_bin = preparation.recording["time"].values, preparation.recording.attrs["dt_s"] / 2
    for labelled, dose, when in product(actions, doses, windows):
        start_s, stop_s = (float(np.round(edge, 9)) for edge in (time[when][0] - half_bin, time[when][-1] + half_bin))
        label = f"{name}:{labelled.label}"
        if len(doses) > 1:
            label += f" x{dose:g}"
        if experiment.sweep_s is not None:
            label += f" {start_s:g} to {stop_s:g} s"
        yield Perturbation(
            name=label,
            kind=kind,
            strength=dose,
            start_s=start_s,
            stop_s=stop_s,
            when=when,
            conditions=conditions,
            action=labelled.action,
            pathway=labelled.pathway,
            experiment=name,
            acts_on=labelled.acts_on,
            fraction=labelled.fraction,
            interventions=labelled.interventions,
        )


def _actions(preparation: Preparation, experiment: Inactivation, where: str) -> tuple[str, list[LabelledAction]]:
    """Return the kind of an experiment, and all actions that the experiment asks for.

    Raises
    ------
    UserError : two interventions of the experiment contradict each other or are identical; see also
        `_actions_of_intervention`.
    """
    if not experiment.parts:
        return experiment.kind, list(_actions_of_intervention(preparation, experiment, where))
    choices = [
        list(_actions_of_intervention(preparation, intervention, f"{where}.parts[{index}]"))
        for index, intervention in enumerate(experiment.parts)
    ]
    kinds = {intervention.kind for intervention in experiment.parts}
    combinations = list[LabelledAction]()
    seen = set[frozenset[str]]()
    for chosen in product(*choices):
        labels = frozenset(labelled.label for labelled in chosen)
        # The product of two open interventions has each pair twice, and each name paired with itself.
        if len(labels) < len(chosen) or labels in seen:
            continue
        seen.add(labels)
        combinations.append(_combination(chosen, preparation, where))
    if not combinations and all(choices):
        raise UserError.at(
            f"{where}.parts",
            found="the same intervention twice",
            expected="different interventions",
            todo="remove one of the two identical entries",
        )
    return kinds.pop() if len(kinds) == 1 else "combination", combinations


def _combination(chosen: Sequence[LabelledAction], preparation: Preparation, where: str) -> LabelledAction:
    """Combine several actions into one action that does all of them at the same time.

    Raises
    ------
    UserError : two of the actions set the rate of one unit.
    """
    actions = [labelled.action for labelled in chosen]
    contradictory = contradictions(actions)
    if contradictory.any():
        units = preparation.recording["unit_id"].values.astype(str)[contradictory]
        listed = f"{', '.join(units[:3])}{', ...' if len(units) > 3 else ''}"
        raise UserError.at(
            f"{where}.parts",
            found=f"{' and '.join(labelled.label for labelled in chosen)} set the rate of the same "
            f"{len(units)} unit{'' if len(units) == 1 else 's'} ({listed}) in two ways",
            expected="at most one entry that holds or scales the rate of a unit",
            todo="remove these units from one of the entries",
        )
    label = "+".join(labelled.label for labelled in chosen)
    return LabelledAction(label, label, combined(actions), interventions=tuple(actions))


def _actions_of_intervention(
    preparation: Preparation, intervention: Intervention, where: str
) -> Iterator[LabelledAction]:
    """Yield all actions of one intervention: one per name that is left open, and per fraction of units."""
    recording, region, inputs = preparation.recording, preparation.region, preparation.input_name
    intact = no_action(len(region), len(inputs))
    if intervention.kind == "pathway":
        for source, target in _pathways(intervention, recording, where):
            cut = Cut(targets=region == target, sources=region == source, sign=WEIGHT_SIGNS[intervention.weights])
            acts_on = f"{source}->{target}{_weights_label(intervention)}"
            yield LabelledAction(acts_on, acts_on, intact._replace(cuts=(cut,)), pathway=(source, target))
    elif intervention.kind == "input":
        for name in _given_or_all(intervention.input, inputs, f"{where}.input", "input", recording):
            yield LabelledAction(name, name, intact._replace(inputs=inputs == name))
    elif intervention.kind == "latent":
        every = range(1, preparation.n_latents + 1)
        for latent in every if intervention.latent is None else [intervention.latent]:
            if latent <= preparation.n_latents:
                yield LabelledAction(str(latent), str(latent), intact._replace(latents=(latent - 1,)))
    else:
        for label, units in _groups(preparation, intervention, where):
            for fraction, chosen in _random_subsets(intervention, units):
                share = "" if intervention.fraction is None else f" {100 * fraction:g}%"
                action = _action_on_units(preparation, intervention, chosen, where)
                weights = _weights_label(intervention)
                yield LabelledAction(f"{label}{share}{weights}", label + weights, action, fraction)


def _action_on_units(preparation: Preparation, intervention: Intervention, units: Array, where: str) -> Action:
    """Construct the action of an intervention on chosen units (unit,)."""
    intact = no_action(len(units), len(preparation.input_name))
    if intervention.weights != "all":
        cut = Cut(targets=np.ones(len(units), bool), sources=units, sign=WEIGHT_SIGNS[intervention.weights])
        return intact._replace(cuts=(cut,))
    if intervention.drives_rates:
        change = np.where(units, preparation.change_of_rates(intervention, where), 0.0)
        return intact._replace(held=units.copy(), level=change, follows=units.copy())
    silent_rate = silent(preparation.recording, preparation.nonlinearity)
    value = silent_rate if intervention.value is None else intervention.value
    if intervention.action == "scale":
        return intact._replace(gain=np.where(units, value, 1.0))
    if intervention.action == "drive":
        return intact._replace(current=np.where(units, value, 0.0))
    return intact._replace(held=units.copy(), level=np.where(units, value, 0.0))


def _groups(preparation: Preparation, intervention: Intervention, where: str) -> Iterator[tuple[str, Array]]:
    """Yield name and units (unit,) of each group on which an intervention of kind region, units or population acts."""
    recording = preparation.recording
    if intervention.kind == "region":
        region = preparation.region
        for name in _given_or_all(intervention.region, region, f"{where}.region", "region", recording):
            yield name, region == name
    elif intervention.kind == "units":
        yield _units_label(intervention), selected(recording, intervention, where)
    elif preparation.populations is not None:
        table = preparation.populations.astype({"unit_id": str, "population": str})
        population_of_unit = dict(zip(table["unit_id"], table["population"], strict=True))
        population = np.array([population_of_unit.get(unit, "") for unit in recording["unit_id"].values.astype(str)])
        names = population[population != ""]
        for name in _given_or_all(intervention.population, names, f"{where}.population", "population", recording):
            yield name, population == name


def _random_subsets(intervention: Intervention, units: Array) -> Iterator[tuple[float, Array]]:
    """Yield share and units (unit,) of each random subset of a group that is asked for, or of the whole group."""
    if intervention.fraction is None:
        yield 1.0, units
        return
    fractions = intervention.fraction if isinstance(intervention.fraction, list) else [intervention.fraction]
    for fraction in fractions:
        yield fraction, random_subset(units, fraction, intervention.seed)


def _units_label(intervention: Intervention) -> str:
    """Return the name of a chosen group of units in the tables."""
    labels = [f"{column}={'|'.join(map(str, values))}" for column, values in intervention.where.items()]
    labels += [f"{column}={low:g}..{high:g}" for column, (low, high) in intervention.between.items()]
    if intervention.units:
        labels.append(intervention.units[0] if len(intervention.units) == 1 else f"{len(intervention.units)} units")
    return ",".join(labels) or ("listed" if intervention.table else "all")


def _weights_label(intervention: Intervention) -> str:
    """Return the end of a name in the tables: which outgoing weights are cut, if not all are cut."""
    return "" if intervention.weights == "all" else f" {intervention.weights}"


def _pathways(intervention: Intervention, recording: xr.Dataset, where: str) -> Iterator[tuple[str, str]]:
    """Yield source and target of each pathway; a pathway within a region only if both names are given."""
    region = recording["region"].values.astype(str)
    for target in _given_or_all(intervention.target, region, f"{where}.target", "region", recording):
        for source in _given_or_all(intervention.source, region, f"{where}.source", "region", recording):
            if source != target or (intervention.source and intervention.target):
                yield source, target


def _given_or_all(name: str | None, values: Array, where: str, noun: str, recording: xr.Dataset) -> Sequence[str]:
    """Return the given name alone or, if no name is given, every name that occurs among the values, sorted.

    Parameters
    ----------
    name : the name in the config, or None for all names.
    values : names in the recording, in any shape.
    where : place of the name in the config, for the message.
    noun : what the names are, for the message.
    recording : the recording, for the message.

    Raises
    ------
    UserError : the given name does not occur.
    """
    names = [str(value) for value in np.unique(values)]
    if name is None:
        return names
    if name not in names:
        raise UserError.at(
            where,
            found=f'"{name}"',
            expected=f"one of the {noun}s of recording {recording.attrs['recording']}"
            + (f": {', '.join(names)}" if names else f", but this recording has no {noun}s"),
            todo=did_you_mean(name, names),
        )
    return [name]


def _conditions(recording: xr.Dataset, experiment: Inactivation, where: str) -> tuple[str, ...]:
    """Return the conditions whose trials are perturbed, each once."""
    condition = recording["condition"].values.astype(str)
    chosen = experiment.conditions or np.unique(condition)
    return tuple(
        _given_or_all(str(name), condition, f"{where}.conditions", "condition", recording)[0]
        for name in dict.fromkeys(chosen)
    )


def _windows(recording: xr.Dataset, experiment: Inactivation, conditions: Sequence[str], where: str) -> list[Array]:
    """Return the bins (time,) of the time window, or of each of the successive windows into which it is divided.

    Raises
    ------
    UserError : the window contains no bin of any trial of these conditions.
    """
    time = recording["time"].values
    low = -np.inf if experiment.start_s is None else experiment.start_s
    high = np.inf if experiment.stop_s is None else experiment.stop_s
    trials = np.isin(recording["condition"].values.astype(str), conditions)
    observed = np.isfinite(recording["rates"].transpose("trial", "time", "unit").values).all(2)[trials].any(0)
    when = (time >= low) & (time < high)
    if not (when & observed).any():
        raise UserError.at(
            f"{where}.{'start_s' if low > time[observed][-1] else 'stop_s'}",
            found=f"a time window from {low:g} to {high:g} s",
            expected=f"a time window inside the trials of recording {recording.attrs['recording']}, "
            f"{time[observed][0]:g} to {time[observed][-1]:g} s",
            todo="set start_s and stop_s of the experiment in seconds from the alignment of the trials",
        )
    if experiment.sweep_s is None:
        return [when]
    n_bins = max(1, round(experiment.sweep_s / float(recording.attrs["dt_s"])))
    inside = np.flatnonzero(when & observed)
    starts = inside[: max(len(inside) - n_bins + 1, 1) : n_bins]
    return [when & (np.arange(len(time)) >= start) & (np.arange(len(time)) < start + n_bins) for start in starts]
