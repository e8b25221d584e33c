"""Signs on what groups of units send, in population networks with an excitatory and an inhibitory group per region.

``python -m benchmarks.population_signs SEED...`` measures teachers whose groups obey Dale's law. The network has one
latent per group, and is fitted freely, with the signs of the groups, and with the opposite signs; a fourth fit has the
signs, and units that were dealt to the groups of their region at random. The table of ``docs/biology.md`` is the mean
over seeds.
"""

from __future__ import annotations

import argparse

import numpy as np
import pandas as pd

from lrfit.population_network.currents import currents
from lrfit.population_network.fit import Fit, improve, restart, start
from lrfit.population_network.held_out import held_out_nats
from lrfit.population_network.model import Population
from lrfit.population_network.recording import Recording, from_arrays, split
from lrfit.population_network.signs import ROUNDS_PER_PASS, SIGN_PASSES, with_signs, wrong_share
from lrfit.population_network.silencing import silence
from lrfit.population_network.simulation import simulate

Array = np.ndarray
BIN_S, TAU_S, BINS, UNITS_PER_GROUP = 0.02, 0.1, 60, 10
SIGN = np.array([1, -1, 1, -1])
"""Sign of each group: two regions with an excitatory and an inhibitory group each."""
PLACE = np.array([0, 0, 1, 1])
"""Region of each group."""
FREE_ROUNDS = 25


def teacher(seed: int, trials: int) -> tuple[Population, Recording, Array]:
    """Simulate four groups of one latent each, with positive loadings; inhibition is local.

    Returns
    -------
    The true network, its recording, and its latents (time, trial, group).
    """
    rng = np.random.default_rng(seed)
    groups, leak = len(SIGN), float(np.exp(-BIN_S / TAU_S))
    region = np.repeat(np.arange(groups), UNITS_PER_GROUP)
    size = (1 - leak) * rng.uniform(0.3, 0.9, (groups, groups)) * SIGN
    local = PLACE[:, None] == PLACE
    A = np.where(local | (SIGN > 0), size, 0.0)
    absent = rng.permutation(np.argwhere(~local & (SIGN > 0)))[:1]
    A[absent[:, 0], absent[:, 1]] = 0
    condition = np.arange(trials) % 2
    inputs = np.zeros((trials, BINS, 1))
    inputs[:, BINS // 4 :, 0] = np.where(condition, 1.0, -1.0)[:, None]
    shape = from_arrays(np.zeros((trials, BINS, len(region))), region, BIN_S, inputs, condition)
    G = np.zeros((groups, shape.sources.shape[2]))
    G[:, 0] = 0.1 * rng.standard_normal(groups)
    loading = np.exp(0.4 * rng.standard_normal(len(region)))
    model = Population(
        group=np.arange(groups),
        regions=groups,
        leak=np.full(groups, leak),
        A=A,
        G=G,
        Q=0.05 * np.eye(groups),
        curvature=np.ones(groups),
        C=loading[:, None] * (region[:, None] == np.arange(groups)),
        d=np.log(8 * BIN_S) + 0.5 * rng.standard_normal(len(region)),
        noise=np.zeros(0),
        history=np.zeros((len(region), 0)),
        history_lift=np.zeros(len(region)),
        start_mean=np.zeros((2, groups)),
        start_covariance=0.2 * np.eye(groups),
    )
    data, z = simulate(model, shape, rng)
    return model, data, z


def rows_of(seed: int, trials: int) -> list[dict[str, object]]:
    """Fit one teacher in all four ways."""
    truth, data, z = teacher(seed, trials)
    fitted, held_out = split(data)
    dealt = np.random.default_rng(seed).permuted(data.region.reshape(2, -1), axis=1).ravel()
    rows = []
    free: Fit | None = None
    for name, sign, region in (
        ("free", None, data.region),
        ("signs", SIGN, data.region),
        ("opposite signs", -SIGN, data.region),
        ("signs, units dealt at random", SIGN, dealt),
    ):
        training, test, whole = (part._replace(region=region) for part in (fitted, held_out, data))
        if free is None or region is dealt:
            free = improve(start(training, [1] * 4, TAU_S), training, FREE_ROUNDS)
        if sign is None:
            fit = improve(free, training, SIGN_PASSES * ROUNDS_PER_PASS)
        else:
            fit = with_signs(free, training, sign)
        rows.append(
            {
                "seed": seed,
                "trials": trials,
                "fit": name,
                "wrong_share": 0.0 if sign is None else wrong_share(free.model, region, sign),
                "held_out_nats": held_out_nats(fit.model, test).sum(),
                **_against_truth(fit, whole, truth, data, z),
            }
        )
    return rows


def _against_truth(fit: Fit, whole: Recording, truth: Population, data: Recording, z: Array) -> dict[str, float]:
    """Correlate currents between groups, and effects of silencing a group, with those of the true network."""
    paths = restart(fit, whole).paths
    known = paths._replace(mean=z, covariance=0 * paths.covariance)
    of_truth, of_fit = currents(truth, data, known).current, currents(fit.model, whole, paths).current
    r, effects = [], []
    for source in range(4):
        for target in range(4):
            units = data.region == target
            if source != target and truth.A[target, source]:
                r.append(_correlation(of_truth[source][..., units], of_fit[source][..., units]))
        others = data.region != source
        pair = [silence(truth, data, known, source), silence(fit.model, whole, paths, source)]
        effects.append(_correlation(*(effect[..., others] for effect in pair)))
    return {"r_across": float(np.mean(r)), "r_silencing": float(np.mean(effects))}


def _correlation(true: Array, fitted: Array) -> float:
    true, fitted = true - true.mean((0, 1)), fitted - fitted.mean((0, 1))
    size = np.sqrt(np.sum(true**2) * np.sum(fitted**2))
    return float(np.sum(true * fitted) / size) if size > 0 else 0.0


def main(seeds: list[int]) -> None:
    """Measure the teachers of some seeds and print the means."""
    rows = pd.DataFrame([row for seed in seeds for trials in (20, 60) for row in rows_of(seed, trials)])
    free = rows[rows["fit"] == "free"].set_index(["seed", "trials"])["held_out_nats"]
    rows["lost_nats"] = free.reindex(rows.set_index(["seed", "trials"]).index).to_numpy() - rows["held_out_nats"]
    means = rows.drop(columns=["seed", "held_out_nats"]).groupby(["trials", "fit"], sort=False).mean()
    print(means.round(3).to_string())


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.population_signs", description=__doc__)
    parser.add_argument("seeds", type=int, nargs="+", help="seeds of the teachers")
    main(parser.parse_args().seeds)
