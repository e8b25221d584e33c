"""The sources of the currents that every unit receives: regions, inputs and the bias."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

Array = np.ndarray
BIAS = "bias"


class Source(NamedTuple):
    """A source of currents.

    Attributes
    ----------
    name : name of a region, ``input:<name>`` for an input, or ``bias``.
    columns : (column,) columns of the source in the regressors z = [r, u, 1] and in the weights W = [J, B, b].
    """

    name: str
    columns: Array


def sources_of(region: Array, input_name: Array) -> list[Source]:
    """List all sources of currents: regions in alphabetical order, then inputs, then the bias.

    Parameters
    ----------
    region : (unit,) name of each unit's region.
    input_name : (input,) names of the inputs.

    Returns
    -------
    The sources, each with its name and its columns in the regressors [r, u, 1].
    """
    n_units, n_inputs = len(region), len(input_name)
    regions = [Source(str(name), np.flatnonzero(region == name)) for name in np.unique(region)]
    inputs = [Source(f"input:{name}", np.array([n_units + index])) for index, name in enumerate(input_name)]
    return [*regions, *inputs, Source(BIAS, np.array([n_units + n_inputs]))]
