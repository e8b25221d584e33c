"""Products with symmetric matrices, of which one half is computed or read where matrices are large."""

from __future__ import annotations

import torch

ROWS_OF_BLOCK = 256
"""Rows of a symmetric matrix that are multiplied together where its upper half is left out."""
ROWS_OF_SCATTER = 1024
"""Rows of a symmetric matrix to which products are added together."""


def scatter(z: torch.Tensor) -> torch.Tensor:
    """Sum the products z z' of values (pair, column) over pairs: (column, column)."""
    if z.device.type == "cpu":
        # NumPy computes a product of an array with itself by half, because the product is symmetric.
        values = z.numpy()
        return torch.from_numpy(values.T @ values)
    return z.T @ z


def add_scatter(total: torch.Tensor, z: torch.Tensor) -> None:
    """Add the products z z' of values (pair, column), summed over pairs, to a symmetric matrix (column, column).

    Blocks below the diagonal are computed, and copied to the other side.
    """
    for start in range(0, len(total), ROWS_OF_SCATTER):
        rows, before, until = slice(start, start + ROWS_OF_SCATTER), slice(start), slice(start + ROWS_OF_SCATTER)
        total[rows, until].addmm_(z[:, rows].mT, z[:, until])
        total[before, rows] = total[rows, before].mT


def twice_lower(symmetric: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
    """Multiply values with blocks of a symmetric matrix S on the diagonal, and with twice the blocks below.

    The product P has the same values' P, but for an antisymmetric part, as the product S values, for little more than
    half of the multiplications.

    Parameters
    ----------
    symmetric : (row, row) the matrix S.
    values : (row, column) values.

    Returns
    -------
    (row, column) the product P.
    """
    if len(symmetric) < 2 * ROWS_OF_BLOCK:
        return symmetric @ values
    product = values.new_empty(values.shape)
    for start in range(0, len(symmetric), ROWS_OF_BLOCK):
        rows, before = slice(start, start + ROWS_OF_BLOCK), slice(start)
        torch.mm(symmetric[rows, rows], values[rows], out=product[rows])
        product[rows].addmm_(symmetric[rows, before], values[before], alpha=2)
    return product


def quadratic_forms(values: torch.Tensor, symmetric: torch.Tensor) -> torch.Tensor:
    """Compute v' S v of every row v of values (row, column), for a symmetric matrix S (column, column): (row,).

    A large S is taken in blocks on the diagonal and twice the blocks above.
    """
    if len(symmetric) < 2 * ROWS_OF_BLOCK:
        return (values @ symmetric).mul_(values).sum(-1)
    total = values.new_zeros(len(values))
    for start in range(0, len(symmetric), ROWS_OF_BLOCK):
        columns, before = slice(start, start + ROWS_OF_BLOCK), slice(start)
        product = values[:, columns] @ symmetric[columns, columns]
        product.addmm_(values[:, before], symmetric[before, columns], alpha=2)
        total += product.mul_(values[:, columns]).sum(-1)
    return total
