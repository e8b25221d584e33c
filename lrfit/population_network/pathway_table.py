"""The table ``pathways`` of a population network: one verdict per pathway between populations, in whole sentences."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from curbd.beside_limit import beside_limit
from curbd.network.current_pairs import CurrentPair
from curbd.network.truth import against_truth
from curbd.pathways.multiplicity import benjamini_hochberg
from curbd.pathways.pathway_evidence import Evidence, current_evidence
from curbd.tables.pathways import GRADES
from lrfit.population_network.evidence import largest_share
from lrfit.population_network.forward import gain_by_source
from lrfit.population_network.power import needed
from lrfit.population_network.recording import subset
from lrfit.population_network.share_interval import share_intervals
from lrfit.population_network.verdict import (
    HELD_OUT_STANDARD_ERRORS,
    MIN_CURRENT_SHARE,
    MIN_EXPECTED_R2,
    MIN_HELD_OUT_TRIALS,
    MIN_PATHWAY_NATS,
    Verdict,
)
from lrfit.population_network.view import PopulationView

Array = np.ndarray
NOT_JUDGED = "the verdicts of a population network are about pathways between regions"
UNIT_LEVEL_COLUMNS = (
    "skewed_effect",
    "skewed_p_value",
    "skewed_effect_low",
    "skewed_misfit",
    *("cumulant_effect", "cumulant_ci_low", "cumulant_ci_high"),
    *("response_effect", "response_ci_low", "response_ci_high", "response", "response_s"),
    *("J_seed_r", "inactivation_seed_r", "null_rms", "memory_nats", "shared_sd"),
    *("memory_share", "common_share", "unique_share", "unique_t", "immediate_share"),
)
"""Columns that have no meaning for populations."""
MAX_NATS_SHOWN = 10_000
"""Larger losses of log likelihood are told as larger than this number."""
RANKS = ("rank", "rank_low", "rank_high")
"""Columns with the rank of a pathway, and fields of `Evidence`."""


def _nats(judged: Verdict, t: int, s: int) -> str:
    gained = beside_limit(judged.evidence.nats[t, s], MIN_PATHWAY_NATS, ".1f")
    return f"the pathway gains {gained} nats of log likelihood, and {MIN_PATHWAY_NATS:g} are needed"


def _share(judged: Verdict, t: int, s: int) -> str:
    share = beside_limit(judged.evidence.share[t, s], MIN_CURRENT_SHARE, ".1%")
    return (
        f"the current is {share} of the fluctuating current into the target (rms), and "
        f"{MIN_CURRENT_SHARE:.0%} are needed"
    )


def _expected_r2(judged: Verdict, t: int, s: int) -> str:
    expected = beside_limit(judged.evidence.expected_r2[t, s], MIN_EXPECTED_R2, ".2f")
    return f"the interval of the current is wide (expected R2 {expected}, and {MIN_EXPECTED_R2:g} is needed)"


def _held_out(judged: Verdict, t: int, s: int) -> str:
    lost, error = judged.held_out_nats[t, s], judged.held_out_error[t, s]
    return (
        f"held-out trials do not ask for the pathway (they lose {beside_limit(lost, error, '.0f')} nats without it, "
        f"with a standard error of {beside_limit(error, lost, '.0f')}; more than {HELD_OUT_STANDARD_ERRORS:g} standard "
        "error is needed)"
    )


def _few_held_out(judged: Verdict, t: int, s: int) -> str:
    return (
        f"fewer than {MIN_HELD_OUT_TRIALS} trials or blocks are held out, too few to tell whether they ask for the "
        "pathway: use more trials, or shorter blocks (windows.block_s)"
    )


def _common_drive(judged: Verdict, t: int, s: int) -> str:
    return "a hidden common drive explains the held-out trials as well as the pathway does"


def _latency(judged: Verdict, t: int, s: int) -> str:
    return (
        "responses that are earlier or later in some trials explain the held-out trials as well as the pathway does: "
        "align the trials to the event whose time varies, or give the event as an input"
    )


def _few_latents(judged: Verdict, t: int, s: int) -> str:
    return (
        "one latent more than the largest number that was tried predicts held-out units clearly better, so that more "
        "latents are needed: raise max_dimensions"
    )


SENTENCE_OF_GROUND: dict[str, Callable[[Verdict, int, int], str]] = {
    "nats": _nats,
    "share": _share,
    "expected_r2": _expected_r2,
    "held_out": _held_out,
    "few_held_out": _few_held_out,
    "common_drive": _common_drive,
    "latency": _latency,
    "few_latents": _few_latents,
}
"""Ground of the verdict that failed -> the sentence about the pathway (verdict, target, source)."""
NOT_AGAINST_EXISTENCE = {"common_drive", "latency", "few_latents"}
"""Grounds that speak against the current of a pathway, and not against its existence."""


def pathway_table(
    fits: Sequence[PopulationView], networks: xr.Dataset, true_currents: xr.DataArray | None = None
) -> pd.DataFrame:
    """Build the table ``pathways``: every region and every known source as a source of every region.

    Verdicts exist for pathways between regions.

    Parameters
    ----------
    fits : every fitted network with the recording that it was fitted to.
    networks : the content of network.nc.
    true_currents : (source, trial, time, unit) true currents of a teacher, in units of the log rate, or None.

    Returns
    -------
    The table ``pathways``, one row for each target region and source.
    """
    first = fits[0]
    sources = [source.name for source in first.pathway_sources]
    index = pd.MultiIndex.from_product([first.regions, sources], names=["target", "source"])
    evidence = current_evidence(fits)
    if true_currents is not None:
        evidence |= _truth_evidence(first, true_currents)
    shape = len(first.regions), len(sources)
    for name, of_regions in zip(("share_low", "share_high"), share_intervals(first.fitted, first.data), strict=True):
        # The sources of a view begin with the regions.
        evidence[name] = np.full(shape, np.nan)
        evidence[name][:, : len(first.regions)] = of_regions
    columns = {name: np.broadcast_to(values, shape).ravel() for name, values in evidence.items()}
    table = pd.DataFrame(columns, index=index).reset_index()
    evidence_of = first.verdict.evidence
    forward_nats, forward_error = gain_by_source(first.fitted.model, subset(first.data, np.flatnonzero(~first.train)))
    judged = [_judged(first, target, source) for target, source in index]
    table = table.assign(
        recording=networks.attrs["recording"],
        model=networks.attrs["model"],
        level="population",
        **dict.fromkeys(UNIT_LEVEL_COLUMNS, np.nan),
        evidence_nats=[_between(first, evidence_of.nats, target, source) for target, source in index],
        forward_nats=[_between(first, forward_nats, target, source) for target, source in index],
        forward_error=[_between(first, forward_error, target, source) for target, source in index],
        p_value=[_between(first, evidence_of.tests.p_value, target, source) for target, source in index],
        verdict=[verdict for verdict, _ in judged],
        resolved_by=["currents" if verdict == "resolved" else "" for verdict, _ in judged],
        reason=[reason for _, reason in judged],
        grade=[_grade(first, target, source) for target, source in index],
        reason_codes=[_codes(first, target, source) for target, source in index],
        needed=[_needed(first, target, source) for target, source in index],
        **{name: pd.array([_rank(first, name, *pair) for pair in index], dtype="Int64") for name in RANKS},
    )
    table["q_value"] = benjamini_hochberg(table["p_value"].to_numpy())
    place = table.assign(place=table["grade"].map(GRADES.index))
    order = place.sort_values(["place", "evidence_nats"], ascending=[True, False], kind="stable").index
    table["reason"] += [_forward(row) for row in table.to_dict("records")]
    return table.assign(grade_rank=pd.Series(range(1, len(order) + 1), index=order))


def _truth_evidence(view: PopulationView, true_currents: xr.DataArray) -> Evidence:
    """Compare the currents of regions with the true currents; NaN for known sources.

    Returns
    -------
    The columns ``true_r``, ``true_ratio`` and ``true_r2``, arrays (target region, source).
    """
    known = true_currents["source"].to_numpy().astype(str).tolist()
    shape = len(view.regions), len(view.pathway_sources)
    columns = {name: np.full(shape, np.nan) for name in ("true_r", "true_ratio", "true_r2")}
    for index, source in enumerate(view.pathway_sources):
        if source.name not in known:
            continue
        true = true_currents.to_numpy()[known.index(source.name)]
        pair = CurrentPair.of_currents(view.current(source), np.where(view.observed[..., None], true, np.nan))
        for target, region in enumerate(view.regions):
            for name, value in against_truth(pair.of_units(view.region == region)).items():
                columns[name][target, index] = value
    return columns


def _indices(view: PopulationView, target: str, source: str) -> tuple[int, int] | None:
    """Return the indices of a pathway between two regions; None for any other pathway."""
    if source not in view.regions or target == source:
        return None
    return view.regions.index(target), view.regions.index(source)


def _judged(view: PopulationView, target: str, source: str) -> tuple[str, str]:
    pathway, judged = _indices(view, target, source), view.verdict
    if pathway is None:
        return "unresolved", NOT_JUDGED
    failed = [name for name in judged.grounds[pathway].split(",") if name]
    if failed:
        return "unresolved", "; ".join(SENTENCE_OF_GROUND[name](judged, *pathway) for name in failed)
    if not np.isfinite(judged.held_out_nats[pathway]):
        return "resolved", (
            f"spikes of the source act on spikes of the target within 20 ms "
            f"({judged.evidence.spike_coupling[pathway]:.0f} standard deviations above re-paired trials), and nothing "
            "comes back"
        )
    gained = beside_limit(judged.evidence.nats[pathway], MIN_PATHWAY_NATS, ".0f")
    return "resolved", (
        f"the pathway gains {gained} nats of log likelihood, held-out trials lose "
        f"{_size(judged.held_out_nats[pathway])} nats without it (standard error "
        f"{_size(judged.held_out_error[pathway])}), "
        f"expected R2 {beside_limit(judged.evidence.expected_r2[pathway], MIN_EXPECTED_R2, '.2f')}"
    )


def _forward(pathway: Mapping[Any, Any]) -> str:
    """Say how well the recorded units of the source of a resolved pathway predict the target; otherwise ''."""
    if pathway["verdict"] != "resolved" or np.isnan(pathway["forward_nats"]):
        return ""
    return (
        f"; the past of the recorded units of the source adds {_size(pathway['forward_nats'])} nats (standard error "
        f"{_size(pathway['forward_error'])}) to the prediction of the target in held-out trials"
    )


def _size(nats: float) -> str:
    """A loss in nats; without a strong pathway, the rates of a trial can run away, and the loss is then any number."""
    return f"{nats:.0f}" if nats < MAX_NATS_SHOWN else f"more than {MAX_NATS_SHOWN:,}"


def _codes(view: PopulationView, target: str, source: str) -> str:
    pathway = _indices(view, target, source)
    return "not_judged" if pathway is None else str(view.verdict.grounds[pathway]).replace(",", ";")


def _needed(view: PopulationView, target: str, source: str) -> str:
    pathway = _indices(view, target, source)
    return "" if pathway is None else needed(view.verdict, *pathway, trials=int(view.train.sum()))


def _grade(view: PopulationView, target: str, source: str) -> str:
    """Grade the evidence for a pathway.

    A pathway is ``supported`` if only a common drive, latencies or too few latents speak against its current. There is
    ``no_evidence`` if a current as large as the smallest that matters is outside its posterior.
    """
    pathway = _indices(view, target, source)
    if pathway is None:
        return "cannot_tell"
    evidence = view.verdict.evidence
    failed = {name for name in view.verdict.grounds[pathway].split(",") if name}
    if failed <= NOT_AGAINST_EXISTENCE:
        return "supported" if failed else "resolved"
    is_small = largest_share(evidence, *pathway) < MIN_CURRENT_SHARE
    return "no_evidence" if "nats" in failed and is_small else "cannot_tell"


def _between(view: PopulationView, values: Array, target: str, source: str) -> float:
    """Return the value of a pathway between regions, of values (target, source); NaN for any other pathway."""
    pathway = _indices(view, target, source)
    return float("nan") if pathway is None else float(values[pathway])


def _rank(view: PopulationView, name: str, target: str, source: str) -> int | None:
    """Return the rank of the weights between the latents of two regions, or a limit of this rank.

    A resolved pathway has at least rank 1. A source that is no region has no rank.
    """
    if source not in view.regions:
        return None
    pathway = view.regions.index(target), view.regions.index(source)
    return max(int(getattr(view.verdict.evidence, name)[pathway]), int(view.verdict.resolved[pathway]))
