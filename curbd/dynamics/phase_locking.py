"""Phase of a network on its limit cycle, and its locking to a recorded oscillation.

Publication: Pals, Macke & Barak, PLOS Comput. Biol. 2024. The locking index of p cycles of the network to q cycles of
the oscillation is |mean exp(i (q phi_network - p phi_oscillation))| (Tass et al., Phys. Rev. Lett. 1998).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.signal import hilbert
from scipy.spatial import cKDTree

from curbd.dynamics.limit_cycles import LimitCycle

Array = np.ndarray
RATIOS = ((1, 1), (1, 2), (2, 1), (1, 3), (3, 1), (2, 3), (3, 2))
"""Cycles of the network and cycles of the oscillation in the same time."""
LEFT_OUT_SHARE = 0.25
"""Share of every trial that is left out at its start, in which the network is still drawn to the oscillation."""
EDGE_SHARE = 0.05
"""Share of every trial that is left out at its end, where the phase of a finite oscillation is inaccurate."""
LOCKED_INDEX = 0.8
"""Smallest locking index of a locked network."""
LOCKED_P_VALUE = 0.05
PERMUTATIONS = 499
SAME_PHASE_INDEX = 0.8
"""Above this agreement of the phases of an oscillation between trials, other trials are no null."""


class Locking(NamedTuple):
    """Locking of a network to an oscillation at one ratio of frequencies.

    Attributes
    ----------
    network_cycles, input_cycles : the ratio.
    locking_index : locking index over all trials, 0 to 1.
    null_high : largest index that 95 % of the pairings with the oscillation of other trials have; NaN without a null.
    p_value : share of such pairings with an index as large, over all ratios (Bonferroni); NaN without a null.
    """

    network_cycles: int
    input_cycles: int
    locking_index: float
    null_high: float
    p_value: float

    @property
    def locked(self) -> str:
        """Return ``yes``, ``no``, or ``cannot_tell`` where the oscillation has the same phase in all trials."""
        if self.locking_index < LOCKED_INDEX:
            return "no"
        if np.isnan(self.p_value):
            return "cannot_tell"
        return "yes" if self.p_value <= LOCKED_P_VALUE else "no"


def cycle_phase(cycle: LimitCycle, z: Array) -> Array:
    """Return the phase (...) of positions z (..., coordinate): that of the nearest state of the cycle, in radians.

    Phases grow by 2 pi in a period at constant speed. Positions that are NaN have phase NaN.
    """
    flat = z.reshape(-1, z.shape[-1])
    seen = np.isfinite(flat).all(1)
    phase = np.full(len(flat), np.nan)
    phase[seen] = 2 * np.pi * cKDTree(cycle.orbit).query(flat[seen])[1] / len(cycle.orbit)
    return phase.reshape(z.shape[:-1])


def signal_phase(values: Array) -> Array:
    """Return the phase (trial, time) of an oscillation (trial, time), in radians, by the Hilbert transform.

    Trials may differ in length: bins that are NaN keep NaN.
    """
    phase = np.full(values.shape, np.nan)
    for trial, row in enumerate(values):
        seen = np.isfinite(row)
        if seen.sum() > 2 and np.ptp(row[seen]) > 0:
            phase[trial, seen] = np.angle(hilbert(row[seen] - row[seen].mean()))
    return phase


def frequency_hz(phase: Array, dt_s: float) -> float:
    """Return the mean frequency of phases (trial, time) that grow with time, Hz."""
    steps = np.angle(np.exp(1j * np.diff(phase, axis=1)))
    return float(np.nanmean(steps) / (2 * np.pi * dt_s)) if np.isfinite(steps).any() else float("nan")


def phase_locking(network: Array, oscillation: Array, seed: int = 0) -> list[Locking]:
    """Test whether a network is locked to an oscillation, at every ratio of `RATIOS`.

    Under the null the network has its own clock: its phase in a trial is then related to the oscillation of another
    trial as closely. This needs an oscillation whose phase differs between trials.

    Parameters
    ----------
    network : (trial, time) phase of the network.
    oscillation : (trial, time) phase of the oscillation.
    seed : seed of the pairings with other trials.

    Returns
    -------
    The locking at every ratio.
    """
    kept = _settled_bins(network) & _settled_bins(oscillation)
    count = kept.sum(0)
    summed = np.where(kept, np.exp(1j * np.nan_to_num(oscillation)), 0).sum(0)
    agreement = np.abs(summed[count > 0]) / count[count > 0]
    n_trials = int(kept.any(1).sum())
    testable = n_trials > 3 and agreement.mean() < SAME_PHASE_INDEX
    rng = np.random.default_rng(seed)
    orders = [_derangement(rng, len(network)) for _ in range(PERMUTATIONS if testable else 0)]
    lockings = []
    for p, q in RATIOS:
        own, driving = (np.exp(1j * q * network), np.exp(-1j * p * oscillation))
        index = _index(own, driving, kept)
        null = [_index(own, driving[order], kept & kept[order]) for order in orders]
        p_value = (1 + sum(value >= index for value in null)) / (1 + len(null)) * len(RATIOS) if null else np.nan
        high = float(np.quantile(null, 0.95)) if null else np.nan
        lockings.append(Locking(p, q, index, high, float(np.minimum(p_value, 1.0))))
    return lockings


def _index(own: Array, driving: Array, kept: Array) -> float:
    return float(np.abs((own * driving)[kept].mean())) if kept.any() else float("nan")


def _settled_bins(phase: Array) -> Array:
    """Bins (trial, time) with a phase, without the start and the end of every trial."""
    seen = np.isfinite(phase)
    order = np.cumsum(seen, axis=1)
    length = seen.sum(1, keepdims=True)
    return seen & (order > LEFT_OUT_SHARE * length) & (order <= (1 - EDGE_SHARE) * length)


def _derangement(rng: np.random.Generator, count: int) -> Array:
    """A random order in which no trial keeps its place."""
    cycle = rng.permutation(count)
    order = np.empty(count, dtype=int)
    order[cycle] = np.roll(cycle, 1)
    return order
