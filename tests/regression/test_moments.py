"""Products of symmetric matrices in blocks: equal to the plain products."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from curbd.regression.moments import ROWS_OF_BLOCK, quadratic_forms, twice_lower


@pytest.mark.parametrize("size", [7, 2 * ROWS_OF_BLOCK + 7])
def test_symmetric_matrices_are_multiplied_without_one_half(rng: np.random.Generator, size: int) -> None:
    root, values = (torch.from_numpy(rng.standard_normal((size, n))) for n in (size, 5))
    symmetric = root + root.mT
    plain = values.mT @ symmetric @ values
    np.testing.assert_allclose(quadratic_forms(values.mT, symmetric), plain.diagonal(), rtol=1e-9)
    half = values.mT @ twice_lower(symmetric, values)
    np.testing.assert_allclose((half + half.mT) / 2, plain, rtol=1e-9, atol=1e-9 * float(plain.abs().max()))
