"""The page of one model of a recording: its pathways, figures and tables."""

from __future__ import annotations

from typing import Any

import pandas as pd

from curbd.report import cautions, comparison_sentences, findings
from curbd.report.drawing import Palette, report_style
from curbd.report.figures import figures_of_model, pictures
from curbd.report.grid import grid
from curbd.report.model_settings import about_model, settings_of
from curbd.report.reading import ModelResults
from curbd.report.region_choice import choice

EXPERIMENT_TABLES = {
    "perturbation_comparison": "Predictions compared with real perturbations",
    "interactions": "How regions depend on one another: direct and total effects, time windows, messages, synergy",
}
"""Tables of experiments on the page -> heading."""
MECHANISM_TABLES = {
    "dynamics": "Fixed points, slow points and limit cycles",
    "transmission": "Currents that regions and populations send in each condition",
    "geometry": "Geometry of the loadings, and its agreement between fits",
}
"""Tables of low-rank networks on the page -> heading."""
TABLES_ON_DYNAMICS = {
    "attractors": "Attractors, with what a delay line seen in part would show",
    "transitions": "Transitions between attractors that pulses of inputs cause",
    "lyapunov": "Lyapunov exponents",
    "phase_locking": "Locking to recorded oscillations",
    "slow_manifolds": "Slow directions of regions and the messages of others",
}
"""Tables that the key `dynamics` of the config asks for -> heading."""
FOLDED_FIGURES = ("nulls", "agreement", "signed_currents")
"""Figures that are folded on the page, below all others."""


def model_page(recording: str, fit: ModelResults, palette: Palette, results: str) -> dict[str, Any]:
    """Collect everything that the page of a model shows.

    Parameters
    ----------
    recording : name of the recording.
    fit : the results of the model.
    palette : region -> colour.
    results : folder of the results, for the lines of code below the figures.

    Returns
    -------
    The values of the template ``model.html``.
    """
    with report_style():
        drawn = pictures(figures_of_model(fit, palette), results, recording, fit.name)
    pathways = fit.tables["pathways"].sort_values("grade_rank", kind="stable")
    contrasts = [drawn.pop(name) for name in list(drawn) if name.startswith("contrast_")]
    changes = [drawn.pop(name) for name in list(drawn) if name.startswith("change_")]
    return {
        "name": fit.name,
        "summary": findings.summarise(fit),
        "cautions": cautions.about_fit(fit),
        "network": drawn.pop("network", None),
        "folded": {name: drawn.pop(name) for name in FOLDED_FIGURES if name in drawn},
        "pictures": list(drawn.values()),
        "choice": choice(recording, fit, palette, results),
        "pathways": grid("pathways", pathways, leave_out=("recording", "model")),
        "windows": {
            "sentences": comparison_sentences.window_sentences(fit),
            "table": grid(
                "pathway_windows",
                fit.tables["pathway_windows"],
                leave_out=("recording", "model"),
            ),
        },
        "contrasts": {
            "sentences": comparison_sentences.contrast_sentences(fit),
            "pictures": contrasts,
            "table": grid("contrasts", _by_evidence(fit.tables["contrasts"]), leave_out=("recording", "model")),
        },
        "changes": {
            "sentences": comparison_sentences.change_sentences(fit),
            "pictures": changes,
            "table": grid("changes", fit.tables["changes"], leave_out=("recording", "model")),
        },
        "constraints": grid("constraints", fit.tables["constraints"], leave_out=("recording", "model")),
        "nulls": grid("nulls", fit.tables["nulls"], leave_out=("recording", "model")),
        "inactivations": grid("inactivations", fit.tables["inactivations"], leave_out=("recording", "model")),
        "tables": {
            heading: grid(name, rows, leave_out=("recording", "model"))
            for name, heading in (EXPERIMENT_TABLES | MECHANISM_TABLES | TABLES_ON_DYNAMICS).items()
            if len(rows := _of_regions(fit.tables[name]))
        },
        "about": about_model(fit),
        "settings": settings_of(fit),
    }


def _by_evidence(contrasts: pd.DataFrame) -> pd.DataFrame:
    """The rows of contrasts, those with the smallest q-values first."""
    return contrasts.sort_values(["contrast", "q_value", "p_value"], kind="stable")


def _of_regions(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows about regions, without rows about single units."""
    return rows[rows["unit_id"] == ""] if "unit_id" in rows else rows
