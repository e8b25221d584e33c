"""Mistakes of a plan that no single key shows: missing tables, unknown names, settings that exclude each other."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from curbd.errors import did_you_mean, mistake
from curbd.settings.config import Config
from curbd.settings.estimators import OneStep, StateSpace
from curbd.settings.plan import Plan, unit_tables
from curbd.settings.recordings_mistakes import missing_tables
from curbd.settings.recordings_table import RecordingRow
from curbd.settings.validation import euler_step_mistakes


def mistakes_of_config(config: Config, file: str) -> list[str]:
    """Find what is wrong with the folders and tables that a config names, one line for each mistake.

    Parameters
    ----------
    config : the config.
    file : name of the config, for messages.
    """
    return [
        *_unusable_results(config, file),
        *missing_tables(config.defaults, f"{file}, defaults"),
        *_missing_unit_tables(config, file),
        *_missing_constraint_tables(config, file),
    ]


def mistakes_of_plan(plan: Plan, file: str) -> list[str]:
    """Find settings that contradict one another, whatever the files of the recordings hold, one line for each mistake.

    Parameters
    ----------
    plan : the config and its recordings.
    file : name of the config, for messages.
    """
    contradictions = [*_adapting_models_with_dynamics(plan.config, file), *_oscillators_of_spikes(plan, file)]
    for recording in plan.recordings:
        for name in plan.config.models:
            contradictions += _single_steps(plan, file, recording, name)
            contradictions += _noise_of_counts(plan, file, recording, name)
            contradictions += _wide_bins(plan, file, recording, name)
    return [
        *_unknown_experiments(plan.config, plan.recordings),
        *_long_euler_steps(plan, file),
        *dict.fromkeys(contradictions),
    ]


def mistakes_of_names(plan: Plan, file: str) -> list[str]:
    """Find names of recordings in a config that recordings.tsv lacks, and what else a shared network needs.

    Parameters
    ----------
    plan : the config and all of its recordings.
    file : name of the config, for messages.
    """
    return _unknown_recordings(plan.config, file, plan.recordings) + _shared_mistakes(plan, file)


def _single_steps(plan: Plan, file: str, recording: str, name: str) -> Iterator[str]:
    """Several Euler steps in a bin, with units that are fitted bin by bin."""
    model, substeps = plan.config.models[name], plan.fit_model(recording, name).substeps or 1
    if model.nonlinearity in ("relu", "auto") and substeps > 1:
        yield mistake(
            f"{file}, models.{name}",
            found=f"nonlinearity: {model.nonlinearity} with substeps: {substeps}",
            expected="substeps: 1, because states of silent units are inferred bin by bin",
        )
    if model.has_own_time_constants() and substeps > 1:
        yield mistake(
            f"{file}, models.{name}",
            found=f"tau_s: {model.tau_s} with substeps: {substeps}",
            expected="substeps: 1 for units that have time constants of their own",
        )


def _noise_of_counts(plan: Plan, file: str, recording: str, name: str) -> Iterator[str]:
    """The noise of counts, with rates that are no longer counts."""
    settings, options = plan.recording_settings(recording, name), plan.config.models[name].estimator_options()
    if not isinstance(options, StateSpace) or options.noise != "counts":
        return
    smoothing = settings.smoothing_s
    if settings.scaling != "counts" or (smoothing is not None and smoothing > 0):
        found = f"noise: counts with scaling: {settings.scaling}"
        found += "" if smoothing is None else f" and smoothing_s: {smoothing:g}"
        yield mistake(
            f"{file}, models.{name}",
            found=found,
            expected="scaling: counts, smoothing_s: 0",
            todo="set both keys in the section of the model, next to `estimator`",
        )


def _wide_bins(plan: Plan, file: str, recording: str, name: str) -> Iterator[str]:
    """Bins that are longer than a trial."""
    settings = plan.recording_settings(recording, name)
    windows, width_s = settings.windows, settings.bin_width_s
    if windows.start_s is None or windows.stop_s is None or width_s is None or windows.continuous:
        return
    length_s = windows.stop_s - windows.start_s
    if width_s > length_s * (1 + 1e-6):
        yield mistake(
            f"{file}, recording {recording}, bin_width_s",
            found=f"{width_s:g} s",
            expected=f"bins that fit into the trials of {length_s:g} s (windows.start_s to windows.stop_s)",
        )


def _unusable_results(config: Config, file: str) -> list[str]:
    """A folder of results that cannot be made or written."""
    folder = Path(config.results).absolute()
    nearest = next(path for path in (folder, *folder.parents) if path.exists())
    if nearest.is_dir() and os.access(nearest, os.W_OK | os.X_OK):
        return []
    found = f'"{config.results}", where {nearest} is a file'
    if nearest.is_dir():
        found = f'"{config.results}", where {nearest} cannot be written by this user'
    todo = "name another folder under results"
    return [mistake(f"{file}, results", found=found, expected="a folder that can be written", todo=todo)]


def _long_euler_steps(plan: Plan, file: str) -> list[str]:
    """Models with Euler steps longer than the time constant, where the bin width is known from the settings."""
    wrong = []
    for recording in plan.recordings:
        for name in plan.config.models:
            dt_s, model = plan.recording_settings(recording, name).bin_width_s, plan.fit_model(recording, name)
            if dt_s is not None:
                wrong += euler_step_mistakes(f"{file}, models.{name}", dt_s, model.tau_s, model.substeps)
    return list(dict.fromkeys(wrong))


def _adapting_models_with_dynamics(config: Config, file: str) -> list[str]:
    """Models of adapting units in a run that asks for dynamics, one mistake for each."""
    options = {name: model.estimator_options() for name, model in config.models.items()}
    return [
        mistake(
            f"{file}, models.{name}",
            found=f"adaptation with dynamics: {config.dynamics}",
            expected="dynamics: none, because fixed points and cycles of adapting units are not computed",
            todo="remove one of the two keys",
        )
        for name, of_model in options.items()
        if isinstance(of_model, OneStep) and of_model.adaptation is not False and config.dynamics != "none"
    ]


def _oscillators_of_spikes(plan: Plan, file: str) -> list[str]:
    """Recordings that are no fields in a run that asks for oscillators, one mistake for each."""
    return [
        mistake(
            f"{file}, oscillators",
            found=f"true with recording {name} in the format {recording.format}",
            expected="recordings in the format hdf5, whose rates are fields sampled at regular times",
            todo="write the fields to an HDF5 file, or remove the key",
        )
        for name, recording in plan.recordings.items()
        if plan.config.oscillators and recording.format != "hdf5"
    ]


def _unknown_recordings(config: Config, file: str, recordings: Mapping[str, RecordingRow]) -> list[str]:
    """Names in `recordings` of an experiment that are not in recordings.tsv, and experiments that are left out of a
    recording whose perturbed trials are like them; one mistake for each."""
    wrong = [
        mistake(
            f"{file}, inactivations.{name}.recordings",
            found=f'"{recording}"',
            expected=f"names of recordings: {', '.join(recordings) or 'there is none'}",
            todo=did_you_mean(recording, recordings),
        )
        for name, experiment in config.inactivations.items()
        for recording in experiment.recordings or []
        if recording not in recordings
    ]
    for recording, row in recordings.items():
        for like in sorted({trials.like for trials in row.settings.perturbed} & set(config.inactivations)):
            chosen = config.inactivations[like].recordings
            if chosen is not None and recording not in chosen:
                wrong.append(
                    mistake(
                        f"{file}, inactivations.{like}.recordings",
                        found=f"{', '.join(chosen)}",
                        expected=f"also {recording}, whose perturbed trials are compared with this experiment",
                    )
                )
    return wrong


def _shared_mistakes(plan: Plan, file: str) -> list[str]:
    """Recordings of the shared network that do not exist, fewer than two, and a table of synapses that is not there."""
    shared = plan.config.shared
    if shared is None:
        return []
    wrong = [
        mistake(
            f"{file}, shared.recordings",
            found=f'"{name}"',
            expected=f"names of recordings: {', '.join(plan.recordings)}",
            todo=did_you_mean(name, plan.recordings),
        )
        for name in shared.recordings or []
        if name not in plan.recordings
    ]
    if len(plan.shared_recordings()) < 2:
        wrong.append(mistake(f"{file}, shared", found="fewer than two recordings", expected="at least two animals"))
    if shared.synapses is not None and not Path(shared.synapses).is_file():
        found = f'"{shared.synapses}" (no such file)'
        wrong.append(mistake(f"{file}, shared.synapses", found=found, expected="a TSV"))
    return wrong


def _unknown_experiments(config: Config, recordings: Mapping[str, RecordingRow]) -> list[str]:
    """Names in `perturbed` that are not entries of `inactivations`, one mistake for each."""
    names = {trials.like for recording in recordings.values() for trials in recording.settings.perturbed}
    return [
        mistake(
            "perturbed, like",
            found=f'"{name}"',
            expected=f"the name of an entry of inactivations: {', '.join(config.inactivations) or 'there is none'}",
            todo=did_you_mean(name, config.inactivations),
        )
        for name in sorted(names - set(config.inactivations))
    ]


def _missing_unit_tables(config: Config, file: str) -> list[str]:
    return [
        mistake(f"{file}, {key}", found=f'"{table}" (no such file)', expected="a TSV or CSV with the column unit_id")
        for key, table in unit_tables(config)
        if not Path(table).is_file()
    ]


def _missing_constraint_tables(config: Config, file: str) -> list[str]:
    return [
        mistake(f"{file}, models.{name}.constraints.{key}", found=f'"{table}" (no such file)', expected="a TSV")
        for name, model in config.models.items()
        if model.constraints is not None
        for key, table in model.constraints.tables().items()
        if not Path(table).is_file()
    ]
