"""P-values of changes from permuted labels of trials, and the labels of the control."""

from __future__ import annotations

import numpy as np

from curbd.changes.trial_groups import Grouped
from curbd.contrasts.trials import Comparison
from curbd.settings.contrasts import Change

Array = np.ndarray


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
