"""The split into training trials and held-out test trials."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from curbd.recording.window_checks import overlaps

MAX_DRAWS = 200
"""Number of random splits from which the most even split is chosen, if trials share bins."""
MAX_SHARE_MOVED = 0.2
"""Largest share of the test trials that may become training trials because they share bins with training trials."""
TRIALS_OF_LACKING_CONDITION = 10
"""Number of trials that may be left out to give another condition both a training and a test trial."""
LEFT_OUT = ""
"""Mark of a trial that is neither a training nor a test trial, because it shares bins with trials of both kinds."""


def split(condition: np.ndarray, test_fraction: float, seed: int) -> np.ndarray:
    """Draw the held-out test trials at random within each condition.

    A condition with at least two trials has at least one training and one test trial. The only trial of a condition is
    a training trial. If every condition has a single trial, the test trials are drawn from all trials.

    Parameters
    ----------
    condition : (trial,) condition of each trial.
    test_fraction : share of the trials to hold out.
    seed : seed for the random draw.

    Returns
    -------
    (trial,) ``train`` or ``test``.
    """
    rng = np.random.default_rng(seed)
    groups = [np.flatnonzero(condition == value) for value in np.unique(condition)]
    if all(len(group) < 2 for group in groups):
        groups = [np.arange(len(condition))]
    chosen = np.full(len(condition), "train", dtype="<U5")
    for group in groups:
        if len(group) >= 2:
            n_test = min(max(round(test_fraction * len(group)), 1), len(group) - 1)
            chosen[rng.permutation(group)[:n_test]] = "test"
    return chosen


def split_apart(
    condition: np.ndarray,
    start_s: np.ndarray,
    stop_s: np.ndarray,
    test_fraction: float,
    seed: int,
    tolerance_s: float = 1e-6,
) -> tuple[np.ndarray, str]:
    """Draw the held-out test trials so that no bin is both in a training trial and in a test trial.

    Trials are first drawn as by `split`. If only a few of the test trials share bins with training trials, these test
    trials become training trials. If more do, neighbouring trials that share time are drawn together as one group. A
    group with more trials than are to be held out is cut, and training trials that then share bins with a test trial
    are left out. Of many random draws, the draw is taken that comes closest to the wanted fraction in every condition
    and leaves out the fewest trials.

    Parameters
    ----------
    condition : (trial,) condition of each trial.
    start_s : (trial,) start of each trial in seconds on the clock of the recording.
    stop_s : (trial,) end of each trial in seconds.
    test_fraction : share of the trials to hold out.
    seed : seed for the random draw.
    tolerance_s : overlaps up to this time, in seconds, count as rounding errors.

    Returns
    -------
    (trial,) ``train``, ``test`` or `LEFT_OUT`; and a sentence on what was done, '' if the trials are drawn as by
    `split`.
    """
    drawn = split(condition, test_fraction, seed)
    if not overlaps(start_s, stop_s, tolerance_s).any():
        return drawn, ""
    test = drawn == "test"
    if not (_touching(start_s, stop_s, test, tolerance_s) & ~test).any():
        return drawn, ""
    repaired = _without_sharing_test_trials(start_s, stop_s, test, tolerance_s)
    if repaired is not None:
        note = (
            f"{int(test.sum() - repaired.sum())} test trials share bins with training trials, and are training trials"
        )
        return np.where(repaired, "test", "train").astype("<U5"), f"{note} instead."
    n_test = max(1, round(test_fraction * len(condition)))
    runs = _runs(start_s, stop_s, n_test, tolerance_s)
    best = drawn
    lowest = np.inf
    for test in _draws_of_runs(runs, n_test, len(condition), np.random.default_rng(seed)):
        train = ~test & ~_touching(start_s, stop_s, test, tolerance_s)
        if train.any() and test.any() and (cost := _unevenness(condition, train, test, test_fraction)) < lowest:
            lowest, best = cost, np.where(test, "test", np.where(train, "train", LEFT_OUT)).astype("<U5")
    if not np.isfinite(lowest):
        shared = "All trials share bins, so that test trials hold bins of training trials:"
        return drawn, f"{shared} held-out scores are too high. Use shorter windows."
    n_left_out = int((best == LEFT_OUT).sum())
    note = "Trials that share bins are kept on one side of the split"
    if n_left_out:
        note += f"; {n_left_out} of {len(condition)} trials are left out, because they share bins with test trials"
    return best, f"{note}."


def _without_sharing_test_trials(
    start_s: np.ndarray, stop_s: np.ndarray, test: np.ndarray, tolerance_s: float
) -> np.ndarray | None:
    """(trial,) True for the test trials that share no bin with a training trial; None if too many of them share bins.

    Parameters
    ----------
    start_s, stop_s : (trial,) start and end of each trial in seconds.
    test : (trial,) bool, True for the test trials that were drawn.
    tolerance_s : overlaps up to this time, in seconds, count as rounding errors.
    """
    torn = _touching(start_s, stop_s, test, tolerance_s) & ~test
    moved = test & _touching(start_s, stop_s, torn, tolerance_s)
    repaired = test & ~moved
    if moved.sum() > MAX_SHARE_MOVED * test.sum():
        return None
    # A trial that becomes a training trial may share bins with a test trial itself.
    still_torn = _touching(start_s, stop_s, repaired, tolerance_s) & ~repaired
    return None if still_torn.any() else repaired


def _draws_of_runs(
    runs: Sequence[np.ndarray], n_test: int, n_trials: int, rng: np.random.Generator
) -> Iterator[np.ndarray]:
    """Yield random choices (trial,) of test trials, each of whole runs of neighbouring trials."""
    for _ in range(MAX_DRAWS):
        test = np.zeros(n_trials, dtype=bool)
        for run in rng.permutation(len(runs)):
            if test.sum() >= n_test:
                break
            test[runs[run]] = True
        yield test


def _unevenness(condition: np.ndarray, train: np.ndarray, test: np.ndarray, test_fraction: float) -> float:
    """How far a split is from the wanted fraction in every condition, in trials, with the trials that are left out.

    A condition of several trials that lacks training or test trials counts as `TRIALS_OF_LACKING_CONDITION` trials.

    Parameters
    ----------
    condition : (trial,) condition of each trial.
    train, test : (trial,) bool, the training and the test trials; trials that are neither are left out.
    test_fraction : wanted share of test trials.
    """
    values, of_trial = np.unique(condition, return_inverse=True)
    sizes = np.bincount(of_trial, minlength=len(values))
    in_test = np.bincount(of_trial[test], minlength=len(values))
    in_train = np.bincount(of_trial[train], minlength=len(values))
    n_lacking = int(((sizes >= 2) & ((in_test == 0) | (in_train == 0))).sum())
    n_left_out = len(condition) - train.sum() - test.sum()
    difference = np.abs(in_test - test_fraction * sizes).sum()
    return float(difference + TRIALS_OF_LACKING_CONDITION * n_lacking + n_left_out)


def _runs(start_s: np.ndarray, stop_s: np.ndarray, longest: int, tolerance_s: float) -> list[np.ndarray]:
    """Runs of neighbouring trials: trials that share time are in one run, unless the run would be too long."""
    order = np.lexsort((stop_s, start_s))
    latest = np.maximum.accumulate(stop_s[order])
    opens = np.r_[True, start_s[order][1:] >= latest[:-1] - tolerance_s]
    runs = []
    for group in np.split(order, np.flatnonzero(opens)[1:]):
        n_parts = -(-len(group) // longest)
        runs += list(np.array_split(group, n_parts))
    return runs


def _touching(start_s: np.ndarray, stop_s: np.ndarray, test: np.ndarray, tolerance_s: float) -> np.ndarray:
    """(trial,) whether a trial shares time with any test trial."""
    begins, ends = start_s[test], stop_s[test]
    shares = (start_s[:, None] < ends - tolerance_s) & (begins < stop_s[:, None] - tolerance_s)
    return np.asarray(shares.any(axis=1))
