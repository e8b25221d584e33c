"""Population networks of macaque V1 and V2: how much of one area the other predicts, and in which direction.

``python -m benchmarks.population_visual v1v2_stim1.h5`` prints one row for each treatment of the average response.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import h5py
import numpy as np

from lrfit.population_network.analysis import train
from lrfit.population_network.evidence import without
from lrfit.population_network.fit import LOADINGS_EVERY, Fit, improve
from lrfit.population_network.fit_settings import PopulationSettings
from lrfit.population_network.held_out import infer_each
from lrfit.population_network.model import Population
from lrfit.population_network.observation import expected
from lrfit.population_network.recording import Recording, from_arrays, hide, split
from lrfit.population_network.verdict import REFIT_ROUNDS

Array = np.ndarray
AREAS = ("V1", "V2")
RESAMPLES = 2000


def squared_errors(model: Population, held_out: Recording, target: int) -> Array:
    """Predict an area from the other area in held-out trials.

    Parameters
    ----------
    model : the fitted network.
    held_out : the held-out trials.
    target : index of the area that is predicted, whose units are hidden from the network.

    Returns
    -------
    (trial, 2) sums of the squared errors and of the squares about the mean of each unit.
    """
    units = np.flatnonzero(held_out.region == target)
    paths = infer_each(model, hide(held_out, units)).paths
    predicted = expected(model, held_out, paths.mean)[..., units]
    true = held_out.activity[..., units]
    off = true - true.mean((0, 1))
    return np.stack([((true - predicted) ** 2).sum((0, 2)), (off**2).sum((0, 2))], 1)


def losses(fit: Fit, training: Recording, held_out: Recording) -> Array:
    """(trial, 2) log likelihood that held-out trials lose without V1 to V2 and without V2 to V1, in nats."""
    whole = infer_each(improve(fit, training, REFIT_ROUNDS, LOADINGS_EVERY).model, held_out)
    lost = []
    for target, source in ((1, 0), (0, 1)):
        less = improve(without(fit, target, source), training, REFIT_ROUNDS, LOADINGS_EVERY)
        lost.append(whole.nats - infer_each(less.model, held_out, start=whole.paths).nats)
    return np.stack(lost, 1)


def interval(statistic: Array) -> str:
    """Return the middle 95 % of resampled values as text."""
    low, high = np.quantile(statistic, [0.025, 0.975])
    return f"({low:.3g}, {high:.3g})"


def main(path: Path) -> None:
    """Fit both treatments and print all scores.

    Parameters
    ----------
    path : HDF5 file with rates (trial, time, unit) and regions of units.
    """
    with h5py.File(path) as file:
        rates, time_s = file["rates"][:], file["time"][:]
        region = np.array([AREAS.index(name.decode()) for name in file["region"][:]])
    for evoked in (False, True):
        began = time.process_time()
        data = from_arrays(rates, region, float(np.median(np.diff(time_s))), evoked=evoked)
        training, held_out = split(data, None)
        trained = train(training, held_out, settings=PopulationSettings(gaussian=True))
        fit, verdict = trained.fit, trained.verdict
        lost = losses(fit, training, held_out)
        drawn = np.random.default_rng(0).integers(len(lost), size=(RESAMPLES, len(lost)))
        print(
            f"average response {'a source' if evoked else 'no source'}: latents {trained.dimensions.number}, drives "
            f"{trained.drive_gains}, curved gain {trained.curved_gain:.0f} nats"
        )
        for target, name in ((1, "V2 from V1"), (0, "V1 from V2")):
            sums = squared_errors(fit.model, held_out, target)
            of_draws = 1 - sums[drawn, 0].sum(1) / sums[drawn, 1].sum(1)
            print(f"  R2 of {name}: {1 - sums[:, 0].sum() / sums[:, 1].sum():.4f} {interval(of_draws)}")
        for column, (target, source) in enumerate(((1, 0), (0, 1))):
            print(
                f"  {AREAS[source]} to {AREAS[target]}: held-out loss {lost[:, column].sum():.0f} nats "
                f"{interval(lost[drawn, column].sum(1))}, evidence {verdict.evidence.nats[target, source]:.0f} nats, "
                f"expected R2 {verdict.evidence.expected_r2[target, source]:.2f}, "
                f"share {verdict.evidence.share[target, source]:.3f}, "
                f"grounds that fail: {verdict.grounds[target, source] or 'none'}"
            )
        difference = lost[:, 0] - lost[:, 1]
        print(
            f"  loss without V1 to V2 minus loss without V2 to V1: {difference.sum():.0f} nats "
            f"{interval(difference[drawn].sum(1))}; {time.process_time() - began:.0f} s of CPU time"
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.population_visual", description=__doc__)
    parser.add_argument("path", type=Path, help="HDF5 file with rates, time and region of V1 and V2")
    main(parser.parse_args().path)
