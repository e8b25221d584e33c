"""Results are those that are stored; the recipe stands in `tests.unchanged.recipe`."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from tests.unchanged import recipe

RELATIVE_TOLERANCE = 1e-8
ABSOLUTE_TOLERANCE = 1e-10
SINGLE_PRECISION_TOLERANCE = 1e-3
"""`trajectory` descends in single precision: sums in another order, as on another processor, move its later digits."""


def differences(computed: pd.DataFrame, stored: pd.DataFrame, tolerance: float) -> list[str]:
    """Column, row and both values of every result that moved; columns that are new are no concern of this test."""
    if len(computed) != len(stored):
        return [f"{len(computed)} rows computed, {len(stored)} stored"]
    moved = []
    for name in stored.columns:
        old, new = stored[name], computed.get(name, pd.Series(np.nan, index=stored.index))
        if all(pd.api.types.is_numeric_dtype(column) for column in (old, new)):
            numbers = new.to_numpy(dtype=float), old.to_numpy(dtype=float)
            same = np.isclose(*numbers, rtol=tolerance, atol=max(ABSOLUTE_TOLERANCE, tolerance / 100), equal_nan=True)
        else:
            same = (new.astype(object).fillna("").astype(str) == old.astype(object).fillna("").astype(str)).to_numpy()
        moved += [f"row {row}, {name}: {new[row]!r}, stored {old[row]!r}" for row in np.flatnonzero(~same)]
    return moved


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("model", recipe.models())
@pytest.mark.parametrize("teacher", recipe.TEACHERS)
def test_results_are_those_that_are_stored(teacher: str, model: str) -> None:
    tolerance = SINGLE_PRECISION_TOLERANCE if model == "trajectory" else RELATIVE_TOLERANCE
    moved = []
    for name, table in recipe.compute(teacher, model).items():
        stored = pd.read_csv(recipe.STORED / f"{teacher}_{name}.csv")
        stored = stored[stored["model"] == model].drop(columns="model").reset_index(drop=True)
        moved += [f"{name}, {line}" for line in differences(recipe.as_stored(table), stored, tolerance)]
    assert not moved, (
        f"{len(moved)} results of {model} on {teacher} moved: raise RESULTS_VERSION, or find out why.\n"
        + "\n".join(moved[:20])
    )
