"""Columns that hold codes instead of names, and the names that the file states for these codes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import h5py
import numpy as np

from curbd.recording.cells import as_text

NAME_ATTRIBUTES = ("elements", "categories", "levels", "labels", "flag_meanings")
"""Attributes of a dataset of codes that may list the names of the codes."""


def decoded(codes: Any, names: Mapping[int, str]) -> list[str]:
    """Name of each code as text; '' for a code without a name, such as -1.

    Parameters
    ----------
    codes : (row,) integer codes.
    names : code -> name.
    """
    return [names.get(int(code), "") if np.isfinite(code) else "" for code in np.ravel(codes)]


def code_names(dataset: Any) -> dict[int, str]:
    """Code -> name as a dataset states them, by its HDF5 type or by an attribute; empty where it states none.

    Names in an attribute belong to the codes 0, 1, ..., or 1, 2, ... where the smallest code is 1 and the largest is
    the number of names, as for factors of R. The attribute is not used if a code of the dataset has no name there; a
    negative code means that there is no value.
    """
    if not isinstance(dataset, h5py.Dataset) or dataset.dtype.kind not in "iu" or not dataset.size:
        return {}
    stated = h5py.check_enum_dtype(dataset.dtype)
    if stated:
        return {int(code): as_text(name) for name, code in stated.items()}
    for attribute in NAME_ATTRIBUTES:
        names = dataset.attrs.get(attribute)
        if names is None or isinstance(names, h5py.Reference | h5py.Empty):
            continue
        if attribute == "flag_meanings" and np.ndim(names) == 0:
            names = as_text(names).split()
        if np.ndim(names) != 1 or np.asarray(names).dtype.kind not in "SUO":
            continue
        codes = np.asarray(dataset[...])
        codes = codes[codes >= 0]
        first = 1 if codes.size and codes.min() == 1 and codes.max() == len(names) else 0
        if codes.size and codes.max() - first < len(names):
            return {first + index: as_text(name) for index, name in enumerate(names)}
    return {}
