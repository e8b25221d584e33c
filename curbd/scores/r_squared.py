"""R2: the share of variance that a prediction explains, from sums over bins that can be added up over trials."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

Array = np.ndarray
CONSTANT_UNIT_SHARE = 1e-13
"""Variance of a unit, as a share of its mean square, below which the unit counts as constant."""


class UnitErrors(NamedTuple):
    """Sums over the bins in which both data and prediction are known, for every unit.

    Attributes
    ----------
    n : (unit,) number of bins.
    total : (unit,) sum of the data.
    squares : (unit,) sum of the squared data.
    error : (unit,) sum of the squared differences between data and prediction.
    """

    n: Array
    total: Array
    squares: Array
    error: Array

    @classmethod
    def of(cls, data: Array, prediction: Array) -> UnitErrors:
        """Sum over trials and bins of data and prediction (trial, time, unit), NaN where missing."""
        difference = data - prediction
        known = np.isfinite(difference)
        if not known.all():
            data, difference = np.where(known, data, 0.0), np.where(known, difference, 0.0)
        return cls(
            n=known.sum((0, 1)),
            total=data.sum((0, 1)),
            squares=np.einsum("ktu,ktu->u", data, data),
            error=np.einsum("ktu,ktu->u", difference, difference),
        )

    def plus(self, more: UnitErrors) -> UnitErrors:
        """Add the sums over other trials."""
        return UnitErrors(*(first + second for first, second in zip(self, more, strict=True)))

    def of_units(self, units: Array) -> UnitErrors:
        """Select units (unit,), by mask or by index."""
        return UnitErrors(*(values[units] for values in self))

    @property
    def deviations(self) -> Array:
        """(unit,) sum of squares of the data about the mean of the unit; 0 for a unit that does not vary."""
        about_mean = self.squares - self.total**2 / np.maximum(self.n, 1)
        return np.where(about_mean > CONSTANT_UNIT_SHARE * self.squares, about_mean, 0.0)

    def by_unit(self) -> Array:
        """Compute the R2 (unit,) of every unit; NaN if the data of a unit do not vary."""
        deviations = self.deviations
        return np.where(deviations > 0, 1 - self.error / np.where(deviations > 0, deviations, 1), np.nan)

    def together(self) -> float:
        """Compute the R2 of all units together, each about its own mean; NaN if the data do not vary."""
        deviations = float(self.deviations.sum())
        return 1 - float(self.error.sum()) / deviations if deviations > 0 else float("nan")

    def about_grand_mean(self) -> float:
        """Compute the R2 about the mean of all units, called pVar in CURBD (Perich et al., bioRxiv 2020.12.18.423348).

        The R2 is NaN if the data do not vary.
        """
        n, total, squares, error = (float(values.sum()) for values in self)
        about_mean = squares - total**2 / max(n, 1.0)
        return 1 - error / about_mean if about_mean > CONSTANT_UNIT_SHARE * squares else float("nan")


def r_squared(data: Array, prediction: Array) -> float:
    """Return the R2 of all units together: 1 - squared error / variance, each unit about its own mean.

    Parameters
    ----------
    data, prediction : (trial, time, unit) values. Bins in which either is NaN are left out for the unit.

    Returns
    -------
    R2; NaN if the data do not vary.
    """
    return UnitErrors.of(data, prediction).together()


def variance_explained(data: Array, prediction: Array) -> float:
    """Return the R2 about the grand mean of all units, called pVar in CURBD (Perich et al., bioRxiv 2020.12.18.423348).

    Parameters
    ----------
    data, prediction : (trial, time, unit) values. Bins in which either is NaN are left out for the unit.

    Returns
    -------
    R2; NaN if the data do not vary.
    """
    return UnitErrors.of(data, prediction).about_grand_mean()
