"""The simulator of the CURBD publication."""

from __future__ import annotations

import numpy as np
import pandas as pd

from curbd.network.equation import Network, simulate
from curbd.teachers.teacher import CLIP, Teacher

Array = np.ndarray


def published_three_region(*, coupling: float = 0.2, units: int = 100, seed: int = 0) -> Teacher:
    """Simulate the three chaotic regions of the CURBD publication; a moving bump drives B and a step drives C.

    Weights within a region are standard normal random numbers times 1.8 (A) or 1.5 (B, C), divided by sqrt(units).
    Between two regions, five random units receive ``coupling`` times the rate of the unit with the same index. The
    recording is one trial of 12 s in steps of 0.01 s with tau = 0.1 s and without noise; both external drives are
    hidden, and the observed rates of a region are divided by their maximum. Publication: Perich et al., bioRxiv
    2020.12.18.423348.

    Parameters
    ----------
    coupling : weight of a connection between regions: 0.02 in the published Python code, 0.2 in the Matlab code.
    units : number of units in each region.
    seed : seed for the weights, the choice of units and the first state.

    Returns
    -------
    The recording together with the network that made it.
    """
    rng = np.random.default_rng(seed)
    names = ("A", "B", "C")
    region = np.repeat(names, units)
    dt_s, tau_s, n_run, n_lead = 0.01, 0.1, 1001, 200
    J = np.zeros((3 * units, 3 * units))
    for index, gain in enumerate((1.8, 1.5, 1.5)):
        inside = slice(index * units, (index + 1) * units)
        J[inside, inside] = gain * rng.standard_normal((units, units)) / np.sqrt(units)
    for target in range(3):
        for source in range(3):
            if target != source:
                chosen = rng.permutation(units)[:5]
                J[target * units + chosen, source * units + chosen] = coupling
    drive = _published_drive(units, n_run, n_lead)
    for index, sign in ((1, 1.0), (2, -1.0)):
        weights = np.zeros(units)
        weights[rng.permutation(units)[: units // 2]] = sign
        drive[:, index * units : (index + 1) * units] *= weights
    network = Network(J=J, B=np.zeros((3 * units, 0)), b=np.zeros(3 * units), tau_s=tau_s, dt_s=dt_s)
    x0 = rng.uniform(-1, 1, (1, 3 * units))
    n_samples = n_run + n_lead
    rates = simulate(network, x0, np.zeros((1, n_samples, 0)), drive=drive[None])
    largest = np.repeat([np.abs(rates[..., region == name]).max() for name in names], units)
    return Teacher(
        rates=np.clip(rates / largest, -CLIP, CLIP),
        time_s=np.arange(n_samples) * dt_s,
        region=region,
        inputs=np.zeros((1, n_samples, 0)),
        input_name=[],
        trials=pd.DataFrame(index=range(1)),
        # Observed rates are divided by `largest` and weights multiplied by it: J r is the same current.
        network=network._replace(J=J * largest),
        drive=drive[None],
    )


def _published_drive(units: int, n_run: int, n_lead: int) -> Array:
    """Drive (time, unit) of A (none), B (a moving bump) and C (a bump at rest), before units are chosen and signed."""
    half = n_run // 2 + 1
    position, step = np.arange(units)[:, None], np.arange(n_run)[None]
    bump = np.exp(-((position - 20 * units / 100 - units * step / (n_run / 2)) ** 2) / (2 * (20 * units / 100) ** 2))
    bump[:, half - 100 :] = bump[:, [half - 101]]
    fixed = np.repeat(bump[:, [10]], n_run, axis=1)
    fixed[:, half + 100 :] = bump[:, [300]]
    drive = np.zeros((n_lead + n_run, 3 * units))
    for index, x in ((1, bump), (2, fixed)):
        h = np.log((x + 0.01) / (1 - x + 0.01))
        h = (h - h.min()) / (h - h.min()).max()
        drive[:, index * units : (index + 1) * units] = np.concatenate([np.repeat(h[:, :1], n_lead, 1), h], 1).T
    return drive
