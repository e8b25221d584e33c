"""From experiments of the config to perturbations: what each entry acts on, and what is refused before any fit."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from curbd.errors import UserError
from curbd.inactivation.check import check_experiments
from curbd.inactivation.perturbations import Preparation, perturbations_of
from curbd.network.perturbation import Perturbation
from curbd.settings.experiments import ExperimentSettings, Inactivation
from curbd.settings.validation import check

REGION = np.repeat(["A", "B", "C"], 4)


@pytest.fixture
def recording() -> xr.Dataset:
    """Three regions of four units, the last of each inhibitory; 1 s, two conditions, two inputs."""
    rates = np.zeros((6, 20, 12))
    rates[3:, 15:] = np.nan
    return xr.Dataset(
        {
            "rates": (("trial", "time", "unit"), rates),
            "inputs": (("trial", "time", "input"), np.zeros((6, 20, 2))),
        },
        coords={
            "unit_id": ("unit", np.array([f"{region}{index % 4 + 1}" for index, region in enumerate(REGION)])),
            "region": ("unit", REGION),
            "cell_type": ("unit", np.array(["excitatory", "excitatory", "excitatory", "inhibitory"] * 3)),
            "depth": ("unit", np.arange(12) * 100.0),
            "condition": ("trial", np.array(["left"] * 3 + ["right"] * 3)),
            "split": ("trial", np.array(["train"] * 5 + ["test"])),
            "choice": ("trial", np.array([0, 1, 0, 1, 0, 1])),
            "time": (np.arange(20) + 0.5) * 0.05,
            "input": ("input", np.array(["light", "tone"])),
        },
        attrs={"recording": "mouse", "dt_s": 0.05},
    )


def perturbations_by(recording: xr.Dataset, n_latents: int = 0, **experiment: Any) -> list[Perturbation]:
    """The perturbations of one experiment, named ``try``."""
    return perturbations_of(
        Preparation(recording, n_latents=n_latents), {"try": Inactivation.model_validate(experiment)}
    )


def names(perturbations: list[Perturbation]) -> list[str]:
    return [perturbation.name for perturbation in perturbations]


def test_an_experiment_that_leaves_the_name_open_is_one_perturbation_for_each_name(recording: xr.Dataset) -> None:
    assert names(perturbations_by(recording)) == ["try:A", "try:B", "try:C"]
    assert names(perturbations_by(recording, kind="pathway", target="B")) == ["try:A->B", "try:C->B"]
    assert names(perturbations_by(recording, kind="pathway", source="A", target="A")) == ["try:A->A"]
    assert names(perturbations_by(recording, kind="input")) == ["try:light", "try:tone"]
    assert names(perturbations_by(recording, 2, kind="latent")) == ["try:1", "try:2"]
    assert perturbations_by(recording, 2, kind="latent", latent=2)[0].action.latents == (1,)
    assert perturbations_by(recording, kind="latent") == []


def test_units_are_selected_by_columns_by_names_and_by_ranges_of_numbers(recording: xr.Dataset) -> None:
    where = {"region": ["A", "B"], "cell_type": ["inhibitory"]}
    [perturbation] = perturbations_by(recording, kind="units", where=where, action="drive", value=2.0)
    np.testing.assert_array_equal(np.flatnonzero(perturbation.action.current), [3, 7])
    assert not perturbation.action.held.any()
    assert perturbation.name == "try:region=A|B,cell_type=inhibitory"
    [perturbation] = perturbations_by(recording, kind="units", between={"depth": [100, 300]})
    np.testing.assert_array_equal(np.flatnonzero(perturbation.action.held), [1, 2, 3])
    [perturbation] = perturbations_by(recording, kind="units", where={"depth": [100, 500]})
    np.testing.assert_array_equal(np.flatnonzero(perturbation.action.held), [1, 5])
    [perturbation] = perturbations_by(recording, kind="units", units=["C1", "A2"])
    np.testing.assert_array_equal(np.flatnonzero(perturbation.action.held), [1, 8])


def test_units_are_selected_by_a_table(recording: xr.Dataset, tmp_path: Path) -> None:
    table = pd.DataFrame(
        {
            "recording": ["mouse", "mouse", "mouse", "rat"],
            "unit_id": ["A1", "B1", "elsewhere", "C1"],
            "tuning": [0.2, 0.9, 0.9, 0.9],
        }
    )
    table.to_csv(tmp_path / "tuning.tsv", sep="\t", index=False)
    file = str(tmp_path / "tuning.tsv")
    [listed] = perturbations_by(recording, kind="units", table=file)
    np.testing.assert_array_equal(np.flatnonzero(listed.action.held), [0, 4])
    [tuned] = perturbations_by(recording, kind="units", table=file, between={"tuning": [0.5, 1]})
    np.testing.assert_array_equal(np.flatnonzero(tuned.action.held), [4])


def test_populations_are_groups_of_units_from_a_table(recording: xr.Dataset) -> None:
    populations = pd.DataFrame({"unit_id": recording["unit_id"].values, "population": [1, 1, 1, 2] * 3})
    preparation = Preparation(recording, n_latents=2, populations=populations)
    perturbations = perturbations_of(preparation, {"try": Inactivation(kind="population")})
    assert names(perturbations) == ["try:1", "try:2"]
    np.testing.assert_array_equal(np.flatnonzero(perturbations[1].action.held), [3, 7, 11])


def test_larger_random_fractions_contain_the_smaller_ones(recording: xr.Dataset) -> None:
    fractions = [0.1, 0.5, 0.75, 1.0]
    perturbations = perturbations_by(recording, region="A", fraction=fractions, seed=3)
    groups = [perturbation.action.held for perturbation in perturbations]
    assert [int(group.sum()) for group in groups] == [1, 2, 3, 4]
    assert all((small <= large).all() for small, large in pairwise(groups))
    assert all((group <= (REGION == "A")).all() for group in groups)
    assert names(perturbations) == ["try:A 10%", "try:A 50%", "try:A 75%", "try:A 100%"]
    again = perturbations_by(recording, region="A", fraction=fractions, seed=3)
    assert all((a.action.held == b.action.held).all() for a, b in zip(perturbations, again, strict=True))


def test_a_drive_in_the_units_of_the_recording_is_divided_by_the_scale_of_each_unit(recording: xr.Dataset) -> None:
    scaled = recording.assign_coords(scale=("unit", np.arange(1.0, 13)))
    drive = Inactivation(region="B", action="drive", value=6, value_in="rate")
    (perturbation,) = perturbations_of(Preparation(scaled, measured={}), {"try": drive})
    action = perturbation.action
    np.testing.assert_allclose(action.level, np.where(REGION == "B", 6 / scaled["scale"], 0))
    np.testing.assert_array_equal(action.follows, REGION == "B")
    np.testing.assert_array_equal(action.held, REGION == "B")


def test_every_dose_and_every_successive_window_is_a_perturbation(recording: xr.Dataset) -> None:
    perturbations = perturbations_by(recording, region="B", strength=[0.25, 1.0], start_s=0.1, stop_s=0.5, sweep_s=0.2)
    assert names(perturbations) == [
        "try:B x0.25 0.1 to 0.3 s",
        "try:B x0.25 0.3 to 0.5 s",
        "try:B x1 0.1 to 0.3 s",
        "try:B x1 0.3 to 0.5 s",
    ]
    assert [perturbation.strength for perturbation in perturbations] == [0.25, 0.25, 1.0, 1.0]
    np.testing.assert_array_equal(np.flatnonzero(perturbations[1].when), [6, 7, 8, 9])
    assert (perturbations[1].start_s, perturbations[1].stop_s) == (0.3, 0.5)


def test_interventions_that_leave_their_names_open_are_combined_in_every_way(recording: xr.Dataset) -> None:
    perturbations = perturbations_by(recording, parts=[{"kind": "region"}, {"kind": "region"}])
    assert names(perturbations) == ["try:A+B", "try:A+C", "try:B+C"]
    assert {perturbation.kind for perturbation in perturbations} == {"region"}
    np.testing.assert_array_equal(perturbations[1].action.held, REGION != "B")
    [mixed] = perturbations_by(
        recording, parts=[{"kind": "input", "input": "tone"}, {"region": "A", "action": "clamp", "value": -1}]
    )
    assert mixed.kind == "combination"
    np.testing.assert_array_equal(mixed.action.inputs, [False, True])
    np.testing.assert_array_equal(mixed.action.level, np.where(REGION == "A", -1.0, 0.0))


def test_without_conditions_trials_of_all_conditions_are_perturbed(recording: xr.Dataset) -> None:
    assert perturbations_by(recording, region="A")[0].conditions == ("left", "right")
    assert perturbations_by(recording, region="A", conditions=["right"])[0].conditions == ("right",)


@pytest.mark.parametrize(
    ("experiment", "line"),
    [
        ({"region": "D"}, 'region: found "D", expected one of the regions of recording mouse: A, B, C'),
        ({"kind": "input", "input": "ton"}, 'input: found "ton", expected one of the inputs of recording mouse'),
        ({"kind": "pathway", "source": "a"}, 'source: found "a", expected one of the regions'),
        ({"kind": "units", "units": ["A9"]}, 'units: found "A9", expected unit_ids of recording mouse'),
        ({"kind": "units", "where": {"cell_typ": ["x"]}}, "where.cell_typ: found an unknown column"),
        (
            {"kind": "units", "where": {"cell_type": ["pyramidal"]}},
            "where: found no unit of recording mouse that meets all conditions, expected at least one unit; "
            "cell_type holds excitatory",
        ),
        (
            {"kind": "units", "between": {"depth": [5000, 6000]}},
            "between: found no unit of recording mouse that",
        ),
        ({"kind": "units", "table": "missing.tsv"}, 'table: found "missing.tsv"'),
        (
            {"start_s": 5.0},
            "start_s: found a time window from 5 to inf s, expected a time window inside the trials of recording mouse",
        ),
        ({"stop_s": -1.0}, "stop_s: found a time window from -inf to -1 s"),
        ({"start_s": 0.8, "conditions": ["right"]}, "start_s: found a time window from 0.8 to inf s"),
        (
            {"conditions": ["lef"]},
            'conditions: found "lef", expected one of the conditions of recording mouse: left, right',
        ),
        (
            {"parts": [{"region": "A"}, {"kind": "units", "units": ["A2", "B1"], "action": "clamp", "value": 0.5}]},
            "parts: found A and 2 units set the rate of the same 1 unit (A2) in two ways",
        ),
        (
            {"parts": [{"region": "A"}, {"kind": "units", "units": ["A2"], "action": "scale", "value": 2}]},
            "parts: found A and A2 set the rate of the same 1 unit (A2) in two ways",
        ),
        ({"parts": [{"region": "A"}, {"region": "A"}]}, "parts: found the same intervention twice"),
        ({"parts": [{"region": "A"}, {"region": "D"}]}, 'parts[1].region: found "D"'),
        ({"region": "A", "action": "drive", "value": "measured"}, "value: found measured, expected perturbed trials"),
    ],
)
def test_an_experiment_that_cannot_be_done_is_refused_before_any_fit(
    recording: xr.Dataset, experiment: dict[str, Any], line: str
) -> None:
    with pytest.raises(UserError) as raised:
        check_experiments(recording, {"try": Inactivation.model_validate(experiment)})
    assert str(raised.value).startswith(f"config, inactivations.try.{line}")


@pytest.mark.parametrize(
    ("experiment", "line"),
    [
        ({"strength": 1.5}, "strength: found 1.5, expected a number of at most 1"),
        ({"strength": [0.5, 0]}, "strength[1]: found 0, expected a number greater than 0"),
        ({"fraction": 2}, "fraction: found 2, expected a number of at most 1"),
        ({"action": "clamp"}, "value: found nothing with action clamp, expected a number"),
        ({"action": "clamp", "value": 2}, "value: found 2 with action clamp, expected a rate from -1 to 1"),
        ({"action": "scale", "value": -1}, "value: found -1 with action scale, expected a factor of at least 0"),
        ({"value": "measured"}, "value: found measured with action silence, expected action clamp, scale or drive"),
        ({"action": "scale", "value": "measured"}, "value: found measured with action scale, expected action drive"),
        ({"action": "clamp", "value": 0.5, "value_in": "rate"}, "value_in: found rate with action clamp"),
        ({"value": 1}, "value: found 1 with action silence, expected action clamp, scale or drive"),
        ({"weights": "excitatory", "action": "drive", "value": 1}, "weights: found excitatory with action drive"),
        ({"kind": "input", "fraction": 0.5}, "fraction: found with kind input, expected only the keys input"),
        ({"parts": [{"kind": "input"}], "region": "A"}, "region: found next to parts, expected inside an entry"),
        (
            {"parts": [{"kind": "input", "region": "A"}]},
            "parts[0].region: found with kind input, expected only the keys",
        ),
        ({"start_s": 1, "stop_s": 0}, "stop_s: found 0, expected a time after start_s: 1"),
    ],
)
def test_contradictory_keys_of_an_experiment_are_refused(experiment: dict[str, Any], line: str) -> None:
    def where(path: tuple[str | int, ...]) -> str:
        return "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in path)

    _, messages = check(Inactivation, experiment, where)
    assert len(messages) == 1
    assert messages[0].removeprefix(".").startswith(line)


def test_a_readout_must_name_an_input_or_a_trial_column(recording: xr.Dataset) -> None:
    check_experiments(recording, {}, ExperimentSettings(readout=["choice", "light"]))
    with pytest.raises(UserError, match=r'^config, bench.readout: found "choise".*did you mean \'choice\'\?'):
        check_experiments(recording, {}, ExperimentSettings(readout=["choise"]))


def test_a_readout_needs_two_training_trials(recording: xr.Dataset) -> None:
    recording["inputs"][1:, :, 0] = np.nan
    message = r'^config, bench\.readout: found "light" with 1 training trial in recording mouse, expected at least two'
    with pytest.raises(UserError, match=message):
        check_experiments(recording, {}, ExperimentSettings(readout=["choice", "light"]))
    check_experiments(recording, {}, ExperimentSettings(readout=["choice", "tone"]))


def test_silencing_holds_spike_counts_at_the_bottom_of_their_range(recording: xr.Dataset) -> None:
    counts = recording.assign_attrs(silent=-1.0)
    [perturbation] = perturbations_by(counts, region="A")
    np.testing.assert_array_equal(perturbation.action.level[:4], -1.0)
    [perturbation] = perturbations_by(counts, region="A", action="clamp", value=0.5)
    np.testing.assert_array_equal(perturbation.action.level[:4], 0.5)
