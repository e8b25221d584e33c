"""Tables of results that grow: a benchmark can be stopped at any time, and later computes only the missing rows."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from curbd.storage.whole_files import whole_file


class Item(NamedTuple):
    """One number, in the network and in its fit.

    Attributes
    ----------
    item : what the number says.
    true : its value in the network that made the recording.
    fitted : its value in the fit.
    """

    item: str
    true: float
    fitted: float


def rows(table: Path, keys: Sequence[str]) -> pd.DataFrame:
    """The rows of a table (CSV); no rows where the file does not exist."""
    return pd.read_csv(table) if table.exists() else pd.DataFrame(columns=list(keys))


def finished(table: Path, keys: Sequence[str], again: bool = False) -> set[tuple[object, ...]]:
    """Keys of the rows that need not be computed.

    Parameters
    ----------
    table : path of the table (CSV).
    keys : columns that identify a row.
    again : whether all rows are computed anew, so that there is no such key.
    """
    return set() if again else set(rows(table, keys)[list(keys)].itertuples(index=False, name=None))


def add(table: Path, keys: Sequence[str], new: pd.DataFrame, order: Sequence[str | int]) -> None:
    """Write rows to a table (CSV); they replace rows with the same keys.

    Parameters
    ----------
    table : path of the table.
    keys : columns that identify a row; the table is sorted by them.
    new : rows.
    order : values of the first key in the order of the table.
    """
    old = rows(table, keys)
    both = (pd.concat([old, new], ignore_index=True) if len(old) else new).drop_duplicates(list(keys), keep="last")
    rank = {value: index for index, value in enumerate(order)}
    both = both.sort_values(list(keys), key=lambda column: column.map(rank) if column.name == keys[0] else column)
    with whole_file(table) as temporary:
        both.to_csv(temporary, index=False, float_format="%.5g")
