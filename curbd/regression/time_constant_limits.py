"""Limits of the search of the time constant, and whether an estimate is at one of the limits."""

from __future__ import annotations

import numpy as np

MAX_TAU_SAMPLES = 100
"""Longest time constant, in samples, whose currents can be believed; the shortest is one sample."""
NEAR_LIMIT = 0.05
"""An estimate within this share of a limit counts as being at the limit."""


def at_lower_limit(tau_s: float | np.ndarray, dt_s: float) -> np.ndarray:
    """Return True if an estimated time constant is one sample: the true time constant may be shorter.

    Parameters
    ----------
    tau_s : estimated time constants, s.
    dt_s : bin width, s.
    """
    return np.asarray(tau_s) / dt_s <= 1 + NEAR_LIMIT


def at_upper_limit(tau_s: float | np.ndarray, dt_s: float) -> np.ndarray:
    """Return True if an estimated time constant is near 100 samples or longer.

    The true time constant may then be far shorter: a state that loses less than a hundredth in a bin looks alike in a
    unit with a long memory and in a unit that excites itself.

    Parameters
    ----------
    tau_s : estimated time constants, s.
    dt_s : bin width, s.
    """
    return np.asarray(tau_s) / dt_s >= MAX_TAU_SAMPLES * (1 - NEAR_LIMIT)


def at_limit(tau_s: float, dt_s: float) -> bool:
    """Return True if an estimated time constant is at one of the two limits.

    Parameters
    ----------
    tau_s : estimated time constant, s.
    dt_s : bin width, s.
    """
    return bool(at_lower_limit(tau_s, dt_s) | at_upper_limit(tau_s, dt_s))
