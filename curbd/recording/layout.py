"""A guess at the layout of an unknown HDF5 file, which `curbd inspect` prints and the user may copy to the config."""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import permutations, takewhile

import h5py
import numpy as np

from curbd.recording.cells import as_text
from curbd.recording.hdf5_activity import DEFAULT_DIMS
from curbd.recording.hdf5_columns import datasets, is_column
from curbd.settings.recording import HDF5Layout

AXIS_WORDS = {
    "trial": ("trial", "trials", "rep", "repeat", "repetition"),
    "time": ("time", "times", "frame", "frames", "sample", "samples", "bin", "bins", "t"),
    "unit": ("unit", "units", "neuron", "neurons", "cell", "cells", "roi", "rois", "region", "regions", "channel"),
}
"""Words that files use for the axes of their activity."""
ACTIVITY_WORDS = ("rate", "activity", "fluorescence", "dff", "df_f", "spike", "trace", "firing", "response")
LAYOUT_REGION_WORDS = ("acronym", "region", "area", "location", "structure")
RATE_ATTRIBUTE = re.compile(r"(sampling|sample|frame).*rate|^(fs|rate|rate_hz|hz|fps)$", re.IGNORECASE)
TIME_NAME = re.compile(r"^(t|ts|tvec|time.*|bins|bin_?cent(er|re)s?|bin_?times?|(frame|sample)_?times?)$")
"""Names of datasets with the times of the samples, in lower case."""


def propose(file: h5py.File) -> dict[str, object]:
    """Guess the keys of `settings.hdf5` for a file that does not have the default layout.

    The guess uses names, shapes and attributes. Of datasets with equally good names, the one that is stored closest to
    the activity is proposed. An order of axes is proposed only if an attribute ``dims``, or the numbers of region
    labels, times and trials, determine the order. A sampling rate is proposed only if the file states it.

    Parameters
    ----------
    file : the opened file.

    Returns
    -------
    Key of `settings.hdf5` -> value, for the keys that differ from the default layout.
    """
    by_path = {path: dataset for path, dataset in datasets(file).items() if not path.startswith("truth/")}
    plain = HDF5Layout()
    rates = plain.rates if plain.rates in by_path else next(iter(activities(file)), None)
    if rates is None or by_path[rates].ndim not in DEFAULT_DIMS:
        return {}
    near = dict(sorted(by_path.items(), key=lambda item: -_shared_depth(item[0], rates)))
    shape = by_path[rates].shape
    region = plain.region if plain.region in by_path else _region(near, shape)
    trial = plain.trial if plain.trial in file else _trial_table(near, shape)
    times = [plain.time] if plain.time in by_path else [path for path in near if _is_time(path, near[path], shape)]
    known = {
        "unit": by_path[region].size if region is not None else None,
        "time": by_path[times[0]].size if times else None,
        "trial": _length(near, trial) if len(shape) == 3 else None,
    }
    dims = _stated_dims(by_path[rates]) or _fitting_dims(shape, known)
    if dims is not None and len(times) > 1:
        n_times = shape[dims.index("time")]
        times = [path for path in times if by_path[path].size == n_times] or times
    proposal: dict[str, object] = {"rates": rates, "region": region, "trial": trial}
    if dims is not None and tuple(dims) != DEFAULT_DIMS[len(shape)]:
        proposal["dims"] = dims
    if times:
        proposal["time"] = times[0]
    elif (rate := _stated_rate(file, near, rates)) is not None:
        proposal["sampling_rate_hz"] = rate
    return {key: value for key, value in proposal.items() if value not in (None, getattr(plain, key))}


def activities(file: h5py.File) -> list[str]:
    """Find the datasets of a file that may be the activity, the most likely one first.

    Datasets of numbers with two or three axes are candidates; square tables are couplings. If any of them has a usual
    name, the others are none.

    Parameters
    ----------
    file : the opened file.

    Returns
    -------
    Paths of the datasets.
    """
    candidates = {
        path: dataset
        for path, dataset in datasets(file).items()
        if dataset.ndim in DEFAULT_DIMS
        and dataset.dtype.kind in "biuf"
        and dataset.size != max(dataset.shape)
        and (dataset.ndim == 3 or dataset.shape[0] != dataset.shape[1])
        and not path.startswith("truth/")
    }
    named = {path: any(word in path.casefold() for word in ACTIVITY_WORDS) for path in candidates}
    usual = [path for path in candidates if named[path] or not any(named.values())]
    return sorted(usual, key=lambda path: -candidates[path].size)


def _shared_depth(path: str, rates: str) -> int:
    """Number of groups that a path has in common with the path of the activity."""
    groups = zip(path.split("/")[:-1], rates.split("/")[:-1], strict=False)
    return len(list(takewhile(lambda pair: pair[0] == pair[1], groups)))


def _region(near: Mapping[str, h5py.Dataset], shape: tuple[int, ...]) -> str | None:
    # A vector may be stored as (1, n) or (n, 1).
    texts = [
        path
        for path, dataset in near.items()
        if dataset.shape
        and dataset.dtype.kind in "SUO"
        and dataset.size == max(dataset.shape)
        and dataset.size in shape
    ]
    ranked = [name for word in LAYOUT_REGION_WORDS for name in texts if word in name.rsplit("/", 1)[-1].casefold()]
    return ranked[0] if ranked else None


def _trial_table(near: Mapping[str, h5py.Dataset], shape: tuple[int, ...]) -> str | None:
    """The group or structured array with a column for each property of the trials."""
    groups = dict.fromkeys(path.rsplit("/", 1)[0] for path in near if "/" in path)
    for group in groups:
        n_rows = _length(near, group)
        if "trial" in group.rsplit("/", 1)[-1].casefold() and n_rows and (len(shape) == 2 or n_rows in shape):
            return group
    return None


def _length(near: Mapping[str, h5py.Dataset], group: str | None) -> int | None:
    """Number of rows of a table of trials; None if its columns differ in length."""
    columns = [dataset for path, dataset in near.items() if group and path.startswith(f"{group}/")]
    lengths = {dataset.size if is_column(dataset, None) else max(dataset.shape, default=1) for dataset in columns}
    return lengths.pop() if len(lengths) == 1 else None


def _stated_dims(rates: h5py.Dataset) -> list[str] | None:
    """Axes in their order, from an attribute ``dims`` or from dimension labels."""
    stated = rates.attrs.get("dims", rates.attrs.get("dimensions"))
    words = [label.label for label in rates.dims]
    if stated is not None:
        words = (
            re.split(r"[,;\s]+", as_text(stated).strip("()[] ")) if np.ndim(stated) == 0 else list(map(as_text, stated))
        )
    dims = [
        next((axis for axis, names in AXIS_WORDS.items() if as_text(word).casefold() in names), "") for word in words
    ]
    return dims if len(dims) == rates.ndim and "" not in dims and len(set(dims)) == len(dims) else None


def _fitting_dims(shape: tuple[int, ...], known: Mapping[str, int | None]) -> list[str] | None:
    """The order of axes with which the lengths that are known agree; None if several orders do, or none.

    Parameters
    ----------
    shape : lengths of the axes.
    known : axis -> its length; None for a length that the file does not tell.
    """
    plain = DEFAULT_DIMS[len(shape)]
    fitting = [
        list(order)
        for order in permutations(plain)
        if all(known[axis] in (None, size) for axis, size in zip(order, shape, strict=True))
    ]
    if list(plain) in fitting:
        return list(plain) if any(known.values()) else None
    return fitting[0] if len(fitting) == 1 else None


def _is_time(path: str, dataset: h5py.Dataset, shape: tuple[int, ...]) -> bool:
    """Whether a dataset may hold the times of the samples: its name says so, and an axis has its length."""
    *groups, word = path.casefold().split("/")
    if not is_column(dataset, None) or dataset.dtype.kind not in "fiu" or not TIME_NAME.search(word):
        return False
    return dataset.size in shape and not any("trial" in group for group in groups)


def _stated_rate(file: h5py.File, near: Mapping[str, h5py.Dataset], rates: str) -> float | None:
    """The sampling rate in an attribute of the activity or of the file, or in a dataset of a single number."""
    stated = [*near[rates].attrs.items(), *file.attrs.items()]
    stated += [(path.rsplit("/", 1)[-1], dataset[...]) for path, dataset in near.items() if dataset.size == 1]
    for key, value in stated:
        if RATE_ATTRIBUTE.search(key) and np.size(value) == 1 and np.asarray(value).dtype.kind in "fiu":
            return float(np.ravel(value)[0])
    return None
