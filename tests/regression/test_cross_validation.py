"""Penalties by cross-validation."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch

from curbd.regression.cross_validation import LEAST_ERROR_GAIN, choose_penalties, held_out_errors
from curbd.regression.moments import moments
from curbd.regression.ridge import PENALTY_GRID
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


WITH_THREADS = """
import sys
import numpy as np, torch
from curbd.regression.cross_validation import choose_penalties
from curbd.regression.moments import moments
from curbd.regression.transitions import source_of_regressor

torch.set_num_threads(int(sys.argv[1]))
rng = np.random.default_rng(100)
z = np.concatenate([rng.standard_normal((1500, 400)), np.ones((1500, 1))], axis=1)
y = z[:, :400] @ rng.standard_normal((400, 400)) / 20 + rng.standard_normal((1500, 400))
region = np.repeat([0, 1], 200)
folds = moments(z, y, np.arange(1500) % 5)
print(choose_penalties(folds, source_of_regressor(region, 0), np.ones((2, 3))).tolist())
"""


def test_penalties_of_large_regions_are_the_same_with_several_threads() -> None:
    """Stacks of LU factors of 200 rows never end with several threads of oneMKL."""
    chosen = [
        subprocess.run(
            [sys.executable, "-c", WITH_THREADS, threads], capture_output=True, text=True, check=True, timeout=120
        ).stdout
        for threads in ("1", "2")
    ]
    assert chosen[0] == chosen[1] != ""
