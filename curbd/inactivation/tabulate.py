"""The tables of the bench: effects on regions, latents and readouts, the same over time, and effects on every unit."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import stats

from curbd.inactivation.bench import Outcome
from curbd.inactivation.support import resolved, verdict
from curbd.pathways.multiplicity import benjamini_hochberg

Array = np.ndarray


def inactivation_table(found: Outcome, pathways: pd.DataFrame | None = None) -> pd.DataFrame:
    """The table ``inactivations``: the effect of every perturbation on every target, in its window.

    Parameters
    ----------
    pathways : the table ``pathways`` of the same fits; without it no effect has a verdict.
    """
    plan, n_regions = found.plan, len(found.regions)
    square, mean = (found.fits.in_window(values, plan) for values in (found.fits.square, found.fits.mean))
    low, high = interval(found, mean)
    agreement = predicted_r2(found, square)
    seed, which, condition, target = at = _cells(found, square)
    table = _named(found, seed, which)
    table["kind"] = [plan[number].kind for number in which]
    table["strength"] = [plan[number].strength for number in which]
    table["start_s"] = [plan[number].start_s for number in which]
    table["stop_s"] = [plan[number].stop_s for number in which]
    table["target"] = np.array(found.targets)[target]
    table["target_kind"] = np.array(found.target_kinds)[target]
    table["condition"] = np.array(found.conditions)[condition]
    table["effect_rms"] = np.sqrt(square[at])
    table["expected_rms"] = np.sqrt(expected(found, square))[at[1:]]
    table["effect_mean"] = mean[at]
    table["expected_mean"] = expected(found, mean)[at[1:]]
    table["ci_low"], table["ci_high"] = low[at[1:]], high[at[1:]]
    table["predicted_r2"] = agreement[at[1:]]
    for column, values in zip(("null_low", "null_high", "p_value"), found.null, strict=True):
        table[column] = values[at]
    # A model may have many latents: they must not hide what regions do.
    family = table.groupby(["seed", "target_kind"])["p_value"]
    table["q_value"] = family.transform(lambda p: benjamini_hochberg(p.to_numpy()))
    share = _perturbed_share(found)
    table["perturbed_share"] = np.where(target < n_regions, share[which, np.minimum(target, n_regions - 1)], np.nan)
    r2 = np.array([np.nan] * (len(found.targets) - len(found.readouts)) + [one.r2 for one in found.readouts])
    table["readout_r2"] = r2[target]
    table["verdict"], table["reason"] = _verdicts(found, at, agreement, pathways)
    if found.truth is not None:
        true_square, true_mean = (
            found.truth.in_window(values, plan) for values in (found.truth.square, found.truth.mean)
        )
        # A latent of a fit is none of the true network.
        known = np.array([not one.action.latents for one in plan], dtype=bool)[which] & (
            table["target_kind"] != "latent"
        )
        true = np.where(known, true_square[0][at[1:]], np.nan)
        table["true_rms"] = np.sqrt(true)
        table["true_mean"] = np.where(known, true_mean[0][at[1:]], np.nan)
        moved = np.where(true > 0, true, np.nan)
        table["true_r2"] = 1 - found.fits.true_missed[at] / moved
        if len(square) > found.n_seeds:
            table["expected_true_r2"] = 1 - found.fits.expected_missed[0][at[1:]] / moved
    return table


def timecourse_table(found: Outcome) -> pd.DataFrame:
    """The table ``inactivation_timecourses``: the same effects over the time of the whole trial."""
    fits = found.fits
    low, high = interval(found, fits.mean)
    seed, which, condition, time, target = at = _cells(found, fits.mean)
    table = _named(found, seed, which)
    table["target"] = np.array(found.targets)[target]
    table["condition"] = np.array(found.conditions)[condition]
    table["time_s"] = found.recording["time"].values[time]
    table["effect_mean"] = fits.mean[at]
    table["effect_rms"] = np.sqrt(fits.square[at])
    table["ci_low"], table["ci_high"] = low[at[1:]], high[at[1:]]
    table["intact_mean"] = fits.intact[at]
    if found.truth is not None:
        table["true_mean"] = found.truth.mean[0][at[1:]]
        table["true_rms"] = np.sqrt(found.truth.square[0][at[1:]])
    return table


def unit_table(found: Outcome) -> pd.DataFrame:
    """The table ``inactivation_units``: the effect on every unit, in the window of the perturbation."""
    fits = found.fits
    low, high = interval(found, fits.unit_mean)
    seed, which, condition, unit = at = _cells(found, fits.unit_mean)
    table = _named(found, seed, which)
    table["unit_id"] = found.recording["unit_id"].values.astype(str)[unit]
    table["region"] = found.recording["region"].values.astype(str)[unit]
    table["condition"] = np.array(found.conditions)[condition]
    table["perturbed"] = found.direct[which, unit]
    table["effect_mean"] = fits.unit_mean[at]
    table["expected_mean"] = expected(found, fits.unit_mean)[at[1:]]
    table["effect_rms"] = np.sqrt(fits.unit_square[at])
    table["ci_low"], table["ci_high"] = low[at[1:]], high[at[1:]]
    table["intact_mean"] = fits.unit_intact[at]
    if found.truth is not None:
        table["true_mean"] = found.truth.unit_mean[0][at[1:]]
        table["true_rms"] = np.sqrt(found.truth.unit_square[0][at[1:]])
    return table


def interval(found: Outcome, values: Array) -> tuple[Array, Array]:
    """95 % interval of effects (member, ...), one for all seeds.

    From the networks drawn from the posterior of the first fit, among which the true effect is one more draw
    (Student's t); where there are none, from the spread over seeds.
    """
    seeds, drawn = values[: found.n_seeds], values[found.n_seeds :]
    if len(drawn) > 1:
        middle, number = drawn.mean(0), len(drawn)
        half = stats.t.ppf(0.975, number - 1) * drawn.std(0, ddof=1) * np.sqrt(1 + 1 / number)
    elif len(seeds) > 1:
        middle, half = seeds[0], stats.t.ppf(0.975, len(seeds) - 1) * seeds.std(0, ddof=1)
    else:
        middle, half = seeds[0], np.full_like(seeds[0], np.nan)
    return middle - half, middle + half


def expected(found: Outcome, values: Array) -> Array:
    """Mean of values (member, ...) over the networks drawn from the posterior; NaN where there are none.

    The estimate of least expected squared error, of an effect as of its square. The weights of a fit are shrunk towards
    zero by as much as the data leave open, and the size of its effects with them; those of drawn networks are not. And
    where a network has several states of rest, a fit ends in one of them, drawn networks in each as often as is likely.
    """
    drawn = values[found.n_seeds :]
    return drawn.mean(0) if len(drawn) else np.full(values.shape[1:], np.nan)


def predicted_r2(found: Outcome, square: Array) -> Array:
    """Share of the squares of the first fit's effect that is expected to be true: C^2 / (C^2 + V).

    C^2 is the mean square (member, ...) of the effect and V that of what separates the effect in drawn networks (or,
    where the estimator has no posterior, in the fits of the other seeds) from it; NaN with one seed and no posterior.
    """
    others = found.fits.missed[found.n_seeds :] if len(square) > found.n_seeds else found.fits.missed[1:]
    if not len(others):
        return np.full(square.shape[1:], np.nan)
    total = square[0] + others.mean(0)
    return np.where(total > 0, square[0] / np.where(total > 0, total, 1), np.nan)


def _cells(found: Outcome, values: Array) -> tuple[Array, ...]:
    """Indices (seed, perturbation, condition, ...) of what goes into a table: perturbed and observed."""
    done = np.array([[name in one.conditions for name in found.conditions] for one in found.plan], dtype=bool)
    known = np.isfinite(values[: found.n_seeds])
    return np.nonzero(known & done.reshape(1, *known.shape[1:3], *[1] * (known.ndim - 3)))


def _named(found: Outcome, seed: Array, which: Array) -> pd.DataFrame:
    """The columns that say which fit and which perturbation."""
    return pd.DataFrame(
        {
            "recording": found.recording.attrs["recording"],
            "model": found.networks.attrs["model"],
            "seed": found.networks["seed"].values[seed],
            "perturbation": np.array([one.name for one in found.plan], dtype=str)[which],
            "experiment": np.array([one.experiment for one in found.plan], dtype=str)[which],
            "acts_on": np.array([one.acts_on for one in found.plan], dtype=str)[which],
            "fraction": np.array([one.fraction for one in found.plan], dtype=float)[which],
        }
    )


def _perturbed_share(found: Outcome) -> Array:
    """(perturbation, region) share of the region's units whose activity is set or pushed directly."""
    region = found.recording["region"].values.astype(str)
    return np.stack([found.direct[:, region == name].mean(1) for name in found.regions], axis=1)


def _verdicts(
    found: Outcome, at: tuple[Array, ...], expected: Array, pathways: pd.DataFrame | None
) -> tuple[list[str], list[str]]:
    """Verdict and reason of every row; the same for all seeds."""
    region = found.recording["region"].values.astype(str)
    inputs = found.view.input_name
    reaches = None if pathways is None else resolved(pathways)

    def judged(which: int, condition: int, target: int) -> tuple[str, str]:
        kind = found.target_kinds[target]
        if kind != "region":
            return "", f"pathways have no verdict on a {kind}"
        if reaches is None:
            return "", "no verdicts on pathways were given"
        return verdict(
            found.plan[which],
            found.targets[target],
            float(expected[which, condition, target]),
            reaches,
            region,
            inputs,
        )

    cells = list(zip(*(numbers.tolist() for numbers in at[1:]), strict=True))
    known = {cell: judged(*cell) for cell in set(cells)}
    return [known[cell][0] for cell in cells], [known[cell][1] for cell in cells]
