"""Tables of the experiments: effects on regions, latents and readouts, effects over time, and effects on every unit."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.special import stdtrit as t_quantile

from curbd.inactivation.experiments import Outcome
from curbd.inactivation.rates_in_hz import in_hz
from curbd.inactivation.support import model_error_factor, reached_regions, verdict
from curbd.pathways.multiplicity import benjamini_hochberg

Array = np.ndarray


def inactivation_table(outcome: Outcome, pathways: pd.DataFrame | None = None) -> pd.DataFrame:
    """Build the table ``inactivations``: the effect of every perturbation on every target, in the time window.

    Parameters
    ----------
    outcome : results of the experiments.
    pathways : the table ``pathways`` of these fits; without this table no effect has a verdict.

    Returns
    -------
    The table, one row per seed, perturbation, condition and target.
    """
    perturbations, effects = outcome.perturbations, outcome.fit_effects
    square, mean = (effects.in_window(values, perturbations) for values in (effects.square, effects.mean))
    low, high = interval(outcome, mean)
    agreement = predicted_r2(outcome, square, model_error_factor(pathways))
    fit, perturbation, condition, target = cells = _cells(outcome, square)
    table = _identity(outcome, fit, perturbation)
    for column in ("kind", "strength", "start_s", "stop_s"):
        table[column] = [getattr(perturbations[index], column) for index in perturbation]
    table["target"] = np.array(outcome.targets)[target]
    table["target_kind"] = np.array(outcome.target_kinds)[target]
    table["condition"] = np.array(outcome.conditions)[condition]
    table["effect_rms"] = np.sqrt(square[cells])
    table["expected_rms"] = np.sqrt(expected(outcome, square))[cells[1:]]
    table["effect_mean"] = mean[cells]
    table["expected_mean"] = expected(outcome, mean)[cells[1:]]
    table["ci_low"], table["ci_high"] = low[cells[1:]], high[cells[1:]]
    table["predicted_r2"] = agreement[cells[1:]]
    for column, values in zip(("null_low", "null_high", "p_value"), outcome.null, strict=True):
        table[column] = values[cells]
    # A model may have many latents: correcting for them together with regions would hide effects on regions.
    family = table.groupby(["seed", "target_kind"])["p_value"]
    table["q_value"] = family.transform(lambda p: benjamini_hochberg(p.to_numpy()))
    unknown = np.full(square.shape[1:], np.nan)
    for column, exactness in zip(
        ("robust_bits", "robust_noise"), outcome.robustness or (unknown, unknown), strict=True
    ):
        table[column] = exactness[cells[1:]]
    share, last_region = _perturbed_share(outcome), len(outcome.regions) - 1
    share_of_row = share[perturbation, np.minimum(target, last_region)]
    table["perturbed_share"] = np.where(target <= last_region, share_of_row, np.nan)
    n_other_targets = len(outcome.targets) - len(outcome.readouts)
    r2 = np.array([np.nan] * n_other_targets + [readout.r2 for readout in outcome.readouts])
    table["readout_r2"] = r2[target]
    table["verdict"], table["reason"] = _verdicts(outcome, cells, agreement, pathways)
    return table.assign(**_columns_in_hz(outcome, cells), **_true_columns(outcome, cells))


def _columns_in_hz(outcome: Outcome, cells: tuple[Array, ...]) -> dict[str, Array]:
    """Compute the columns of the table ``inactivations`` in Hz; no columns if the rates are not in Hz."""
    rates = in_hz(outcome)
    if rates is None:
        return {}
    effect, intact = rates
    return {
        "effect_hz": effect[cells],
        "expected_hz": expected(outcome, effect)[cells[1:]],
        "intact_hz": intact[cells],
    }


def _true_columns(outcome: Outcome, cells: tuple[Array, ...]) -> dict[str, Array]:
    """Compute the columns of the table ``inactivations`` about the true network; no columns without a true network.

    Latents of a fit do not exist in the true network: rows about them are NaN.
    """
    effects, true_effects, perturbations = outcome.fit_effects, outcome.true_effects, outcome.perturbations
    if true_effects is None:
        return {}
    _, perturbation, _, target = cells
    square = true_effects.in_window(true_effects.square, perturbations)
    mean = true_effects.in_window(true_effects.mean, perturbations)
    removes_no_latent = np.array([not entry.action.latents for entry in perturbations], dtype=bool)
    comparable = removes_no_latent[perturbation] & (np.array(outcome.target_kinds)[target] != "latent")
    true_square = np.where(comparable, square[0][cells[1:]], np.nan)
    divisor = np.where(true_square > 0, true_square, np.nan)
    columns = {
        "true_rms": np.sqrt(true_square),
        "true_mean": np.where(comparable, mean[0][cells[1:]], np.nan),
        "true_r2": 1 - effects.square_from_truth[cells] / divisor,
    }
    if len(effects.square) > outcome.n_seeds:
        columns["expected_true_r2"] = 1 - effects.expected_square_from_truth[0][cells[1:]] / divisor
    return columns


def timecourse_table(outcome: Outcome) -> pd.DataFrame:
    """Build the table ``inactivation_timecourses``: the effects on all targets in every bin of the trial."""
    effects, true_effects = outcome.fit_effects, outcome.true_effects
    low, high = interval(outcome, effects.mean)
    fit, perturbation, condition, time, target = cells = _cells(outcome, effects.mean)
    table = _identity(outcome, fit, perturbation)
    table["target"] = np.array(outcome.targets)[target]
    table["condition"] = np.array(outcome.conditions)[condition]
    table["time_s"] = outcome.recording["time"].values[time]
    table["effect_mean"] = effects.mean[cells]
    table["effect_rms"] = np.sqrt(effects.square[cells])
    table["ci_low"], table["ci_high"] = low[cells[1:]], high[cells[1:]]
    table["intact_mean"] = effects.intact[cells]
    if true_effects is not None:
        table["true_mean"] = true_effects.mean[0][cells[1:]]
        table["true_rms"] = np.sqrt(true_effects.square[0][cells[1:]])
    return table


def unit_table(outcome: Outcome) -> pd.DataFrame:
    """Build the table ``inactivation_units``: the effect on every unit, in the time window of the perturbation."""
    effects, true_effects = outcome.fit_effects, outcome.true_effects
    low, high = interval(outcome, effects.unit_mean)
    fit, perturbation, condition, unit = cells = _cells(outcome, effects.unit_mean)
    table = _identity(outcome, fit, perturbation)
    table["unit_id"] = outcome.recording["unit_id"].values.astype(str)[unit]
    table["region"] = outcome.recording["region"].values.astype(str)[unit]
    table["condition"] = np.array(outcome.conditions)[condition]
    table["perturbed"] = outcome.direct[perturbation, unit]
    table["effect_mean"] = effects.unit_mean[cells]
    table["expected_mean"] = expected(outcome, effects.unit_mean)[cells[1:]]
    table["effect_rms"] = np.sqrt(effects.unit_square[cells])
    table["ci_low"], table["ci_high"] = low[cells[1:]], high[cells[1:]]
    table["intact_mean"] = effects.unit_intact[cells]
    if true_effects is not None:
        table["true_mean"] = true_effects.unit_mean[0][cells[1:]]
        table["true_rms"] = np.sqrt(true_effects.unit_square[0][cells[1:]])
    return table


def interval(outcome: Outcome, values: Array) -> tuple[Array, Array]:
    """Compute the 95 % interval of effects, one interval for all seeds.

    The interval is a prediction interval (Student's t) from the effects in networks that were drawn from the posterior
    of the first fit: the true effect counts as one more draw. If no network was drawn, the interval comes from the
    spread over seeds.

    Parameters
    ----------
    outcome : results of the experiments.
    values : (member, ...) effects in all members.

    Returns
    -------
    Lower and upper ends (...); NaN with a single seed and no posterior.
    """
    seeds, drawn = values[: outcome.n_seeds], values[outcome.n_seeds :]
    if len(drawn) > 1:
        middle, n_drawn = drawn.mean(0), len(drawn)
        half = t_quantile(n_drawn - 1, 0.975) * drawn.std(0, ddof=1) * np.sqrt(1 + 1 / n_drawn)
    elif len(seeds) > 1:
        middle, half = seeds[0], t_quantile(len(seeds) - 1, 0.975) * seeds.std(0, ddof=1)
    else:
        middle, half = seeds[0], np.full_like(seeds[0], np.nan)
    return middle - half, middle + half


def expected(outcome: Outcome, values: Array) -> Array:
    """Average values (member, ...) over the networks drawn from the posterior; NaN without drawn networks.

    This average has the smallest expected squared error, for an effect and for a squared effect. The weights of a fit
    are shrunk towards zero, the more the less the data determine them, so that the effects in a fit are too small. The
    weights of drawn networks are not shrunk. If a network has several stable states, a fit ends in one of these states,
    whereas drawn networks end in each of the states with the posterior probability of the state.
    """
    drawn = values[outcome.n_seeds :]
    return drawn.mean(0) if len(drawn) else np.full(values.shape[1:], np.nan)


def effect_size(inactivations: pd.DataFrame) -> pd.Series[float]:
    """Return the best estimate of the size of every effect: ``expected_rms``, or ``effect_rms`` without a posterior.

    Parameters
    ----------
    inactivations : rows of the table ``inactivations``.

    Returns
    -------
    (row,) sizes, in the units of ``effect_rms``.
    """
    return inactivations["expected_rms"].fillna(inactivations["effect_rms"])


def predicted_r2(outcome: Outcome, square: Array, model_error: float = 1.0) -> Array:
    """Compute the share of the squared effect in the first fit that is expected to be true: C^2 / (C^2 + k V).

    C^2 is the mean squared effect in the first fit. V is the mean squared difference between the effect in the first
    fit and the effect in the drawn networks or, if the estimator has no posterior, in the fits of the other seeds. The
    factor k of the model error is 1 if nothing is missing in the network.

    Parameters
    ----------
    outcome : results of the experiments.
    square : (member, perturbation, condition, target) mean squared effects in the time window.
    model_error : squared error of an effect over that which the posterior gives, from `model_error_factor`.

    Returns
    -------
    (perturbation, condition, target) share; NaN with a single seed and no posterior.
    """
    first_compared = outcome.n_seeds if len(square) > outcome.n_seeds else 1
    differences = outcome.fit_effects.square_from_first[first_compared:]
    if not len(differences):
        return np.full(square.shape[1:], np.nan)
    total = square[0] + model_error * differences.mean(0)
    return np.where(total > 0, square[0] / np.where(total > 0, total, 1), np.nan)


def _cells(outcome: Outcome, values: Array) -> tuple[Array, ...]:
    """List the rows of a table as indices (fit, perturbation, condition, ...): perturbed conditions, observed bins."""
    perturbed = [
        [name in perturbation.conditions for name in outcome.conditions] for perturbation in outcome.perturbations
    ]
    finite = np.isfinite(values[: outcome.n_seeds])
    shape = (1, *finite.shape[1:3], *[1] * (finite.ndim - 3))
    return np.nonzero(finite & np.array(perturbed, dtype=bool).reshape(shape))


def _identity(outcome: Outcome, fit: Array, perturbation: Array) -> pd.DataFrame:
    """Build the columns that identify the fit and the perturbation of each row, from their indices (row,)."""
    perturbations = outcome.perturbations
    return pd.DataFrame(
        {
            "recording": outcome.recording.attrs["recording"],
            "model": outcome.networks.attrs["model"],
            "seed": outcome.networks["seed"].values[fit],
            "perturbation": np.array([entry.name for entry in perturbations], dtype=str)[perturbation],
            "experiment": np.array([entry.experiment for entry in perturbations], dtype=str)[perturbation],
            "acts_on": np.array([entry.acts_on for entry in perturbations], dtype=str)[perturbation],
            "fraction": np.array([entry.fraction for entry in perturbations], dtype=float)[perturbation],
        }
    )


def _perturbed_share(outcome: Outcome) -> Array:
    """Compute the share (perturbation, region) of the region's units whose rates or currents are changed directly."""
    region = outcome.recording["region"].values.astype(str)
    return np.stack([outcome.direct[:, region == name].mean(1) for name in outcome.regions], axis=1)


def _verdicts(
    outcome: Outcome, cells: tuple[Array, ...], agreement: Array, pathways: pd.DataFrame | None
) -> tuple[list[str], list[str]]:
    """Judge the effect of every row: verdict and reason, which are identical for all seeds.

    Parameters
    ----------
    outcome : results of the experiments.
    cells : (row,) indices of the fit, the perturbation, the condition and the target.
    agreement : (perturbation, condition, target) share of the squared effect that is expected to be true.
    pathways : the table ``pathways``, or None.
    """
    region = outcome.recording["region"].values.astype(str)
    inputs = outcome.input_name
    reached = None if pathways is None else reached_regions(pathways)

    def judged(perturbation: int, condition: int, target: int) -> tuple[str, str]:
        kind = outcome.target_kinds[target]
        if kind != "region":
            return "", f"verdicts exist for effects on regions only, and the target is a {kind}"
        if reached is None:
            return "", "there are no verdicts on pathways, from which verdicts on effects follow"
        return verdict(
            outcome.perturbations[perturbation],
            outcome.targets[target],
            float(agreement[perturbation, condition, target]),
            reached,
            region,
            inputs,
        )

    rows = list(zip(*(indices.tolist() for indices in cells[1:]), strict=True))
    judgements = {row: judged(*row) for row in set(rows)}
    return [judgements[row][0] for row in rows], [judgements[row][1] for row in rows]
