"""Products of symmetric matrices in blocks: equal to the plain products."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from curbd.regression.moments import LEAST_ROWS_OF_LAPACK, cholesky, inverse_of
from curbd.regression.symmetric_products import ROWS_OF_BLOCK, quadratic_forms, twice_lower


@pytest.mark.parametrize("size", [7, 2 * ROWS_OF_BLOCK + 7])
def test_symmetric_matrices_are_multiplied_without_one_half(rng: np.random.Generator, size: int) -> None:
    root, values = (torch.from_numpy(rng.standard_normal((size, n))) for n in (size, 5))
    symmetric = root + root.mT
    plain = values.mT @ symmetric @ values
    np.testing.assert_allclose(quadratic_forms(values.mT, symmetric), plain.diagonal(), rtol=1e-9)
    half = values.mT @ twice_lower(symmetric, values)
    np.testing.assert_allclose((half + half.mT) / 2, plain, rtol=1e-9, atol=1e-9 * float(plain.abs().max()))


@pytest.mark.parametrize("shape", [(3, 5, 5), (2, LEAST_ROWS_OF_LAPACK + 3, LEAST_ROWS_OF_LAPACK + 3)])
def test_factors_and_inverses_are_those_of_torch(rng: np.random.Generator, shape: tuple[int, int, int]) -> None:
    root = torch.from_numpy(rng.standard_normal(shape))
    matrices = root @ root.mT + torch.eye(shape[1], dtype=root.dtype)
    factor = cholesky(matrices)
    np.testing.assert_allclose(factor, torch.linalg.cholesky(matrices), atol=1e-10)
    np.testing.assert_allclose(inverse_of(factor) @ matrices, np.broadcast_to(np.eye(shape[1]), shape), atol=1e-8)
    with pytest.raises(torch.linalg.LinAlgError):
        cholesky(-matrices)
