"""What would make a pathway between populations resolvable: how many more trials, or which other change.

With n trials, the log likelihood that a pathway gains grows in proportion to n, and so does R2 / (1 - R2) for the
expected R2 of its current. The ratio of a held-out loss to its standard error grows as the square root of n. All three
assume that the further trials are like the recorded ones and that the model is right.
"""

from __future__ import annotations

from curbd.pathways.power import growth, more_trials
from lrfit.population_network.evidence import largest_share
from lrfit.population_network.verdict import (
    HELD_OUT_STANDARD_ERRORS,
    MIN_CURRENT_SHARE,
    MIN_EXPECTED_R2,
    MIN_PATHWAY_NATS,
    Verdict,
)

REMEDY_OF_GROUND = {
    "few_held_out": "more trials or shorter blocks, so that enough of them are held out",
    "common_drive": "the signal that all regions share, recorded as an input or as a region",
    "latency": "trials aligned to the event whose time varies, or the event as an input",
    "few_latents": "more latents (max_dimensions)",
}
"""Ground that fails -> what would remove it, other than a number of trials."""


def needed(judged: Verdict, target: int, source: int, trials: int) -> str:
    """Say what would make a pathway between populations resolvable.

    Parameters
    ----------
    judged : the verdicts.
    target, source : indices of the regions.
    trials : number of training trials.

    Returns
    -------
    A list of needs, separated by ``; ``; '' for a resolved pathway, for a current too small to matter, and where the
    evidence so far speaks against the pathway.
    """
    grounds = [name for name in judged.grounds[target, source].split(",") if name]
    factors = [factor for name in grounds if (factor := _trials_factor(name, judged, target, source)) is not None]
    if float("inf") in factors:
        return ""
    needs = [more_trials(max(factors), trials)] if factors else []
    return "; ".join([*needs, *(REMEDY_OF_GROUND[name] for name in grounds if name in REMEDY_OF_GROUND)])


def _trials_factor(ground: str, judged: Verdict, target: int, source: int) -> float | None:
    """Factor on the trials until a ground holds; infinity if no number is enough; None if trials are not the remedy."""
    if ground == "nats":
        nats = float(judged.evidence.nats[target, source])
        return MIN_PATHWAY_NATS / nats if nats > 0 else float("inf")
    if ground == "expected_r2":
        return growth(float(judged.evidence.expected_r2[target, source]), MIN_EXPECTED_R2)
    if ground == "held_out":
        loss, error = float(judged.held_out_nats[target, source]), float(judged.held_out_error[target, source])
        return (HELD_OUT_STANDARD_ERRORS * error / loss) ** 2 if loss > 0 else float("inf")
    if ground == "share" and largest_share(judged.evidence, target, source) < MIN_CURRENT_SHARE:
        return float("inf")
    return None
