"""A verdict on every pathway: does the source drive the target, and can its current be believed?"""

from __future__ import annotations

import numpy as np
import pandas as pd
import xarray as xr

from curbd.network.truth import comparable_truth
from curbd.pathways.grades import with_verdicts
from curbd.pathways.judged_fits import JudgedFits
from curbd.pathways.multiplicity import benjamini_hochberg
from curbd.pathways.pathway_evidence import (
    Evidence,
    adequacy,
    agreement_of_fits,
    current_evidence,
    limits,
    null_evidence,
    ranks,
    response_evidence,
    skewness_evidence,
    truth_evidence,
    unrecorded_evidence,
)
from curbd.pathways.shuffled_source import pathway_null


def judge(
    recording: xr.Dataset,
    networks: xr.Dataset,
    truth: xr.Dataset | None = None,
    *,
    judged: JudgedFits | None = None,
) -> pd.DataFrame:
    """Judge every region and every input as a source of every region.

    If a fit inferred the rates behind noisy observations, currents and intervals are computed from the posterior mean
    of the rates, but the null and the residuals from a draw of the rates: the mean is smoother than the true rates, and
    its residuals are correlated in time.

    Parameters
    ----------
    recording : the recording that was fitted.
    networks : the fits of one model to the recording.
    truth : the network behind a teacher recording; adds the columns ``true_r``, ``true_ratio``, ``true_r2``.
    judged : the same fits if `curbd.pathways.null_table.null_table` needs them, too, so that they are prepared once.

    Returns
    -------
    The table ``pathways``, one row for each target region and source.
    """
    judged = judged or JudgedFits(recording, networks)
    fits = judged.fits
    first, shape = fits[0], (len(fits[0].regions), len(fits[0].pathway_sources))
    null = pathway_null(judged.regression)
    evidence = (
        current_evidence(fits)
        | agreement_of_fits(fits)
        | null_evidence(null)
        | unrecorded_evidence(judged.drawn, judged.regression)
        | ranks(fits)
    )
    comparable = comparable_truth(recording, truth, networks.attrs["phi"])
    if comparable is not None:
        evidence |= truth_evidence(first, judged.observed, comparable)
    evidence |= skewness_evidence(first) | response_evidence(first)
    further = adequacy(judged.drawn, judged.regression, null) | limits(first, networks)
    sources = [source.name for source in first.pathway_sources]
    index = pd.MultiIndex.from_product([first.regions, sources], names=["target", "source"])
    # A source without a current, such as a hidden input of another region, is not tested: nothing can be shuffled.
    evidence["p_value"] = np.where(evidence["rms"] > 0, evidence["p_value"], np.nan)
    table = pd.DataFrame(_cells(evidence, shape), index=index).reset_index()
    table.insert(0, "recording", recording.attrs["recording"])
    table.insert(1, "model", networks.attrs["model"])
    table = table.assign(level="unit", evidence_nats=np.nan)
    table["q_value"] = benjamini_hochberg(table["p_value"].to_numpy())
    table = with_verdicts(table, _cells(further, shape), int(first.train.sum()))
    for column in ("rank", "rank_low", "rank_high"):
        table[column] = table[column].astype("Int64")
    return table


def _cells(evidence: Evidence, shape: tuple[int, int]) -> Evidence:
    """Evidence that is the same for all targets or sources, or for both, as one value for each pathway (pathway,)."""
    return {name: np.broadcast_to(values, shape).ravel() for name, values in evidence.items()}
