"""The settings with which a population network is fitted, and with which its form is chosen."""

from __future__ import annotations

from typing import Literal, NamedTuple

SelfHistory = bool | Literal["auto"]
DEFAULT_TAU_S = 0.1
"""Time constant of the units unless the settings name another, in seconds.

Spike counts of a few units say little about the time constant, which sets the size of the currents."""


class PopulationSettings(NamedTuple):
    """What all fits of a recording have in common.

    Attributes
    ----------
    tau_s : time constant of the units in seconds; None for a network without a leak, in which the past of a region
        counts as a current from the region to itself.
    gaussian : whether units are Gaussian; otherwise the activity consists of spike counts.
    max_dimensions : largest number of latents of a region to try.
    max_drives : largest number of hidden common drives to try.
    self_history : whether the log rate of a unit contains its own past spikes: True, False, or ``auto`` for bins of 5
        ms or less in which held-out trials are then more likely.
    """

    tau_s: float | None = DEFAULT_TAU_S
    gaussian: bool = False
    max_dimensions: int = 5
    max_drives: int = 1
    self_history: SelfHistory = "auto"


DEFAULT_SETTINGS = PopulationSettings()
