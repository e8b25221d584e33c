"""One-step regression of recordings that are larger than memory: the data are read once, chunk by chunk.

Second moments of states and regressors (of currents and regressors, if the time constant is given) are added up over
chunks, for groups of trials. The time constant, the penalties, the weights and their posterior follow from these
moments, as in `curbd.estimators.one_step`, and a bootstrap resample is a weighted sum of the groups. A small sample of
the trials stays in memory: it tells how far residuals are correlated in time, and whether states are noisy. Memory
grows with the square of the number of units, and not with the recording.

Samples with much measurement noise do not get smaller weights here, because every unit would need moments of its own.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import xarray as xr

from curbd.errors import UserError
from curbd.estimators.fitting import Fits, all_trials, clipped_rates, fit, require_family
from curbd.estimators.perturbed_trials import can_teach
from curbd.network.equation import decay, weights
from curbd.network.file_content import to_dataset
from curbd.network.fit import Fit
from curbd.network.tensors import tensor
from curbd.recording.memory import BYTES, free_bytes, gigabytes
from curbd.regression.block_ridge import Regression, block_penalties, posterior
from curbd.regression.moments import Moments, no_pairs
from curbd.regression.ridge_factors import solved_blocks
from curbd.regression.sample_weights import NOISE_AUTOCORRELATION
from curbd.regression.state_moments import StateMoments, state_moments
from curbd.regression.time_constant import corrected_tau, most_evident_tau
from curbd.regression.transitions import (
    TrainingData,
    as_network,
    lag_one,
    regressors,
    source_of_regressor,
    targets,
    transitions,
)
from curbd.settings.estimators import OneStep
from curbd.settings.models import Model
from curbd.storage.netcdf import LARGE_VARIABLE_BYTES

Array = np.ndarray
GROUPS_PER_FOLD = 4
"""Groups of trials in each fold of the cross-validation; a bootstrap resample draws groups."""
SAMPLE_TRANSITIONS = 20_000
"""Largest number of transitions that stay in memory; the sample may hold twice as many while it grows."""
SAMPLE_VALUES = 10_000_000
"""Largest number of rates in these transitions, so that recordings of many units keep fewer transitions."""
MAX_CHUNK_VALUES = 8_000_000
"""Number of rates of a chunk, 64 MB in double precision, unless a single trial has more, or the units are many."""
CHUNK_OF_MOMENTS = 0.25
"""Least number of rates of a chunk, as a share of the squared number of units: products of smaller chunks take less
time than additions to the moments."""
CHUNK_COPIES = 8
"""Number of arrays of the size of the rates of a chunk that are in memory at the same time."""
MOMENT_COPIES = 6
"""Number of arrays of the size of the moments of all folds that a fit holds at the same time."""

log = logging.getLogger(__name__)


class Accumulated:
    """Second moments of the trials of a recording, and a small sample of the trials.

    Parameters
    ----------
    folds : number of cross-validation folds.
    groups_per_fold : number of groups of trials in each fold, which a bootstrap resample draws.
    """

    def __init__(self, folds: int, groups_per_fold: int = GROUPS_PER_FOLD) -> None:
        self.folds, self.n_groups = folds, folds * groups_per_fold
        self.states: StateMoments | None = None
        """Moments of every group if the time constant is not given."""
        self.currents: Moments | None = None
        """Moments of every group if the time constant is given."""
        self.kept: list[TrainingData] = []
        self.n_trials, self.step = 0, 1

    def add(self, chunk: TrainingData) -> None:
        """Add the trials of a chunk.

        Parameters
        ----------
        chunk : training trials that were not added before. A continuous recording is cut into chunks of one trial each.

        Raises
        ------
        UserError : several Euler steps in a sample, an external current or constraints, which need the data again.
        """
        if chunk.substeps > 1 or chunk.drive is not None or chunk.circuit is not None:
            raise UserError.at(
                "chunks of a recording",
                found="several Euler steps in a sample, hidden inputs or constraints",
                expected="substeps: 1, hidden_inputs: none and no constraints, which need the data only once",
                todo="change the model, or fit a part of the recording that fits into memory",
            )
        chunk = chunk._replace(trial=self.n_trials + np.arange(len(chunk.r)))
        pairs = transitions(chunk)
        group = chunk.trial[pairs.trial] % self.n_groups
        z, y = regressors(pairs), None
        if chunk.tau_s is not None:
            y = targets(pairs, decay(chunk.dt_s, chunk.tau_s, chunk.substeps))
        for index in np.unique(group):
            # A slice does not copy the chunk.
            chosen = slice(None) if (group == index).all() else group == index
            if y is None:
                added = state_moments(z[chosen], pairs.x[chosen], pairs.x_next[chosen])
                if self.states is None:
                    self.states = added.of_no_pairs(self.n_groups)
                self.states.add(index, added)
            else:
                if self.currents is None:
                    self.currents = no_pairs(self.n_groups, y.shape[1], z.shape[1])
                self.currents.add_pairs(index, z[chosen], y[chosen])
        self.n_trials += len(chunk.r)
        self._keep(chunk)

    def _keep(self, chunk: TrainingData) -> None:
        """Keep every trial whose number is a multiple of a step, which doubles when the sample becomes too large."""
        part, most = chunk.of_trials(chunk.trial % self.step == 0), sample_transitions(chunk.r.shape[2])
        self.kept.append(part._replace(r=part.r[:, :most], u=part.u[:, :most]))
        while sum(part.r[..., 0].size for part in self.kept) > 2 * most and self.step < self.n_trials:
            self.step *= 2
            self.kept = [part.of_trials(part.trial % self.step == 0) for part in self.kept]

    def sample(self) -> TrainingData:
        """Join the trials that were kept; shorter trials end with missing bins."""
        longest = max(part.r.shape[1] for part in self.kept)

        def joined(name: str) -> Array:
            arrays = [getattr(part, name) for part in self.kept]
            missing = [((0, 0), (0, longest - array.shape[1]), (0, 0)) for array in arrays]
            padded = [np.pad(*pair, constant_values=np.nan) for pair in zip(arrays, missing, strict=True)]
            return np.concatenate(padded)

        return self.kept[0]._replace(
            r=joined("r"), u=joined("u"), trial=np.concatenate([part.trial for part in self.kept])
        )

    def moments(self, counts: Array) -> StateMoments | Moments:
        """Compute the moments of every fold, in which every group of trials counts as often as given (group,)."""
        weight = np.zeros((self.folds, self.n_groups))
        weight[np.arange(len(counts)) % self.folds, np.arange(len(counts))] = counts
        groups = self.states if self.currents is None else self.currents
        assert groups is not None
        return groups.weighted(tensor(weight))


def sample_transitions(n_units: int) -> int:
    """Return the number of transitions that stay in memory."""
    return min(SAMPLE_TRANSITIONS, max(1, SAMPLE_VALUES // n_units))


def chunk_values(n_units: int) -> int:
    """Return the number of rates of a chunk, unless a single trial has more."""
    return max(MAX_CHUNK_VALUES, int(CHUNK_OF_MOMENTS * n_units**2))


def accumulate(chunks: Iterable[TrainingData], folds: int, groups_per_fold: int = GROUPS_PER_FOLD) -> Accumulated:
    """Read all chunks once and add up their moments.

    Parameters
    ----------
    chunks : training trials, one chunk after another.
    folds : number of cross-validation folds; trials are assigned to folds in turn.
    groups_per_fold : number of groups of trials in each fold, which a bootstrap resample draws.

    Raises
    ------
    UserError : there are fewer trials than folds, or no transition between complete bins, or a chunk cannot be added
        (see `Accumulated.add`).
    """
    accumulated = Accumulated(folds, groups_per_fold)
    for chunk in chunks:
        accumulated.add(chunk)
    is_empty = accumulated.states is None and accumulated.currents is None
    if is_empty or accumulated.n_trials < folds:
        raise UserError.at(
            "chunks of a recording",
            found=f"{accumulated.n_trials} trials"
            + (" without two consecutive bins in which every unit was observed" if is_empty else ""),
            expected=f"at least {folds} trials, one for each fold, with consecutive complete bins",
            todo="cut a continuous recording into more chunks, or use fewer folds",
        )
    return accumulated


def fit_accumulated(accumulated: Accumulated, options: OneStep, rng: np.random.Generator | None = None) -> Fit:
    """Fit a network from moments.

    Parameters
    ----------
    accumulated : moments of all training trials.
    options : how the penalties are chosen; the folds are those of the moments.
    rng : random generator that draws a bootstrap resample of the groups of trials; None for all trials.

    Returns
    -------
    The network, the penalties and the posterior.
    """
    n_groups = min(accumulated.n_groups, accumulated.n_trials)
    drawn = np.arange(n_groups) if rng is None else rng.integers(n_groups, size=n_groups)
    folds, sample = accumulated.moments(np.bincount(drawn, minlength=n_groups)), accumulated.sample()
    pairs, tau_s = transitions(sample), sample.tau_s
    if isinstance(folds, StateMoments):
        tau_s, V = most_evident_tau(folds.total(), sample)
        tau_s = corrected_tau(sample, pairs, tau_s, V)
        folds = folds.currents(decay(sample.dt_s, tau_s, sample.substeps))
    assert tau_s is not None
    source = source_of_regressor(sample.region, sample.u.shape[2])
    penalty, penalty_by = block_penalties(folds, source, sample.n_regions, options.penalties)
    currents = folds.total()
    W, determined = solved_blocks(currents, source, penalty)
    network = as_network(W, sample, tau_s)
    regression = Regression(network, penalty, currents, source, penalty_by, determined)
    error = targets(pairs, network.decay) - regressors(pairs) @ weights(network).T
    if np.median(lag_one(error, pairs)) < NOISE_AUTOCORRELATION:
        log.warning("the residuals look like measurement noise, which a fit in chunks does not model; see state_space")
    return Fit(
        network,
        penalty=regression.between_regions,
        posterior=posterior(regression, sample, pairs),
        penalty_by=penalty_by,
    )


def recorded_chunks(recording: xr.Dataset, model: Model, trials_at_once: int) -> Iterator[TrainingData]:
    """Read the training trials of a recording that is open on disk, some at a time.

    Parameters
    ----------
    recording : the recording, as `xarray.open_dataset` opens ``recording.nc`` without reading the rates.
    model : settings of the model, for its time constant and its Euler steps.
    trials_at_once : number of trials of a chunk.
    """
    (train,) = np.nonzero(recording["split"].values == "train")
    for start in range(0, len(train), trials_at_once):
        part = recording.isel(trial=train[start : start + trials_at_once]).load()
        yield all_trials(part, model, clipped_rates(part, "tanh"))


def folds_and_groups(options: OneStep, n_seeds: int) -> tuple[int, int]:
    """Choose the numbers of folds and of groups in each fold, so that no more moments are held than the fits need.

    The evidence needs no fold, and a fit to all trials no groups that a bootstrap draws.

    Parameters
    ----------
    options : how the penalties are chosen.
    n_seeds : number of fits.
    """
    if n_seeds > 1:
        return options.folds, GROUPS_PER_FOLD
    return (1 if options.penalties == "evidence" else options.folds), 1


def needed_bytes(
    n_units: int, n_inputs: int, folds: int, groups_per_fold: int, chunk_bins: int, *, tau_is_given: bool
) -> float:
    """Compute the memory that a fit in chunks takes, in bytes.

    Parameters
    ----------
    n_units, n_inputs : numbers of units and inputs.
    folds, groups_per_fold : numbers of cross-validation folds and of groups of trials in each fold.
    chunk_bins : number of bins of a chunk, over all its trials.
    tau_is_given : whether the time constant is given, so that moments of the currents alone are needed.
    """
    n = n_units + n_inputs + 1
    of_moments = n**2 + (1 if tau_is_given else 2) * n_units * n
    of_rates = chunk_bins * CHUNK_COPIES + 3 * sample_transitions(n_units) * CHUNK_COPIES
    return float(BYTES) * (of_moments * folds * (groups_per_fold + MOMENT_COPIES) + of_rates * n)


def fit_of_any_size(
    recording: xr.Dataset,
    model: Model,
    name: str | None = None,
    checkpoints: Path | None = None,
    perturbed: xr.Dataset | None = None,
) -> Fits:
    """Fit a full-rank model to a recording, in chunks if the recording is large and the model needs the data only once.

    Parameters
    ----------
    recording : the recording; the rates may be on disk still.
    model : settings of the model.
    name : name of the model in all tables; None for the name of the estimator.
    checkpoints : folder that keeps every finished fit, see `curbd.estimators.fitting.fit`.
    perturbed : the perturbed trials of the session. If networks are fitted to some of these trials as well, all rates
        are read at once, because a fit in chunks has no equations to leave out.

    Returns
    -------
    The fits of all seeds, and the seconds of each.

    Raises
    ------
    UserError : see `curbd.estimators.fitting.fit` and `fit_streamed`.
    """
    is_large = recording["rates"].nbytes > LARGE_VARIABLE_BYTES
    if is_large and model.reads_data_once() and not can_teach(perturbed):
        log.info("rates of %s are read once, some trials at a time", gigabytes(recording["rates"].nbytes))
        return fit_streamed(recording, model, name)
    return fit(recording, model, name, checkpoints, perturbed)


def fit_streamed(
    recording: xr.Dataset, model: Model, name: str | None = None, *, trials_at_once: int | None = None
) -> Fits:
    """Fit a network with the estimator one_step to a recording that is larger than memory.

    Parameters
    ----------
    recording : the recording, as `xarray.open_dataset` opens ``recording.nc`` without reading the rates.
    model : settings of the model, with the estimator ``one_step``.
    name : name of the model in all tables; None for the name of the estimator.
    trials_at_once : number of trials in memory at the same time; None for as many as `chunk_values`.

    Returns
    -------
    The fits of all seeds, and the seconds of each; the reading counts for the first.

    Raises
    ------
    UserError : the model is of another family or estimator, less memory is free than the fit takes, or the model needs
        the data more than once.
    """
    require_family(model, "full_rank")
    options = model.estimator_options()
    if not isinstance(options, OneStep) or not model.reads_data_once():
        asked = [f"{key}: {getattr(options, key)}" for key in ("hidden_inputs", "adaptation") if hasattr(options, key)]
        raise UserError.at(
            "fit_streamed",
            found=", ".join([f"estimator {model.estimator_name()}, nonlinearity {model.nonlinearity}", *asked]),
            expected="estimator one_step of tanh units with substeps: 1 and without hidden inputs, adaptation and "
            "constraints, which needs the data only once",
            todo="change the model, or use curbd.fit on a recording that fits into memory",
        )
    sizes = recording.sizes
    trials_at_once = trials_at_once or max(1, chunk_values(sizes["unit"]) // (sizes["time"] * sizes["unit"]))
    folds, groups_per_fold = folds_and_groups(options, len(model.seeds))
    needed = needed_bytes(
        sizes["unit"],
        sizes["input"],
        folds,
        groups_per_fold,
        sizes["time"] * trials_at_once,
        tau_is_given=isinstance(model.tau_s, float),
    )
    if needed > free_bytes():
        raise UserError.at(
            "fit_streamed",
            found=f"a fit that takes {gigabytes(needed)}",
            expected=f"at most {gigabytes(free_bytes())}, the memory that is free",
            todo="use penalties: evidence and a single seed, which need the fewest moments, or fewer trials_at_once, "
            "folds or units",
        )
    started = time.perf_counter()
    accumulated = accumulate(recorded_chunks(recording, model, trials_at_once), folds, groups_per_fold)
    fits, seconds = [], []
    for index, seed in enumerate(model.seeds):
        fits.append(fit_accumulated(accumulated, options, np.random.default_rng(seed) if index else None))
        seconds.append(time.perf_counter() - started)
        started = time.perf_counter()
        log.info("seed %d (%d of %d): %.1f s", seed, index + 1, len(model.seeds), seconds[-1])
    return Fits(to_dataset(fits, recording, name or model.estimator_name(), model), seconds)
