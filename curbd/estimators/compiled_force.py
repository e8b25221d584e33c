"""The recursion of FORCE learning in compiled loops, exact but for rounding, with the updates of many samples at once.

Recursive least squares changes every weight and every entry of the inverse correlation matrix at every sample. The
changes of one sample are of rank one: P_t = P - sum of c q q' and W_t = W - sum of c e q' over the samples since both
matrices were last written. The sums are kept as their factors q and c e and applied to vectors, and both matrices are
written once in `BLOCK_SAMPLES` samples, by products of matrices, which take a fraction of the time of as many changes
of rank one. P is symmetric: only the lower triangle of P is read and written.

The loops release the interpreter, so that several seeds run side by side in threads.
"""

from __future__ import annotations

import numpy as np
from numba import njit

Array = np.ndarray
BLOCK_SAMPLES = 32
"""Largest number of samples between two writings of the weights: longer blocks cost more products with vectors, shorter
blocks more writing."""
PANEL_ROWS = 64
"""Rows of the lower triangle that are written at once; the entries right of the diagonal block are left out."""
SUMS_IN_ANY_ORDER = {"reassoc", "contract"}
"""Freedom of the compiler that lets sums run in vector registers; NaN and infinities keep their meaning."""


def train_pass(
    W: Array,
    P: Array,
    starts: Array,
    rates: Array,
    outside: Array,
    noise: Array,
    stretches: list[tuple[int, int, int]],
    step: float,
) -> None:
    """Run a network once through all trials, with one update of recursive least squares at every sample, in place.

    All arrays are contiguous and of one type, float64 or float32.

    Parameters
    ----------
    W : (unit, regressor) weights of the units and of what is outside the network; changed in place.
    P : (regressor, regressor) inverse correlation matrix; the lower triangle is read and changed in place.
    starts : (stretch, unit) recorded states x from which the network starts.
    rates : (trial, time, unit) recorded rates r = tanh(x).
    outside : (trial, time, outside regressor) inputs and the constant of the bias.
    noise : (trial, Euler step, unit) noise, in the units of x.
    stretches : trial, first bin and end of every stretch of bins in which all rates are known, in the order of
        training.
    step : Euler step in units of the time constant.
    """
    n_units, n_regressors = W.shape
    substeps = noise.shape[1] // rates.shape[1]
    block = max(1, min(BLOCK_SAMPLES, n_regressors // 4))
    q = np.zeros((block, n_regressors), W.dtype)
    c_error = np.zeros((block, n_units), W.dtype)
    c = np.zeros(block, W.dtype)
    for (trial, start, stop), x0 in zip(stretches, starts, strict=True):
        x = x0.copy()
        for first in range(start, stop - 1, block):
            last = min(first + block, stop - 1)
            noise_now = noise[trial, first * substeps : last * substeps]
            _run(
                W, P, x, outside[trial, first:last], rates[trial, first + 1 : last + 1], noise_now, step, q, c_error, c
            )
            _write(W, P, q[: last - first], c_error[: last - first], c[: last - first])


@njit(cache=True, nogil=True)
def filter_noise(noise: Array, keep: float) -> None:
    """Filter white noise (trial, Euler step, unit) in place: every value keeps a share of the value before, at first 1.

    Parameters
    ----------
    noise : white noise, which becomes the filtered noise.
    keep : share that is kept.
    """
    n_trials, n_steps, n_units = noise.shape
    for trial in range(n_trials):
        for step in range(n_steps):
            for unit in range(n_units):
                before = noise[trial, step - 1, unit] if step else 1.0
                white = noise[trial, step, unit]
                noise[trial, step, unit] = white + (before - white) * keep


def _write(W: Array, P: Array, q: Array, c_error: Array, c: Array) -> None:
    """Write the changes of some samples to the weights and to the lower triangle of the inverse correlation matrix."""
    W -= c_error.T @ q
    scaled = q.T * c
    for first in range(0, len(P), PANEL_ROWS):
        stop = first + PANEL_ROWS
        P[first:stop, :stop] -= scaled[first:stop] @ q[:, :stop]


@njit(cache=True, nogil=True, fastmath=SUMS_IN_ANY_ORDER)
def _run(
    W: Array,
    P: Array,
    x: Array,
    outside: Array,
    targets: Array,
    noise: Array,
    step: float,
    q: Array,
    c_error: Array,
    c: Array,
) -> None:
    """Run a network through some samples and collect the changes of the weights, which later samples see.

    Parameters
    ----------
    W, P : weights and inverse correlation matrix (lower triangle) before these samples.
    x : (unit,) state at the first sample; afterwards the state after the last sample.
    outside : (sample, outside regressor) inputs and the constant of the bias.
    targets : (sample, unit) recorded rates at the end of every sample.
    noise : (Euler step, unit) noise, in the units of x.
    step : Euler step in units of the time constant.
    q : (at least sample, regressor) receives P z, where z are the rates and what is outside the network.
    c_error : (at least sample, unit) receives c times the error of the rates.
    c : (at least sample,) receives 1 / (1 + z' P z).
    """
    n_units, n_regressors = W.shape
    substeps = len(noise) // len(targets)
    overlap = np.zeros(len(c), W.dtype)
    current = np.zeros(n_units, W.dtype)
    z = np.zeros(n_regressors, W.dtype)
    for unit in range(n_units):
        z[unit] = np.tanh(x[unit])
    for sample in range(len(targets)):
        for regressor in range(n_units, n_regressors):
            z[regressor] = outside[sample, regressor - n_units]
        for substep in range(substeps):
            _product(W, n_units, z, current)
            _product(q, sample, z, overlap)
            _subtract_rows(c_error, sample, overlap, current)
            noise_now = noise[sample * substeps + substep]
            for unit in range(n_units):
                x[unit] += step * (current[unit] - x[unit] + noise_now[unit])
                z[unit] = np.tanh(x[unit])
        _product_of_lower_triangle(P, z, q[sample])
        _product(q, sample, z, overlap)
        for earlier in range(sample):
            overlap[earlier] *= c[earlier]
        _subtract_rows(q, sample, overlap, q[sample])
        spread = W.dtype.type(1)
        for regressor in range(n_regressors):
            spread += z[regressor] * q[sample, regressor]
        c[sample] = 1 / spread
        for unit in range(n_units):
            c_error[sample, unit] = (z[unit] - targets[sample, unit]) / spread


@njit(cache=True, nogil=True, fastmath=SUMS_IN_ANY_ORDER)
def _product(matrix: Array, n_rows: int, vector: Array, product: Array) -> None:
    """Write the product of the first rows of a matrix and a vector to an array, four rows at a time."""
    n_columns = vector.size
    whole = n_rows - n_rows % 4
    for row in range(0, whole, 4):
        row_0, row_1, row_2, row_3 = matrix[row], matrix[row + 1], matrix[row + 2], matrix[row + 3]
        sum_0 = sum_1 = sum_2 = sum_3 = matrix.dtype.type(0)
        for column in range(n_columns):
            sum_0 += row_0[column] * vector[column]
            sum_1 += row_1[column] * vector[column]
            sum_2 += row_2[column] * vector[column]
            sum_3 += row_3[column] * vector[column]
        product[row], product[row + 1], product[row + 2], product[row + 3] = sum_0, sum_1, sum_2, sum_3
    for row in range(whole, n_rows):
        total = matrix.dtype.type(0)
        for column in range(n_columns):
            total += matrix[row, column] * vector[column]
        product[row] = total


@njit(cache=True, nogil=True, fastmath=SUMS_IN_ANY_ORDER)
def _product_of_lower_triangle(triangle: Array, vector: Array, product: Array) -> None:
    """Write the product of a symmetric matrix, given by its lower triangle, and a vector to an array."""
    n = vector.size
    whole = n - n % 4
    for row in range(n):
        product[row] = 0
    for row in range(0, whole, 4):
        row_0, row_1, row_2, row_3 = triangle[row], triangle[row + 1], triangle[row + 2], triangle[row + 3]
        value_0, value_1, value_2, value_3 = vector[row], vector[row + 1], vector[row + 2], vector[row + 3]
        sum_0 = sum_1 = sum_2 = sum_3 = triangle.dtype.type(0)
        for column in range(row):
            sum_0 += row_0[column] * vector[column]
            sum_1 += row_1[column] * vector[column]
            sum_2 += row_2[column] * vector[column]
            sum_3 += row_3[column] * vector[column]
            product[column] += (
                row_0[column] * value_0 + row_1[column] * value_1 + row_2[column] * value_2 + row_3[column] * value_3
            )
        product[row] += sum_0
        product[row + 1] += sum_1
        product[row + 2] += sum_2
        product[row + 3] += sum_3
        for below in range(row, row + 4):
            product[below] += triangle[below, below] * vector[below]
            for column in range(row, below):
                product[below] += triangle[below, column] * vector[column]
                product[column] += triangle[below, column] * vector[below]
    for row in range(whole, n):
        product[row] += triangle[row, row] * vector[row]
        for column in range(row):
            product[row] += triangle[row, column] * vector[column]
            product[column] += triangle[row, column] * vector[row]


@njit(cache=True, nogil=True, fastmath=SUMS_IN_ANY_ORDER)
def _subtract_rows(rows: Array, n_rows: int, factor: Array, vector: Array) -> None:
    """Subtract the sum of the first rows of a matrix, each times its factor, from a vector, four rows at a time."""
    whole = n_rows - n_rows % 4
    for row in range(0, whole, 4):
        row_0, row_1, row_2, row_3 = rows[row], rows[row + 1], rows[row + 2], rows[row + 3]
        factor_0, factor_1, factor_2, factor_3 = factor[row], factor[row + 1], factor[row + 2], factor[row + 3]
        for column in range(vector.size):
            vector[column] -= (
                factor_0 * row_0[column]
                + factor_1 * row_1[column]
                + factor_2 * row_2[column]
                + factor_3 * row_3[column]
            )
    for row in range(whole, n_rows):
        for column in range(vector.size):
            vector[column] -= factor[row] * rows[row, column]
