"""The second moments of a recording that is read once, chunk by chunk, and a small sample of its trials."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from curbd.errors import UserError
from curbd.network.equation import decay
from curbd.network.tensors import tensor
from curbd.regression.moments import Moments, no_pairs
from curbd.regression.state_moments import StateMoments, state_moments
from curbd.regression.transitions import (
    TrainingData,
    regressors,
    targets,
    transitions,
)

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
