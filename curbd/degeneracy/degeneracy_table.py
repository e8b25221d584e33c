"""The table ``degeneracy``: agreement of the fits of one recording, and what the fits differ in.

Publication of the idea: Huang, Singh, Martinelli & Rajan, NeurIPS 2025.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations, product
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import xarray as xr

from curbd.degeneracy.similarity import dynamical_similarity, linear_cka, procrustes_similarity
from curbd.network.current_pairs import CurrentPair
from curbd.network.equation import free_run
from curbd.network.truth import correlation
from curbd.network.view import View, views
from curbd.pathways.agreement import silencing_effects
from curbd.tables.degeneracy import TABLES

Array = np.ndarray
ALL = "all"
VISITED_SHARE = 0.999
"""Share of the variance of the rates in the subspace in which J is compared."""
LEAST_AGREEMENT = 0.9
"""Fits whose currents between regions agree less than this are different answers to the same recording."""
STARTED_AT_RANDOM = ("force",)
"""Estimators with a random start."""
INITIAL_OPTIONS = {"gain", "seed"}
"""Settings of estimators with a random start that change the start of the fit and nothing else."""


class _Member(NamedTuple):
    """A fit, with what is compared."""

    model: str
    view: View
    run: Array
    effects: Array


def degeneracy_table(recording: xr.Dataset, networks: Mapping[str, xr.Dataset]) -> pd.DataFrame:
    """Compare all fits of all models of units of one recording in pairs.

    Parameters
    ----------
    recording : the recording, the same for all models.
    networks : name of the model -> its fits, the content of network.nc.

    Returns
    -------
    The table ``degeneracy``, one row for every pair of models, quantity, target and source. A pair of a model with
    itself compares the fits of its seeds.
    """
    members = {name: _members(recording, fits, name) for name, fits in networks.items()}
    rows: list[dict[str, Any]] = []
    for first, second in [*((name, name) for name in networks), *combinations(networks, 2)]:
        difference = varied(networks[first], networks[second])
        # The first fit of every model uses the training trials as they are.
        firsts = [(members[first][0], members[second][0])]
        pairs = list(combinations(members[first], 2)) if first == second else firsts
        if not pairs or not difference:
            continue
        shared = {
            "recording": recording.attrs["recording"],
            "model_a": first,
            "model_b": second,
            "varied": difference,
        }
        measured = pd.DataFrame([line for a, b in pairs for line in _compared(a, b)])
        for (quantity, target, source), values in measured.groupby(["quantity", "target", "source"], sort=False):
            rows.append(
                shared
                | {"quantity": quantity, "target": target, "source": source}
                | _summary(values["agreement"].to_numpy())
                | {"verdict": _verdict(str(quantity), float(values["agreement"].mean()))}
            )
    return pd.DataFrame(rows, columns=TABLES["degeneracy"].names)


def varied(first: xr.Dataset, second: xr.Dataset) -> str:
    """Name what the fits of two models differ in.

    Parameters
    ----------
    first, second : content of network.nc; the same model twice for its seeds.

    Returns
    -------
    ``estimator``; ``initialisation`` if only the start differs; ``constraint`` if other options or constraints differ;
    for the seeds of one model ``data`` if the estimator has no random start, and else ``seed`` (trials and start).
    An empty string for two models whose first fits are the same.
    """
    if first.attrs["model"] == second.attrs["model"]:
        if not first.attrs.get("resample_trials", 1):
            return "initialisation"
        return "seed" if first.attrs["estimator"] in STARTED_AT_RANDOM else "data"
    if any(first.attrs[key] != second.attrs[key] for key in ("family", "estimator")):
        return "estimator"
    settings = [_settings(networks) for networks in (first, second)]
    changed = {key for key in settings[0] | settings[1] if settings[0].get(key) != settings[1].get(key)}
    if first.attrs["estimator"] in STARTED_AT_RANDOM and changed <= INITIAL_OPTIONS:
        return "initialisation"
    return "constraint" if changed else ""


def _settings(networks: xr.Dataset) -> dict[str, Any]:
    """Settings of a model on which the first fit depends, besides its estimator."""
    seed = networks["seed"].values[0].item() if networks.attrs["estimator"] in STARTED_AT_RANDOM else None
    others = {key: networks.attrs.get(key) for key in ("constraints", "tau_s_setting", "substeps", "phi")}
    return json.loads(networks.attrs["options"]) | others | {"seed": seed}


def _members(recording: xr.Dataset, networks: xr.Dataset, name: str) -> list[_Member]:
    fits = views(recording, networks)
    runs = [free_run(fit.network, fit.r, np.nan_to_num(fit.u)) for fit in fits]
    effects = silencing_effects(fits)
    return [_Member(name, fit, run, effect) for fit, run, effect in zip(fits, runs, effects, strict=True)]


def _compared(a: _Member, b: _Member) -> Iterator[dict[str, Any]]:
    """Agreement of two fits in every quantity."""
    first, second = a.view, b.view
    yield _line("J", ALL, ALL, correlation(first.network.J.ravel(), second.network.J.ravel()))
    visited = _visited(first.samples)
    yield _line(
        "J_visited", ALL, ALL, correlation((first.network.J @ visited).ravel(), (second.network.J @ visited).ravel())
    )
    sources = {source.name: source for source in second.pathway_sources}
    between: list[CurrentPair] = []
    for source in first.pathway_sources:
        if source.name not in sources:
            continue
        columns = source.columns, sources[source.name].columns
        pair = CurrentPair.of(
            (first.z[..., columns[0]], second.z[..., columns[1]]),
            (first.W[:, columns[0]], second.W[:, columns[1]]),
        )
        for target in first.regions:
            into = pair.of_units(first.region == target)
            yield _line("current", target, source.name, into.correlation())
            if source.name in first.regions and source.name != target:
                between.append(into)
    yield _line("currents_between_regions", ALL, ALL, _about_unit_means(between))
    shared = [source.name for source in first.pathway_sources]
    for index, target in product(range(min(len(a.effects), len(b.effects))), first.regions):
        if shared[index] in sources and shared[index] != target:
            units = first.region == target
            values = a.effects[index][..., units].ravel(), b.effects[index][..., units].ravel()
            seen = np.isfinite(values[0]) & np.isfinite(values[1])
            yield _line("inactivation", target, shared[index], correlation(values[0][seen], values[1][seen]))
    yield _line("dynamics", ALL, ALL, dynamical_similarity(a.run, b.run))
    seen = np.isfinite(a.run).all(2) & np.isfinite(b.run).all(2)
    yield _line("cka", ALL, ALL, linear_cka(a.run[seen], b.run[seen]))
    yield _line("procrustes", ALL, ALL, procrustes_similarity(a.run[seen], b.run[seen]))


def _line(quantity: str, target: str, source: str, agreement: float) -> dict[str, Any]:
    return {"quantity": quantity, "target": target, "source": source, "agreement": agreement}


def _visited(r: Array) -> Array:
    """Principal directions (unit, direction) with `VISITED_SHARE` of the variance of the rates, scaled by their SD."""
    values, directions = np.linalg.eigh(np.atleast_2d(np.cov(r, rowvar=False)))
    values, directions = np.maximum(values[::-1], 0), directions[:, ::-1]
    kept = int(np.searchsorted(np.cumsum(values) / values.sum(), VISITED_SHARE) + 1)
    return directions[:, :kept] * np.sqrt(values[:kept])


def _about_unit_means(pairs: Sequence[CurrentPair]) -> float:
    """Correlation of all currents between regions, every unit about its mean."""
    if not pairs:
        return float("nan")
    total = np.sum([pair.product.sum(2) for pair in pairs], axis=0)
    variance = total[0, 0] * total[1, 1]
    return float(total[0, 1] / np.sqrt(variance)) if variance > 0 else float("nan")


def _summary(values: Array) -> dict[str, float]:
    seen = values[np.isfinite(values)]
    several = len(seen) > 1
    return {
        "agreement": float(seen.mean()) if len(seen) else float("nan"),
        "ci_low": float(np.quantile(seen, 0.025)) if several else float("nan"),
        "ci_high": float(np.quantile(seen, 0.975)) if several else float("nan"),
    }


def _verdict(quantity: str, agreement: float) -> str:
    if quantity != "currents_between_regions" or not np.isfinite(agreement):
        return ""
    return "agree" if agreement >= LEAST_AGREEMENT else "degenerate"
