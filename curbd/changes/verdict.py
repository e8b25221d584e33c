"""Whether a pathway changed its weights, and why."""

from __future__ import annotations

import numpy as np

from curbd.beside_limit import beside_limit
from curbd.changes.size import ChangeSize

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
