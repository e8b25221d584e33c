"""The memory and the threads that the steps of a model need, from the size of the recording, before the steps start."""

from __future__ import annotations

from pathlib import Path

from curbd.storage.netcdf import LARGE_VARIABLE_BYTES

PYTHON_MB = 800
"""Python, its libraries, and a block of currents."""
COPIES_OF_RATES = 40
"""Arrays of the size of the rates, in double precision, that a fit or a verdict holds at the same time."""
COPIES_OF_LARGE_RATES = 3
"""The same, if the rates stay on disk and the model reads them once: the presynaptic activity, the total current, and
the spectra behind shuffles."""
BLOCKS_MB = 1500
"""Blocks of trials that are computed at the same time, and the sample of a fit in chunks."""
SQUARES_OF_VERDICT = 80
"""Arrays (regressor, regressor) of the regression on present and past, beside large rates."""
SQUARES_OF_CHUNKED_FIT = 110
"""Arrays (regressor, regressor) of a fit in chunks, beside no rates."""
SQUARES = 16
"""Arrays (regressor, regressor) that a fit holds at the same time, for example second moments of the folds."""
SQUARES_OF_SEED = 4
"""Arrays (regressor, regressor) that the fit of one seed leaves behind."""
BYTES_OF_NUMBER = 8
UNITS_OF_THREAD = 300
"""Number of units above which a further thread saves time: products of smaller matrices keep fewer threads busy."""
MOST_THREADS = 8
"""Largest number of threads of a step: a sixth of the work is that of one thread."""


def memory_of_steps(recording: Path | str, n_seeds: int, reads_once: bool = False) -> int:
    """Estimate the memory that every step of a model needs, in MB.

    The size of the file tells little: spike counts are compressed to a fraction of the size that they have in memory.

    Parameters
    ----------
    recording : path of the recording.
    n_seeds : number of seeds of the model.
    reads_once : whether the model can be fitted in chunks (`curbd.settings.models.Model.reads_data_once`).

    Returns
    -------
    Memory, MB.
    """
    n_trials, n_bins, n_units, n_inputs = _sizes(recording)
    n_regressors = n_units + n_inputs + 1
    rates = n_trials * n_bins * n_regressors
    large = reads_once and n_trials * n_bins * n_units * BYTES_OF_NUMBER > LARGE_VARIABLE_BYTES
    square = n_regressors**2
    if large:
        of_verdict = COPIES_OF_LARGE_RATES * rates + SQUARES_OF_VERDICT * square
        values = max(of_verdict, SQUARES_OF_CHUNKED_FIT * square)
    else:
        values = COPIES_OF_RATES * rates + SQUARES * square
    values += SQUARES_OF_SEED * n_seeds * square
    return PYTHON_MB + large * BLOCKS_MB + round(BYTES_OF_NUMBER * values / 1e6)


def threads_of_steps(recording: Path | str) -> int:
    """Choose the number of threads of every step of a model: one, or more for a recording of many units.

    Small recordings run side by side, each on one thread. The matrix products of large recordings keep several threads
    busy.

    Parameters
    ----------
    recording : path of the recording.
    """
    n_units = _sizes(recording)[2]
    return min(max(1, n_units // UNITS_OF_THREAD), MOST_THREADS)


def _sizes(recording: Path | str) -> tuple[int, int, int, int]:
    """Read the numbers of trials, bins, units and inputs of a recording."""
    import h5py

    # Snakemake knows from the error of `open` that a recording is not there yet, as in a dry run.
    with open(recording, "rb") as plain, h5py.File(plain, "r") as file:
        n_trials, n_bins, n_units = file["rates"].shape
        return n_trials, n_bins, n_units, file["inputs"].shape[-1]
