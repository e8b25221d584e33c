"""The outcome of a run: which recordings and models have all their results, and why the others do not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from curbd.commands.steps import DYNAMICS_TABLES
from curbd.settings.plan import Plan

FILES_OF_STEP: dict[str, tuple[str, ...]] = {
    "fit": ("network.nc", "fits.csv", "region_scores.csv", "unit_scores.csv", "constraints.csv"),
    "currents": ("currents.nc", "currents.parquet", "pathways.csv", "nulls.csv", "balance.parquet"),
    "inactivate": (
        "inactivations.csv",
        "inactivation_timecourses.parquet",
        "inactivation_units.parquet",
        "interactions.csv",
    ),
}
"""Step of a model -> files that the step writes into the folder of the model."""
FILES_OF_LOW_RANK_STEP: dict[str, tuple[str, ...]] = {"latents": ("latents.parquet",)}
"""Additional steps of low-rank models, in the same form."""
FILES_OF_MECHANISM: dict[str, tuple[str, ...]] = {
    "mechanism": ("dynamics.csv", "field.parquet", "geometry.csv", "populations.csv", "transmission.csv"),
}
"""Additional steps of low-rank networks of units, in the same form."""


class Outcome(NamedTuple):
    """The results that a run has produced so far.

    Attributes
    ----------
    fits : name of a recording -> names of the models that have all their results, for recordings with at least one such
        model.
    left_out : ``<recording>`` or ``<recording>, <model>`` -> why this recording or model has no results.
    """

    fits: dict[str, list[str]]
    left_out: dict[str, str]


def outcome(results: Path, plan: Plan) -> Outcome:
    """Find the results of a run that exist and belong together.

    A file that is older than the file from which it is made comes from an earlier run and does not count.

    Parameters
    ----------
    results : folder of the run.
    plan : the plan of the run.
    """
    fits: dict[str, list[str]] = {}
    left_out: dict[str, str] = {}
    for recording in plan.recordings:
        folder = results / recording
        whole = [folder / name for name in ("recording.nc", "units.csv", "regions.csv")]
        if not all(path.is_file() for path in whole):
            left_out[recording] = _reason(results, "ingest", recording)
            continue
        for model in plan.config.models:
            step = next(_missing_steps(folder, model, plan, recording), None)
            if step is None:
                fits.setdefault(recording, []).append(model)
            else:
                left_out[f"{recording}, {model}"] = _reason(results, step, recording, model)
    return Outcome(fits, left_out)


def _missing_steps(folder: Path, model: str, plan: Plan, recording: str) -> Iterator[str]:
    """The steps of a model without their results, in the order of the workflow."""
    own = plan.has_own_recording(model)
    made_from = folder / model / "recording.nc" if own else folder / "recording.nc"
    if not made_from.is_file():
        yield "ingest_for_model"
        return
    has_experiments = bool(plan.experiments(recording).inactivations)
    steps = {step: files for step, files in FILES_OF_STEP.items() if has_experiments or step != "inactivate"}
    if plan.config.verdict_windows_s:
        steps["windows"] = ("pathway_windows.csv",)
    if plan.config.contrasts:
        steps["contrasts"] = ("contrasts.csv", "contrast_timecourses.parquet")
    if plan.config.changes and plan.config.models[model].family == "full_rank":
        steps["changes"] = ("changes.csv",)
    if plan.config.dynamics != "none":
        steps["dynamics"] = tuple(f"{name}.csv" for name in DYNAMICS_TABLES)
    if plan.config.models[model].family == "low_rank":
        steps |= FILES_OF_LOW_RANK_STEP
        steps |= FILES_OF_MECHANISM if plan.config.models[model].level == "unit" else {}
    if plan.recordings[recording].settings.perturbed and has_experiments:
        steps["compare"] = ("perturbation_comparison.csv",)
    for step, files in steps.items():
        paths = [folder / model / name for name in files]
        if not all(path.is_file() and path.stat().st_mtime >= made_from.stat().st_mtime for path in paths):
            if step == "inactivate" and not (folder / "experiments.json").is_file():
                yield "experiments"
            yield step
        elif step == "fit":
            made_from = folder / model / "network.nc"


def _reason(results: Path, step: str, *names: str) -> str:
    """The last line of the log of a step."""
    names = names[:1] if step in ("ingest", "experiments") else names
    log = results.joinpath("logs", step, *names).with_name(f"{names[-1]}.log")
    try:
        lines = [line.strip() for line in log.read_text(encoding="utf-8", errors="replace").splitlines()]
    except OSError:
        lines = []
    last = next((line for line in reversed(lines) if line), "")
    return f"the step {step} did not finish" + (f": {last}" if last else "")
