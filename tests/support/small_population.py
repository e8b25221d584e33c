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
        start_mean=0.3 * rng.standard_normal((1, 4)),
        start_covariance=0.2 * np.eye(4),
    )


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
