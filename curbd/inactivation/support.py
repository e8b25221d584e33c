"""Verdicts on effects: supported only if resolved pathways lead from the perturbed source to the target."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd

from curbd.network.perturbation import Perturbation
from curbd.pathways.grades import believed_currents
from curbd.pathways.verdict import MIN_PREDICTED_R2

Array = np.ndarray


def resolved_targets(pathways: pd.DataFrame) -> dict[str, list[str]]:
    """Map every source to the regions that it reaches by a resolved current, largest share of the current first.

    Parameters
    ----------
    pathways : the table ``pathways`` of a model of one recording.
    """
    rows = believed_currents(pathways).sort_values("share", ascending=False)
    return {str(source): [str(target) for target in group["target"]] for source, group in rows.groupby("source")}


def verdict(
    perturbation: Perturbation,
    target: str,
    predicted_r2: float,
    targets_of: Mapping[str, list[str]],
    region: Array,
    inputs: Array,
) -> tuple[str, str]:
    """Judge the effect of a perturbation on a region: ``supported`` or ``unsupported``, with the reason.

    An effect is supported under two conditions. First, a chain of resolved pathways leads from a perturbed source to
    the target, through regions whose units the perturbation does not all hold at a fixed rate. Second, the interval of
    the effect is narrow enough that at least half of the squared effect is expected to be true.

    Parameters
    ----------
    perturbation : the perturbation whose effect is judged.
    target : region whose effect is judged.
    predicted_r2 : share of the squared effect that is expected to be true; NaN if neither a posterior nor a second fit
        is available.
    targets_of : source -> targets of its resolved pathways, as `resolved_targets` returns them.
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
    chain = _shortest_chain(starts, target, targets_of, held)
    against = []
    if not chain:
        perturbed = " or ".join(map(str, starts)) or "what is perturbed"
        against.append(f"no chain of resolved pathways leads from {perturbed} to {target}")
    if predicted_r2 < MIN_PREDICTED_R2:
        against.append(f"the interval of the effect is wide (expected R2 {predicted_r2:.2f})")
    if against:
        return "unsupported", "; ".join(against)
    expected = f" (expected R2 of the effect {predicted_r2:.2f})" if np.isfinite(predicted_r2) else ""
    return "supported", f"resolved pathways lead to the target: {' -> '.join(chain)}{expected}"


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


def _shortest_chain(
    starts: Iterable[Start], target: str, targets_of: Mapping[str, list[str]], held: set[str]
) -> list[str]:
    """Find the shortest chain of resolved pathways from a start to the target, by breadth-first search.

    Parameters
    ----------
    starts : what is perturbed.
    target : region at which the chain ends.
    targets_of : source -> targets of its resolved pathways.
    held : regions that are held entirely and therefore relay nothing.

    Returns
    -------
    Names from the source to the target; an empty list if no chain exists.
    """
    waiting: deque[list[str]] = deque()
    for start in starts:
        reached = targets_of.get(start.source, [])
        waiting.extend([start.source, next_region] for next_region in reached if start.target in (None, next_region))
    visited: set[str] = set()
    while waiting:
        chain = waiting.popleft()
        last = chain[-1]
        if last == target:
            return chain
        if last not in visited and last not in held:
            waiting.extend([*chain, next_region] for next_region in targets_of.get(last, []))
        visited.add(last)
    return []
