"""The regression of the current with the same weights in both levels, and every split of its trials into levels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from scipy.special import logsumexp

from curbd.changes.joint_regression import (
    CHANGE_PENALTIES,
    Joint,
    Penalties,
    change_test,
    joint_regression,
    penalties_of,
    squared_error,
)
from curbd.changes.trial_groups import Grouped, Products, source_indices
from curbd.network.view import View
from curbd.regression.evidence import evidence_penalties
from curbd.regression.ridge_factors import solved_blocks

Array = np.ndarray


class SharedRegression(NamedTuple):
    """The regression of all compared trials with weights that both levels share, and what is needed to split it.

    Attributes
    ----------
    fit : the recording as a fit sees it.
    data : second moments by group of trials.
    total : second moments of all groups.
    source : (regressor,) index of the source of every regressor.
    penalty : (target region, source) penalties of the shared weights.
    W : (unit, regressor) shared weights.
    """

    fit: View
    data: Grouped
    total: Products
    source: Array
    penalty: Array
    W: Array

    @classmethod
    def of(cls, fit: View, data: Grouped) -> SharedRegression:
        """Choose the penalties by the evidence and solve for the shared weights."""
        total = data.products.weighted(np.ones(len(data.comparison.trials)))
        source = source_indices(fit)
        penalty, W = _fit(total, source, len(fit.regions))
        return cls(fit, data, total, source, penalty, W)

    def joints(self, is_a: Array, multiple: float = CHANGE_PENALTIES[0]) -> Iterator[tuple[int, Joint, Penalties]]:
        """Solve the joint regression of every target region.

        Parameters
        ----------
        is_a : (group,) bool labels of the groups of trials.
        multiple : penalty of the change, as a multiple of the smallest penalty of the shared weights.

        Yields
        ------
        The index of the target region, its regression, and the penalties.
        """
        level_a = self.data.products.weighted(is_a.astype(float))
        level_b = self.total.minus(level_a)
        for target in range(len(self.fit.regions)):
            rows = np.flatnonzero(self.fit.region_of_unit == target)
            penalties = penalties_of(self.total, self.source, len(self.fit.regions), self.penalty[target], multiple)
            joint = joint_regression(
                level_a.of_units(rows),
                level_b.of_units(rows),
                penalties,
                self.W[rows],
                self.data.residual_inflation[rows],
            )
            yield target, joint, penalties

    def evidence_nats(self, is_a: Array) -> Array:
        """Compute the log Bayes factor (pathway,) for a change of every pathway, mean over all sizes of changes."""
        nats = [
            [
                change_test(joint, penalties, source.columns).evidence_nats
                for _, joint, penalties in self.joints(is_a, multiple)
                for source in self.fit.pathway_sources
            ]
            for multiple in CHANGE_PENALTIES
        ]
        mean: Array = logsumexp(nats, axis=0) - np.log(len(nats))
        return mean

    def level_weights(self, is_a: Array) -> tuple[Array, Array]:
        """Solve for the weights (unit, regressor) in level a and level b, drawn towards each other."""
        a, b = np.empty_like(self.W), np.empty_like(self.W)
        for target, joint, _ in self.joints(is_a):
            rows = self.fit.region_of_unit == target
            a[rows], b[rows] = joint.level_a, joint.level_b
        return a, b

    def statistics(self, labels: Array) -> Array:
        """Compute the statistic (labels, pathway) of pathways, by target and source, for labels (labels, group)."""
        return np.array(
            [
                [
                    change_test(joint, penalties, source.columns).statistic
                    for _, joint, penalties in self.joints(is_a)
                    for source in self.fit.pathway_sources
                ]
                for is_a in labels
            ]
        )

    def held_out_r2(self, is_a: Array, held_out: Sequence[Products | None]) -> dict[str, Array]:
        """Score shared, separate and drawn-together weights on the held-out trials of both levels.

        Parameters
        ----------
        is_a : (group,) bool labels.
        held_out : second moments of the held-out trials of level a and level b; None without held-out trials.

        Returns
        -------
        Name of a column -> R2 of the total current (target region,): with the same weights in both levels, with weights
        and penalties of either level alone, and with weights of either level that are drawn towards those of the other.
        """
        regions = range(len(self.fit.regions))
        known = [level for level in held_out if level is not None]
        if len(known) < 2:
            return {name: np.full(len(regions), np.nan) for name in ("r2_shared", "r2_separate", "r2_drawn_together")}
        level_a = self.data.products.weighted(is_a.astype(float))
        alone = [_fit(level, self.source, len(regions))[1] for level in (level_a, self.total.minus(level_a))]
        both = known[0].plus(known[1])
        variance = both.YY - both.YZ[:, -1] ** 2 / both.n

        def r2(weights: Sequence[Array]) -> Array:
            error = sum(squared_error(level, W) for level, W in zip(known, weights, strict=True))
            region = self.fit.region_of_unit
            return 1 - np.bincount(region, error) / np.bincount(region, variance)

        return {
            "r2_shared": r2([self.W, self.W]),
            "r2_separate": r2(alone),
            "r2_drawn_together": r2(self.level_weights(is_a)),
        }


def _fit(total: Products, source: Array, n_regions: int) -> tuple[Array, Array]:
    """Penalties (target region, source) by the evidence, and weights (unit, regressor)."""
    of_all = total.as_moments()
    penalty = evidence_penalties(of_all, source, np.ones((n_regions, source.max() + 1)))
    return penalty, solved_blocks(of_all, source, penalty).W
