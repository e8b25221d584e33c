"""Memory and threads that steps ask for grow with what is in the recording, and not with how well it is compressed."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np

from curbd.commands.resources import MOST_THREADS, memory_of_steps, threads_of_steps
from curbd.storage.netcdf import write_netcdf
from tests.support.known_network import small


def test_memory_does_not_depend_on_compression(tmp_path: Path) -> None:
    recording, _ = small(tmp_path)
    write_netcdf({"/": recording}, tmp_path / "recording.nc")
    silent = recording.copy(deep=True)
    silent["rates"][:] = 0.0
    write_netcdf({"/": silent}, tmp_path / "silent.nc")
    assert (tmp_path / "silent.nc").stat().st_size < 0.5 * (tmp_path / "recording.nc").stat().st_size
    needed = memory_of_steps(tmp_path / "recording.nc", n_seeds=2)
    assert memory_of_steps(tmp_path / "silent.nc", n_seeds=2) == needed


def test_memory_grows_with_trials_and_seeds(tmp_path: Path) -> None:
    recording, _ = small(tmp_path)
    rates = np.zeros((200, *recording["rates"].shape[1:]))
    long = recording.isel(trial=np.arange(200) % recording.sizes["trial"])
    long["rates"][:] = rates
    paths = tmp_path / "short.nc", tmp_path / "long.nc"
    for dataset, path in zip((recording, long), paths, strict=True):
        write_netcdf({"/": dataset}, path)
    short, longer = (memory_of_steps(path, n_seeds=1) for path in paths)
    # The rates alone, in double precision, a few dozen times.
    assert longer - short > 20 * (rates.nbytes - recording["rates"].nbytes) / 1e6
    assert memory_of_steps(paths[0], n_seeds=1000) > short


def test_a_large_recording_that_is_read_once_asks_for_a_few_copies_of_its_rates(tmp_path: Path) -> None:
    shape = 500, 200, 2000
    with h5py.File(tmp_path / "recording.nc", "w") as file:
        # Chunks that hold no value take no place on the disk.
        file.create_dataset("rates", shape, dtype=float, chunks=(1, 200, 2000))
        file.create_dataset("inputs", (500, 200, 2), dtype=float, chunks=True)
    copies = [
        memory_of_steps(tmp_path / "recording.nc", n_seeds=1, reads_once=once) * 1e6 / (8 * np.prod(shape))
        for once in (True, False)
    ]
    assert 5 < copies[0] < 15 < 40 < copies[1]


def test_only_recordings_of_many_units_ask_for_several_threads(tmp_path: Path) -> None:
    def threads(n_units: int) -> int:
        path = tmp_path / f"{n_units}.nc"
        with h5py.File(path, "w") as file:
            file.create_dataset("rates", (10, 50, n_units), dtype=float, chunks=True)
            file.create_dataset("inputs", (10, 50, 0), dtype=float, chunks=(1, 1, 1), maxshape=(10, 50, None))
        return threads_of_steps(path)

    assert threads(100) == threads(300) == 1
    assert threads(700) >= 2
    assert threads(20_000) == MOST_THREADS
