"""Light on the dorsal raphe of mice in fMRI (Hamada et al. 2024): predicted against measured maps over 27 regions."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pandas as pd

import curbd
from benchmarks.independent.answers import Answer, Role
from benchmarks.independent.networks import MODELS, fitted, session
from curbd.inactivation.tabulate import inactivation_table, unit_table
from curbd.tables.perturbation_comparison import ALL_REGIONS

MAP_R = "map over 27 regions, r with the measured change"
SUPPORTED = "effects called supported, of 27 regions"
RIGHT_SIGN = "effects called supported, share whose measured change is an effect of the same sign"
CHANCE_P = "map over 27 regions, p among random halves of undriven trials"
BASELINE_S = [-20.0, 0.0]
LIGHT_S = 40.0


class Mice(NamedTuple):
    """A group of animals in one state: blue light is the perturbation, yellow light the control."""

    case: str
    genotype: str
    anaesthesia: bool


GROUPS = (
    Mice("awake", "TPH", False),
    Mice("anaesthetised", "TPH", True),
    Mice("no opsin, awake", "WT", False),
    Mice("no opsin, anaesthetised", "WT", True),
)


def answers(files: list[Path]) -> Iterator[Answer]:
    """Does a network of undriven trials predict which regions change when the raphe is driven?"""
    for path in files:
        for mice in GROUPS:
            yield from _of_group(path, mice)


def _of_group(path: Path, mice: Mice) -> Iterator[Answer]:
    measured = session(path, _settings(mice))
    recording, perturbed = measured.recording, measured.perturbed
    if perturbed is None:
        raise ValueError(f"{path}: found no trials with blue light")
    drive = {"light": curbd.Inactivation(region="DRN", action="drive", value=1, start_s=0.0, stop_s=LIGHT_S)}
    settings = curbd.ExperimentSettings(groups=0)
    for index, (name, model) in enumerate(MODELS.items()):
        networks = fitted(recording, model)
        outcome = curbd.run_experiments(recording, networks, drive, settings=settings)
        effects = inactivation_table(outcome, curbd.judge(recording, networks))
        rows = curbd.compare(recording, perturbed, effects, unit_table(outcome))
        over_regions = {row["baseline"]: row for _, row in rows[rows["target"] == ALL_REGIONS].iterrows()}
        yield from _scores(mice.case, name, "model", over_regions["model"])
        yield from _verdicts(mice.case, name, rows)
        if index == 0:
            for baseline, row in over_regions.items():
                if baseline not in ("model", "none", "constant"):
                    yield from _scores(mice.case, baseline.replace("_", " "), "baseline", row)
            ceiling = float(over_regions["model"]["ceiling_r"])
            yield Answer(MAP_R, mice.case, "repeatable part of the measured map", "ceiling", ceiling)


def _settings(mice: Mice) -> dict[str, object]:
    """Only the trials of one group of animals; intervals over mice, every trial against its own 20 s before."""
    return {
        "units": {"min_per_region": 1},
        "windows": {"select": {"genotype": [mice.genotype], "anaesthesia": [mice.anaesthesia]}},
        "perturbed": [
            {"column": "light", "value": "blue", "like": "light", "group": "mouse", "baseline_s": BASELINE_S}
        ],
    }


def _verdicts(case: str, method: str, rows: pd.DataFrame) -> Iterator[Answer]:
    """Effects on single regions that are called supported, and how many of them are measured."""
    of_regions = rows[(rows["target"] != ALL_REGIONS) & (rows["baseline"] == "model") & rows["unit_id"].isna()]
    supported = of_regions[of_regions["predicted_effect"] == "effect"]
    yield Answer(SUPPORTED, case, method, "model", float(len(supported)))
    same = (supported["measured_effect"] == "effect") & (supported["measured"] * supported["predicted"] > 0)
    yield Answer(RIGHT_SIGN, case, method, "model", float(same.mean()) if len(supported) else float("nan"))


def _scores(case: str, method: str, role: Role, row: pd.Series) -> Iterator[Answer]:
    yield Answer(MAP_R, case, method, role, float(row["r"]), float(row["r_low"]), float(row["r_high"]))
    yield Answer(MAP_R, case, f"random halves, 95 %: {method}", "chance", float(row["null_r"]))
    yield Answer(CHANCE_P, case, method, role, float(row["r_p_value"]))
