"""Tables that grow: a benchmark can be stopped at any time, and computes only what is missing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from curbd.storage import whole_file


def rows(table: Path, keys: Sequence[str]) -> pd.DataFrame:
    """The rows of a table (CSV), none where it does not exist."""
    return pd.read_csv(table) if table.exists() else pd.DataFrame(columns=list(keys))


def finished(table: Path, keys: Sequence[str], again: bool = False) -> set[tuple[object, ...]]:
    """The keys that are in a table and need not be computed; none of them with ``again``."""
    return set() if again else set(rows(table, keys)[list(keys)].itertuples(index=False, name=None))


def add(table: Path, keys: Sequence[str], new: pd.DataFrame, order: Sequence[str | int]) -> None:
    """Write rows to a table, in the place of those with the same keys; ``order`` sorts the first key."""
    old = rows(table, keys)
    both = (pd.concat([old, new], ignore_index=True) if len(old) else new).drop_duplicates(list(keys), keep="last")
    place = {name: number for number, name in enumerate(order)}
    both = both.sort_values(list(keys), key=lambda one: one.map(place) if one.name == keys[0] else one)
    with whole_file(table) as part:
        both.to_csv(part, index=False, float_format="%.5g")
