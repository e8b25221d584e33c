"""Remarks on a run: what was left out, and which limits the fits reached."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from curbd.commands.remarks import remarks
from curbd.pathways.contradictions import contradictions
from curbd.settings.plan import Plan
from curbd.settings.plan_reading import read_plan
from curbd.storage.netcdf import write_netcdf

REGION = ["a"] * 3 + ["b"] * 3


def networks(tau_s: float = 0.5, rank: int = 2, n_hidden: int = 0, **variables: Any) -> xr.Dataset:
    """A fit of six units in two regions, the hidden inputs all in region a."""
    B = np.zeros((1, 6, n_hidden))
    B[:, :3] = 1
    return xr.Dataset(
        {
            "tau_s": ("seed", [tau_s]),
            "m": (("seed", "target", "rank"), np.ones((1, 6, rank))),
            "B": (("seed", "target", "input"), B),
            **variables,
        },
        coords={
            "target_region": ("target", REGION),
            "input_hidden": ("input", np.ones(n_hidden, bool)),
        },
        attrs={"dt_s": 0.05},
    )


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Results of one recording with 10 trials of 20 bins."""
    monkeypatch.chdir(tmp_path)
    Path("a.h5").touch()
    Path("my.tsv").write_text("recording\tpath\tformat\nrec\ta.h5\thdf5\n", encoding="utf-8")
    write_recording(Path("results/rec"), ["left", "right"] * 5, 20)
    write_units(Path("results/rec"), {"a": "", "b": ""})
    return Path("results/rec")


def write_recording(folder: Path, condition: list[str], n_bins: int, activity: str = "rates") -> None:
    recording = xr.Dataset(
        {"rates": (("trial", "time", "unit"), np.zeros((len(condition), n_bins, 6)))},
        coords={"condition": ("trial", condition)},
        attrs={"dt_s": 0.05, "stretches": "trials", "activity_name": activity},
    )
    write_netcdf({"/": recording}, folder / "recording.nc")


def write_units(folder: Path, reasons: dict[str, str]) -> None:
    rows = [{"region": region, "kept": not reason, "reason": reason} for region, reason in reasons.items()]
    pd.DataFrame(rows).to_csv(folder / "units.csv", index=False)


def judged(q_value: float = 0.01, q_value_null: float = 0.01) -> dict[str, pd.DataFrame]:
    """The tables `pathways` and `nulls` of a model in which three pathways have the same q values."""
    names = pd.DataFrame({"target": ["b", "a", "a"], "source": ["a", "b", "input:x"]})
    nulls = names.assign(null="trial_shuffle", measure="held_out_gain", q_value=q_value_null)
    return {"pathways": names.assign(q_value=q_value, verdict="unresolved"), "nulls": nulls}


def said(
    folder: Path, fit: xr.Dataset, q_values: tuple[float, float] = (0.01, 0.01), stop_s: float = 0.5, **config: Any
) -> list[str]:
    model = config.pop("model", {"family": "full_rank"})
    plan: Plan = read_plan({"recordings": "my.tsv", "models": {"m": model}, **config})
    write_netcdf({"/": fit}, folder / "m" / "network.nc")
    for name, table in judged(*q_values).items():
        table.to_csv(folder / "m" / f"{name}.csv", index=False)
    effects = pd.DataFrame({"experiment": ["silence"], "start_s": [0.0], "stop_s": [stop_s]})
    effects.to_csv(folder / "m" / "inactivations.csv", index=False)
    return remarks(folder.parent, plan, {"rec": ["m"]})["rec"]


def test_a_sound_run_has_no_remark(folder: Path) -> None:
    assert said(folder, networks()) == []


def test_regions_and_experiments_that_are_left_out(folder: Path) -> None:
    write_units(folder, {"a": "", "b": "fewer than 3 units kept in region b", "c": "quality is bad"})
    (folder / "experiments.json").write_text(json.dumps({"inactivations": {"silence": {}}}), encoding="utf-8")
    first, second = said(folder, networks(), inactivations={"silence": {}, "off": {"region": "V1"}})
    assert first.startswith("b is left out, with fewer than 3 units")
    assert second.startswith("the recording cannot run the experiment off;")


def test_fluorescence_that_is_fitted_as_if_it_were_rates(folder: Path) -> None:
    write_recording(folder, ["left", "right"] * 5, 20, "processing/ophys/DfOverF/dff")
    (remark,) = said(folder, networks(tau_s=0.7))
    assert remark.startswith("m: fluorescence is fitted as if it were the rates of the units")
    assert "(0.7 s)" in remark
    behind = {"family": "full_rank", "estimator": "state_space", "options": {"noise": "calcium"}}
    assert said(folder, networks(), model=behind) == []
    write_recording(folder, ["left", "right"] * 5, 20, "processing/ophys/Deconvolved")
    assert said(folder, networks()) == []


def test_conditions_of_single_trials_and_trials_of_few_bins(folder: Path) -> None:
    write_recording(folder, [str(number) for number in range(10)], 2)
    first, second = said(folder, networks(), defaults={"windows": {"conditions": ["rt"]}})
    assert first.startswith("10 of 10 conditions (rt) have a single trial")
    assert second.startswith("a trial has only 2 bins of 0.05 s")


def test_populations_that_need_more_latents_than_are_tried(folder: Path) -> None:
    model = {"family": "low_rank", "estimator": "population", "options": {"max_dimensions": 2}}
    fit = networks().assign(latents_suffice=0)
    (remark,) = [text for text in said(folder, fit, model=model) if "latent" in text]
    assert remark.startswith("m: one latent more than the largest number that was tried (2) predicts")
    assert not any("latent" in text for text in said(folder, networks().assign(latents_suffice=1), model=model))


def test_populations_that_may_need_as_many_latents_as_are_allowed(folder: Path) -> None:
    model = {"family": "low_rank", "estimator": "population", "options": {"max_dimensions": 3}}
    fit = networks().assign(latents_suffice=1).assign_coords(pathway_target=["a", "b"])
    at_limit = fit.assign(n_latents_high=("pathway_target", [3, 2]))
    (remark,) = [text for text in said(folder, at_limit, model=model) if "latents" in text]
    assert remark.startswith("m: a may need more latents than the 3 that were allowed")
    assert "raise max_dimensions" in remark
    below = fit.assign(n_latents_high=("pathway_target", [2, 2]))
    assert not any("latents" in text for text in said(folder, below, model=model))


def test_a_perturbation_of_many_time_constants(folder: Path) -> None:
    (remark,) = said(folder, networks(tau_s=0.2), stop_s=13.2)
    assert remark.startswith("m: the experiment silence perturbs for up to 13.2 s, 66 time constants.")
    assert "sweep_s" in remark


@pytest.mark.parametrize(
    ("fit", "model", "text"),
    [
        (networks(tau_s=0.0501), {"family": "full_rank"}, "m: the time constant is at its lower limit"),
        (networks(tau_s=5.0), {"family": "full_rank"}, "m: the time constant is at or above its upper limit"),
        (networks(rank=10), {"family": "low_rank"}, "m: the rank 10 is the largest that was tried"),
        (
            networks(n_hidden=3),
            {"family": "full_rank", "options": {"hidden_inputs": "auto"}},
            "m: a has as many hidden inputs as are tried (3)",
        ),
        (
            networks(block_rank=(("seed", "block_target", "block_source"), [[[6, 1], [6, 0]]])),
            {"family": "low_rank", "estimator": "block_rank"},
            "m: 2 pairs of regions have the largest rank that was tried, 6",
        ),
    ],
)
def test_a_limit_that_a_fit_reached(folder: Path, fit: xr.Dataset, model: dict[str, Any], text: str) -> None:
    (remark,) = said(folder, fit, model=model)
    assert remark.startswith(text)


@pytest.mark.parametrize(
    ("fit", "model"),
    [
        (networks(tau_s=0.05), {"family": "full_rank", "tau_s": 0.05}),
        (networks(rank=10), {"family": "low_rank", "options": {"rank": 10}}),
        (networks(n_hidden=3), {"family": "full_rank", "options": {"hidden_inputs": 3}}),
    ],
)
def test_a_value_that_was_given_is_no_limit(folder: Path, fit: xr.Dataset, model: dict[str, Any]) -> None:
    assert said(folder, fit, model=model) == []


def test_nulls_that_contradict_each_other_are_told_with_the_one_that_counts() -> None:
    def sentences(q_value: float, q_value_null: float) -> list[str]:
        return contradictions(*judged(q_value, q_value_null).values())

    assert sentences(0.01, 0.02) == sentences(0.2, 0.3) == sentences(np.nan, 0.01) == []
    (shared,) = sentences(0.2, 0.01)
    assert shared.startswith("3 of 3 pathways (a → b, b → a, input:x → a): q <= 0.05 for trial_shuffle in nulls.csv")
    assert shared.endswith("the verdict follows the latter.")
    (doubtful,) = sentences(0.01, 0.2)
    assert "confirm it in a second session" in doubtful
    assert "resolved" not in doubtful


def test_a_resolved_pathway_stays_resolved_although_another_null_does_not_reject() -> None:
    tables = judged(0.01, 0.2)
    verdicts = ["resolved", "unresolved", "unresolved"]
    (doubtful,) = contradictions(tables["pathways"].assign(verdict=verdicts), tables["nulls"])
    assert "1 of them is resolved, and remains so." in doubtful


def test_a_pathway_of_a_region_on_itself_is_not_compared() -> None:
    pathways, nulls = (table.assign(source=table["target"]) for table in judged(0.2, 0.01).values())
    assert contradictions(pathways, nulls) == []


def test_a_contradiction_reaches_the_remarks_of_the_run(folder: Path) -> None:
    (remark,) = said(folder, networks(), q_values=(0.01, 0.2))
    assert remark.startswith("m: 3 of 3 pathways")


def test_constraints_that_the_data_contradict_reach_the_remarks_of_the_run(folder: Path) -> None:
    verdicts = pd.DataFrame({"verdict": ["contradicted", ""], "reason": ["shuffled cell types predict as well", ""]})
    (folder / "m").mkdir()
    verdicts.to_csv(folder / "m" / "constraints.csv", index=False)
    model = {"family": "full_rank", "constraints": {"signs": True}}
    (text,) = said(folder, networks(), model=model)
    assert "shuffled cell types predict as well. Do not read currents" in text
    verdicts.assign(verdict=["supported", ""]).to_csv(folder / "m" / "constraints.csv", index=False)
    assert said(folder, networks(), model=model) == []
