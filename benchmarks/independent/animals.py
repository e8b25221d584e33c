"""Animals of our own with shared weights, deviations and missing units: is one network better than one for each?

This question comes with the recordings of worms, in which nobody knows the weights.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import xarray as xr

import curbd
from benchmarks.independent.answers import Answer
from benchmarks.independent.networks import fitted
from curbd.network.truth import correlation
from curbd.teachers import Animals, several_animals

Array = np.ndarray
SHARED_R = "weights that animals share, r"
RECORDED_R = "weights that animals share, r over pairs of units that an animal has both"
ANIMAL_R = "weights of a single animal, r"
DEVIATION_R = "deviations of a single animal, r"
SEEDS = range(5)
CASES: dict[str, Callable[..., Animals]] = {
    "4 animals, 30 % missing": several_animals,
    "three times as long": partial(several_animals, trials=24),
    "8 animals, 50 % missing": partial(several_animals, animals=8, missing=0.5),
}
MODEL = curbd.Model(family="full_rank", seeds=[0])


def answers(files: list[Path]) -> Iterator[Answer]:
    """Do weights from all animals come nearer to the truth than those from single animals?"""
    for case, teacher in CASES.items():
        for seed in SEEDS:
            yield from _of_teacher(f"{case}, seed {seed}", teacher(seed=seed))


def _of_teacher(case: str, teacher: Animals) -> Iterator[Answer]:
    recordings = {
        f"animal{index}": curbd.ingest_rates(rates, name=f"animal{index}").recording
        for index, rates in enumerate(teacher.rates)
    }
    shared = curbd.shared_network(recordings)
    order = np.array([list(teacher.unit_id).index(unit) for unit in shared["target"].values])
    true, deviations = (values[..., order, :][..., order] for values in (teacher.network.J, teacher.deviation))
    single = np.array([_single(recording, shared.sel(animal=name)) for name, recording in recordings.items()])
    seen = np.isfinite(single).any(0) & ~np.eye(len(order), dtype=bool)
    mean = np.nansum(single, 0) / np.maximum(np.isfinite(single).sum(0), 1)
    off = ~np.eye(len(order), dtype=bool)
    J, own = shared["J"].values, shared["deviation"].values
    for question, chosen in ((SHARED_R, off), (RECORDED_R, seen)):
        yield Answer(question, case, "shared network", "model", correlation(J[chosen], true[chosen]))
        yield Answer(
            question, case, "mean of networks of single animals", "baseline", correlation(mean[chosen], true[chosen])
        )
    of_single, of_shared, of_deviation = list[float](), list[float](), list[float]()
    for of_animal, deviation, true_deviation in zip(single, own, deviations, strict=True):
        pairs = np.isfinite(of_animal) & off
        true_of_animal = (true + true_deviation)[pairs]
        of_single.append(correlation(of_animal[pairs], true_of_animal))
        of_shared.append(correlation((J + deviation)[pairs], true_of_animal))
        of_deviation.append(correlation(deviation[pairs], (true_deviation - deviations.mean(0))[pairs]))
    yield Answer(ANIMAL_R, case, "shared network and deviations", "model", float(np.mean(of_shared)))
    yield Answer(ANIMAL_R, case, "network of the animal alone", "baseline", float(np.mean(of_single)))
    yield Answer(DEVIATION_R, case, "shared network and deviations", "model", float(np.mean(of_deviation)))


def _single(recording: xr.Dataset, of_animal: xr.Dataset) -> Array:
    """Weights (target, source) of the network of one animal between standardised units; NaN for unrecorded units."""
    units = recording["unit_id"].values.astype(str)
    sd = of_animal["sd"].sel(target=units).values
    where = np.array([list(of_animal["target"].values).index(unit) for unit in units])
    J = np.full((of_animal.sizes["target"],) * 2, np.nan)
    J[np.ix_(where, where)] = curbd.view(recording, fitted(recording, MODEL)).network.J * sd / sd[:, None]
    return J
