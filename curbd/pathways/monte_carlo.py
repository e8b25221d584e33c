"""Monte Carlo p-values that take few draws where the answer is clear, and many where it is not.

Draws stop as soon as enough of them reach the statistic (Besag & Clifford, Biometrika 1991), and also if the statistic
lies far above all draws. The p-value of a statistic that is neither clearly inside nor clearly outside its null comes
from the largest number of draws.
"""

from __future__ import annotations

import numpy as np

Array = np.ndarray
ENOUGH_EXCEEDANCES = 10
"""Number of draws that reach the statistic after which no more are made; the p-value is this number divided by the
number of draws. The p-value of a statistic that is not significant then has a relative standard error of at most a
third."""
LEAST_DRAWS = 20
"""Number of draws before a statistic can count as far above its null."""
FAR_ABOVE_SD = 8.0
"""A statistic that exceeds the mean of the draws by more than this number of their standard deviations, and every
single draw, is far above its null. A normal variable does so with a probability of 1e-15."""


class MonteCarlo:
    """A statistic and the values that are drawn from its null, one batch after another.

    Parameters
    ----------
    value : the statistic; large values speak against the null. NaN if the statistic is undefined.
    most_draws : largest number of draws; the smallest possible p-value is 1 / (most_draws + 1).
    """

    def __init__(self, value: float, most_draws: int) -> None:
        self.value = value
        self.most_draws = most_draws
        self.null = np.empty(0)

    def add(self, drawn: Array) -> None:
        """Add values (draw,) from the null; values beyond the largest number of draws are not used."""
        self.null = np.concatenate([self.null, drawn])[: self.most_draws]

    @property
    def exceedances(self) -> int:
        """Number of draws that are at least as large as the statistic."""
        return int((self.null >= self.value).sum())

    @property
    def decided(self) -> bool:
        """Whether more draws would not change what is known."""
        finished = len(self.null) >= self.most_draws or self.exceedances >= ENOUGH_EXCEEDANCES
        return not np.isfinite(self.value) or finished or self._far_above()

    def _far_above(self) -> bool:
        if len(self.null) < LEAST_DRAWS or self.exceedances:
            return False
        return bool(self.value - self.null.mean() > FAR_ABOVE_SD * self.null.std())

    def p_value(self) -> float:
        """Compute the probability, under the null, of a value at least as large; NaN if anything is undefined."""
        if not np.isfinite(self.value) or not np.isfinite(self.null).all():
            return float("nan")
        reached = np.flatnonzero(self.null >= self.value)
        if len(reached) >= ENOUGH_EXCEEDANCES:
            return float(ENOUGH_EXCEEDANCES / (reached[ENOUGH_EXCEEDANCES - 1] + 1))
        draws = self.most_draws if self._far_above() else len(self.null)
        return float((1 + len(reached)) / (draws + 1))
