"""The sources of the currents that every unit receives: regions, inputs, the bias and the unit itself."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

Array = np.ndarray
BIAS = "bias"
SELF_ADAPTATION = "self-adaptation"
SELF_HISTORY = "self-history"
"""Change of the log rate of a unit by its own past spikes, in population networks."""


class Source(NamedTuple):
    """A source of currents.

    Attributes
    ----------
    name : name of a region, ``input:<name>`` for an input, ``bias``, ``self-adaptation`` or
        ``self-history``.
    columns : (column,) columns of the source in the regressors z = [r, u, 1] and in the weights W = [J, B, b]; those of
        the adaptation of the units come last.
    """

    name: str
    columns: Array

    @property
    def span(self) -> Array | slice:
        """The columns, as a slice if they follow one another: a slice takes no copy of the regressors."""
        first, n = int(self.columns[0]) if len(self.columns) else 0, len(self.columns)
        return slice(first, first + n) if np.array_equal(self.columns, first + np.arange(n)) else self.columns


def sources_of(region: Array, input_name: Array, *, adaptation: bool = False) -> list[Source]:
    """List all sources of currents: regions in alphabetical order, inputs, the bias and, if any, the adaptation.

    Parameters
    ----------
    region : (unit,) name of each unit's region.
    input_name : (input,) names of the inputs.
    adaptation : whether the units adapt.

    Returns
    -------
    The sources, each with its name and its columns in the regressors [r, u, 1].
    """
    n_units, n_inputs = len(region), len(input_name)
    regions = [Source(str(name), np.flatnonzero(region == name)) for name in np.unique(region)]
    inputs = [Source(f"input:{name}", np.array([n_units + index])) for index, name in enumerate(input_name)]
    n = n_units + n_inputs
    own = [Source(SELF_ADAPTATION, n + 1 + np.arange(n_units))] if adaptation else []
    return [*regions, *inputs, Source(BIAS, np.array([n])), *own]
