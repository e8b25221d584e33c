"""What population networks choose on held-out trials: latents, ranks of pathways, linear or curved, hidden drives.

``python -m benchmarks.model_choice`` continues where it was stopped: rows that are in the table are not computed again.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks import command
from benchmarks.document import insert, markdown
from benchmarks.populations import correlation, drives
from benchmarks.rows import add, finished, rows
from curbd.teachers.populations import PopulationTeacher, populations
from lrfit.population_network.currents import currents
from lrfit.population_network.dimensions import Dimensions, choose_dimensions
from lrfit.population_network.evidence import Evidence, evidence
from lrfit.population_network.fit import Fit, converge
from lrfit.population_network.fit_settings import PopulationSettings
from lrfit.population_network.form_choice import choose_form
from lrfit.population_network.recording import HELD_OUT_FOLD, Recording, from_arrays, split

Array = np.ndarray
KEYS = ["row", "seed"]
SIZE: Mapping[str, Any] = {"units": 200, "recorded": 30, "trials": 120, "bins": 80}
QUICK_SIZE: Mapping[str, Any] = {"units": 50, "recorded": 8, "trials": 30, "bins": 40}
TEACHERS: Mapping[str, Mapping[str, Any]] = {
    "1 latent": {"rank": 1},
    "2 latents": {"rank": 2},
    "3 latents": {"rank": 3},
    "4 latents": {"rank": 4},
    "1 to 4 latents": {"regions": 4, "rank": [1, 2, 3, 4], "absent": 4},
    "linear units": {"rank": 2, "linear": True},
    "1 hidden drive": {"rank": 2, "hidden": 1.0},
    "2 hidden drives": {"rank": 2, "hidden": 1.0, "drives": 2},
}
"""Kinds of teachers, with the options of `populations`."""
QUICK_TEACHERS = ("2 latents", "linear units")
MAX_DRIVES = 3
"""Largest number of hidden drives that a fit may try."""
log = logging.getLogger("model_choice")


def line(name: str, seed: int, size: Mapping[str, Any]) -> dict[str, Any]:
    """Fit one teacher, and compare every choice with the truth.

    Parameters
    ----------
    name : kind of the teacher.
    seed : seed of the teacher; pathways have rank 1 where it is even, and rank 2 where it is odd.
    size : options of `populations` that say how much is recorded.
    """
    options = {**size, **TEACHERS[name], "pathway_rank": 1 + seed % 2}
    teacher = populations(seed=seed, **options)
    data = from_arrays(teacher.activity, teacher.region, teacher.bin_s, teacher.inputs, teacher.condition)
    test = np.arange(len(teacher.condition)) // 2 % HELD_OUT_FOLD == HELD_OUT_FOLD - 1
    fitted, held_out = split(data, test)
    used = time.process_time()
    settings = PopulationSettings(tau_s=teacher.tau_s, max_drives=MAX_DRIVES)
    chosen = choose_dimensions(fitted, held_out, settings)
    formed = choose_form(fitted, held_out, chosen.number, settings)
    state, gain = converge(formed.fit, fitted), formed.curved_gain
    judged = evidence(state, fitted)
    used = time.process_time() - used
    latents = np.broadcast_to(options["rank"], len(teacher.present))
    return {
        "row": name,
        "seed": seed,
        **of_latents(chosen, latents),
        **of_ranks(judged, teacher.present, latents, options["pathway_rank"]),
        "curved_gain_nats": gain,
        "form_right": (gain > 0) != options.get("linear", False),
        "drives": drives(state.model),
        "drives_right": drives(state.model) == (options.get("drives", 1) if options.get("hidden") else 0),
        "drive_nats": " ".join(f"{value:.0f}" for value in formed.drive_gains),
        **of_currents(teacher, ~test, state, fitted),
        "cpu_s": used,
    }


def of_latents(chosen: Dimensions, latents: Array) -> dict[str, Any]:
    """Compare the numbers of latents with those of the teacher.

    Parameters
    ----------
    chosen : numbers of latents and their ranges.
    latents : (region,) numbers of latents of the teacher.
    """
    low, high = np.array(chosen.low), np.array(chosen.high)
    return {
        "latents": " ".join(map(str, chosen.number)),
        "regions": len(latents),
        "latents_right": int((np.array(chosen.number) == latents).sum()),
        "latents_covered": int(((low <= latents) & (latents <= high)).sum()),
        "latents_width": float((high - low).mean()),
    }


def of_ranks(judged: Evidence, present: Array, latents: Array, pathway_rank: int) -> dict[str, Any]:
    """Compare the ranks of the pathways between regions with those of the teacher.

    Parameters
    ----------
    judged : evidence with the ranks.
    present : (target, source) True if the pathway exists.
    latents : (region,) numbers of latents of the teacher.
    pathway_rank : rank of the pathways of the teacher, where latents allow.
    """
    across = ~np.eye(len(latents), dtype=bool)
    true = present * np.minimum(pathway_rank, np.minimum.outer(latents, latents))
    covered = (judged.rank_low <= true) & (true <= judged.rank_high)
    return {
        "pathways": int(across.sum()),
        "ranks_right": int((judged.rank == true)[across].sum()),
        "ranks_covered": int(covered[across].sum()),
        "ranks_width": float((judged.rank_high - judged.rank_low)[across].mean()),
    }


def of_currents(teacher: PopulationTeacher, trials: Array, state: Fit, fitted: Recording) -> dict[str, float]:
    """Correlate the currents of the fit with those of the teacher, within and across regions.

    Parameters
    ----------
    teacher : the teacher.
    trials : (trial,) True for the trials of the fit.
    state : the fit.
    fitted : the trials of the fit.
    """
    current = currents(state.model, fitted, state.paths).current
    scores: dict[bool, list[float]] = {True: [], False: []}
    for target, source in np.argwhere(teacher.present):
        units = teacher.region == target
        true = teacher.current[source][trials][..., units] * teacher.gain[units]
        scores[bool(target == source)].append(correlation(true, current[source][..., units]))
    return {"within_r": float(np.mean(scores[True])), "cross_r": float(np.mean(scores[False]))}


def summary(table: pd.DataFrame) -> str:
    """Write the results as a Markdown table, with one row for each kind of teacher."""
    lines = []
    for name, teachers in table.groupby("row", sort=False):
        total, mean = teachers.sum(numeric_only=True), teachers.mean(numeric_only=True)
        lines.append(
            {
                "teachers": name,
                "seeds": len(teachers),
                "latents right": f"{total['latents_right']:.0f} of {total['regions']:.0f}",
                "in the range (mean width)": f"{total['latents_covered']:.0f} ({mean['latents_width']:.1f})",
                "ranks right": f"{total['ranks_right']:.0f} of {total['pathways']:.0f}",
                "in the range (width)": f"{total['ranks_covered']:.0f} ({mean['ranks_width']:.1f})",
                "linear or curved right": f"{teachers['form_right'].sum()}",
                "hidden drives": ", ".join(map(str, teachers["drives"])),
                "r within, across": f"{mean['within_r']:.3f}, {mean['cross_r']:.3f}",
                "CPU s": f"{mean['cpu_s']:.0f}",
            }
        )
    return markdown(pd.DataFrame(lines))


def measure(
    table: Path, names: Iterable[str], seeds: Sequence[int], *, quick: bool = False, again: bool = False
) -> pd.DataFrame:
    """Compute the missing rows of a table (CSV), one per teacher, and return all rows.

    Parameters
    ----------
    table : path of the table.
    names : kinds of teachers.
    seeds : seeds of the teachers.
    quick : whether the teachers are small, to try the machinery.
    again : whether rows that the table holds are computed anew.
    """
    done = finished(table, KEYS, again)
    for seed in seeds:
        for name in names:
            if (name, seed) not in done and (not quick or name in QUICK_TEACHERS):
                row = line(name, seed, QUICK_SIZE if quick else SIZE)
                log.info("%s", row)
                add(table, KEYS, pd.DataFrame([row]), list(TEACHERS))
    return rows(table, KEYS)


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line: measure what is missing, then write the table."""
    written = "populations.md and populations/model_choice.csv"
    parser = command.parser("model_choice", __doc__, written, seeds=range(20, 30), quick=True)
    parser.add_argument("--rows", nargs="+", choices=list(TEACHERS), default=list(TEACHERS), help="kinds of teachers")
    options = parser.parse_args(arguments)
    out = command.folder(options)
    table = out / "populations" / "model_choice.csv"
    table.parent.mkdir(parents=True, exist_ok=True)
    with command.measuring():
        numbers = measure(table, options.rows, options.seeds, quick=options.quick, again=options.again)
    insert(out / "populations.md", "model choice", summary(numbers))


if __name__ == "__main__":
    main()
