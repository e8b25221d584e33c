"""A recording and the network that made it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from curbd.network.equation import Network, phi_inverse

Array = np.ndarray
CLIP = 0.9999
"""Rates that were divided by their own maximum are kept this far inside (-1, 1), as atanh(1) is infinite."""


class Teacher(NamedTuple):
    """A recording and the network that made it.

    Attributes
    ----------
    rates : (trial, time, unit) phi(x) in (-1, 1).
    time_s : (time,) from the start of the trial.
    region : (unit,) labels.
    inputs : (trial, time, input) what an observer knows of the input.
    input_name : (input,) names.
    trials : one row a trial, the trial columns.
    network : the true network, for the rates as they stand here.
    drive : (trial, time, unit) external current that the observer does not know.
    cell_type : (unit,) excitatory, inhibitory or unknown; empty where no unit has a type.
    position : (unit, 3) micrometres; empty where units have no place.
    """

    rates: Array
    time_s: Array
    region: Array
    inputs: Array
    input_name: list[str]
    trials: pd.DataFrame
    network: Network
    drive: Array
    cell_type: tuple[str, ...] = ()
    position: tuple[tuple[float, float, float], ...] = ()


def true_current(teacher: Teacher, target: str, source: str) -> Array:
    """(trial, time, unit of target) current that the source region really sends."""
    block = teacher.network.J[np.ix_(teacher.region == target, teacher.region == source)]
    return teacher.rates[..., teacher.region == source] @ block.T


def states(teacher: Teacher) -> Array:
    """(trial, time, unit) states x behind the observed rates."""
    return phi_inverse(teacher.rates)
