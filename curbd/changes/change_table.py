"""The table ``changes``: which pathways changed their weights between the levels of a trial column."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import xarray as xr

from curbd import tables
from curbd.beside_limit import beside_limit
from curbd.changes.shared_regression import SharedRegression
from curbd.changes.size import ChangeParts, ChangeSize, change_parts, change_size
from curbd.changes.trial_groups import Grouped, error_slowness, grouped, held_out_products
from curbd.contrasts.pathway import lag_correlation
from curbd.contrasts.trials import Comparison, comparisons
from curbd.errors import UserError
from curbd.network.view import View
from curbd.settings.contrasts import Change

Array = np.ndarray
MAX_CHANGE_P = 0.05
"""Largest corrected p-value of a pathway that changed."""
LEAST_EVIDENCE_NATS = 10.0
"""Smallest log Bayes factor for a pathway that changed. Small deviations from the equation of the network, together
with different amounts of noise in the levels, give several nats."""
MAX_ERROR_RATIO = 1.25
"""Largest ratio between the levels in the slowness of errors with which a pathway counts as changed."""
LEAST_CHANGED_SHARE = 0.1
"""Smallest share of its current that has to change for a pathway to count as changed. The weights of a regression from
bin to bin depend a little on all weights of the network, because activity goes on inside a bin, and on how far the
nonlinearity is used: they differ by up to a few per cent where other weights, or the activity, differ."""
UNCHANGED_SHARE = 0.2
"""A pathway is unchanged if at most this share of its current can have changed: the change of halved weights."""
UNCHANGED_OF_TOTAL = 0.01
"""A pathway is unchanged if at most this share of the current into its target can have changed."""


class ChangeTables(NamedTuple):
    """Changes of one model on one recording.

    Attributes
    ----------
    changes : the table ``changes``, one row per change of the config, pathway and pair of levels.
    left_out : name of a change -> why the recording cannot have this comparison.
    """

    changes: pd.DataFrame
    left_out: dict[str, str]


def change_tables(recording: xr.Dataset, fit: View, changes: Mapping[str, Change], model: str) -> ChangeTables:
    """Test which pathways changed their weights between conditions or days.

    Both levels are regressed at once, on the training trials, with the time constant, the hidden inputs and the rates
    of the fit (`curbd.changes.joint_regression`). P-values are from permuted labels of trials, and are corrected for
    the number of pathways by the step-down procedure of Westfall and Young (1993). The same test between trials of high
    and of low activity within the levels is the control: a network whose weights seem to depend on its activity cannot
    tell a change of weights from a change of activity.

    Parameters
    ----------
    recording : the recording, with its trial columns and inputs.
    fit : the first fit of a model with the recording.
    changes : name -> settings of a change.
    model : name of the model.

    Returns
    -------
    The table, and the changes that the recording cannot have.
    """
    rows: list[dict[str, Any]] = []
    left_out: dict[str, str] = {}
    train = np.flatnonzero(fit.train)
    for name, change in changes.items():
        try:
            pairs = comparisons(recording.isel(trial=train), f"changes.{name}, training trials", change)
        except UserError as error:
            left_out[name] = str(error)
            continue
        for comparison in pairs:
            of_recording = Comparison(
                level_a=comparison.level_a,
                level_b=comparison.level_b,
                trials=train[comparison.trials],
                is_a=comparison.is_a,
                stratum=comparison.stratum,
            )
            rows += [{"change": name, **row} for row in _compare(recording, fit, change, of_recording)]
    if not rows:
        return ChangeTables(tables.empty("changes"), left_out)
    table = pd.DataFrame(rows).assign(recording=str(recording.attrs["recording"]), model=model)
    return ChangeTables(table[tables.TABLES["changes"].names], left_out)


def _compare(recording: xr.Dataset, fit: View, change: Change, comparison: Comparison) -> Iterator[dict[str, Any]]:
    """Rows of all pathways for one pair of levels."""
    data = grouped(fit, comparison)
    regression = SharedRegression.of(fit, data)
    labels = data.comparison.permuted(change)
    tested = regression.statistics(labels)
    p_values, corrected = p_value(tested), step_down(tested)
    control = regression.statistics(activity_labels(data, change))
    control_p = step_down(control)
    is_a = data.comparison.is_a
    held_out = [
        held_out_products(fit, recording, change.column, level) for level in (comparison.level_a, comparison.level_b)
    ]
    r2 = regression.held_out_r2(is_a, held_out)
    evidence = regression.evidence_nats(is_a)
    trials = (comparison.trials[comparison.is_a], comparison.trials[~comparison.is_a])
    slow_a, slow_b = (
        error_slowness(fit, of_level, W) for of_level, W in zip(trials, regression.level_weights(is_a), strict=True)
    )
    pathway = 0
    for target, joint, penalties in regression.joints(is_a):
        for source in fit.pathway_sources:
            size = change_size(joint, penalties, regression.total.ZZ, source.columns)
            parts = change_parts(joint, penalties, regression.total.ZZ, source.columns)
            verdict, reason = judge(
                evidence_nats=evidence[pathway],
                p_corrected=corrected[pathway],
                control_p=control_p[pathway],
                error_ratio=slow_a[target] / slow_b[target],
                size=size,
            )
            yield {
                "target": fit.regions[target],
                "source": source.name,
                "level_a": comparison.level_a,
                "level_b": comparison.level_b,
                "verdict": verdict,
                "reason": reason,
                "evidence_nats": evidence[pathway],
                "p_value": p_values[pathway],
                "p_corrected": corrected[pathway],
                **_size_cells(size, parts, verdict),
                "statistic": tested[0, pathway],
                "control_statistic": control[0, pathway],
                "control_p_corrected": control_p[pathway],
                "error_slowness_a": slow_a[target],
                "error_slowness_b": slow_b[target],
                **{name: r2[name][target] for name in r2},
                "n_trials_a": int(comparison.is_a.sum()),
                "n_trials_b": int((~comparison.is_a).sum()),
                "label_autocorrelation": lag_correlation(comparison.is_a.astype(float)),
            }
            pathway += 1


def _size_cells(size: ChangeSize, parts: ChangeParts, verdict: str) -> dict[str, float]:
    cells = {
        "relative_change": size.share,
        "ci_low": size.low,
        "ci_high": size.high,
        "changed_of_total_high": size.of_total,
    }
    nothing = float("nan")
    chosen = parts if verdict == "changed" else ChangeParts(nothing, nothing, nothing, nothing, nothing)
    return cells | {
        "gain": chosen.gain,
        "rescaled_share": chosen.rescaled,
        "rotated_share": chosen.rotated,
        "new_direction_share": chosen.new,
        "angle_deg": chosen.angle_deg,
    }


def judge(
    *, evidence_nats: float, p_corrected: float, control_p: float, error_ratio: float, size: ChangeSize
) -> tuple[str, str]:
    """Decide whether a pathway changed, and say why.

    Parameters
    ----------
    evidence_nats : log Bayes factor for a change.
    p_corrected : p-value of the change, corrected for the number of pathways.
    control_p : p-value of the control, corrected for the number of pathways.
    error_ratio : slowness of the errors of the regression in level a, divided by that in level b.
    size : size of the change.

    Returns
    -------
    The verdict, ``changed``, ``unchanged`` or ``cannot_tell``, and the reason.
    """
    if p_corrected <= MAX_CHANGE_P:
        if evidence_nats < LEAST_EVIDENCE_NATS:
            return "cannot_tell", "permuted labels never give such a difference, but the evidence is not for a change"
        if control_p <= MAX_CHANGE_P:
            return "cannot_tell", "the weights also differ between trials of high and low activity of the same level"
        if max(error_ratio, 1 / error_ratio) > MAX_ERROR_RATIO:
            return "cannot_tell", (
                "the errors of the regression are slower in one of the levels: an input that was not recorded, or "
                "noise of the measurement, differs between the levels and may look like a change of weights"
            )
        if size.share < LEAST_CHANGED_SHARE:
            verdict = "unchanged" if size.high <= UNCHANGED_SHARE else "cannot_tell"
            share = beside_limit(size.share, LEAST_CHANGED_SHARE, ".0%")
            return verdict, (
                f"the weights differ by {share} of the current, which a change of other weights or of the "
                "activity can make"
            )
        return "changed", "the weights differ by more than with permuted labels, and the evidence is for a change"
    largest = beside_limit(size.high, UNCHANGED_SHARE, ".0%")
    if size.high <= UNCHANGED_SHARE:
        return "unchanged", f"at most {largest} of the current can have changed"
    if size.of_total <= UNCHANGED_OF_TOTAL:
        of_total = beside_limit(size.of_total, UNCHANGED_OF_TOTAL, ".1%")
        return "unchanged", f"at most {of_total} of the current into the target can have changed"
    if np.isnan(size.share):
        return "cannot_tell", "the current of this pathway cannot be told from 0"
    return "cannot_tell", f"a change of up to {largest} of the current would not be seen"


def p_value(statistics: Array) -> Array:
    """Compute the p-value (pathway,) of statistics (1 + permutation, pathway), the first row of which is the data."""
    exceeding = (statistics[1:] >= statistics[0]).sum(0)
    p: Array = (1 + exceeding) / len(statistics)
    return p


def step_down(statistics: Array) -> Array:
    """Correct p-values for the number of pathways (step-down procedure of Westfall and Young, 1993).

    The largest statistic is compared with the largest of all pathways under the null, the second with the largest of
    all pathways but the first, and so on.

    Parameters
    ----------
    statistics : (1 + permutation, pathway) statistics, the first row of which is the data.

    Returns
    -------
    (pathway,) corrected p-values.
    """
    order = np.argsort(-statistics[0])
    sorted_statistics = statistics[:, order]
    largest_of_rest = np.maximum.accumulate(sorted_statistics[:, ::-1], axis=1)[:, ::-1]
    compared = np.concatenate([sorted_statistics[:1], largest_of_rest[1:]])
    corrected = np.empty(len(order))
    corrected[order] = np.maximum.accumulate(p_value(compared))
    return corrected


def activity_labels(data: Grouped, change: Change) -> Array:
    """Draw labels (1 + permutation, group) of the control: high against low activity within every level.

    Parameters
    ----------
    data : the groups of trials.
    change : settings of the change, for the number of permutations and the seed.
    """
    products, comparison = data.products, data.comparison
    n_units = products.YZ.shape[1]
    count = np.maximum(products.n, 1)[:, None]
    squares = np.diagonal(products.ZZ, axis1=1, axis2=2)[:, :n_units]
    mean = (products.ZZ[:, -1, :n_units].sum(0) / products.n.sum())[None]
    power = (squares - 2 * mean * products.ZZ[:, -1, :n_units] + count * mean**2).sum(1) / count[:, 0]
    stratum = np.unique(np.stack([comparison.stratum, comparison.is_a]), axis=1, return_inverse=True)[1].ravel()
    is_high = np.zeros(len(stratum), dtype=bool)
    for index in np.unique(stratum):
        (members,) = np.nonzero(stratum == index)
        is_high[members[np.argsort(power[members])[len(members) // 2 :]]] = True
    split = Comparison("high", "low", comparison.trials, is_high, stratum)
    return split.permuted(Change(column=change.column, permutations=change.permutations, seed=change.seed))
