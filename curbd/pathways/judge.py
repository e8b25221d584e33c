"""One verdict a pathway: does the source drive the target, and can the answer be believed?"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from curbd.network.equation import decay, weights
from curbd.network.file import member, posterior, rate_covariance, summed_covariance
from curbd.network.residual import one_step_residual, residual_autocorrelation
from curbd.network.sources import Part, parts, presynaptic
from curbd.network.truth import against_truth, true_current
from curbd.network.view import at_inferred_rates, with_hidden_inputs
from curbd.pathways.agreement import agreement, silencing_effects
from curbd.pathways.multiplicity import benjamini_hochberg
from curbd.pathways.shuffled_source import Null, pathway_null
from curbd.pathways.unrecorded import signs
from curbd.pathways.verdict import Grounds, verdict
from curbd.recording.scaling import scaled_rates
from curbd.regression.moments import choose_penalties, inputs_free, moments
from curbd.regression.transitions import source_of_regressor

Array = np.ndarray


def judge(
    recording: xr.Dataset, networks: xr.Dataset, current: xr.DataArray, truth: xr.Dataset | None = None
) -> pd.DataFrame:
    """The table ``pathways``: every region and input as a source of every region.

    Where a fit inferred the rates behind noisy ones, currents and intervals are about their mean, the null and the
    residuals about a draw of them: a mean is smoother than any true rate, and its residuals are correlated in time.

    Parameters
    ----------
    recording, networks : what was fitted, and the fits.
    current : of `curbd.pathways.currents.decompose`.
    truth : the network behind a teacher recording; adds the columns ``true_r``, ``true_ratio``, ``true_r2``.
    """
    as_recorded = recording
    recording = with_hidden_inputs(recording, networks, 0)
    region = recording["region"].values.astype(str)
    regions = np.unique(region)
    sources = [part for part in parts(recording) if part.source != "bias"]
    number = np.searchsorted(regions, region)
    first = member(networks, 0)
    drawn = at_inferred_rates(recording, networks, 0, "drawn_rates")
    u = recording["inputs"].transpose("trial", "time", "input").values
    residual = one_step_residual(first, scaled_rates(drawn).values, u)
    z = presynaptic(drawn)
    null = _null(recording, networks, sources, z[:, :-1], residual.y, number)
    train = recording["split"].values == "train"
    complete = np.isfinite(z[:, :-1]).all(2) & np.isfinite(residual.y).all(2)
    samples = complete[train].sum() / z.shape[2]
    held_out = complete & ~train[:, None]
    missed = (residual.error[held_out] ** 2).sum(0) / np.maximum((residual.y[held_out] ** 2).sum(0), 1e-12)
    unrecorded = signs(z[:, :-1], residual.y, number, decay(first.dt_s, first.tau_s, first.substeps))
    power = np.nanmean(current.values[0] ** 2, axis=(1, 2))
    known = posterior(networks, 0)
    covariances = [None if known is None else summed_covariance(known, region == name) for name in regions]
    inferred, uncertain = presynaptic(at_inferred_rates(recording, networks, 0)), rate_covariance(networks, 0)
    seeds = range(networks.sizes["seed"])
    W = np.stack([weights(member(networks, number)) for number in seeds])
    effects = silencing_effects(at_inferred_rates(as_recorded, networks, 0), networks, sources)
    rows = []
    for target, name in enumerate(regions):
        inside = number == target
        correlated = residual_autocorrelation(
            residual._replace(y=residual.y[..., inside], error=residual.error[..., inside])
        )
        total = float(np.nansum(power[:, inside]))
        for place, part in enumerate(sources):
            mine = current.values[:, place][..., inside]
            is_region = place < len(regions)
            row: dict[str, Any] = {
                "recording": recording.attrs["recording"],
                "model": networks.attrs["model"],
                "target": str(name),
                "source": part.source,
                "rms": float(np.sqrt(np.nanmean(mine[0] ** 2))),
                "share": float(np.nansum(power[place, inside])) / total if total > 0 else 0.0,
                "predicted_r2": predicted_r2(covariances[target], inferred, part, mine[0], W[0, inside], uncertain),
                "seed_r": agreement(mine),
                "J_seed_r": agreement(W[:, inside][:, :, part.columns]),
                "inactivation_seed_r": agreement(effects[:, place][..., inside]),
                "null_rms": null.null_rms[target, place],
                "p_value": null.p_value[target, place],
                "memory_nats": unrecorded.memory_nats[target],
                "shared_sd": unrecorded.shared_sd[target],
                "residual_autocorrelation": correlated,
                "samples_per_regressor": float(samples),
                "excess_error": float(missed[inside].mean() / null.held_out_error[target] - 1),
                "unseen_share": unseen_share(uncertain, inferred, part),
            }
            if is_region and "m" in networks:
                row |= block_ranks(networks, inside, number == place, str(name), part.source)
            if truth is not None:
                row |= against_truth(mine[0], true_current(recording, truth, part, inside))
            rows.append(row)
    table = pd.DataFrame(rows)
    table["q_value"] = benjamini_hochberg(table["p_value"].to_numpy())
    judged = [verdict(Grounds(**{name: row[name] for name in Grounds._fields})) for row in table.to_dict("records")]
    table["verdict"], table["reason"] = zip(*judged, strict=True)
    for column in ("rank", "rank_low", "rank_high"):
        table[column] = (table[column] if column in table else pd.Series(index=table.index)).astype("Int64")
    return table.drop(columns=["residual_autocorrelation", "samples_per_regressor", "excess_error", "unseen_share"])


def _null(recording: xr.Dataset, networks: xr.Dataset, sources: list[Part], z: Array, y: Array, number: Array) -> Null:
    """The null behind the verdict."""
    penalty = penalties(recording, networks, z, y, number)
    columns = [part.columns for part in sources]
    train, condition = recording["split"].values == "train", recording["condition"].values.astype(str)
    return pathway_null(z, y, number, columns, penalty, train, condition)


def penalties(recording: xr.Dataset, networks: xr.Dataset, z: Array, y: Array, number: Array) -> Array:
    """(target region, regressor) penalties of the first fit, or newly chosen ones where its estimator has none.

    Inputs and bias are nearly free, as in every null: what they can explain is nobody's gain.
    """
    train = recording["split"].values == "train"
    n_regions, n_inputs = int(number.max()) + 1, recording.sizes["input"]
    source = source_of_regressor(number, n_inputs)
    complete = np.isfinite(z).all(2) & np.isfinite(y).all(2) & train[:, None]
    n = len(number)
    power = (z[complete][:, n : n + n_inputs] ** 2).sum(0)
    if "penalty" in networks:
        blocks = networks["penalty"].values[0]
    else:
        trial = np.nonzero(complete)[0]
        folds = moments(z[complete], y[complete], np.unique(trial, return_inverse=True)[1] % 5)
        blocks = choose_penalties(folds, source, inputs_free(np.ones((n_regions, n_regions)), power))[:, :n_regions]
    return inputs_free(blocks, power)[:, source]


def predicted_r2(
    covariance: Array | None, z: Array, part: Part, current: Array, W: Array, uncertain: Array | None
) -> float:
    """R2 with the true current that the posterior predicts: 1 - V / (C^2 + V), each unit about its mean.

    C is the estimated current and V its posterior variance, both summed over units and bins. NaN without a posterior.

    Parameters
    ----------
    covariance : sum of the posterior covariances of the units' weights.
    z : (trial, time, regressor) presynaptic activity.
    part : the source.
    current : (trial, time, unit) its current.
    W : (unit, regressor) weights of the units.
    uncertain : (unit, unit) posterior covariance of inferred rates, None where they are taken as observed.
    """
    if covariance is None or not np.isfinite(current).any():
        return float("nan")
    source = z[..., part.columns].reshape(-1, len(part.columns))
    source = source[np.isfinite(source).all(1)]
    spread: Array = source - source.mean(0)
    moments = spread.T @ spread
    own = part.columns[part.columns < len(uncertain)] if uncertain is not None else part.columns[:0]
    variance = 0.0
    if uncertain is not None and len(own):
        # Var(w r) = r' Q r + w' C w + tr(Q C), Q of the weights and C of the rates.
        of_rates = len(source) * uncertain[np.ix_(own, own)]
        moments = moments + of_rates
        variance = float(((W[:, own] @ of_rates) * W[:, own]).sum())
    variance += float((covariance[np.ix_(part.columns, part.columns)] * moments).sum())
    estimate: Array = current.reshape(-1, current.shape[-1])
    estimate = estimate[np.isfinite(estimate).all(1)]
    squares = float(((estimate - estimate.mean(0)) ** 2).sum())
    return squares / (squares + variance) if squares + variance > 0 else float("nan")


def unseen_share(uncertain: Array | None, z: Array, part: Part) -> float:
    """Share of the variance of a source's rates that measurement noise hides; NaN where nothing was inferred."""
    if uncertain is None or not (part.columns < len(uncertain)).all():
        return float("nan")
    hidden = float(np.diag(uncertain)[part.columns].sum())
    seen = float(np.nanvar(z[..., part.columns], axis=(0, 1)).sum())
    return hidden / (hidden + seen) if hidden + seen > 0 else float("nan")


def block_ranks(networks: xr.Dataset, target: Array, source: Array, to: str, by: str) -> dict[str, int | None]:
    """Rank of a block in the first fit, and the range of the ranks that the data allow.

    The range spans all fits, of which all but the first are to resamples of the trials, and the interval of the
    estimator where it has one. None with a single fit and no such interval.
    """
    every = [block_rank(networks, number, target, source) for number in range(networks.sizes["seed"])]
    ends = list(every)
    if "block_rank" in networks:
        ends += [int(networks[f"block_rank_{end}"].sel(block_target=to, block_source=by)[0]) for end in ("low", "high")]
    known = len(ends) > 1
    return {"rank": every[0], "rank_low": min(ends) if known else None, "rank_high": max(ends) if known else None}


def block_rank(networks: xr.Dataset, number: int, target: Array, source: Array) -> int:
    """Rank of a block of one fit's connectivity, from its factors; singular values below 1e-8 count as 0."""
    one = networks.isel(seed=number)
    block = one["m"].values[target] @ one["n"].values[source].T
    largest = float(np.linalg.norm(one["J"].values, 2))
    return int((np.linalg.svd(block, compute_uv=False) > 1e-8 * max(largest, 1e-300)).sum())
