"""A small population network and a recording that it made, for tests against answers built another way."""

from __future__ import annotations

import numpy as np

from lrfit.population_network.model import Population
from lrfit.population_network.recording import Recording, from_arrays
from lrfit.population_network.simulation import simulate

Array = np.ndarray


def small_model(*, gaussian: bool = False, curvature: float = 0.0, seed: int = 0) -> Population:
    """Two regions of two latents and five units each, an input and a bias."""
    rng = np.random.default_rng(seed)
    group, region = np.repeat([0, 1], 2), np.repeat([0, 1], 5)
    C = rng.standard_normal((10, 4)) * (region[:, None] == group)
    Q = 0.1 * np.eye(4)
    Q[0, 1] = Q[1, 0] = 0.03
    A = 0.1 * np.eye(4) + 0.08 * rng.standard_normal((4, 4))
    return Population(
        group=group,
        regions=2,
        leak=np.full(4, 0.7),
        A=A,
        G=0.1 * rng.standard_normal((4, 2)),
        Q=Q,
        curvature=np.full(4, curvature),
        C=C,
        d=np.zeros(10),
        noise=np.full(10, 0.5) if gaussian else np.zeros(0),
        history=np.zeros((10, 0)),
        history_lift=np.zeros(10),
        start_mean=0.3 * rng.standard_normal((1, 4)),
        start_covariance=0.2 * np.eye(4),
    )


def small_teacher(seed: int, *, trials: int = 60, bins: int = 50) -> tuple[Recording, Array]:
    """Counts of three regions of two latents and ten units each, and which pathways (target, source) exist.

    Half of the pathways between regions are absent; those that exist have weights of rank 1.
    """
    rng = np.random.default_rng(seed)
    regions, dimension, units, bin_s = 3, 2, 10, 0.02
    group, region = np.repeat(np.arange(regions), dimension), np.repeat(np.arange(regions), units)
    leak = float(np.exp(-bin_s / 0.1))
    present = (rng.random((regions, regions)) < 0.5) | np.eye(regions, dtype=bool)
    A = np.zeros((len(group), len(group)))
    for target, source in np.argwhere(present):
        angle, directions = rng.uniform(0.1, 0.4), rng.standard_normal((2, dimension))
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        directions /= np.linalg.norm(directions, axis=1, keepdims=True)
        block = 0.6 * (1 - leak) * turn if target == source else 0.12 * np.outer(*directions)
        A[np.ix_(group == target, group == source)] = block
    condition = np.arange(trials) % 2
    inputs = np.zeros((trials, bins, 1))
    inputs[:, bins // 4 :, 0] = np.where(condition, 1.0, -1.0)[:, None]
    shape = from_arrays(np.zeros((trials, bins, len(region))), region, bin_s, inputs, condition)
    G = np.zeros((len(group), shape.sources.shape[2]))
    G[:, 0] = 0.1 * rng.standard_normal(len(group))
    model = Population(
        group=group,
        regions=regions,
        leak=np.full(len(group), leak),
        A=A,
        G=G,
        Q=0.05 * np.eye(len(group)),
        curvature=np.ones(len(group)),
        C=rng.standard_normal((len(region), len(group))) * (region[:, None] == group),
        d=np.log(8 * bin_s) + 0.5 * rng.standard_normal(len(region)),
        noise=np.zeros(0),
        history=np.zeros((len(region), 0)),
        history_lift=np.zeros(len(region)),
        start_mean=np.zeros((2, len(group))),
        start_covariance=0.2 * np.eye(len(group)),
    )
    return simulate(model, shape, rng)[0], present


def small_recording(model: Population, *, trials: int = 4, bins: int = 6, seed: int = 1) -> tuple[Recording, Array]:
    """Activity of the model in double precision, and its latents."""
    rng = np.random.default_rng(seed)
    shape = from_arrays(
        np.zeros((trials, bins, 10)),
        np.repeat([0, 1], 5),
        0.02,
        rng.standard_normal((trials, bins, 1)),
        evoked=False,
        highest_rate_hz=1e6,
    )
    shape = shape._replace(activity=shape.activity.astype(float), seen=shape.seen.astype(float))
    return simulate(model, shape, rng)
