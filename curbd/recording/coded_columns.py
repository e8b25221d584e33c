"""Columns that hold integer codes instead of names, and the names that the file gives for these codes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import h5py
import numpy as np

from curbd.recording.cells import as_text, is_stored

NAME_ATTRIBUTES = ("elements", "categories", "levels", "labels", "flag_meanings")
"""Attributes of a dataset of codes that may list the names of the codes."""


def decoded(codes: Any, names: Mapping[int, str]) -> list[str]:
    """Convert integer codes to their names; a code without a name, such as -1, gives ''.

    Parameters
    ----------
    codes : (row,) integer codes.
    names : code -> name.

    Returns
    -------
    (row,) names.
    """
    return [names.get(int(code), "") if np.isfinite(code) else "" for code in np.ravel(codes)]


def code_names(dataset: Any) -> dict[int, str]:
    """Return the names that a dataset states for its codes, by an HDF5 enumeration or by an attribute.

    Names in an attribute belong to the codes 0, 1, ...; they belong to the codes 1, 2, ... if the smallest code is 1
    and the largest code is the number of names, as for factors of R. An attribute is not used if it gives no name for a
    code of the dataset; negative codes mean missing values and need no name.

    Parameters
    ----------
    dataset : the dataset of codes.

    Returns
    -------
    Code -> name; empty if the dataset states no names.
    """
    if not is_stored(dataset) or dataset.dtype.kind not in "iu" or not dataset.size:
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
