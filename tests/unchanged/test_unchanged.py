"""Results are those that are stored; the recipe stands in `tests.unchanged.recipe`."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from tests.unchanged import recipe

ABSOLUTE_TOLERANCE = 1e-10
TOLERANCE = 1e-5
"""Largest change as a share of the largest value of the column. Processors add in different orders; null distributions
in single precision and long iterations move by up to 7e-6 between two kinds of processors."""
SINGLE_PRECISION_TOLERANCE = 1e-3
"""The same for `trajectory`, which descends in single precision."""


def differences(computed: pd.DataFrame, stored: pd.DataFrame, tolerance: float) -> list[str]:
    """Column, row and both values of every result that moved; columns that are new are no concern of this test."""
    if len(computed) != len(stored):
        return [f"{len(computed)} rows computed, {len(stored)} stored"]
    moved = []
    for name in stored.columns:
        old, new = stored[name], computed.get(name, pd.Series(np.nan, index=stored.index))
        if all(pd.api.types.is_numeric_dtype(column) for column in (old, new)):
            numbers = new.to_numpy(dtype=float), old.to_numpy(dtype=float)
            largest = np.abs(numbers[1]).max(where=np.isfinite(numbers[1]), initial=0)
            same = np.isclose(*numbers, rtol=0, atol=max(ABSOLUTE_TOLERANCE, tolerance * largest), equal_nan=True)
        else:
            same = (new.astype(object).fillna("").astype(str) == old.astype(object).fillna("").astype(str)).to_numpy()
        moved += [f"row {row}, {name}: {new[row]!r}, stored {old[row]!r}" for row in np.flatnonzero(~same)]
    return moved


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("model", recipe.models())
@pytest.mark.parametrize("teacher", recipe.TEACHERS)
def test_results_are_those_that_are_stored(teacher: str, model: str) -> None:
    tolerance = SINGLE_PRECISION_TOLERANCE if model == "trajectory" else TOLERANCE
    moved = []
    for name, table in recipe.compute(teacher, model).items():
        stored = pd.read_csv(recipe.STORED / f"{teacher}_{name}.csv")
        stored = stored[stored["model"] == model].drop(columns="model").reset_index(drop=True)
        moved += [f"{name}, {line}" for line in differences(recipe.as_stored(table), stored, tolerance)]
    assert not moved, (
        f"{len(moved)} results of {model} on {teacher} moved: raise RESULTS_VERSION, or find out why.\n"
        + "\n".join(moved[:20])
    )
