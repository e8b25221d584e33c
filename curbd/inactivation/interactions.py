"""The table ``interactions``: dependences between regions, computed from several experiments together."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from curbd.inactivation.experiments import Outcome
from curbd.inactivation.messages import transmitter_index
from curbd.inactivation.simulation import MAX_STATES
from curbd.inactivation.tabulate import effect_size, interval
from curbd.network.perturbation import Perturbation
from curbd.network.perturbed_run import onset, rates
from curbd.network.tensors import device, tensor
from curbd.recording.scaling import silent

if TYPE_CHECKING:
    import torch

Array = np.ndarray
FIT_COLUMNS = ["recording", "model", "seed"]
"""Columns that identify a fit."""
INTERACTION_COLUMNS = [
    *FIT_COLUMNS,
    *("measure", "perturbation", "source", "target", "condition", "start_s", "stop_s", "value", "ci_low", "ci_high"),
]
"""Columns of the table ``interactions``, in their order."""


def interaction_table(
    outcome: Outcome, inactivations: pd.DataFrame, pathways: pd.DataFrame | None = None
) -> pd.DataFrame:
    """Build the table ``interactions``: direct and total effects, critical windows, transmitter indices, and synergy.

    A measure is computed if the config contains the experiments that it needs: silenced regions for total effects, cut
    pathways for direct effects, a time window that is divided into successive windows (`sweep_s`) for critical windows,
    and several interventions at the same time (`parts`) for synergy.

    Parameters
    ----------
    outcome : results of the experiments.
    inactivations : the table ``inactivations`` of these results.
    pathways : the table ``pathways`` of these fits; if given, only resolved pathways carry messages.

    Returns
    -------
    The table ``interactions``, one row per value of a measure.
    """
    more = [_transmission(outcome, pathways), _synergies(outcome)]
    return _joined([measures_of_effects(outcome, inactivations), *more])


def measures_of_effects(
    outcome: Outcome, inactivations: pd.DataFrame, pathways: pd.DataFrame | None = None
) -> pd.DataFrame:
    """Build the rows of the table ``interactions`` that follow from the table ``inactivations`` alone.

    These rows, direct and total effects and critical windows, exist for every kind of network.

    Parameters
    ----------
    outcome : results of the experiments.
    inactivations : the table ``inactivations`` of these results.
    pathways : not used.

    Returns
    -------
    The table ``interactions``, one row per value of a measure.
    """
    return _joined([_direct_and_total(outcome, inactivations), _critical_windows(outcome, inactivations)])


def _joined(measures: list[pd.DataFrame]) -> pd.DataFrame:
    """Join the rows of several measures."""
    measures = [rows for rows in measures if len(rows)]
    table = pd.concat(measures, ignore_index=True) if measures else pd.DataFrame()
    return table.reindex(columns=INTERACTION_COLUMNS)


def _sources(outcome: Outcome) -> dict[str, tuple[str, str]]:
    """Map perturbation -> (source, measure), for entirely silenced regions and for cut pathways."""
    region, silent_rate = (
        outcome.recording["region"].values.astype(str),
        silent(outcome.recording, outcome.networks.attrs.get("phi")),
    )
    sources = {}
    for perturbation in outcome.perturbations:
        held, level = perturbation.action.held, perturbation.action.level
        if perturbation.pathway is not None:
            sources[perturbation.name] = (perturbation.pathway[0], "direct_effect")
        elif perturbation.kind == "region" and not perturbation.interventions and (level[held] == silent_rate).all():
            regions = {str(name) for name in region[held]}
            if len(regions) == 1 and held.sum() == (region == min(regions)).sum():
                sources[perturbation.name] = (min(regions), "total_effect")
    return sources


def _target_of_pathway(outcome: Outcome) -> dict[str, str]:
    """Map perturbation -> target, for cut pathways."""
    return {entry.name: entry.pathway[1] for entry in outcome.perturbations if entry.pathway is not None}


def _direct_and_total(outcome: Outcome, inactivations: pd.DataFrame) -> pd.DataFrame:
    """Compute effects of silencing a region on other regions, effects of cutting a pathway, and their ratio."""
    sources = _sources(outcome)
    rows = inactivations[inactivations["perturbation"].isin(sources) & (inactivations["target_kind"] == "region")]
    rows = rows.assign(
        source=rows["perturbation"].map(lambda name: sources[name][0]),
        measure=rows["perturbation"].map(lambda name: sources[name][1]),
        value=effect_size(rows),
        ci_low=np.nan,
        ci_high=np.nan,
    )
    pathway_target = rows["perturbation"].map(_target_of_pathway(outcome))
    elsewhere = pathway_target.isna() & (rows["target"] != rows["source"])
    rows = rows[(rows["target"] == pathway_target) | elsewhere]
    setting = [*FIT_COLUMNS, "source", "target", "condition", "start_s", "stop_s", "strength"]
    total, direct = (rows[rows["measure"] == measure] for measure in ("total_effect", "direct_effect"))
    # A region may be silenced by several experiments, a graded one among them; the effect is the same.
    both = direct.merge(total.drop_duplicates(setting), on=setting, suffixes=("", "_total"))
    both = both[both["value_total"] > 0]
    share = both.assign(measure="direct_share", value=both["value"] / both["value_total"])
    return pd.concat([rows, share[rows.columns]], ignore_index=True)


def _critical_windows(outcome: Outcome, inactivations: pd.DataFrame) -> pd.DataFrame:
    """Find, among successive time windows, the window with the largest effect, as a multiple of the mean effect."""
    pathway_target = inactivations["perturbation"].map(_target_of_pathway(outcome))
    read = pathway_target.isna() | (pathway_target == inactivations["target"])
    rows = inactivations[(inactivations["perturbed_share"] < 1) & read]
    rows = rows.assign(measure="critical_window", source=None)
    series = [*FIT_COLUMNS, "experiment", "acts_on", "fraction", "strength", "target", "condition"]
    rows = rows[rows.groupby(series, dropna=False)["perturbation"].transform("size") > 1]
    rows = rows.assign(value=effect_size(rows), ci_low=np.nan, ci_high=np.nan)
    mean = rows.groupby(series, dropna=False)["value"].transform("mean")
    rows = rows.assign(value=rows["value"] / mean.where(mean > 0))
    largest = rows.loc[rows.dropna(subset="value").groupby(series, dropna=False)["value"].idxmax()]
    sources = _sources(outcome)
    return largest.assign(source=[sources.get(name, ("", ""))[0] for name in largest["perturbation"]])


def _transmission(outcome: Outcome, pathways: pd.DataFrame | None) -> pd.DataFrame:
    """Compute the transmitter index of every region, and the generator index, 1 minus the transmitter index."""
    rows = []
    for fit_index, seed in enumerate(outcome.networks["seed"].values):
        indices = transmitter_index(outcome.recording, outcome.networks, fit_index, pathways)
        for region, index in indices.items():
            for measure, value in (("transmitter_index", index), ("generator_index", 1 - index)):
                if np.isfinite(value):
                    rows.append((seed, measure, region, value))
    table = pd.DataFrame(rows, columns=["seed", "measure", "source", "value"])
    return table.assign(
        recording=outcome.recording.attrs["recording"],
        model=outcome.networks.attrs["model"],
        perturbation="",
        target="",
        condition="all",
    )


def _synergies(outcome: Outcome) -> pd.DataFrame:
    """Compute the synergy of every combination of interventions, in every region with units that are not held."""
    region = outcome.recording["region"].values.astype(str)
    rows = list[dict[str, Any]]()
    for perturbation in outcome.perturbations:
        if len(perturbation.interventions) < 2:
            continue
        free = ~perturbation.action.held
        targets = [name for name in outcome.regions if (free & (region == name)).any()]
        values = synergy(outcome, perturbation, np.stack([free & (region == name) for name in targets]))
        low, high = interval(outcome, values)
        for (fit_index, condition, target), value in np.ndenumerate(values[: outcome.n_seeds]):
            if np.isfinite(value) and outcome.conditions[condition] in perturbation.conditions:
                rows.append(
                    {
                        "recording": outcome.recording.attrs["recording"],
                        "model": outcome.networks.attrs["model"],
                        "seed": outcome.networks["seed"].values[fit_index],
                        "measure": "synergy",
                        "perturbation": perturbation.name,
                        "source": "",
                        "target": targets[target],
                        "condition": outcome.conditions[condition],
                        "start_s": perturbation.start_s,
                        "stop_s": perturbation.stop_s,
                        "value": value,
                        "ci_low": low[condition, target],
                        "ci_high": high[condition, target],
                    }
                )
    return pd.DataFrame(rows)


def synergy(outcome: Outcome, combination: Perturbation, units: Array) -> Array:
    """Compute the synergy of a combination of interventions: |e| / |e_1 + e_2 + ...| - 1.

    e is the effect of the combination and e_k is the effect of its k-th intervention alone. Norms are over trials, the
    bins of the time window and the units of each target.

    Parameters
    ----------
    outcome : results of the experiments.
    combination : a perturbation with several interventions.
    units : (target, unit) bool, True for the units of each target.

    Returns
    -------
    (member, condition, target) synergy. It is 0 if effects add up, and above 0 if one of the silenced sources
    compensates for the loss of the other; NaN if the single interventions have no effect.
    """
    single = [combination._replace(action=action, interventions=()) for action in combination.interventions]
    members, starts = outcome.members, outcome.starts
    if members is None or starts is None:
        raise ValueError("synergy: found no networks of units, expected the networks that were simulated")
    n_trials = len(starts.x)
    begin = onset([combination])
    states_of_trial = len(members.members) * units.shape[1] * (2 + len(single))
    read = tensor(units.astype(float))
    together = apart = read.new_zeros(())
    for trials in _chunks(n_trials, max(1, MAX_STATES[device().type] // states_of_trial)):
        weight = members.tensor(starts.weight[:, trials])
        runs = rates(members.of_trials(trials), [combination, *single], starts.x[trials, : begin + 1])
        for t, r in enumerate(runs, start=begin):
            if combination.when[t]:
                effect = r[:, 1:] - r[:, :1]
                together = together + _summed_squares(effect[:, 0], weight[:, :, t], read)
                apart = apart + _summed_squares(effect[:, 1:].sum(1), weight[:, :, t], read)
    ratio = (together / apart).sqrt().cpu().numpy() - 1
    return np.where(np.isfinite(ratio), ratio, np.nan)


def _summed_squares(effect: torch.Tensor, weight: torch.Tensor, units: torch.Tensor) -> torch.Tensor:
    """Sum the squares of an effect over trials and units.

    Parameters
    ----------
    effect : (member, trial, unit) effect in one bin.
    weight : (condition, trial) 1 for the trials of a condition in which the bin was observed.
    units : (target, unit) 1 for the units of a target.

    Returns
    -------
    (member, condition, target) sums.
    """
    return (weight @ (effect * effect)).double() @ units.T


def _chunks(n_trials: int, at_once: int) -> Iterator[Array]:
    """Yield the indices of successive trials, ``at_once`` at a time."""
    for first in range(0, n_trials, at_once):
        yield np.arange(first, min(first + at_once, n_trials))
