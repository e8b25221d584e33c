"""Angles between the slow direction of a region and what the slow directions of the other regions send to it.

Every region has slow directions of its own: the eigenvectors of the coupling within the region that decay most slowly.
The message of another region is what its slow directions send. A message at 90 degrees leaves the slow direction of the
target alone; a message at 0 degrees is integrated.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.linalg import subspace_angles

Array = np.ndarray
RANDOM_MESSAGES = 200
CHANCE_SHARE = 0.05


class ManifoldAngle(NamedTuple):
    """Angle between the slow direction of a target and the message of a source.

    Attributes
    ----------
    target, source : names of the regions.
    angle_deg : smallest principal angle, degrees.
    chance_low_deg : angle below which 5 % of random messages lie, degrees.
    target_time_constants, source_time_constants : how slow the directions are, in time constants of the units.
    """

    target: str
    source: str
    angle_deg: float
    chance_low_deg: float
    target_time_constants: float
    source_time_constants: float


def manifold_angles(coupling: Array, region: Array, seed: int = 0) -> list[ManifoldAngle]:
    """Compare the slow direction of every region with the messages of all others.

    Parameters
    ----------
    coupling : (element, element) effective coupling at one state, weights times slopes.
    region : (element,) region of the units or latents.
    seed : seed of the random messages.

    Returns
    -------
    One angle for every ordered pair of regions; none for a source that sends nothing.
    """
    rng = np.random.default_rng(seed)
    names = [str(name) for name in np.unique(region)]
    slow = {name: slow_direction(coupling[np.ix_(region == name, region == name)]) for name in names}
    angles = []
    for target in names:
        own, own_slowness = slow[target]
        for source in names:
            if source == target:
                continue
            directions, slowness = slow[source]
            message = coupling[np.ix_(region == target, region == source)] @ directions
            if len(own) < 2 or not message.any():
                continue
            angles.append(
                ManifoldAngle(
                    target=target,
                    source=source,
                    angle_deg=_smallest_angle_deg(own, message),
                    chance_low_deg=_chance_low_deg(own, message.shape[1], rng),
                    target_time_constants=own_slowness,
                    source_time_constants=slowness,
                )
            )
    return angles


def slow_direction(coupling: Array) -> tuple[Array, float]:
    """Return the slowest direction of a coupling and how slow it is.

    Parameters
    ----------
    coupling : (element, element) coupling within one region.

    Returns
    -------
    directions : (element, 1 or 2) the eigenvector of the largest real part; two columns for a complex pair.
    slowness : time constant of the direction, in time constants of the units; negative if it grows.
    """
    values, vectors = np.linalg.eig(coupling)
    slowest = int(values.real.argmax())
    vector = vectors[:, slowest]
    columns = [vector.real, vector.imag] if values[slowest].imag else [vector.real]
    rate = 1 - values[slowest].real
    return np.column_stack(columns), float(1 / rate) if rate else float("inf")


def _smallest_angle_deg(first: Array, second: Array) -> float:
    return float(np.rad2deg(subspace_angles(first, second).min()))


def _chance_low_deg(own: Array, columns: int, rng: np.random.Generator) -> float:
    draws = rng.standard_normal((RANDOM_MESSAGES, len(own), columns))
    return float(np.quantile([_smallest_angle_deg(own, draw) for draw in draws], CHANCE_SHARE))
