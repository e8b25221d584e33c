"""Verdicts on effects: pathways that exist must lead to the target, and most of the effect must be expected to be true.

A network whose pathways are all resolved errs in its effects by as much as its posterior says. Where its residuals show
that something is missing, the weights are wrong by more than that. On teachers with unrecorded units, unrecorded
inputs, measurement noise or units that are not tanh units, the squared errors of effects were 1.5 to 4 times those of
the posterior (docs/inactivation.md).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd

from curbd.beside_limit import beside_limit
from curbd.network.perturbation import Perturbation
from curbd.pathways.grades import believed_currents, existing_currents, objected

Array = np.ndarray
MIN_EFFECT_R2 = 0.6
"""Smallest expected share of a squared effect that is true; nine in ten such effects then have a share of a half."""
MODEL_ERROR_FACTOR = 4.0
"""Squared error of an effect over that of the posterior, where the residuals show that the network misses something."""
SIGNS_OF_MODEL_ERROR = frozenset(
    {"memory", "shared_fluctuations", "correlated_residuals", "excess_error", "time_constant_limit"}
)
"""Codes of objections to pathways that tell that the network misses something."""


def model_error_factor(pathways: pd.DataFrame | None) -> float:
    """Return by how much the squared errors of effects exceed those that the posterior of the weights gives.

    An error anywhere in a network reaches all effects, so that one pathway with a sign of a missing part is enough.

    Parameters
    ----------
    pathways : the table ``pathways`` of a model of one recording; None if it is not known.
    """
    if pathways is None or not objected(pathways, SIGNS_OF_MODEL_ERROR).any():
        return 1.0
    return MODEL_ERROR_FACTOR


class Reached(NamedTuple):
    """The regions that sources reach by pathways, largest share of the current first.

    Attributes
    ----------
    existing : source -> targets of pathways that exist: resolved, or supported by currents.
    resolved : source -> targets of pathways whose current can be believed.
    """

    existing: Mapping[str, list[str]]
    resolved: Mapping[str, list[str]]


def reached_regions(pathways: pd.DataFrame) -> Reached:
    """Find the regions that every source reaches.

    Parameters
    ----------
    pathways : the table ``pathways`` of a model of one recording.
    """
    return Reached(_targets_of(existing_currents(pathways)), _targets_of(believed_currents(pathways)))


def _targets_of(pathways: pd.DataFrame) -> dict[str, list[str]]:
    """Map every source to the targets of its pathways."""
    rows = pathways.sort_values("share", ascending=False)
    return {str(source): [str(target) for target in group["target"]] for source, group in rows.groupby("source")}


def verdict(
    perturbation: Perturbation,
    target: str,
    predicted_r2: float,
    reached: Reached,
    region: Array,
    inputs: Array,
) -> tuple[str, str]:
    """Judge the effect of a perturbation on a region: ``supported`` or ``unsupported``, with the reason.

    An effect is supported under two conditions. First, a chain of pathways that exist (resolved, or supported by
    currents) leads from a perturbed source to the target, through regions whose units the perturbation does not all
    hold at a fixed rate. Second, the errors of the weights and of the model are so small that at least 60 % of the
    squared effect is expected to be true. The effect of a cut pathway is that of its current, so that this pathway must
    be resolved.

    Parameters
    ----------
    perturbation : the perturbation whose effect is judged.
    target : region whose effect is judged.
    predicted_r2 : share of the squared effect that is expected to be true; NaN if neither a posterior nor a second fit
        is available.
    reached : the regions that sources reach, as `reached_regions` returns them.
    region : (unit,) region of every unit.
    inputs : (input,) names of the inputs.

    Returns
    -------
    The verdict and the reason; the verdict is an empty string if all units of the target are perturbed directly.
    """
    action = perturbation.action
    if action.direct[region == target].all():
        return "", "the target itself is perturbed"
    starts = _starts(perturbation, region, inputs)
    held = {str(name) for name in np.unique(region) if action.held[region == name].all()}
    chain = _shortest_chain(starts, target, reached, held)
    against = []
    if not chain:
        perturbed = " or ".join(map(str, starts)) or "what is perturbed"
        against.append(f"no chain of resolved or supported pathways leads from {perturbed} to {target}")
    if np.isnan(predicted_r2):
        against.append("the error of the effect is not known: the model has one fit and no posterior, or no effect")
    if predicted_r2 < MIN_EFFECT_R2:
        expected = beside_limit(predicted_r2, MIN_EFFECT_R2, ".2f")
        against.append(f"the error of the effect is large (expected R2 {expected}, and {MIN_EFFECT_R2:g} is needed)")
    if against:
        return "unsupported", "; ".join(against)
    return (
        "supported",
        f"pathways lead to the target: {' -> '.join(chain)} (expected R2 of the effect "
        f"{beside_limit(predicted_r2, MIN_EFFECT_R2, '.2f')})",
    )


class Start(NamedTuple):
    """Origin of an effect: a region, an input, or a single pathway.

    Attributes
    ----------
    source : name of the region, or ``input:<name>``.
    target : region at the end of a cut pathway; None if the source acts on all of its targets.
    """

    source: str
    target: str | None = None

    def __str__(self) -> str:
        return self.source if self.target is None else f"{self.source}->{self.target}"


def _starts(perturbation: Perturbation, region: Array, inputs: Array) -> list[Start]:
    """List what is perturbed: regions, inputs and cut pathways."""
    action = perturbation.action
    starts = [Start(str(name)) for name in np.unique(region) if action.direct[region == name].any() or action.latents]
    for cut in action.cuts:
        sources = [str(name) for name in np.unique(region[cut.sources])]
        targets = [None] if cut.targets.all() else [str(name) for name in np.unique(region[cut.targets])]
        starts += [Start(source, target) for source in sources for target in targets]
    starts += [Start(f"input:{name}") for name in inputs[action.inputs]]
    return list(dict.fromkeys(starts))


def _shortest_chain(starts: Iterable[Start], target: str, reached: Reached, held: set[str]) -> list[str]:
    """Find the shortest chain of pathways from a start to the target, by breadth-first search.

    Parameters
    ----------
    starts : what is perturbed.
    target : region at which the chain ends.
    reached : the regions that sources reach; a cut pathway, from which a chain starts, must be resolved.
    held : regions that are held entirely and therefore relay nothing.

    Returns
    -------
    Names from the source to the target; an empty list if no chain exists.
    """
    waiting: deque[list[str]] = deque()
    for start in starts:
        if start.target is None:
            waiting.extend([start.source, next_region] for next_region in reached.existing.get(start.source, []))
        elif start.target in reached.resolved.get(start.source, []):
            waiting.append([start.source, start.target])
    visited: set[str] = set()
    while waiting:
        chain = waiting.popleft()
        last = chain[-1]
        if last == target:
            return chain
        if last not in visited and last not in held:
            waiting.extend([*chain, next_region] for next_region in reached.existing.get(last, []))
        visited.add(last)
    return []
