"""The range of the recorded rates, beyond which a simulation must not be believed."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes

from curbd.report.drawing import GREY

MIN_SHARE_BEYOND = 0.05
"""A simulation leaves the range of the recorded rates if it is further away than this share of the range."""
BEYOND_RANGE = "beyond the recorded range"
BEYOND_RANGE_MEANING = (
    "“Beyond the recorded range”: the simulation leaves the range of the recorded rates (dotted lines), where the "
    "model extrapolates."
)


class RateRange(NamedTuple):
    """The lowest and the highest recorded rate."""

    low: float
    high: float

    @classmethod
    def of(cls, rates: np.ndarray) -> RateRange:
        """Take the range of rates of any shape, NaN where missing."""
        return cls(float(np.nanmin(rates)), float(np.nanmax(rates)))

    def is_left_by(self, simulated: np.ndarray) -> bool:
        """Return True if a simulated rate is beyond the range by more than `MIN_SHARE_BEYOND` of the range."""
        room = MIN_SHARE_BEYOND * (self.high - self.low)
        return bool(np.nanmin(simulated) < self.low - room or np.nanmax(simulated) > self.high + room)

    def draw(self, panel: Axes) -> None:
        """Draw both ends as dotted lines."""
        for end in self:
            panel.axhline(end, color=GREY, linewidth=0.9, linestyle=":", zorder=0)
