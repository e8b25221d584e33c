"""The menu: experiments of a config become perturbations of the units, inputs and weights of one recording."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from typing import NamedTuple

import numpy as np
import pandas as pd
import xarray as xr

from curbd.errors import UserError, did_you_mean
from curbd.inactivation.selection import random_part, selected
from curbd.network.perturbation import WEIGHT_SIGNS, Action, Cut, Perturbation, contradictions, nothing, together
from curbd.recording.scaling import silent
from curbd.settings.experiments import Inactivation, Intervention

Array = np.ndarray


class Subject(NamedTuple):
    """What experiments are done on.

    Attributes
    ----------
    recording : the recording.
    hidden_inputs : names of the inputs that the fit inferred.
    n_latents : of the low-rank network, 0 for any other.
    populations : table with the columns unit_id and population, or None.
    """

    recording: xr.Dataset
    hidden_inputs: tuple[str, ...] = ()
    n_latents: int = 0
    populations: pd.DataFrame | None = None

    @property
    def input_name(self) -> Array:
        """(input,) names of the recorded inputs, then of the hidden ones."""
        return np.array([*self.recording["input"].values.astype(str), *self.hidden_inputs], dtype=str)


class Named(NamedTuple):
    """An action, what the action is called in the tables, and fields of `Perturbation`.

    Attributes
    ----------
    label : name in the tables, which also tells the share of the units where only a part of a group is acted on.
    acts_on : what is acted on.
    action : what is done.
    fraction : share of the units of a group that is acted on; NaN where no single group of units is acted on.
    pathway : (source, target) regions of a cut pathway, else None.
    parts : what a combination does, each part alone.
    """

    label: str
    acts_on: str
    action: Action
    fraction: float = np.nan
    pathway: tuple[str, str] | None = None
    parts: tuple[Action, ...] = ()


def perturbations(subject: Subject, experiments: Mapping[str, Inactivation]) -> list[Perturbation]:
    """Every experiment as perturbations: one for each name that was left open, each dose and each window.

    Raises
    ------
    UserError : an unknown name, an empty group, a window or condition that holds no bin, or contradictory parts.
    """
    return [one for name, experiment in experiments.items() for one in _expanded(subject, name, experiment)]


def _expanded(subject: Subject, name: str, experiment: Inactivation) -> Iterator[Perturbation]:
    place = f"config, inactivations.{name}"
    conditions = _conditions(subject.recording, experiment, place)
    windows = _windows(subject.recording, experiment, conditions, place)
    kind, targets = _actions(subject, experiment, place)
    doses = experiment.strength if isinstance(experiment.strength, list) else [experiment.strength]
    time, half = subject.recording["time"].values, subject.recording.attrs["dt_s"] / 2
    for named, dose, when in product(targets, doses, windows):
        start_s, stop_s = (float(np.round(edge, 9)) for edge in (time[when][0] - half, time[when][-1] + half))
        label = f"{name}:{named.label}"
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
            action=named.action,
            pathway=named.pathway,
            experiment=name,
            acts_on=named.acts_on,
            fraction=named.fraction,
            parts=named.parts,
        )


def _actions(subject: Subject, experiment: Inactivation, place: str) -> tuple[str, list[Named]]:
    """The kind of an experiment and everything that it stands for."""
    if not experiment.parts:
        return experiment.kind, list(_of_part(subject, experiment, place))
    parts = [list(_of_part(subject, part, f"{place}.parts[{number}]")) for number, part in enumerate(experiment.parts)]
    kinds = {part.kind for part in experiment.parts}
    found, seen = [], set()
    for chosen in product(*parts):
        labels = frozenset(one.label for one in chosen)
        # Two open parts meet each pair twice, and each name with itself.
        if len(labels) < len(chosen) or labels in seen:
            continue
        seen.add(labels)
        actions = [one.action for one in chosen]
        wrong = contradictions(actions)
        if wrong.any():
            units = subject.recording["unit_id"].values.astype(str)[wrong]
            raise UserError.at(
                f"{place}.parts",
                found=f"{' and '.join(one.label for one in chosen)} set the rate of the same {len(units)} units "
                f"({', '.join(units[:3])}{', ...' if len(units) > 3 else ''}) in two ways",
                expected="parts that do not contradict each other",
            )
        label = "+".join(one.label for one in chosen)
        found.append(Named(label, label, together(actions), parts=tuple(actions)))
    if not found and all(parts):
        raise UserError.at(f"{place}.parts", found="the same part twice", expected="different parts")
    return kinds.pop() if len(kinds) == 1 else "combination", found


def _of_part(subject: Subject, part: Intervention, place: str) -> Iterator[Named]:
    """Everything that one part stands for; a part that leaves its name open stands for each in turn."""
    recording = subject.recording
    region = recording["region"].values.astype(str)
    inputs = subject.input_name
    intact = nothing(len(region), len(inputs))
    if part.kind == "pathway":
        for source, target in _pathways(part, recording, place):
            cut = Cut(region == target, region == source, WEIGHT_SIGNS[part.weights])
            acts_on = f"{source}->{target}{_sign(part)}"
            yield Named(acts_on, acts_on, intact._replace(cuts=(cut,)), pathway=(source, target))
    elif part.kind == "input":
        for name in _one_or_each(part.input, inputs, f"{place}.input", "input", recording):
            yield Named(name, name, intact._replace(inputs=inputs == name))
    elif part.kind == "latent":
        numbers = range(1, subject.n_latents + 1) if part.latent is None else [part.latent]
        yield from (
            Named(str(number), str(number), intact._replace(latents=(number - 1,)))
            for number in numbers
            if number <= subject.n_latents
        )
    else:
        for label, units in _groups(subject, part, place):
            for fraction, chosen in _random_parts(part, units):
                share = "" if part.fraction is None else f" {100 * fraction:g}%"
                action = act(part, chosen, intact, silent(recording))
                yield Named(f"{label}{share}{_sign(part)}", label + _sign(part), action, fraction)


def act(part: Intervention, units: Array, intact: Action, at_rest: float = 0.0) -> Action:
    """What an intervention does to chosen units (unit,); ``at_rest`` is the rate of a silent one."""
    if part.weights != "all":
        return intact._replace(cuts=(Cut(np.ones(len(units), bool), units, WEIGHT_SIGNS[part.weights]),))
    value = at_rest if part.value is None else part.value
    if part.action == "scale":
        return intact._replace(gain=np.where(units, value, 1.0))
    if part.action == "drive":
        return intact._replace(current=np.where(units, value, 0.0))
    return intact._replace(held=units.copy(), level=np.where(units, value, 0.0))


def _groups(subject: Subject, part: Intervention, place: str) -> Iterator[tuple[str, Array]]:
    """Name and units (unit,) of each group that a part of kind region, units or population acts on."""
    recording = subject.recording
    if part.kind == "region":
        region = recording["region"].values.astype(str)
        for name in _one_or_each(part.region, region, f"{place}.region", "region", recording):
            yield name, region == name
    elif part.kind == "units":
        yield _label(part), selected(recording, part, place)
    elif subject.populations is not None:
        unit_id = recording["unit_id"].values.astype(str)
        listed = dict(
            zip(subject.populations["unit_id"].astype(str), subject.populations["population"].astype(str), strict=True)
        )
        population = np.array([listed.get(unit, "") for unit in unit_id])
        known = population[population != ""]
        for name in _one_or_each(part.population, known, f"{place}.population", "population", recording):
            yield name, population == name


def _random_parts(part: Intervention, units: Array) -> Iterator[tuple[float, Array]]:
    """Share and units (unit,) of the random parts of a group that an intervention asks for, or of the whole group."""
    if part.fraction is None:
        yield 1.0, units
        return
    for fraction in part.fraction if isinstance(part.fraction, list) else [part.fraction]:
        yield fraction, random_part(units, fraction, part.seed)


def _label(part: Intervention) -> str:
    """What a chosen group of units is called."""
    named = [f"{column}={'|'.join(map(str, values))}" for column, values in part.where.items()]
    named += [f"{column}={low:g}..{high:g}" for column, (low, high) in part.between.items()]
    if part.units:
        named.append(part.units[0] if len(part.units) == 1 else f"{len(part.units)} units")
    return ",".join(named) or ("listed" if part.table else "all")


def _sign(part: Intervention) -> str:
    return "" if part.weights == "all" else f" {part.weights}"


def _pathways(part: Intervention, recording: xr.Dataset, place: str) -> Iterator[tuple[str, str]]:
    region = recording["region"].values.astype(str)
    for target in _one_or_each(part.target, region, f"{place}.target", "region", recording):
        for source in _one_or_each(part.source, region, f"{place}.source", "region", recording):
            if source != target or (part.source and part.target):
                yield source, target


def _one_or_each(name: str | None, values: Array, place: str, what: str, recording: xr.Dataset) -> Sequence[str]:
    """The one name that is given, or each that the recording has, in their order."""
    known = [str(value) for value in np.unique(values)]
    if name is None:
        return known
    if name not in known:
        raise UserError.at(
            place,
            found=f'"{name}"',
            expected=f"one of the {what}s of recording {recording.attrs['recording']}: "
            + (", ".join(known) or "it has none"),
            todo=did_you_mean(name, known),
        )
    return [name]


def _conditions(recording: xr.Dataset, experiment: Inactivation, place: str) -> tuple[str, ...]:
    known = recording["condition"].values.astype(str)
    chosen = experiment.conditions or np.unique(known)
    return tuple(
        _one_or_each(str(name), known, f"{place}.conditions", "condition", recording)[0]
        for name in dict.fromkeys(chosen)
    )


def _windows(recording: xr.Dataset, experiment: Inactivation, conditions: Sequence[str], place: str) -> list[Array]:
    """(time,) bins of the window, or of the successive windows into which it is cut.

    Raises
    ------
    UserError : the window holds no bin of any trial of these conditions.
    """
    time = recording["time"].values
    low = -np.inf if experiment.start_s is None else experiment.start_s
    high = np.inf if experiment.stop_s is None else experiment.stop_s
    trials = np.isin(recording["condition"].values.astype(str), conditions)
    observed = np.isfinite(recording["rates"].transpose("trial", "time", "unit").values).all(2)[trials].any(0)
    when = (time >= low) & (time < high)
    if not (when & observed).any():
        raise UserError.at(
            f"{place}.{'start_s' if low > time[observed][-1] else 'stop_s'}",
            found=f"a window from {low:g} to {high:g} s",
            expected=f"one inside the trials of recording {recording.attrs['recording']}, "
            f"{time[observed][0]:g} to {time[observed][-1]:g} s",
            todo="set start_s and stop_s in seconds from the alignment of the trials",
        )
    if experiment.sweep_s is None:
        return [when]
    bins = max(1, round(experiment.sweep_s / float(recording.attrs["dt_s"])))
    inside = np.flatnonzero(when & observed)
    starts = inside[: max(len(inside) - bins + 1, 1) : bins]
    return [when & (np.arange(len(time)) >= start) & (np.arange(len(time)) < start + bins) for start in starts]
