"""Form of the network, linear or curved: the form that better predicts held-out trials."""

from __future__ import annotations

from collections.abc import Sequence

from lrfit.population_network.dimensions import ROUNDS_TO_COMPARE
from lrfit.population_network.fit import improve, start
from lrfit.population_network.held_out import held_out_nats
from lrfit.population_network.recording import Recording


def curved_gain(
    fitted: Recording,
    held_out: Recording,
    dimensions: Sequence[int],
    tau_s: float | None = None,
    gaussian: bool = False,
) -> float:
    """Compute the held-out log likelihood that a curved network gains over a linear network, in nats.

    Both networks are fitted in the same number of rounds.

    Parameters
    ----------
    fitted : trials to fit.
    held_out : trials on which the networks are compared.
    dimensions : (region,) number of latents of each region.
    tau_s : time constant of the units in seconds; None for a network without a leak.
    gaussian : whether units are Gaussian; otherwise the activity consists of spike counts.
    """
    curved, linear = (
        improve(start(fitted, dimensions, tau_s, curved=form, gaussian=gaussian), fitted, ROUNDS_TO_COMPARE)
        for form in (True, False)
    )
    return float((held_out_nats(curved.model, held_out) - held_out_nats(linear.model, held_out)).sum())
