"""The outcome of a run: which recordings and models have all their results, and why the others do not."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from curbd.errors import UserError
from curbd.settings.plan import Plan
from curbd.settings.result_files import files_of_model, files_of_recording


class RunOutcome(NamedTuple):
    """The results that a run has produced so far.

    Attributes
    ----------
    fits : name of a recording -> names of the models that have all their results, for recordings with at least one such
        model.
    left_out : ``<recording>`` or ``<recording>, <model>`` -> why this recording or model has no results.
    """

    fits: dict[str, list[str]]
    left_out: dict[str, str]


def outcome(results: Path, plan: Plan) -> RunOutcome:
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
        whole = [folder / name for name in files_of_recording(plan)["ingest"]]
        if not all(path.is_file() for path in whole):
            left_out[recording] = _reason(results, "ingest", recording)
            continue
        for model in plan.config.models:
            step = next(_missing_steps(folder, model, plan, recording), None)
            if step is None:
                fits.setdefault(recording, []).append(model)
            else:
                left_out[f"{recording}, {model}"] = _reason(results, step, recording, model)
    return RunOutcome(fits, left_out)


def results_to_collect(results: Path, plan: Plan, *, partial: bool) -> RunOutcome:
    """Choose the recordings and models whose results are collected.

    Parameters
    ----------
    results : folder of the run.
    plan : the plan of the run.
    partial : whether recordings and models without all results are left out; otherwise all are collected.

    Raises
    ------
    UserError : no model has all its results.
    """
    if not partial:
        return RunOutcome({recording: list(plan.config.models) for recording in plan.recordings}, {})
    found = outcome(results, plan)
    if not found.fits:
        reasons = "".join(f"\n  {name}: {reason}" for name, reason in found.left_out.items())
        raise UserError(f"{results}: no model has all its results, so there are no tables{reasons}")
    return found


def closing_lines(provenance: Path) -> list[str]:
    """Write the lines that a run prints at its end: recordings without results, and remarks on all others.

    Parameters
    ----------
    provenance : the file provenance.json of the run.
    """
    origin = json.loads(provenance.read_text(encoding="utf-8"))
    lines = [f"  {name}: {reason}" for name, reason in origin.get("left_out", {}).items()]
    if lines:
        lines = ["Not in the tables and the report:", *lines]
    texts = [f"  {name}: {text}" for name, of_recording in origin.get("remarks", {}).items() for text in of_recording]
    return [*lines, *(["Look at these:", *texts] if texts else [])]


def _missing_steps(folder: Path, model: str, plan: Plan, recording: str) -> Iterator[str]:
    """The steps of a model without their results, in the order of the workflow."""
    own = plan.has_own_recording(model)
    made_from = folder / model / "recording.nc" if own else folder / "recording.nc"
    if not made_from.is_file():
        yield "ingest_for_model"
        return
    for step, files in files_of_model(plan, recording, model).items():
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
