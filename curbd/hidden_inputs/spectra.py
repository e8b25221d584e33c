"""Cosine transforms of runs (contiguous segments of samples), and the cross-spectrum of a regression."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.fft import dct, idct

Array = np.ndarray
LOG_FREQUENCY_STEP = 0.05
"""Frequencies are rounded to multiples of this step on a logarithmic scale in the cross-spectrum."""


class Spectra(NamedTuple):
    """Cross-spectrum of the regressors z and the targets y of a regression.

    Attributes
    ----------
    zz : (frequency, regressor, regressor) sums over runs (contiguous segments) of z z', in the frequency domain.
    yz : (frequency, unit, regressor) sums over runs of y z'.
    yy : (frequency, unit, unit) sums over runs of y y'.
    n_terms : (frequency,) number of terms in these sums; over all frequencies, the number of samples.
    w : (frequency,) angular frequency, in radians per sample.
    """

    zz: Array
    yz: Array
    yy: Array
    n_terms: Array
    w: Array


def to_frequencies(values: Array, run: Array) -> tuple[Array, Array]:
    """Compute the orthonormal cosine transform of values along every run, a contiguous segment of samples.

    Parameters
    ----------
    values : (sample, column) values; each column is transformed separately.
    run : (sample,) index of the run that each sample belongs to; the samples of a run are contiguous.

    Returns
    -------
    The transform (row, column), in which the coefficients of a run take the rows of its samples, and the angular
    frequency of each row (row,), in radians per sample.
    """
    out, w = np.empty_like(values), np.empty(len(run))
    for index in _samples_of_runs(run):
        out[index] = dct(values[index], axis=1, norm="ortho")
        w[index] = np.pi * np.arange(index.shape[1]) / index.shape[1]
    return out, w


def from_frequencies(values: Array, run: Array) -> Array:
    """Invert `to_frequencies`: return the samples (sample, column) of cosine coefficients (row, column)."""
    out = np.empty_like(values)
    for index in _samples_of_runs(run):
        out[index] = idct(values[index], axis=1, norm="ortho")
    return out


def _samples_of_runs(run: Array) -> list[Array]:
    """List the indices of the samples (run, sample), one array for all runs of one length."""
    start = np.flatnonzero(np.r_[True, np.diff(run) != 0])
    length = np.diff(np.r_[start, len(run)])
    return [start[length == size][:, None] + np.arange(size) for size in np.unique(length)]


def cross_spectrum(z: Array, y: Array, run: Array) -> Spectra:
    """Compute the cross-spectrum of the regressors and targets of a regression.

    Parameters
    ----------
    z : (sample, regressor) regressors.
    y : (sample, unit) targets.
    run : (sample,) index of the run that each sample belongs to; the samples of a run are contiguous.

    Returns
    -------
    Sums of products of regressors and targets at each frequency.
    """
    z_rows, w = to_frequencies(z, run)
    y_rows, _ = to_frequencies(y, run)
    with np.errstate(divide="ignore"):
        rounded = np.where(w > 0, np.exp(LOG_FREQUENCY_STEP * np.rint(np.log(w) / LOG_FREQUENCY_STEP)), 0.0)
    order = np.argsort(rounded, kind="stable")
    frequencies, first = np.unique(rounded[order], return_index=True)
    groups = np.split(order, first[1:])
    return Spectra(
        zz=np.stack([z_rows[rows].T @ z_rows[rows] for rows in groups]),
        yz=np.stack([y_rows[rows].T @ z_rows[rows] for rows in groups]),
        yy=np.stack([y_rows[rows].T @ y_rows[rows] for rows in groups]),
        n_terms=np.array([len(rows) for rows in groups], dtype=float),
        w=frequencies,
    )


def together(spectra: Sequence[Spectra]) -> Spectra:
    """Add up the cross-spectra of several data sets."""
    w = np.unique(np.concatenate([of_data.w for of_data in spectra]))
    indices = [np.searchsorted(w, of_data.w) for of_data in spectra]

    def summed(statistics: list[Array]) -> Array:
        total = np.zeros((len(w), *statistics[0].shape[1:]))
        for index, statistic in zip(indices, statistics, strict=True):
            total[index] += statistic
        return total

    return Spectra(
        zz=summed([of_data.zz for of_data in spectra]),
        yz=summed([of_data.yz for of_data in spectra]),
        yy=summed([of_data.yy for of_data in spectra]),
        n_terms=summed([of_data.n_terms for of_data in spectra]),
        w=w,
    )
