"""The table ``changes``: which pathways changed their weights between the levels of a trial column."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import xarray as xr

from curbd import tables
from curbd.changes.permutation_test import activity_labels, p_value, step_down
from curbd.changes.shared_regression import SharedRegression
from curbd.changes.size import ChangeParts, ChangeSize, change_parts, change_size
from curbd.changes.trial_groups import error_slowness, grouped, held_out_products
from curbd.changes.verdict import judge
from curbd.contrasts.pathway_contrast import lag_correlation
from curbd.contrasts.trials import Comparison, comparisons
from curbd.errors import UserError
from curbd.network.view import View, view
from curbd.settings.contrasts import Change

Array = np.ndarray


class ChangeTables(NamedTuple):
    """Changes of one model on one recording.

    Attributes
    ----------
    changes : the table ``changes``, one row per change of the config, pathway and pair of levels.
    left_out : name of a change -> why the recording cannot have this comparison.
    """

    changes: pd.DataFrame
    left_out: dict[str, str]


def change_tables(recording: xr.Dataset, networks: xr.Dataset, changes: Mapping[str, Change]) -> ChangeTables:
    """Test which pathways changed their weights between conditions or days.

    Both levels are regressed at once, on the training trials, with the time constant, the hidden inputs and the rates
    of the fit (`curbd.changes.joint_regression`). P-values are from permuted labels of trials, and are corrected for
    the number of pathways by the step-down procedure of Westfall and Young (1993). The same test between trials of high
    and of low activity within the levels is the control: a network whose weights seem to depend on its activity cannot
    tell a change of weights from a change of activity.

    Parameters
    ----------
    recording : the recording, with its trial columns and inputs.
    networks : the fits of a model of full rank, of which the first is compared.
    changes : name -> settings of a change.

    Returns
    -------
    The table, and the changes that the recording cannot have.
    """
    rows: list[dict[str, Any]] = []
    left_out: dict[str, str] = {}
    fit = view(recording, networks)
    train = np.flatnonzero(fit.train)
    for name, change in changes.items():
        try:
            pairs = comparisons(recording.isel(trial=train), f"changes.{name}, training trials", change)
        except UserError as error:
            left_out[name] = str(error)
            continue
        for comparison in pairs:
            of_recording = replace(comparison, trials=train[comparison.trials])
            rows += [{"change": name, **row} for row in _compare(recording, fit, change, of_recording)]
    if not rows:
        return ChangeTables(tables.empty("changes"), left_out)
    labels = {"recording": str(recording.attrs["recording"]), "model": str(networks.attrs["model"])}
    table = pd.DataFrame(rows).assign(**labels)
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
