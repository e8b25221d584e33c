"""The tables about gated units: the gate of every unit, and the currents and drives that regions send."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import xarray as xr
from scipy.special import expit

from curbd.errors import UserError
from curbd.gates.drive_null import Drive, drive_tests
from curbd.network.gated import GatedNetwork, gate_drives, gated_currents
from curbd.pathways.multiplicity import benjamini_hochberg
from curbd.recording.scaling import scaled_rates
from curbd.regression.gated import GatedPairs, fit_constant_gates, with_moving_gates

Array = np.ndarray
FOLLOWING_SHARE = 4
"""One of so many bins, those at the start of a trial, is not predicted: gates depend on what came before the trial."""
NARROW_OPENING = 0.1
"""Opening below which a gate counts as nearly closed."""
LEAST_NATS = 2.0
"""Gain in held-out log likelihood above which gates move, if it is also more than twice its standard error."""
LARGEST_Q_VALUE = 0.05
LARGEST_STEP, SMALLEST_STEP = 1.0, 1 / 64
"""Range of the time between samples in units of the time constant, in which the time constant is searched."""
SEARCHED_PAIRS = 5000
"""Largest number of changes of states, about, from which the time constant is chosen."""
DRAWS_SEED = 0
"""Seed of the exchanges of trials."""
EVERY_FIFTH = 5
"""One of so many training trials is held out when the time constant is chosen."""


class GateTables(NamedTuple):
    """The tables of one recording.

    Attributes
    ----------
    gates : the table ``gates``, one row per unit.
    currents : the table ``gate_currents``, one row per target region and source.
    """

    gates: pd.DataFrame
    currents: pd.DataFrame


class _Data(NamedTuple):
    """States (trial, time, unit), inputs and a constant (trial, time, regressor), and the mean (regressor,) of rates,
    inputs and the constant, whose drive the gates have followed before the first sample."""

    h: Array
    outside: Array
    start: Array

    def of_trials(self, chosen: Array) -> _Data:
        return self._replace(h=self.h[chosen], outside=self.outside[chosen])

    def pairs(self, step: float) -> GatedPairs:
        return GatedPairs.of(self.h, step, self.outside, self.start, self.h.shape[1] // FOLLOWING_SHARE)


def gate_tables(recording: xr.Dataset, tau_s: float | None = None) -> GateTables:
    """Fit gated units to the training trials of a recording, and compare them on test trials with constant gates.

    Parameters
    ----------
    recording : the recording, the content of recording.nc.
    tau_s : time constant of states and gates, s; None for the one that best predicts held-out training trials.

    Returns
    -------
    The tables of the recording.

    Raises
    ------
    UserError : no two successive bins of training trials or of test trials are complete.
    """
    train, test = _trials(recording)
    dt_s = float(recording.attrs["dt_s"])
    tau_s = dt_s / _best_step(train) if tau_s is None else max(tau_s, dt_s)
    step = dt_s / tau_s
    seen, unseen = train.pairs(step), test.pairs(step)
    region, source = recording["region"].values.astype(str), _sources(recording)
    # Both networks have the same priors, so that they differ in what drives the gates alone.
    constant = with_moving_gates(seen, fit_constant_gates(seen, tau_s, dt_s), source == "bias")
    moving = with_moving_gates(seen, constant)
    by_trial = _log_likelihoods(moving, seen, unseen) - _log_likelihoods(constant, seen, unseen)
    names = {"recording": recording.attrs["recording"]}
    gates = _gates(moving, unseen, by_trial).assign(tau_s=tau_s, unit_id=recording["unit_id"].values.astype(str))
    driving = _driving(recording, seen, unseen, moving, source)
    currents = pd.DataFrame([names | row for row in _by_source(moving, unseen, region, source)])
    currents = currents.merge(driving, how="left", on=["target", "source"])
    return GateTables(gates.assign(region=region, **names), currents)


def _driving(
    recording: xr.Dataset, seen: GatedPairs, unseen: GatedPairs, moving: GatedNetwork, source: Array
) -> pd.DataFrame:
    """Return what test trials lose if a source drives no gates, and the test of every source and target region."""
    region, train = recording["region"].values.astype(str), recording["split"].values == "train"
    condition = recording["condition"].values.astype(str)
    groups = _groups(condition[train]), _groups(condition[~train])
    rng, parts = np.random.default_rng(DRAWS_SEED), []
    for name in dict.fromkeys(source[source != "bias"].tolist()):
        without = with_moving_gates(seen, moving, source != name)
        by_trial = _log_likelihoods(moving, seen, unseen) - _log_likelihoods(without, seen, unseen)
        drive = Drive(seen, unseen, without, moving, np.flatnonzero(source == name))
        tests = drive_tests(drive, groups, region, rng)
        of_target = np.stack([by_trial[:, region == target].sum(1) for target in tests], axis=1)
        columns = {
            "target": list(tests),
            "drive_nats": of_target.sum(0),
            "drive_nats_se": _error_of_sum(of_target),
            "drive_p_value": [test.p_value() for test in tests.values()],
        }
        parts.append(pd.DataFrame(columns).assign(source=name))
    table = pd.concat(parts, ignore_index=True)
    q_value = benjamini_hochberg(table["drive_p_value"].to_numpy())
    drives = (table["drive_nats"] > LEAST_NATS) & (q_value <= LARGEST_Q_VALUE)
    return table.assign(drive_q_value=q_value, drive_verdict=np.where(drives, "supported", "no_evidence"))


def _groups(condition: Array) -> list[Array]:
    """Return the trials of every condition."""
    return [np.flatnonzero(condition == name) for name in np.unique(condition)]


def _error_of_sum(by_trial: Array) -> Array:
    """Return the standard errors (column,) of the sums over trials (trial, column); NaN for a single trial."""
    if len(by_trial) == 1:
        return np.full(by_trial.shape[1], np.nan)
    error: Array = by_trial.std(0, ddof=1) * np.sqrt(len(by_trial))
    return error


def _trials(recording: xr.Dataset) -> tuple[_Data, _Data]:
    """Return training trials and test trials."""
    r = scaled_rates(recording, "tanh").transpose("trial", "time", "unit").values
    u = recording["inputs"].transpose("trial", "time", "input").values
    outside = np.concatenate([u, np.ones((*u.shape[:2], 1))], axis=2)
    train = recording["split"].values == "train"
    drivers = np.concatenate([r, outside], axis=2)[train]
    start = np.nan_to_num(drivers[np.isfinite(drivers).all(2)].mean(0))
    everything = _Data(np.arctanh(r), outside, start)
    for kind, chosen in (("training", train), ("test", ~train)):
        if not len(everything.of_trials(chosen).pairs(1.0).h):
            raise UserError.at(
                f"recording {recording.attrs['recording']}, gates",
                found=f"no two successive bins of {kind} trials in which all units and inputs have a value",
                expected="complete trials, on which gated units are fitted and tested",
                todo="set windows that the recording covers, or blocks (windows.block_s)",
            )
    return everything.of_trials(train), everything.of_trials(~train)


def _sources(recording: xr.Dataset) -> Array:
    """Name of the source of every regressor: the region of a unit, ``inputs`` or ``bias``."""
    region = recording["region"].values.astype(str).tolist()
    return np.array([*region, *["inputs"] * recording.sizes["input"], "bias"])


def _best_step(train: _Data) -> float:
    """Step in units of the time constant that best predicts every fifth training trial: a search on factors of 2, then
    between the neighbours of the best."""
    n_trials = len(train.h)
    used = min(n_trials, max(2, int(np.ceil(SEARCHED_PAIRS / train.h.shape[1]))))
    trials = train.of_trials(np.unique(np.linspace(0, n_trials - 1, used).astype(int)))
    held_out = np.arange(len(trials.h)) % EVERY_FIFTH == EVERY_FIFTH - 1
    if not held_out.any():
        held_out[-1] = len(held_out) > 1
    scores: dict[float, float] = {}

    def score(step: float) -> float:
        if step not in scores:
            seen, unseen = trials.of_trials(~held_out).pairs(step), trials.of_trials(held_out).pairs(step)
            network = with_moving_gates(seen, fit_constant_gates(seen, 1.0, step))
            # States are compared, not changes in units of the time constant.
            scores[step] = _log_likelihoods(network, seen, unseen).sum() - unseen.change.size * np.log(step)
        return scores[step]

    steps = LARGEST_STEP / 2 ** np.arange(np.log2(LARGEST_STEP / SMALLEST_STEP) + 1)
    best, factor = max(steps.tolist(), key=score), 2.0
    for _ in range(2):
        factor = np.sqrt(factor)
        near = [best / factor, best, best * factor]
        best = max((step for step in near if SMALLEST_STEP <= step <= LARGEST_STEP), key=score)
    return best


def _log_likelihoods(network: GatedNetwork, seen: GatedPairs, unseen: GatedPairs) -> Array:
    """Log likelihood (trial, unit) of unseen changes, with the error variance of every unit in the seen changes."""
    variance = ((seen.change - seen.predicted(network)) ** 2).mean(0)
    squares = (unseen.change - unseen.predicted(network)) ** 2
    nats = -0.5 * (squares / variance + np.log(2 * np.pi * variance))
    return np.stack([nats[unseen.trial == trial].sum(0) for trial in np.unique(unseen.trial)])


def _gates(network: GatedNetwork, pairs: GatedPairs, by_trial: Array) -> pd.DataFrame:
    """Opening of the gate of every unit in test trials, and the gain (trial, unit) of gates that move."""
    opening = expit(pairs.f @ network.G.T)
    gain, error = by_trial.sum(0), _error_of_sum(by_trial)
    moves = (gain > LEAST_NATS) & (gain > 2 * np.nan_to_num(error))
    return pd.DataFrame(
        {
            "opening": opening.mean(0),
            "opening_sd": opening.std(0),
            "closed_share": (opening < NARROW_OPENING).mean(0),
            "held_out_nats": gain,
            "held_out_nats_se": error,
            "verdict": np.where(moves, "supported", "no_evidence"),
        }
    )


def _by_source(network: GatedNetwork, pairs: GatedPairs, region: Array, source: Array) -> list[dict[str, Any]]:
    """Sizes of the gated currents and of the drives of gates in test trials, one row for each target and source."""
    gates = pairs.f @ network.G.T
    currents = gated_currents(network, pairs.h, pairs.z, gates, source)
    drives = gate_drives(network, pairs.z, source)
    rows = []
    for target in np.unique(region):
        for name, current in currents.items():
            row: dict[str, Any] = {"target": str(target), "source": name}
            row |= _size("current", current, currents, region == target)
            rows.append(row | (_size("drive", drives[name], drives, region == target) if name in drives else {}))
    return rows


def _size(kind: str, sent: Array, everything: dict[str, Array], chosen: Array) -> dict[str, float]:
    """Size of what a source sends to the chosen units, and its share of the variances of all sources."""
    variances = {name: values[:, chosen].var(0).sum() for name, values in everything.items()}
    total = sum(variances.values())
    variance = sent[:, chosen].var(0).sum()
    return {
        f"{kind}_rms": float(np.sqrt((sent[:, chosen] ** 2).mean())),
        f"{kind}_share": float(variance / total) if total > 0 else 0.0,
    }
