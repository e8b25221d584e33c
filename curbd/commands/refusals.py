"""Experiments, readouts, contrasts and changes of a config that some recordings cannot do, and why."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from curbd.contrasts.trials import comparisons
from curbd.errors import attempt
from curbd.recording.file_check import FileCheck
from curbd.settings.contrasts import Levels
from curbd.settings.experiments import Inactivation, Intervention
from curbd.settings.plan import Plan


class Refusal(NamedTuple):
    """Something that the config asks of several recordings, and that some of them cannot do.

    Attributes
    ----------
    what : kind and name of what is asked for, as the start of a sentence.
    asked : names of the recordings that are asked and that could be opened.
    reasons : name of a recording that cannot do it -> message with the reason; at least one recording.
    required : names of those recordings that must be able to do it.
    """

    what: str
    asked: list[str]
    reasons: dict[str, str]
    required: set[str]


def refusals(plan: Plan, files: Mapping[str, FileCheck]) -> Iterator[Refusal]:
    """Ask every recording whether it can do the experiments, readouts, contrasts and changes of the config.

    Parameters
    ----------
    plan : the plan of the run.
    files : name of a recording -> what is known of its file.

    Yields
    ------
    What some recordings cannot do.
    """
    for refused in (*_experiments(plan, files), *_comparisons(plan, files)):
        if refused.reasons:
            yield refused


def _experiments(plan: Plan, files: Mapping[str, FileCheck]) -> Iterator[Refusal]:
    """Experiments and readouts, of which those without any name of the recording need no question."""
    outlines = {name: file.outline for name, file in files.items() if file.outline is not None}
    experiments = {name: entry for name, entry in plan.config.inactivations.items() if _names_something(entry)}
    readouts = plan.config.bench.readout
    if not outlines or not (experiments or readouts):
        return
    # These libraries are slow to import, and a run whose experiments name nothing does not need them.
    from curbd.inactivation.perturbations import Preparation, perturbations_of
    from curbd.inactivation.readouts import behaviour

    for name, experiment in experiments.items():
        asked = [recording for recording in outlines if recording in (experiment.recordings or outlines)]
        reasons = {}
        for recording in asked:
            possible = experiment if files[recording].has_trials else _without_trials(experiment)
            reasons[recording] = _reason(perturbations_of, Preparation(outlines[recording]), {name: possible})
        required = {
            recording
            for recording in asked
            if experiment.recordings is not None
            or name in {trials.like for trials in plan.recordings[recording].settings.perturbed}
        }
        yield _refusal(f"The experiment {name}", reasons, required)
    with_trials = {recording: outline for recording, outline in outlines.items() if files[recording].has_trials}
    for name in readouts:
        reasons = {recording: _reason(behaviour, outline, [name]) for recording, outline in with_trials.items()}
        yield _refusal(f"The readout {name}", reasons)


def _comparisons(plan: Plan, files: Mapping[str, FileCheck]) -> Iterator[Refusal]:
    """Contrasts and changes, whose columns and levels a recording may lack."""
    trials = {name: file.every_trial for name, file in files.items() if file.every_trial is not None}
    wanted: dict[str, Mapping[str, Levels]] = {"contrast": plan.config.contrasts, "change": plan.config.changes}
    for kind, settings in wanted.items():
        for name, levels in settings.items():
            reasons = {
                recording: _reason(comparisons, outline, f"{kind}s.{name}", levels)
                for recording, outline in trials.items()
            }
            yield _refusal(f"The {kind} {name}", reasons)


def _reason(function: Callable[..., object], *arguments: object) -> str:
    """Call a function, and return the message of its error, '' without an error."""
    return "".join(attempt(function, *arguments)[1])


def _refusal(what: str, reasons: Mapping[str, str], required: Collection[str] = ()) -> Refusal:
    """What the recordings with a reason cannot do, of all recordings that were asked."""
    given = {recording: reason for recording, reason in reasons.items() if reason}
    return Refusal(what, list(reasons), given, set(required) & set(given))


def _without_trials(experiment: Inactivation) -> Inactivation:
    """What an experiment names of the units alone, for a recording whose trials are not known."""
    unasked: dict[str, Any] = {"conditions": [], "start_s": None, "stop_s": None, "sweep_s": None}
    parts = [part.model_copy(update={"input": None}) for part in experiment.parts]
    return experiment.model_copy(update={**unasked, "parts": parts, "input": None})


def _names_something(experiment: Inactivation) -> bool:
    """Whether an experiment names anything that a recording may lack."""
    keys = ("region", "units", "where", "between", "table", "source", "target", "input")
    parts: Iterable[Intervention] = experiment.parts or [experiment]
    window = experiment.start_s is not None or experiment.stop_s is not None or bool(experiment.conditions)
    return window or any(getattr(part, key) for part in parts for key in keys)
