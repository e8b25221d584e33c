"""The memory that the steps of a model need, from the size of the recording, before the steps start."""

from __future__ import annotations

from pathlib import Path

PYTHON_MB = 800
"""Python, its libraries, and a block of currents."""
COPIES_OF_RATES = 40
"""Arrays of the size of the rates, in double precision, that a fit or a verdict holds at the same time."""
SQUARES = 16
"""Arrays (regressor, regressor) that a fit holds at the same time, for example second moments of the folds."""
SQUARES_OF_SEED = 4
"""Arrays (regressor, regressor) that the fit of one seed leaves behind."""
BYTES_OF_NUMBER = 8


def memory_of_steps(recording: Path | str, n_seeds: int) -> int:
    """Estimate the memory that every step of a model needs, in MB.

    The size of the file tells little: spike counts are compressed to a fraction of the size that they have in memory.

    Parameters
    ----------
    recording : path of the recording.
    n_seeds : number of seeds of the model.

    Returns
    -------
    Memory, MB.
    """
    import h5py

    # Snakemake knows from the error of `open` that a recording is not there yet, as in a dry run.
    with open(recording, "rb") as plain, h5py.File(plain, "r") as file:
        n_trials, n_bins, n_units = file["rates"].shape
        n_regressors = n_units + file["inputs"].shape[-1] + 1
    rates = n_trials * n_bins * n_regressors
    squares = (SQUARES + SQUARES_OF_SEED * n_seeds) * n_regressors**2
    return PYTHON_MB + round(BYTES_OF_NUMBER * (COPIES_OF_RATES * rates + squares) / 1e6)
