"""Fields of three regions whose channels are coupled oscillators, as a recording of LFP or ECoG has them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from curbd.network.oscillators import Oscillators, simulate

Array = np.ndarray
FIELD_DT_S = 0.004
"""Time between samples of fields, in seconds."""
FIELD_BURN_IN_S = 1.0
"""Time from rest that is simulated before the first sample, in seconds."""


class FieldTeacher(NamedTuple):
    """A recording of fields and the oscillators that made it.

    Attributes
    ----------
    fields : (trial, time, channel) recorded fields, with the noise of the recording.
    true_fields : (trial, time, channel) fields x of the oscillators, without this noise.
    region : (channel,) region labels.
    oscillators : the true oscillators, one for each channel.
    """

    fields: Array
    true_fields: Array
    region: Array
    oscillators: Oscillators


def coupled_oscillators(
    *, trials: int = 1, samples: int = 50_000, noise_share: float = 0.1, seed: int = 0
) -> FieldTeacher:
    """Simulate nine oscillators of 6 to 20 Hz in three regions, which are coupled by a force that saturates.

    All oscillators are driven by independent noise and sampled at 250 Hz. The equation is that of Effenberger,
    Carvalho, Dubinin & Singer (PNAS 2025).

    Parameters
    ----------
    trials : number of trials.
    samples : number of samples in each trial.
    noise_share : variance of the noise on the recorded fields, as a share of the variance of the fields.
    seed : seed for frequencies, couplings and all noise.

    Returns
    -------
    The recording together with the oscillators that made it.
    """
    rng = np.random.default_rng(seed)
    region = np.repeat(["A", "B", "C"], 3)
    n = len(region)
    K = 2.0 * rng.standard_normal((n, n)) * ~np.eye(n, dtype=bool)
    oscillators = Oscillators(
        omega=2 * np.pi * rng.uniform(6, 20, n),
        gamma=rng.uniform(1.5, 4, n),
        K=K,
        B=np.zeros((n, 0)),
        b=np.zeros(n),
        saturation=200.0,
        dt_s=FIELD_DT_S,
    )
    before = round(FIELD_BURN_IN_S / FIELD_DT_S)
    x = simulate(oscillators, np.zeros((trials, before + samples, 0)), noise_sd=1.0, rng=rng)[:, before:]
    noise = np.random.default_rng([seed, 1]).standard_normal(x.shape)
    return FieldTeacher(x + np.sqrt(noise_share) * x.std((0, 1)) * noise, x, region, oscillators)
