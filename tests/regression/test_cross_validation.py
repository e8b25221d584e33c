"""Penalties by cross-validation."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from curbd.regression.cross_validation import LEAST_ERROR_GAIN, choose_penalties, held_out_errors
from curbd.regression.moments import PENALTY_GRID, moments
from curbd.regression.transitions import source_of_regressor


@pytest.mark.parametrize("seed", [100, 101])
def test_no_other_penalty_of_a_single_source_predicts_held_out_folds_better(seed: int) -> None:
    rng = np.random.default_rng(seed)
    region, scale = np.repeat([0, 1, 2], 8), np.array([1.0, 0.1, 0.01])
    z = np.concatenate([rng.standard_normal((300, 24)), np.ones((300, 1))], axis=1)
    W = rng.standard_normal((24, 24)) * scale[region]
    y = z[:, :24] @ W.T + rng.standard_normal((300, 24))
    source, folds = source_of_regressor(region, 0), moments(z, y, np.arange(300) % 5)
    chosen = choose_penalties(folds, source, np.ones((3, 4)))
    assert (np.diff(chosen[:, :3], axis=1) > 0).all()

    def error(target: int, block: np.ndarray) -> float:
        of_target = folds.of_units(np.flatnonzero(region == target))
        penalty = torch.as_tensor(block[source])
        return float(held_out_errors(of_target, of_target.without(), penalty).sum(0).mean())

    for target, block in enumerate(chosen):
        for changed in range(3):
            for step in (np.sqrt(10), 1 / np.sqrt(10)):
                neighbour = block.copy()
                neighbour[changed] = np.clip(neighbour[changed] * step, PENALTY_GRID[0], PENALTY_GRID[-1])
                assert error(target, neighbour) >= error(target, block) * (1 - 2 * LEAST_ERROR_GAIN)
