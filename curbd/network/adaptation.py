"""Adaptation of units: a current by which every unit opposes its own rate of the last seconds.

The adaptation a of a unit follows its rate r with a time constant, tau_a da/dt = -a + r, in one Euler step for every
sample, and sends the current -g a to the unit. Given tau_a, the adaptation is a known filter of recorded rates.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from curbd.network.tensors import tensor

if TYPE_CHECKING:
    import torch

Array = np.ndarray


class Adaptation(NamedTuple):
    """The adaptation of the units of a network.

    Attributes
    ----------
    strength : (unit,) strengths g, dimensionless; negative for units that support their own rate.
    tau_s : time constant tau_a, s.
    start : (unit,) adaptation at the start of every trial, in the units of scaled rates.
    """

    strength: Array
    tau_s: float
    start: Array


def adaptation_states(adaptation: Adaptation, r: Array, dt_s: float) -> Array:
    """Compute the adaptation of every unit from recorded rates.

    Parameters
    ----------
    adaptation : time constant and start of the adaptation.
    r : (trial, time, unit) scaled rates; a missing rate (NaN) counts as the start of the adaptation.
    dt_s : time between samples, s.

    Returns
    -------
    a : (trial, time, unit) adaptation during each sample, which depends on earlier samples only.
    """
    known = np.where(np.isfinite(r), r, adaptation.start)
    a = np.empty_like(known)
    a[:, 0] = adaptation.start
    for t in range(known.shape[1] - 1):
        a[:, t + 1] = a[:, t] + dt_s / adaptation.tau_s * (known[:, t] - a[:, t])
    return a


def adaptation_current(adaptation: Adaptation, r: Array, dt_s: float) -> Array:
    """Compute the current -g a (trial, time, unit) that the units send to themselves; see `adaptation_states`."""
    return -adaptation.strength * adaptation_states(adaptation, r, dt_s)


class RunningAdaptation:
    """The adaptation of simulated units, sample by sample.

    Parameters
    ----------
    members : the adaptations of the networks that are simulated together.
    dt_s : time between samples, s.
    a : (member, ..., unit) adaptation at the first sample.
    """

    def __init__(self, members: list[Adaptation], dt_s: float, a: torch.Tensor) -> None:
        def of_members(values: Array) -> torch.Tensor:
            return tensor(values).to(a.dtype).reshape(len(members), *([1] * (a.dim() - 2)), -1)

        self.a = a
        self.strength = of_members(np.stack([adaptation.strength for adaptation in members]))
        self.pace = of_members(np.array([dt_s / adaptation.tau_s for adaptation in members]))

    def current_and_next(self, r: torch.Tensor) -> torch.Tensor:
        """Return the current (member, ..., unit) during one sample, after which the rates r change the adaptation."""
        current = -self.strength * self.a
        self.a = self.a + self.pace * (r - self.a)
        return current
