"""The verdict on each pathway between populations, one rule with its grounds.

A pathway is resolved when all of these hold:

1. its weights differ from zero: 6 nats or more, by the information at the fit (``nats``). On teachers of other seeds
   than the reported ones absent pathways had up to 5, present ones 7 and more;
2. held-out trials are less likely without it, by more than one standard error over trials, the rest refitted;
3. its current is large enough to matter: .05 of the fluctuating current into the target (``share``);
4. its current is known: expected squared correlation with the true one of .6 or more (``known``);
5. no common drive can stand for it: where held-out trials ask for a hidden drive, the pathway's loss of log likelihood
   must exceed what the drive gains. A slow background that regions share looks like pathways in both directions.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from lrfit.population_network.evidence import REFIT_ROUNDS, Evidence, evidence, without
from lrfit.population_network.fit import LOADINGS_EVERY, Fit, improve
from lrfit.population_network.likelihood import held_out_nats
from lrfit.population_network.recording import Recording

Array = np.ndarray
LEAST_NATS = 6.0
LEAST_SHARE = 0.05
LEAST_KNOWN = 0.6
STANDARD_ERRORS = 1.0


class Verdict(NamedTuple):
    """Verdicts on pathways, (target, source); the diagonal is False or NaN.

    Attributes
    ----------
    resolved : whether all grounds hold.
    grounds : (target, source) of text: the grounds that fail, joined by commas, empty where resolved.
    held_out_nats, held_out_error : loss on held-out trials without the pathway and its standard error; NaN where the
        first grounds already failed and no refit was made.
    evidence : what the other grounds rest on.
    """

    resolved: Array
    grounds: Array
    held_out_nats: Array
    held_out_error: Array
    evidence: Evidence


def verdict(fit: Fit, fitted: Recording, held_out: Recording, drive_gains: Array) -> Verdict:
    """Verdict on every pathway between regions.

    Parameters
    ----------
    fit : of the trials ``fitted``.
    held_out : trials that had no part in the fit.
    drive_gains : (drive,) held-out nats that hidden drives gained; those of the fit count, a rejected one does not.
    """
    regions = fit.model.regions
    drives = int(fit.model.group.max()) + 1 - regions
    common = float(np.sum(drive_gains[:drives]))
    known = evidence(fit, fitted)
    loss, error = np.full((regions, regions), np.nan), np.full((regions, regions), np.nan)
    grounds = np.full((regions, regions), "", object)
    whole: Array | None = None
    for t in range(regions):
        for s in range(regions):
            if t == s:
                grounds[t, s] = "within"
                continue
            failed = [
                name
                for name, value, least in (
                    ("nats", known.nats[t, s], LEAST_NATS),
                    ("share", known.share[t, s], LEAST_SHARE),
                    ("known", known.known[t, s], LEAST_KNOWN),
                )
                if not value >= least
            ]
            if not failed:
                if whole is None:
                    whole = held_out_nats(improve(fit, fitted, REFIT_ROUNDS, LOADINGS_EVERY).model, held_out)
                less = improve(without(fit, t, s), fitted, REFIT_ROUNDS, LOADINGS_EVERY)
                lost = whole - held_out_nats(less.model, held_out)
                loss[t, s], error[t, s] = lost.sum(), lost.std() * np.sqrt(len(lost))
                if not loss[t, s] > STANDARD_ERRORS * error[t, s]:
                    failed.append("held_out")
                if drives and not loss[t, s] > common:
                    failed.append("common_drive")
            grounds[t, s] = ",".join(failed)
    return Verdict(resolved=grounds == "", grounds=grounds, held_out_nats=loss, held_out_error=error, evidence=known)
