"""Activity behind a calcium indicator: counts that a population network can read.

Fluorescence y follows the spikes n of a unit with an exponential decay and noise: y[k] = c[k] + e[k] with c[k] = g
c[k-1] + jump n[k] and g = exp(-bin / decay) (Vogelstein et al., Journal of Neurophysiology 2010; Pnevmatikakis et al.,
Neuron 2016). The difference y[k] - g y[k-1] = jump n[k] + e[k] - g e[k-1] is local in time: the expected difference
depends on the rate in bin k only, so that latents need no memory of the indicator, and time and memory grow linearly
with the number of bins. Filtered latents in the state of the network would give the same with twice as many latents.

The noise of the differences is neither Poisson nor Gaussian with a linear mean. It is described by its mean and
variance (quasi-likelihood; Wedderburn, Biometrika 1974): divided by a factor for each unit, the differences have a
noise variance equal to their mean, as counts have, and are fitted as counts, negative values included. The noise e is
then treated as independent between bins, although it makes successive differences of one unit correlate. This costs
information and no bias, because the noise of a unit is not shared with other units. The alternative, Gaussian
differences with the exact correlation of their noise, loses more, because rates are positive and skewed.
"""

from __future__ import annotations

import numpy as np

from curbd.states.indicator import share_kept
from curbd.states.indicator_decay import indicator_decay_s, private_autocovariance
from lrfit.population_network.recording import MIN_TRIALS_PER_AVERAGE, Recording, from_arrays

Array = np.ndarray
BASELINE_QUANTILE = 0.05
"""A quantile of the fluorescence of a unit that counts as no activity, if the quantile is negative."""
MIN_NOISE_SHARE = 0.02
"""Smallest share of the variance of the differences of a unit that counts as noise."""


def from_fluorescence(
    fluorescence: Array,
    region: Array,
    bin_s: float,
    inputs: Array | None = None,
    condition: Array | None = None,
    evoked: bool = True,
    indicator_s: float | None = None,
) -> Recording:
    """Construct a recording from fluorescence, or from activity that was deconvolved already.

    Parameters
    ----------
    fluorescence : (trial, time, unit) fluorescence, NaN where missing.
    region, bin_s, inputs, condition, evoked : as for `lrfit.population_network.recording.from_arrays`.
    indicator_s : decay time of the indicator in seconds; 0 for activity without an indicator; None to estimate it.
    """
    index = np.zeros(len(fluorescence), int) if condition is None else np.unique(condition, return_inverse=True)[1]
    decay_s = indicator_decay_s(_standardised(fluorescence, index)[0], bin_s) if indicator_s is None else indicator_s
    counts, per_count = equivalent_counts(fluorescence, index, bin_s, decay_s)
    # The highest rate of a unit is not known: spikes per unit of fluorescence are not.
    highest_rate_hz = float(np.nanmax(counts)) / bin_s
    data = from_arrays(counts, region, bin_s, inputs, index, evoked, highest_rate_hz)
    return data._replace(indicator_s=decay_s, per_count=per_count)


def equivalent_counts(fluorescence: Array, condition: Array, bin_s: float, decay_s: float) -> tuple[Array, Array]:
    """Convert fluorescence to counts: differences without the decay, with a noise variance that equals their mean.

    Parameters
    ----------
    fluorescence : (trial, time, unit) fluorescence, NaN where missing.
    condition : (trial,) index of the condition of every trial.
    bin_s : bin width in seconds.
    decay_s : decay time of the indicator in seconds; 0 for activity without an indicator.

    Returns
    -------
    (trial, time, unit) counts, which are no whole numbers and can be negative, NaN where missing; (unit,) fluorescence
    of a unit with one count in every bin.
    """
    keep = share_kept(bin_s, decay_s)
    off, scale = _standardised(fluorescence, condition)
    at_once, next_bin = private_autocovariance(off, range(2))
    noise = ((1 + keep**2) * at_once - 2 * keep * next_bin) * scale**2
    baseline = np.minimum(np.nanquantile(fluorescence, BASELINE_QUANTILE, axis=(0, 1)), 0)
    difference = undecayed(fluorescence - baseline, bin_s, decay_s)
    noise = np.maximum(noise, MIN_NOISE_SHARE * np.nanvar(difference, (0, 1)))
    tiny = np.finfo(float).tiny
    size = np.maximum(noise, tiny) / np.maximum(np.nanmean(difference, (0, 1)), tiny)
    return difference / size, size / (1 - keep)


def undecayed(fluorescence: Array, bin_s: float, decay_s: float) -> Array:
    """Subtract what is left of the fluorescence of the previous bin: y[k] - exp(-bin / decay) y[k-1].

    The first bin of a trial and bins after a missing bin have no value.

    Parameters
    ----------
    fluorescence : (trial, time, unit) fluorescence, NaN where missing.
    bin_s : bin width in seconds.
    decay_s : decay time of the indicator in seconds; 0 for activity without an indicator, which is returned as it is.
    """
    if not decay_s:
        return fluorescence
    difference = np.full_like(fluorescence, np.nan)
    difference[:, 1:] = fluorescence[:, 1:] - share_kept(bin_s, decay_s) * fluorescence[:, :-1]
    return difference


def _standardised(fluorescence: Array, condition: Array) -> tuple[Array, Array]:
    """Return fluorescence of unit variance about the average response of its condition, and the (unit,) scale."""
    off = fluorescence - np.nanmean(fluorescence, (0, 1))
    for label in np.unique(condition):
        chosen = condition == label
        if chosen.sum() >= MIN_TRIALS_PER_AVERAGE:
            seen = np.isfinite(off[chosen])
            average = np.nansum(off[chosen], 0) / np.maximum(seen.sum(0), 1)
            off[chosen] -= average
    scale = np.nanstd(off, (0, 1))
    scale[scale == 0] = 1
    return off / scale, scale
