"""A guess at the layout of an unknown HDF5 file, which `curbd inspect` prints and the user may copy to the config."""

from __future__ import annotations

import re
from collections.abc import Mapping

import h5py
import numpy as np

from curbd.recording.cells import as_text
from curbd.recording.hdf5 import datasets
from curbd.settings.recording import HDF5Layout

AXIS_WORDS = {
    "trial": ("trial", "trials", "rep", "repeat", "repetition"),
    "time": ("time", "times", "frame", "frames", "sample", "samples", "bin", "bins", "t"),
    "unit": ("unit", "units", "neuron", "neurons", "cell", "cells", "roi", "rois", "region", "regions", "channel"),
}
"""Words that files use for the axes of their activity."""
ACTIVITY_WORDS = ("rate", "activity", "fluorescence", "dff", "df_f", "spike", "trace", "firing", "response")
LAYOUT_REGION_WORDS = ("acronym", "region", "area", "location", "structure")
RATE_ATTRIBUTE = re.compile(r"(sampling|frame).*rate|^(fs|rate|rate_hz|hz|fps)$", re.IGNORECASE)


def propose(file: h5py.File) -> dict[str, object]:
    """Guess the keys of `settings.hdf5` for a file that does not have the default layout.

    The guess uses names, shapes and attributes. An order of axes is proposed only if an attribute ``dims``, or the
    number of region labels, determines the order. A sampling rate is proposed only if an attribute of the file states
    it.

    Parameters
    ----------
    file : the opened file.

    Returns
    -------
    Key of `settings.hdf5` -> value, for the keys that differ from the default layout.
    """
    by_path = {path: dataset for path, dataset in datasets(file).items() if not path.startswith("truth/")}
    plain = HDF5Layout()
    rates = plain.rates if plain.rates in by_path else _activity(by_path)
    if rates is None:
        return {}
    proposal: dict[str, object] = {} if rates == plain.rates else {"rates": rates}
    shape = by_path[rates].shape
    region = plain.region if plain.region in by_path else _region(by_path, shape)
    if region is not None and region != plain.region:
        proposal["region"] = region
    dims = _dims(by_path[rates], by_path[region].size if region is not None else None)
    if dims is not None and tuple(dims) not in (("time", "unit"), ("trial", "time", "unit")):
        proposal["dims"] = dims
    if plain.time not in by_path:
        n_times = shape[dims.index("time")] if dims else None
        times = [path for path, dataset in by_path.items() if _is_time(path, dataset, n_times)]
        if times:
            proposal["time"] = times[0]
        elif (rate := _stated_rate(file, by_path[rates])) is not None:
            proposal["sampling_rate_hz"] = rate
    return proposal


def _activity(by_path: Mapping[str, h5py.Dataset]) -> str | None:
    """The largest numeric dataset of two or three axes, if possible with a usual name; square tables are couplings."""
    candidates = {
        path: dataset
        for path, dataset in by_path.items()
        if dataset.ndim in (2, 3)
        and dataset.dtype.kind in "fiu"
        and (dataset.ndim == 3 or dataset.shape[0] != dataset.shape[1])
    }
    return max(
        candidates,
        key=lambda name: (any(word in name.casefold() for word in ACTIVITY_WORDS), candidates[name].size),
        default=None,
    )


def _region(by_path: Mapping[str, h5py.Dataset], shape: tuple[int, ...]) -> str | None:
    # A vector may be stored as (1, n) or (n, 1).
    texts = [
        path
        for path, dataset in by_path.items()
        if dataset.shape
        and dataset.dtype.kind in "SUO"
        and dataset.size == max(dataset.shape)
        and dataset.size in shape
    ]
    ranked = [name for word in LAYOUT_REGION_WORDS for name in texts if word in name.rsplit("/", 1)[-1].casefold()]
    return ranked[0] if ranked else None


def _dims(rates: h5py.Dataset, n_units: int | None) -> list[str] | None:
    """Axes in their order: from an attribute ``dims`` or dimension labels, else from the number of region labels."""
    stated = rates.attrs.get("dims", rates.attrs.get("dimensions"))
    words = [label.label for label in rates.dims]
    if stated is not None:
        words = (
            re.split(r"[,;\s]+", as_text(stated).strip("()[] ")) if np.ndim(stated) == 0 else list(map(as_text, stated))
        )
    dims = [
        next((axis for axis, names in AXIS_WORDS.items() if as_text(word).casefold() in names), "") for word in words
    ]
    if len(dims) == rates.ndim and "" not in dims and len(set(dims)) == len(dims):
        return dims
    fits = [axis for axis, size in enumerate(rates.shape) if size == n_units]
    if rates.ndim == 2 and len(fits) == 1:
        return ["unit", "time"] if fits[0] == 0 else ["time", "unit"]
    if rates.ndim == 3 and fits == [2]:
        return ["trial", "time", "unit"]
    return None


def _is_time(name: str, dataset: h5py.Dataset, n_times: int | None) -> bool:
    word = name.rsplit("/", 1)[-1].casefold()
    if dataset.ndim != 1 or dataset.dtype.kind not in "fiu" or not (word.startswith("time") or word == "t"):
        return False
    return n_times is None or len(dataset) == n_times


def _stated_rate(file: h5py.File, rates: h5py.Dataset) -> float | None:
    for attributes in (rates.attrs, file.attrs):
        for key, value in attributes.items():
            if RATE_ATTRIBUTE.search(key) and np.size(value) == 1 and np.asarray(value).dtype.kind in "fiu":
                return float(np.ravel(value)[0])
    return None
