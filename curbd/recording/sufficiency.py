"""Whether a recording holds enough data for each level of analysis, told before anything is fitted.

At the level of single units, every weight of a network needs training bins. At the level of populations, the state of a
region is seen through its recorded units. At both levels, the null of a pathway exchanges trials of a condition, and a
pathway between regions needs two regions.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from typing import NamedTuple

import numpy as np
import xarray as xr

from curbd.beside_limit import beside_limit

MIN_BINS_PER_WEIGHT = 5.0
"""Smallest number of training bins per weight with which a network of single units can be judged."""
MIN_UNITS_OF_A_POPULATION = 10
"""Regions with fewer units show the state of their population badly (docs/populations.md)."""
MIN_TRAINING_TRIALS_PER_CONDITION = 4
"""With fewer trials of a condition, the null of a pathway shifts a source in time instead of exchanging trials."""
SHORTAGES_OF_LEVEL = {"unit": "single units", "population": "populations"}
"""What a shortage of data is about, for each level of a model's statements."""
MAX_SMALL_REGIONS_LISTED = 6
"""Longer lists of regions are cut."""


class Amount(NamedTuple):
    """How much a recording holds.

    Attributes
    ----------
    units : region -> number of units that are fitted.
    bins : number of training bins that are followed by a bin of the same trial.
    inputs : number of inputs.
    trials : condition -> number of training trials.
    """

    units: Mapping[str, int]
    bins: int
    inputs: int
    trials: Mapping[str, int]


class Statement(NamedTuple):
    """A sentence on the data for one purpose, and whether the data are enough.

    Attributes
    ----------
    about : ``regions``, ``single units``, ``populations`` or ``trials``; the text begins with these words.
    enough : True if the data are enough.
    text : the sentence.
    """

    about: str
    enough: bool
    text: str


def amount_of_recording(recording: xr.Dataset) -> Amount:
    """Count the units, training bins, inputs and training trials of a recording."""
    train = recording["split"].values == "train"
    known = np.isfinite(recording["rates"].transpose("trial", "time", "unit").values).all(2)[train]
    return Amount(
        units=_counts(recording["region"].values),
        bins=int((known[:, :-1] & known[:, 1:]).sum()),
        inputs=recording.sizes["input"],
        trials=_counts(recording["condition"].values[train]),
    )


def expected_amount(
    region: np.ndarray, inside: np.ndarray, condition: np.ndarray, inputs: int, test_fraction: float
) -> Amount:
    """Estimate how much a recording will hold, from its trials and units before the activity is read.

    Parameters
    ----------
    region : (unit,) regions of the units that will be fitted.
    inside : (trial, bin) bool, True for the bins of each trial.
    condition : (trial,) conditions.
    inputs : number of inputs.
    test_fraction : share of the trials that will be held out.

    Returns
    -------
    The expected amount.
    """
    share = 1 - test_fraction
    return Amount(
        units=_counts(region),
        bins=round(share * int((inside[:, :-1] & inside[:, 1:]).sum())),
        inputs=inputs,
        trials={name: round(share * count) for name, count in _counts(condition).items()},
    )


def statements(amount: Amount) -> list[Statement]:
    """Say in one sentence each whether the data are enough for pathways, single units, populations, and the null.

    Parameters
    ----------
    amount : how much the recording holds.

    Returns
    -------
    The sentences on the number of regions, bins per weight, units per region, and trials per condition.
    """
    return [_regions(amount), _single_units(amount), _populations(amount), _trials(amount)]


def shortages(
    amount: Amount, about: Collection[str] = ("regions", "single units", "populations", "trials")
) -> list[str]:
    """Return the sentences on what is not enough, for some purposes (see `Statement`)."""
    return [statement.text for statement in statements(amount) if not statement.enough and statement.about in about]


def _regions(amount: Amount) -> Statement:
    names = list(amount.units)
    if len(names) > 1:
        n_pathways = len(names) * (len(names) - 1)
        return Statement("regions", True, f"regions: {len(names)}, with {n_pathways} pathways between them.")
    known = f"only one region ({names[0]})" if names else "no region"
    text = f"regions: {known}, so that there is no pathway between regions to judge."
    return Statement("regions", False, text)


def _single_units(amount: Amount) -> Statement:
    n_units = sum(amount.units.values())
    per_weight = amount.bins / max(n_units + amount.inputs + 1, 1)
    shown = beside_limit(per_weight, MIN_BINS_PER_WEIGHT, ".0f" if per_weight >= 2 * MIN_BINS_PER_WEIGHT else ".1f")
    known = f"single units: {shown} training bins per weight ({amount.bins} bins, {n_units} units)"
    if per_weight >= MIN_BINS_PER_WEIGHT:
        return Statement("single units", True, f"{known}; {MIN_BINS_PER_WEIGHT:g} are needed.")
    most = max(int(amount.bins / MIN_BINS_PER_WEIGHT) - amount.inputs - 1, 0)
    needed = [f"at most {most} units"] if most > 1 else []
    if amount.bins:
        # Rounded up, so that this number of bins is enough.
        times = math.ceil(10 * MIN_BINS_PER_WEIGHT / per_weight) / 10
        needed.append(f"{times:.1f} times as many bins (trials, longer windows)")
    return Statement(
        "single units",
        False,
        f"{known}, fewer than the {MIN_BINS_PER_WEIGHT:g} that are needed: no pathway between single units can be "
        f"resolved. Needed are {', '.join([*needed, 'or a model of populations'])}.",
    )


def one_unit_regions(units: Mapping[str, int]) -> str:
    """Say that most regions have one unit, as averages over regions have; '' if most regions have more.

    Parameters
    ----------
    units : region -> number of units.
    """
    single = sum(count == 1 for count in units.values())
    if 2 * single <= len(units):
        return ""
    return (
        f"{single} of {len(units)} regions have one unit, which says nothing about a population of units: fit networks "
        "of these units instead (full_rank), or merge regions (regions.merge)."
    )


def _populations(amount: Amount) -> Statement:
    if single := one_unit_regions(amount.units):
        return Statement("populations", False, f"populations: {single}")
    small = sorted(name for name, count in amount.units.items() if count < MIN_UNITS_OF_A_POPULATION)
    fewest = min(amount.units.values(), default=0)
    if not small:
        return Statement(
            "populations",
            True,
            f"populations: at least {fewest} units in every region; {MIN_UNITS_OF_A_POPULATION} show the state of a "
            "population.",
        )
    listed = ", ".join(f"{name} ({amount.units[name]})" for name in small[:MAX_SMALL_REGIONS_LISTED])
    listed += ", ..." if len(small) > MAX_SMALL_REGIONS_LISTED else ""
    return Statement(
        "populations",
        False,
        f"populations: fewer than {MIN_UNITS_OF_A_POPULATION} units in {listed}, which show the state of a population "
        "badly: expect wide intervals for the pathways of these regions, or merge regions (regions.merge).",
    )


def _trials(amount: Amount) -> Statement:
    few = [name for name, count in amount.trials.items() if count < MIN_TRAINING_TRIALS_PER_CONDITION]
    fewest = min(amount.trials.values(), default=0)
    if not few:
        return Statement("trials", True, f"trials: at least {fewest} training trials in every condition.")
    return Statement(
        "trials",
        False,
        f"trials: {len(few)} of {len(amount.trials)} conditions have fewer than {MIN_TRAINING_TRIALS_PER_CONDITION} "
        "training trials, so that the null of a pathway shifts sources in time instead of exchanging trials: merge "
        "conditions (windows.conditions), or use more or shorter trials.",
    )


def _counts(labels: np.ndarray) -> dict[str, int]:
    names, counts = np.unique(np.asarray(labels).astype(str), return_counts=True)
    return {str(name): int(count) for name, count in zip(names, counts, strict=True)}
