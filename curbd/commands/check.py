"""The check of a run, which reports all mistakes at once: in the config, in recordings.tsv, and in the files."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from curbd.commands.check_lines import report_lines, together
from curbd.commands.default_models import with_default_models
from curbd.commands.refusals import Refusal, refusals
from curbd.commands.run_check import RunCheck, joined
from curbd.errors import UserError, attempt, did_you_mean, mistake
from curbd.recording.circuit import circuit_of
from curbd.recording.file_check import FileCheck, check_file
from curbd.recording.region_messages import absent_labels_are_a_mistake, absent_labels_message
from curbd.recording.sufficiency import shortages
from curbd.settings.estimators import PopulationNetwork, StateSpace
from curbd.settings.plan import Plan
from curbd.settings.plan_reading import plan_and_mistakes
from curbd.settings.recordings_mistakes import FORMATS
from curbd.storage.whole_files import whole_file
from curbd.storage.zarr_folders import files_of, is_zarr

DEMO = "data/demo.h5"
"""The recording of the demo, which the workflow itself writes."""
NEVER_NEGATIVE = ("relu", "softplus", "exponential")
"""Nonlinearities for activity that is never negative."""


def check_run(plan: Plan) -> RunCheck:
    """Open every file of a run, and check the settings against the files.

    Parameters
    ----------
    plan : the plan of the run. Files that do not exist yet, because the workflow itself writes them, and files
        of an unknown format are left out.

    Returns
    -------
    Mistakes and remarks.
    """
    files = {
        name: check_file(row.path, row.format, plan.recording_settings(name), name)
        for name, row in plan.recordings.items()
        if row.format in FORMATS and (row.path.is_file() or is_zarr(row.path))
    }
    return joined(
        [
            *(_of_recording(plan, name, file) for name, file in files.items()),
            *_of_merge(plan, files),
            *_of_mapping(plan, files),
            *_of_perturbed(plan, files),
            _of_values(files),
            *(_of_refusal(refused, plan) for refused in refusals(plan, files)),
        ]
    )


def digest_of_run(plan: Plan) -> str:
    """Return a string that changes with the plan of a run and with its files, by which repeated checks are avoided."""
    paths = [row.path for row in plan.recordings.values() if row.path.exists()]
    files = {str(file): file.stat() for path in paths for file in files_of(path)}
    stamps = {name: (state.st_size, state.st_mtime_ns) for name, state in files.items()}
    return hashlib.sha256(f"{plan.to_json()}{json.dumps(stamps, sort_keys=True)}".encode()).hexdigest()


def _of_recording(plan: Plan, name: str, file: FileCheck) -> RunCheck:
    """The check of one recording: its file, the models that are fitted to the recording, and their own recordings."""
    shared = [model for model in plan.config.models if not plan.has_own_recording(model)]
    mistakes = [*file.mistakes, *_of_models(plan, name, file), *_of_activity(plan, name, shared, file)]
    remarks = [*file.remarks]
    if file.amount is not None and any(model.level == "population" for model in plan.config.models.values()):
        where = f"{name} ({plan.recordings[name].path})"
        remarks += [f"{where}: {text}" for text in shortages(file.amount, ["populations"])]
    own = [] if mistakes else _of_own_recordings(plan, name, file)
    return joined([RunCheck({name: mistakes}, remarks=remarks), *own])


def _of_own_recordings(plan: Plan, name: str, file: FileCheck) -> list[RunCheck]:
    """Bins, smoothing and scaling of models that replace those of the recording."""
    row = plan.recordings[name]
    own = [model for model in plan.config.models if plan.has_own_recording(model)]
    settings = {model: plan.recording_settings(name, model) for model in own}
    # Models with equal settings share a recording, whose mistakes and remarks are told once.
    first = {model: next(known for known in own if settings[known] == settings[model]) for model in own}
    checks = {model: check_file(row.path, row.format, settings[model], name) for model in dict.fromkeys(first.values())}
    of_files = [
        RunCheck(
            {name: [f"models.{model}, recording {text}" for text in check.mistakes]},
            remarks=[f"models.{model}, recording {text}" for text in check.remarks if text not in file.remarks],
        )
        for model, check in checks.items()
    ]
    of_activity = [RunCheck({name: _of_activity(plan, name, [model], checks[first[model]])}) for model in own]
    return [*of_files, *of_activity]


def _of_models(plan: Plan, recording: str, file: FileCheck) -> list[str]:
    """Mistakes of models that depend on the units and on the kind of activity of a file."""
    wrong = _contradicted_constraints(plan, file)
    if not file.is_spikes:
        return wrong
    return wrong + [
        mistake(
            f"models.{name}, recording {recording}",
            found="noise: counts with the default smoothing of spikes",
            expected="scaling: counts, smoothing_s: 0",
            todo="set both keys in the section of the model, next to `estimator`",
        )
        for name, model in plan.config.models.items()
        if isinstance(options := model.estimator_options(), StateSpace)
        and options.noise == "counts"
        and plan.recording_settings(recording, name).smoothing_s is None
    ]


def _of_activity(plan: Plan, recording: str, models: Iterable[str], file: FileCheck) -> list[str]:
    """Mistakes of models that cannot read the activity of a file."""
    wrong = []
    for name in models:
        model = plan.config.models[name]
        options = model.estimator_options()
        if isinstance(options, PopulationNetwork) and options.indicator_s is None and file.not_for_populations:
            wrong.append(f"models.{name}, recording {file.not_for_populations}")
        if model.nonlinearity in NEVER_NEGATIVE and file.lowest_activity < 0:
            wrong.append(
                mistake(
                    f"models.{name}.nonlinearity, recording {recording}",
                    found=f"{model.nonlinearity}, and activity down to {file.lowest_activity:g}",
                    expected="activity that is never negative",
                    todo="set nonlinearity: tanh",
                )
            )
    return wrong


def _contradicted_constraints(plan: Plan, file: FileCheck) -> list[str]:
    """Constraints of models that the cell types, positions and names of the units contradict."""
    return [
        f"models.{name}, {text}"
        for name, model in plan.config.models.items()
        if model.constraints is not None and file.outline is not None
        for text in attempt(circuit_of, file.outline, model.constraints)[1]
    ]


def _of_merge(plan: Plan, files: Mapping[str, FileCheck]) -> Iterator[RunCheck]:
    """Labels of ``regions.merge`` that no recording with this table has."""
    groups: dict[str, list[str]] = {}
    for name, row in plan.recordings.items():
        if row.settings.regions.merge and name in files and files[name].opened:
            groups.setdefault(json.dumps(row.settings.regions.merge, sort_keys=True), []).append(name)
    for names in groups.values():
        absent = [
            label
            for label in files[names[0]].unmatched.labels
            if all(label in files[name].unmatched.labels for name in names)
        ]
        if not absent:
            continue
        labels = sorted({label for name in names for label in files[name].unmatched.present_labels})
        shared = "regions.merge" in plan.shared_settings(names[0])
        where = "config" if shared else f"{names[0]} ({plan.recordings[names[0]].path})"
        message = absent_labels_message(where, absent, labels, "any recording" if shared else "the recording")
        if not absent_labels_are_a_mistake(plan.recordings[names[0]].settings.regions.merge, absent, labels):
            yield RunCheck(remarks=[message])
        elif shared:
            yield RunCheck(of_study=[message])
        else:
            yield RunCheck({names[0]: [message]})


def _of_mapping(plan: Plan, files: Mapping[str, FileCheck]) -> Iterator[RunCheck]:
    """Tables ``regions.mapping`` that name no unit: in order where they name units of a recording that shares them."""
    opened = {name: plan.recordings[name].settings.regions.mapping for name, file in files.items() if file.opened}
    matched = {mapping for name, mapping in opened.items() if not files[name].unmatched.mapping}
    for name, mapping in opened.items():
        if not files[name].unmatched.mapping:
            continue
        where = f"{name} ({plan.recordings[name].path})"
        message = f"{where}: regions.mapping: {files[name].unmatched.mapping}"
        yield RunCheck(remarks=[message]) if mapping in matched else RunCheck({name: [message]})


def _of_perturbed(plan: Plan, files: Mapping[str, FileCheck]) -> Iterator[RunCheck]:
    """Perturbed trials that a recording lacks: in order where a recording with the same setting has all of them."""
    whole = [plan.recordings[name].settings.perturbed for name, file in files.items() if not file.absent_perturbations]
    for name, file in files.items():
        absent = file.absent_perturbations
        in_order = plan.recordings[name].settings.perturbed in whole
        yield RunCheck(remarks=absent) if in_order else RunCheck({name: absent})


def _of_values(files: Mapping[str, FileCheck]) -> RunCheck:
    """Values of `windows.select` and `units.select` that no recording has, next to others that some have."""
    opened = [file for file in files.values() if file.opened]
    remarks = []
    for setting, value in dict.fromkeys(pair for file in opened for pair in file.unmatched.values):
        if all((setting, value) in file.unmatched.values for file in opened):
            present = sorted({text for file in opened for text in file.unmatched.values[setting, value]})
            hint = did_you_mean(value, present)
            remarks.append(f"config: {setting}: no recording has {value!r}" + (f"; {hint}" if hint else ""))
    return RunCheck(remarks=remarks)


def _of_refusal(refused: Refusal, plan: Plan) -> RunCheck:
    """Sort the recordings that cannot do what the config asks for into mistakes and remarks.

    What no recording can do is a mistake of the study, unless some recordings could not be opened.
    """
    reasons = refused.reasons
    if len(reasons) == len(refused.asked) and not refused.required:
        # The message with a hint at the nearest name helps most.
        text = next((text for text in reasons.values() if "did you mean" in text), next(iter(reasons.values())))
        all_opened = len(refused.asked) == len(plan.recordings)
        if len(plan.recordings) > 1:
            text += f"; this is the case in every {'' if all_opened else 'opened '}recording"
        return RunCheck(of_study=[text]) if all_opened else RunCheck(remarks=[text])
    return RunCheck(
        {recording: [text] for recording, text in reasons.items() if recording in refused.required},
        remarks=[
            f"{refused.what} is left out of {recording}. {text}"
            for recording, text in reasons.items()
            if recording not in refused.required
        ],
    )


def check_before_run(plan: Plan, done: Path | None) -> list[str]:
    """Check the files of a run before its first step.

    Parameters
    ----------
    plan : the plan of the run.
    done : file that stores what was checked, so that a run that is continued is not checked again; None always checks.

    Returns
    -------
    Lines to print; none if there is nothing to report or if everything was checked before.

    Raises
    ------
    UserError : a mistake concerns the run as a whole, or none of the recording files can be ingested; one line per
        mistake.
    """
    digest = digest_of_run(plan)
    if done is not None and done.is_file() and done.read_text(encoding="utf-8").strip() == digest:
        return []
    check = check_run(plan)
    if check.leaves_nothing:
        raise UserError("\n".join(report_lines(check, len(plan.recordings))))
    if done is not None:
        with whole_file(done) as temporary:
            temporary.write_text(digest + "\n", encoding="utf-8")
    lines = together(check.mistakes)
    if lines:
        names = ", ".join(check.failing)
        lines = [f"Without {names}, until these mistakes are corrected:", *(f"  {line}" for line in lines)]
    if check.remarks:
        lines += ["Look at these:", *(f"  {remark}" for remark in together(check.remarks))]
    return lines


def check_config(config: Path) -> tuple[bool, list[str]]:
    """Check a config and all its files.

    Returns
    -------
    True if there is no mistake; and the lines that `curbd check` prints.

    Raises
    ------
    UserError : the config file cannot be read.
    """
    plan, mistakes = plan_and_mistakes(config, generated=[DEMO])
    if plan is None:
        return False, [*mistakes, "No file was opened: the mistakes in the config must be corrected first."]
    plan = with_default_models(plan)
    check = check_run(plan)
    absent = [path for line in mistakes for path in re.findall(r'found "(.+)" \(no such file\)', line)]
    # The mistake in the config is told already.
    of_recording = {
        name: [line for line in lines if not any(f"{path}, which is not a file" in line for path in absent)]
        for name, lines in check.of_recording.items()
    }
    check = RunCheck(of_recording, list(dict.fromkeys([*mistakes, *check.of_study])), check.remarks)
    return not check.mistakes, report_lines(check, len(plan.recordings))
