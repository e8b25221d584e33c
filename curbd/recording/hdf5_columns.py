"""Datasets of a plain HDF5 file by their paths, and their cells as the columns of a table.

Structured arrays, as NumPy, PyTables and pandas write tables, are read as one dataset for each of their fields.
"""

from __future__ import annotations

from io import BytesIO
from typing import Any

import h5py
import numpy as np

from curbd.recording.cells import MAX_NUMBERS_IN_CELL, as_text, joined
from curbd.recording.coded_columns import code_names, decoded
from curbd.recording.unreadable import reading

MAX_UNITS_OR_TRIALS = 100_000
"""Structured arrays of more rows are no tables of units or trials, and are not divided into their fields."""


def datasets(file: h5py.Group) -> dict[str, h5py.Dataset]:
    """Find every dataset of a file except the contents of MATLAB cell arrays, which are stored under ``#refs#``.

    Parameters
    ----------
    file : the opened file, or a group of the file.

    Returns
    -------
    Path -> dataset. A structured array gives a dataset for each of its fields, with the path ``table/field``.
    """
    by_path: dict[str, h5py.Dataset] = {}

    def visit(path: str, node: Any) -> None:
        if holds_values(node) and not path.startswith("#"):
            by_path.update(
                {f"{path}/{name}": field for name, field in fields(node).items()} if is_table(node) else {path: node}
            )

    file.visititems(visit)
    return by_path


def dataset_at(file: h5py.File, path: str | None) -> h5py.Dataset | None:
    """Return the dataset at a path, which may lead to a field of a structured array; None if there is no dataset.

    Parameters
    ----------
    file : the opened file.
    path : path of the dataset, or ``table/field``; None for no dataset.
    """
    node = file.get(path) if path else None
    if node is None and path and "/" in path:
        table, field = path.rsplit("/", 1)
        parent = file.get(table)
        node = fields(parent).get(field) if is_table(parent) else None
    return node if holds_values(node) else None


def holds_values(node: Any) -> bool:
    """Return whether an object of a file is a dataset with a shape; HDF5 also has datasets without any."""
    return isinstance(node, h5py.Dataset) and node.shape is not None


def is_table(node: Any) -> bool:
    """Return whether an object of a file is a structured array whose fields can be read as columns."""
    return holds_values(node) and node.dtype.names is not None and node.ndim == 1 and node.size <= MAX_UNITS_OR_TRIALS


def fields(table: h5py.Dataset) -> dict[str, h5py.Dataset]:
    """Return the fields of a structured array as datasets in memory.

    Parameters
    ----------
    table : the structured array (row,).

    Returns
    -------
    Name of a field -> dataset (row, ...), for the fields of numbers and texts.
    """
    memory = h5py.File(BytesIO(), "w")
    with reading(str(table.file.filename), table.name.lstrip("/")):
        return {
            name: memory.create_dataset(f"{table.name}/{name}", data=table[name], dtype=table.dtype[name].base)
            for name in table.dtype.names
            if table.dtype[name].base.kind in "biufOSU" and h5py.check_ref_dtype(table.dtype[name].base) is None
        }


def is_column(dataset: h5py.Dataset, length: int | None) -> bool:
    """Return whether a dataset is a column of this length; MATLAB writes columns as (n, 1) and (1, n).

    Parameters
    ----------
    dataset : the dataset.
    length : number of cells; None for any number.
    """
    if dataset.ndim not in (1, 2) or dataset.size != max(dataset.shape):
        return False
    return dataset.size == length if length is not None else True


def has_cells(dataset: h5py.Dataset, length: int) -> bool:
    """Return whether a dataset has a cell, or a few cells that can be joined, for each of this number of rows."""
    few = dataset.ndim == 2 and len(dataset) == length and 0 < dataset.shape[1] <= MAX_NUMBERS_IN_CELL
    return dataset.dtype.kind in "biufOSU" and (is_column(dataset, length) or few)


def cells_of(dataset: h5py.Dataset) -> list[Any]:
    """Return the cells of a column: texts, the names of codes, or numbers; rows of several cells are joined.

    Raises
    ------
    UnreadableError : the dataset cannot be read.
    """
    with reading(str(dataset.file.filename), dataset.name.lstrip("/")):
        names = code_names(dataset)
        if dataset.dtype.kind in "OSU":
            cells: list[Any] = texts(dataset)
        else:
            cells = list(decoded(dataset[...], names) if names else np.ravel(dataset[...]))
    if is_column(dataset, None):
        return cells
    return [joined(row) for row in np.array(cells, dtype=object).reshape(len(dataset), -1)]


def texts(dataset: h5py.Dataset) -> list[str]:
    """Convert all cells of a dataset to strings; in MATLAB 7.3 files, cells are references to arrays of characters."""
    values = np.ravel(dataset[()])
    if h5py.check_ref_dtype(dataset.dtype) is not None:
        return [as_text("".join(map(chr, np.ravel(dataset.file[cell][()])))) for cell in values]
    if dataset.dtype.kind == "f" and np.all(np.isnan(values) | (values == np.round(values))):
        # Codes stored as floating-point numbers: 1, not 1.0.
        return ["" if np.isnan(value) else str(int(value)) for value in values]
    return [as_text(value) for value in values]


def is_character_matrix(dataset: h5py.Dataset) -> bool:
    """Return whether a dataset is an array of characters with two axes, as MATLAB writes several texts."""
    is_char = as_text(dataset.attrs.get("MATLAB_class", "")) == "char"
    return is_char and dataset.ndim == 2 and min(dataset.shape) > 1


def rows_of_characters(dataset: h5py.Dataset, length: int) -> list[str]:
    """Return the texts of an array of characters, one for each place along the axis of this length.

    Parameters
    ----------
    dataset : the array of characters (see `is_character_matrix`).
    length : number of texts.
    """
    codes = np.asarray(dataset[()])
    codes = codes.T if codes.shape[1] == length else codes
    return [as_text("".join(map(chr, row))) for row in codes]
