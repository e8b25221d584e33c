"""The verdict on each pathway between populations: one rule with seven grounds.

A pathway is resolved if all of these grounds hold:

1. Its weights differ from zero (ground ``nats``): the pathway gains 6 nats or more of log likelihood, by the
   information at the fit. On teachers of other seeds than the reported seeds, absent pathways had up to 5 nats and
   present pathways 7 and more.
2. Held-out trials are less likely without it, by more than one standard error over trials, if everything else is
   refitted (ground ``held_out``). Fewer than 5 held-out trials cannot tell the standard error (ground
   ``few_held_out``).
3. Its current is large enough to matter (ground ``share``): at least .05 of the fluctuating current into the target.
4. Its current is accurate (ground ``expected_r2``): the expected squared correlation with the true current is at least
   .6.
5. A common drive does not explain it (ground ``common_drive``): removing the pathway must cost more held-out log
   likelihood than a hidden drive gains in the linear or the curved form of the network, and a drive instead of the
   pathway must make held-out trials less likely. A slow background that regions share, or a gain that changes from
   trial to trial, looks like pathways in both directions, and may gain too little for a drive to be kept. A drive that
   gains nothing beside a pathway may explain more than the pathway, as where the latency of a shared response varies.
6. Responses that are late or early do not explain it (ground ``latency``): if held-out trials ask for latencies of the
   trials (see `lrfit.population_network.latency`), the first and the second ground must also hold in the network with
   latencies.
7. There are enough latents (ground ``few_latents``): one latent more than the largest number that was tried does not
   predict hidden units clearly better. Where activity has far more dimensions than the network, currents are wrong,
   and the posterior, which takes the number of latents for true, does not show it.

In bins of 5 ms or less, a pathway is also resolved if the recorded spikes of the source act on those of the target
within 20 ms, by ``MIN_SPIKE_COUPLING`` standard deviations or more, while nothing comes back (see
`lrfit.population_network.spike_coupling`). This second way tells that there is a pathway and where it leads, but not
how large its current is.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import numpy as np

from lrfit.population_network.evidence import Evidence, evidence, without
from lrfit.population_network.fit import LOADINGS_EVERY, Fit, improve
from lrfit.population_network.held_out import Posterior, error_of_sum, held_out_nats, infer_each
from lrfit.population_network.hidden import with_drive
from lrfit.population_network.latency import Aligned, align, are_needed, late_nats
from lrfit.population_network.recording import Recording

Array = np.ndarray
REFIT_ROUNDS = 12
"""Number of rounds after a pathway was removed, and of the fit with the pathway with which it is compared."""
MIN_PATHWAY_NATS = 6.0
"""Smallest loss of log likelihood without the pathway, in nats."""
MIN_CURRENT_SHARE = 0.05
"""Smallest root mean square of the current, relative to the total current into the target."""
MIN_EXPECTED_R2 = 0.6
"""Smallest expected squared correlation of the current with the true current."""
HELD_OUT_STANDARD_ERRORS = 1.0
"""Smallest loss of held-out log likelihood without the pathway, in standard errors over trials."""
DRIVE_INSTEAD_TAU_S = 0.1
"""Each time constant of the hidden drive that takes the place of a pathway, in seconds: responses to events are faster
than a background."""
ROUNDS_WITH_DRIVE_INSTEAD = 20
"""Number of rounds after a hidden drive took the place of a pathway."""
MIN_HELD_OUT_TRIALS = 5
"""Smallest number of held-out trials, or of blocks of a long stretch, over which a standard error is computed."""
MIN_SPIKE_COUPLING = 6.0
"""Smallest fast coupling of recorded spikes, in standard deviations above that of re-paired trials."""


class Verdict(NamedTuple):
    """Verdicts on pathways. All arrays are (target, source); the diagonal is False or NaN.

    Attributes
    ----------
    resolved : whether all grounds hold.
    grounds : text that lists the grounds that fail, joined by commas; empty if the pathway is resolved.
    held_out_nats : loss of held-out log likelihood without the pathway, in nats; NaN if an earlier ground failed,
        because then no refit was made.
    held_out_error : standard error of this loss over trials, in nats.
    evidence : the numbers behind the other grounds.
    """

    resolved: Array
    grounds: Array
    held_out_nats: Array
    held_out_error: Array
    evidence: Evidence


def verdict(
    fit: Fit, fitted: Recording, held_out: Recording, common_nats: float, latents_suffice: bool = True
) -> Verdict:
    """Judge every pathway between regions.

    Parameters
    ----------
    fit : network fitted to the trials ``fitted``.
    fitted : trials of the fit.
    held_out : trials that were not used in the fit.
    common_nats : gain in held-out log likelihood of the hidden drives that were tried, kept or not, in nats; 0 without
        drives.
    latents_suffice : whether there are enough latents, see `Dimensions`.
    """

    @cache
    def whole() -> Posterior:
        return infer_each(improve(fit, fitted, REFIT_ROUNDS, LOADINGS_EVERY).model, held_out)

    @cache
    def less(target: int, source: int) -> Fit:
        return improve(without(fit, target, source), fitted, REFIT_ROUNDS, LOADINGS_EVERY)

    def lost(target: int, source: int) -> Array:
        return whole().nats - infer_each(less(target, source).model, held_out, start=whole().paths).nats

    def lost_to_drive(target: int, source: int) -> Array:
        driven = Fit(*with_drive(*less(target, source), fitted, DRIVE_INSTEAD_TAU_S))
        driven = improve(driven, fitted, ROUNDS_WITH_DRIVE_INSTEAD, LOADINGS_EVERY)
        return whole().nats - held_out_nats(driven.model, held_out)

    @cache
    def late() -> tuple[Aligned, Array]:
        aligned = align(fit, fitted)
        aligned = aligned._replace(fit=improve(aligned.fit, aligned.data, REFIT_ROUNDS, LOADINGS_EVERY))
        return aligned, late_nats(aligned, held_out)

    @cache
    def late_strength() -> Array:
        aligned, _ = late()
        return evidence(aligned.fit, aligned.data).nats

    def with_latencies(target: int, source: int) -> tuple[float, Array]:
        aligned, nats = late()
        if not are_needed(nats - whole().nats):
            return strength.nats[target, source], lost(target, source)
        less = improve(without(aligned.fit, target, source), aligned.data, REFIT_ROUNDS, LOADINGS_EVERY)
        return late_strength()[target, source], nats - late_nats(aligned._replace(fit=less), held_out)

    strength, n_held_out = evidence(fit, fitted), held_out.inside.shape[1]
    return judge(strength, lost, lost_to_drive, with_latencies, n_held_out, common_nats, latents_suffice)


def judge(
    strength: Evidence,
    lost: Callable[[int, int], Array],
    lost_to_drive: Callable[[int, int], Array],
    with_latencies: Callable[[int, int], tuple[float, Array]],
    n_held_out: int,
    common_nats: float,
    latents_suffice: bool = True,
) -> Verdict:
    """Apply the rule of the verdict to the evidence on every pathway.

    Parameters
    ----------
    strength : the evidence on every pathway from the trials of the fit.
    lost : function (target, source) -> (trial,) loss of log likelihood of every held-out trial without the pathway; the
        function is called only for pathways whose other grounds hold.
    lost_to_drive : the same with a hidden drive instead of the pathway; the function is called only for pathways whose
        other grounds hold.
    with_latencies : function (target, source) -> log likelihood that the pathway gains and the (trial,) loss without
        the pathway, both in a network with latencies of the trials, or the same two as without latencies if held-out
        trials do not ask for them; the function is called only for pathways whose other grounds hold.
    n_held_out : number of held-out trials.
    common_nats : gain in held-out log likelihood of the hidden drives, see `verdict`.
    latents_suffice : whether there are enough latents, see `Dimensions`.
    """
    regions = len(strength.nats)
    loss, error = np.full((regions, regions), np.nan), np.full((regions, regions), np.nan)
    grounds = np.full((regions, regions), "", object)
    for t in range(regions):
        for s in range(regions):
            if t == s:
                grounds[t, s] = "within"
                continue
            failed = [
                name
                for name, value, least in (
                    ("nats", strength.nats[t, s], MIN_PATHWAY_NATS),
                    ("share", strength.share[t, s], MIN_CURRENT_SHARE),
                    ("expected_r2", strength.expected_r2[t, s], MIN_EXPECTED_R2),
                )
                if not value >= least
            ]
            if not failed and n_held_out < MIN_HELD_OUT_TRIALS:
                failed.append("few_held_out")
            elif not failed:
                loss[t, s], error[t, s] = _sum_and_error(lost(t, s))
                if not loss[t, s] > HELD_OUT_STANDARD_ERRORS * error[t, s]:
                    failed.append("held_out")
                if not loss[t, s] > common_nats:
                    failed.append("common_drive")
            if not failed and not lost_to_drive(t, s).sum() > 0:
                failed.append("common_drive")
            if not failed:
                nats, of_trials = with_latencies(t, s)
                late_loss, late_error = _sum_and_error(of_trials)
                if nats < MIN_PATHWAY_NATS or not late_loss > HELD_OUT_STANDARD_ERRORS * late_error:
                    failed.append("latency")
            if not latents_suffice:
                failed.append("few_latents")
            grounds[t, s] = "" if _synaptic(strength, t, s) else ",".join(failed)
    return Verdict(resolved=grounds == "", grounds=grounds, held_out_nats=loss, held_out_error=error, evidence=strength)


def _sum_and_error(of_trials: Array) -> tuple[float, float]:
    """Return the sum over trials and its standard error."""
    return float(of_trials.sum()), float(error_of_sum(of_trials))


def _synaptic(strength: Evidence, target: int, source: int) -> bool:
    """Return whether spikes of the source act on the target within milliseconds, and nothing comes back."""
    ahead, back = strength.spike_coupling[target, source], strength.spike_coupling[source, target]
    return bool(ahead >= MIN_SPIKE_COUPLING > back)
