"""The file currents.nc: the current of every unit by source, written in blocks of units."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import h5netcdf
import numpy as np
import xarray as xr

from curbd.network.current_view import CurrentView
from curbd.pathways.currents import current_coordinates
from curbd.progress import progress
from curbd.storage.hdf5 import whole_large_hdf5
from curbd.storage.netcdf import LARGE_VARIABLE_BYTES, write_group

Array = np.ndarray
BLOCK_VALUES = 1 << 24
"""Largest number of currents that are computed at once, 128 MiB in double precision."""
CHUNK_VALUES = 1 << 18
"""Largest number of currents in a chunk of the file, 1 MiB in single precision."""
CHUNK_UNITS = 32
CURRENT_BYTES = 4
"""Bytes of a number in single precision."""
OVERHEAD_BYTES = 1 << 20
"""Room for the index of the file, beside one hundredth of the currents."""


def write_currents(
    fits: Sequence[CurrentView], networks: xr.Dataset, path: Path | str, unit: str = "units of x"
) -> None:
    """Write the currents of `curbd.decompose` to a file, in single precision, a block of units at a time.

    The library computes currents in double precision; single precision rounds them by one part in ten million. No more
    than a block of currents is in memory, however long the recording is. Small files are compressed.

    Parameters
    ----------
    fits : fitted networks with the recording that they were fitted to.
    networks : the same fits, for their seeds and the names of recording and model.
    path : path of the file: current (seed, source, trial, time, unit), NaN where a bin is missing.
    unit : unit of the currents.

    Raises
    ------
    UserError : the file cannot be written, see `curbd.storage.whole_files.whole_file`.
    """
    first = fits[0]
    shape = len(fits), len(first.sources), len(first.condition), len(first.time_s), len(first.unit_id)
    chunks = chunk_shape(shape)
    whole_chunks = [math.ceil(size / chunk) * chunk for size, chunk in zip(shape, chunks, strict=True)]
    block = max(chunks[-1], BLOCK_VALUES // (shape[2] * shape[3]) // chunks[-1] * chunks[-1])
    names = xr.Dataset(coords=current_coordinates(first, networks))
    largest_bytes = round(1.01 * CURRENT_BYTES * math.prod(whole_chunks)) + names.nbytes + OVERHEAD_BYTES
    attrs = {"recording": networks.attrs["recording"], "model": networks.attrs["model"], "units": unit}
    # Compression of large files saves a seventh of the disk and takes 17 s for a gigabyte, longer than the currents.
    is_large = CURRENT_BYTES * math.prod(shape) > LARGE_VARIABLE_BYTES
    compression = {} if is_large else {"compression": "gzip", "compression_opts": 1, "shuffle": True}
    with (
        whole_large_hdf5(path, largest_bytes) as hdf5,
        h5netcdf.File(hdf5, "w") as file,
        progress(shape[0] * shape[1] * shape[4], "currents by source") as advance,
    ):
        write_group(file, names)
        current = file.create_variable(
            "current",
            ("seed", "source", "trial", "time", "unit"),
            np.float32,
            chunks=chunks,
            fillvalue=np.float32(np.nan),
            **compression,
        )
        for name, value in (attrs | {"coordinates": "unit_id region condition"}).items():
            current.attrs[name] = value
        for fit_index, fit in enumerate(fits):
            for source_index, source in enumerate(fit.sources):
                for start in range(0, shape[4], block):
                    units = slice(start, min(start + block, shape[4]))
                    current[fit_index, source_index, :, :, units] = fit.current(source, units).astype(np.float32)
                    advance(units.stop - units.start)


def chunk_shape(shape: tuple[int, ...]) -> tuple[int, int, int, int, int]:
    """Choose the shape of the chunks of a file of currents: few units, all bins, and as many trials as have room.

    Parameters
    ----------
    shape : number of seeds, sources, trials, bins and units.
    """
    n_trials, n_bins, n_units = shape[2:]
    units = min(n_units, CHUNK_UNITS)
    bins = min(n_bins, CHUNK_VALUES // units)
    return 1, 1, min(n_trials, max(1, CHUNK_VALUES // (units * bins))), bins, units
