"""Whether an effect may be called: only where resolved pathways lead from what is perturbed to the target."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd

from curbd.network.perturbation import Perturbation
from curbd.pathways.verdict import MIN_PREDICTED_R2

Array = np.ndarray


def resolved(pathways: pd.DataFrame) -> dict[str, list[str]]:
    """Source -> regions that it reaches by a resolved pathway of the table ``pathways``."""
    rows = pathways[pathways["verdict"] == "resolved"].sort_values("share", ascending=False)
    return {str(source): list(map(str, part["target"])) for source, part in rows.groupby("source")}


def verdict(
    perturbation: Perturbation,
    target: str,
    predicted_r2: float,
    reaches: Mapping[str, list[str]],
    region: Array,
    inputs: Array,
) -> tuple[str, str]:
    """``supported`` or ``unsupported``, and why.

    An effect is supported when a chain of resolved pathways leads from what is perturbed to the target, by regions that
    are not held themselves, and the interval is narrow enough that half of the effect's squares is expected to be true.

    Parameters
    ----------
    predicted_r2 : share of the effect's squares that is expected to be true; NaN where nothing tells.
    reaches : of `resolved`.
    region, inputs : (unit,), (input,) labels.
    """
    action = perturbation.action
    if action.direct[region == target].all():
        return "", "it is done to the target itself"
    starts = _starts(perturbation, region, inputs)
    held = {str(name) for name in np.unique(region) if action.held[region == name].all()}
    chain = _chain(starts, target, reaches, held)
    against = []
    if not chain:
        perturbed = " or ".join(map(str, starts)) or "what is perturbed"
        against.append(f"no chain of resolved pathways leads from {perturbed} to {target}")
    if predicted_r2 < MIN_PREDICTED_R2:
        against.append(f"wide interval (expected R2 {predicted_r2:.2f})")
    if against:
        return "unsupported", "; ".join(against)
    expected = f", expected R2 {predicted_r2:.2f}" if np.isfinite(predicted_r2) else ""
    return "supported", f"resolved: {' -> '.join(chain)}{expected}"


class Start(NamedTuple):
    """Where an effect starts: a region or input, or with a target only the pathway to that target."""

    source: str
    target: str | None = None

    def __str__(self) -> str:
        return self.source if self.target is None else f"{self.source}->{self.target}"


def _starts(perturbation: Perturbation, region: Array, inputs: Array) -> list[Start]:
    """What is perturbed: regions, inputs and cut pathways."""
    action = perturbation.action
    starts = [Start(str(name)) for name in np.unique(region) if action.direct[region == name].any() or action.latents]
    for cut in action.cuts:
        sources = [str(name) for name in np.unique(region[cut.sources])]
        targets = [None] if cut.targets.all() else [str(name) for name in np.unique(region[cut.targets])]
        starts += [Start(source, target) for source in sources for target in targets]
    starts += [Start(f"input:{name}") for name in inputs[action.inputs]]
    return list(dict.fromkeys(starts))


def _chain(starts: Iterable[Start], target: str, reaches: Mapping[str, list[str]], held: set[str]) -> list[str]:
    """The shortest chain of resolved pathways from one of the starts to the target; empty where there is none."""
    waiting: deque[list[str]] = deque()
    for start in starts:
        reached = reaches.get(start.source, [])
        waiting.extend([start.source, target] for target in reached if start.target in (None, target))
    seen: set[str] = set()
    while waiting:
        chain = waiting.popleft()
        last = chain[-1]
        if last == target:
            return chain
        if last not in seen and last not in held:
            waiting.extend([*chain, to] for to in reaches.get(last, []))
        seen.add(last)
    return []
