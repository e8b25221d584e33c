"""Results are those that are stored; the recipe stands in `tests.unchanged.recipe`."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from tests.unchanged import recipe

RELATIVE_TOLERANCE = 1e-8
ABSOLUTE_TOLERANCE = 1e-10
ROUNDING_SHARE = 1e-5
"""Largest change of draws of null distributions, and of all results of `state_space`, as a share of the largest value
of the column. Draws are in single precision and `state_space` iterates for long, so that processors that add in
different orders move these results by up to 7e-6. All other results agree between processors to `RELATIVE_TOLERANCE`.
"""
SINGLE_PRECISION_SHARE = 1e-3
"""The same for all results of `trajectory`, which descends in single precision."""
SHARE_OF_MODEL = {"trajectory": SINGLE_PRECISION_SHARE, "state_space": ROUNDING_SHARE}


def tolerated(column: str, stored: np.ndarray, model: str) -> np.ndarray:
    """Largest change of every stored number (row,) of a column that counts as rounding."""
    of_null = ROUNDING_SHARE if column.startswith("null_") else 0.0
    largest = np.abs(stored).max(where=np.isfinite(stored), initial=0)
    return ABSOLUTE_TOLERANCE + np.maximum(
        RELATIVE_TOLERANCE * np.abs(stored), SHARE_OF_MODEL.get(model, of_null) * largest
    )


def differences(computed: pd.DataFrame, stored: pd.DataFrame, model: str) -> list[str]:
    """Column, row and both values of every result that moved; columns that are new are no concern of this test."""
    if len(computed) != len(stored):
        return [f"{len(computed)} rows computed, {len(stored)} stored"]
    moved = []
    for name in stored.columns:
        old, new = stored[name], computed.get(name, pd.Series(np.nan, index=stored.index))
        if all(pd.api.types.is_numeric_dtype(column) for column in (old, new)):
            a, b = new.to_numpy(dtype=float), old.to_numpy(dtype=float)
            same = (np.abs(a - b) <= tolerated(name, b, model)) | (np.isnan(a) & np.isnan(b)) | (a == b)
        else:
            same = (new.astype(object).fillna("").astype(str) == old.astype(object).fillna("").astype(str)).to_numpy()
        moved += [f"row {row}, {name}: {new[row]!r}, stored {old[row]!r}" for row in np.flatnonzero(~same)]
    return moved


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("model", recipe.models())
@pytest.mark.parametrize("teacher", recipe.TEACHERS)
def test_results_are_those_that_are_stored(teacher: str, model: str) -> None:
    moved = []
    for name, table in recipe.compute(teacher, model).items():
        stored = pd.read_csv(recipe.STORED / f"{teacher}_{name}.csv")
        stored = stored[stored["model"] == model].drop(columns="model").reset_index(drop=True)
        moved += [f"{name}, {line}" for line in differences(recipe.as_stored(table), stored, model)]
    assert not moved, (
        f"{len(moved)} results of {model} on {teacher} moved: raise RESULTS_VERSION, or find out why.\n"
        + "\n".join(moved[:20])
    )
