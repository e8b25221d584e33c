"""Fits of recordings that are larger than memory: time and peak memory of a fit in chunks that are made on the fly.

Every chunk is simulated when it is asked for, and is gone when the next one is. Processor time of the simulation does
not count. A second pass over the same chunks computes the current that every source sends to every region. The
recovered weights are compared with those of the teacher.
"""

from __future__ import annotations

import resource
import time
from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from benchmarks import command, rows
from benchmarks.document import insert, markdown, number
from curbd import teachers
from curbd.estimators.accumulated import accumulate, chunk_values
from curbd.estimators.streamed import fit_accumulated, folds_and_groups, needed_bytes
from curbd.network.equation import simulate
from curbd.pathways.currents import mean_currents
from curbd.regression.moments import moments
from curbd.regression.transitions import TrainingData
from curbd.settings.estimators import OneStep
from curbd.teachers import CLIP, Teacher

Array = np.ndarray
KEYS = ("units", "regions", "samples", "penalties")
"""Columns that identify a row of streamed.csv."""
TRIALS, MAX_BINS = 50, 500
"""Trials of a chunk, and largest number of bins of a trial."""
BINS_OF_INPUT = 10
"""Bins after which the inputs change."""
PAIRS_OF_FLOOR = 10_000
"""Number of transitions on which one pass of moments is timed."""
PROCESS_NOISE = 0.3
"""Scale of the process noise of the teachers."""
TAU_S = 0.1
"""Time constant of the teachers."""
COLUMNS = {
    "units": "units",
    "regions": "regions",
    "samples": "samples",
    "penalties": "penalties",
    "gb_of_rates": "rates, GB",
    "reading_seconds": "CPU seconds of moments",
    "fit_seconds": "CPU seconds of the fit",
    "current_seconds": "CPU seconds of currents by region",
    "over_floor": "all three over one pass of moments",
    "peak_gb": "peak memory, GB",
    "expected_gb": "memory known before, GB",
    "r": "r of weights between regions",
}
"""Column of streamed.csv -> its heading in the documentation."""


class Chunks:
    """Chunks of a recording that are simulated when they are asked for, the same ones every time.

    Parameters
    ----------
    teacher : the network, with its time constant.
    samples : number of bins of all chunks.
    seed : of the process noise.
    """

    def __init__(self, teacher: Teacher, samples: int, seed: int) -> None:
        self.teacher, self.samples, self.seed = teacher, samples, seed
        self.bins = bins_of_chunk(len(teacher.region))
        self.seconds = 0.0
        """Processor seconds of the simulation."""

    def __iter__(self) -> Iterator[TrainingData]:
        network, rng = self.teacher.network, np.random.default_rng([self.seed, self.samples])
        noise_sd = PROCESS_NOISE * np.sqrt(network.dt_s / network.tau_s)
        region = np.unique(self.teacher.region, return_inverse=True)[1]
        x0, n_inputs = np.arctanh(self.teacher.rates[:, -1]), network.B.shape[1]
        x0 = np.tile(x0, (-(-TRIALS // len(x0)), 1))[:TRIALS]
        for _ in range(self.samples // (TRIALS * self.bins)):
            started = time.process_time()
            u = rng.standard_normal((TRIALS, self.bins // BINS_OF_INPUT, n_inputs)).repeat(BINS_OF_INPUT, axis=1)
            # The largest rates are 1 in single precision, which no state has.
            r = simulate(network, x0, u, noise_sd=noise_sd, rng=rng, single=True).clip(-CLIP, CLIP)
            x0 = np.arctanh(r[:, -1])
            self.seconds += time.process_time() - started
            yield TrainingData(r, u, region, region.max() + 1, np.arange(TRIALS), network.dt_s, 1, network.tau_s)


def bins_of_chunk(units: int) -> int:
    """Number of bins of every trial of a chunk, a multiple of `BINS_OF_INPUT`."""
    bins = min(MAX_BINS, chunk_values(units) // (TRIALS * units))
    return bins // BINS_OF_INPUT * BINS_OF_INPUT


def seconds_of_moments(units: int, samples: int) -> float:
    """Processor seconds of the product of the regressors and currents of all samples with the regressors."""
    pairs = min(PAIRS_OF_FLOOR, samples)
    z, y = np.random.default_rng(0).standard_normal((2, pairs, units))
    started = time.process_time()
    moments(z, y)
    return (time.process_time() - started) * samples / pairs


def measure(units: int, regions: int, samples: int, penalties: str, seed: int) -> pd.DataFrame:
    """One row: seconds and memory of the fit of one recording, and how well its weights are recovered.

    Parameters
    ----------
    units, regions : numbers of units and regions.
    samples : number of bins of the recording.
    penalties : how the penalties are chosen, see `curbd.settings.estimators.OneStep`.
    seed : of the teacher.
    """
    names = [f"R{index:02d}" for index in range(regions)]
    options = OneStep.model_validate({"penalties": penalties})
    teacher = teachers.multi_region(
        regions=names, units=units // regions, trials=2, samples=50, substeps=1, tau_s=TAU_S, seed=seed
    )
    chunks, (folds, groups_per_fold) = Chunks(teacher, samples, seed), folds_and_groups(options, n_seeds=1)
    n_inputs, chunk_bins = teacher.network.B.shape[1], TRIALS * chunks.bins
    expected = needed_bytes(units, n_inputs, folds, groups_per_fold, chunk_bins, tau_is_given=True)
    floor_seconds = seconds_of_moments(units, samples)
    started = time.process_time()
    accumulated = accumulate(chunks, folds, groups_per_fold)
    read, simulated = time.process_time(), chunks.seconds
    fitted = fit_accumulated(accumulated, options)
    finished = time.process_time()
    del accumulated
    for chunk in chunks:
        mean_currents(fitted.network, chunk.region, chunk.r, chunk.u)
    current_seconds = time.process_time() - finished - (chunks.seconds - simulated)
    reading_seconds, fit_seconds = read - started - simulated, finished - read
    between = np.repeat(np.repeat(~np.eye(regions, dtype=bool), units // regions, 0), units // regions, 1)
    row = {
        "units": units,
        "regions": regions,
        "samples": samples,
        "penalties": penalties,
        "gb_of_rates": 8e-9 * units * samples,
        "reading_seconds": reading_seconds,
        "fit_seconds": fit_seconds,
        "current_seconds": current_seconds,
        "over_floor": (reading_seconds + fit_seconds + current_seconds) / floor_seconds,
        # The kernel counts in KiB.
        "peak_gb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9,
        "expected_gb": expected / 1e9,
        "r": float(np.corrcoef(fitted.network.J[between], teacher.network.J[between])[0, 1]),
    }
    return pd.DataFrame([row])


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line: measure and write the table."""
    parser = command.parser("streamed", __doc__, "scale.md and scale/", seeds=[200], again=False)
    parser.add_argument("--units", type=int, default=500, help="number of units")
    parser.add_argument("--regions", type=int, default=5, help="number of regions")
    parser.add_argument("--penalties", default="auto", help="how the penalties are chosen: auto or evidence")
    parser.add_argument("--samples", nargs="+", type=int, default=[10**5, 10**6, 10**7], help="numbers of bins")
    options = parser.parse_args(arguments)
    out = command.folder(options)
    table = out / "scale" / "streamed.csv"
    table.parent.mkdir(parents=True, exist_ok=True)
    with command.measuring(), threadpool_limits(1):
        for samples in options.samples:
            new = measure(options.units, options.regions, samples, options.penalties, options.seeds[0])
            rows.add(table, KEYS, new, order=sorted({*rows.rows(table, KEYS)["units"], *new["units"]}))
    shown = rows.rows(table, KEYS).rename(columns=COLUMNS).astype(object)
    text = shown.map(lambda value: number(value) if isinstance(value, float) else str(value))
    insert(out / "scale.md", "streamed", markdown(text))


if __name__ == "__main__":
    main()
