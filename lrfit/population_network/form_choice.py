"""Form of the network, linear or curved: the form that better predicts held-out trials."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from lrfit.population_network.drive_choice import choose_drives
from lrfit.population_network.fit import Fit
from lrfit.population_network.fit_settings import PopulationSettings
from lrfit.population_network.recording import Recording

Array = np.ndarray


class Formed(NamedTuple):
    """A fit whose form and number of hidden drives were chosen on held-out trials.

    Attributes
    ----------
    fit : the fit.
    drive_gains : (drive,) gain in held-out log likelihood of each hidden drive that was tried, in nats; the gain in the
        form in which it is larger.
    common_nats : summed gain of all drives that were tried and gained, whether or not they were kept, in nats.
    curved_gain : held-out log likelihood that a curved network gains over a linear network, in nats.
    """

    fit: Fit
    drive_gains: Array
    common_nats: float
    curved_gain: float


def choose_form(
    fitted: Recording, held_out: Recording, dimensions: Sequence[int], settings: PopulationSettings
) -> Formed:
    """Fit a linear and a curved network, and keep the network that makes held-out trials more likely.

    Both networks have as many hidden drives as held-out trials ask for, because activity that follows a drive looks
    linear to a network without the drive. Drives that were tried count for the verdict, even if they were not kept or
    only the rejected form gained by them: the form that is kept may have taken a drive for pathways.

    Parameters
    ----------
    fitted : trials to fit.
    held_out : trials on which the networks are compared.
    dimensions : (region,) number of latents of each region.
    settings : settings of the fits; the linear network has at most as many drives as the curved network keeps.
    """
    curved = choose_drives(fitted, held_out, dimensions, settings, curved=True)
    # The linear network has at most as many drives, so that these are all drives that either form keeps.
    kept = int(curved.fit.model.group.max()) + 1 - curved.fit.model.regions
    linear = choose_drives(fitted, held_out, dimensions, settings._replace(max_drives=kept), curved=False)
    gain = float((curved.nats - linear.nats).sum())
    chosen, rejected = (curved, linear) if gain > 0 else (linear, curved)
    gains = _larger(chosen.gains, rejected.gains)
    return Formed(fit=chosen.fit, drive_gains=gains, common_nats=float(np.maximum(gains, 0.0).sum()), curved_gain=gain)


def _larger(gains: Array, other_gains: Array) -> Array:
    """Return the gains of the drives of one form, or the gains of the same drives in the other form where larger.

    A linear network takes a part of a common drive for pathways, so that the drive gains little in this form.
    """
    longer = max(len(gains), len(other_gains))
    padded = [np.pad(g, (0, longer - len(g)), constant_values=-np.inf) for g in (gains, other_gains)]
    return np.maximum(*padded)
