"""What a recording has to contain: population networks on teachers that differ from one base in a single respect.

``python -m benchmarks.population_ladder`` continues where it was stopped. Axes of the ladder are the number of recorded
units, the mean rate, the number of trials, of regions and of latents; single rungs are what a recording can hide.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from benchmarks import command
from benchmarks.document import insert, markdown, number
from benchmarks.populations import population_line
from benchmarks.rows import add, finished, rows
from curbd.storage.whole_files import whole_file
from curbd.teachers.populations import PopulationTeacher, populations

KEYS = ["rung", "seed"]
BASE: Mapping[str, Any] = {"trials": 100}
"""Options of `populations` of the base: 3 regions with 2 latents, 30 of 400 units each, 100 trials of 2 s at 13 Hz."""
QUICK: Mapping[str, Any] = {"units": 50, "trials": 24, "recorded": 6, "bins": 40}
MEAN_OF_MEDIAN_RATE = 1.6
"""Mean rate of the units of a teacher, divided by the median rate of a unit without input (`rate_hz`)."""
AXES: Mapping[str, Mapping[str, Mapping[str, Any]]] = {
    "recorded units of a region": {
        "3": {"recorded": 3},
        "10": {"recorded": 10},
        "30": {},
        "100": {"recorded": 100},
    },
    "mean rate, Hz": {
        "2": {"rate_hz": 2 / MEAN_OF_MEDIAN_RATE},
        "5": {"rate_hz": 5 / MEAN_OF_MEDIAN_RATE},
        "13": {},
        "30": {"rate_hz": 30 / MEAN_OF_MEDIAN_RATE},
    },
    "trials": {"30": {"trials": 30}, "60": {"trials": 60}, "100": {}, "200": {"trials": 200}, "400": {"trials": 400}},
    "regions": {
        "2": {"regions": 2, "absent": 1},
        "3": {},
        "5": {"regions": 5, "absent": 8},
        "10": {"regions": 10, "absent": 60},
    },
    "latents of a region": {"1": {"rank": 1}, "2": {}, "3": {"rank": 3}, "4": {"rank": 4}, "5": {"rank": 5}},
    "what the recording hides": {
        "nothing (base)": {},
        "random weights within regions": {"bulk": 0.8},
        "hidden common drive": {"hidden": 1.0},
        "calcium indicator": {"indicator_s": 0.7, "frame_bins": 2, "fluorescence_noise_sd": 0.5},
        "60, 20 and 5 units": {"recorded": [60, 20, 5]},
        "feedforward only": {"feedforward": True, "absent": 1},
        "unrecorded relay": {"absent": [(2, 0), (0, 1), (0, 2), (1, 2)]},
    },
}
"""Axis -> label of a rung -> options of `populations` in which the rung differs from the base."""
RELAY = "unrecorded relay"
RELAY_REGION = 1
"""The region of the relay that is left out of the recording; region 0 drives region 2 through it only."""
COLUMNS = {
    "within_r": "r within",
    "cross_r": "r across",
    "silencing_r": "r of silencing",
    "coverage_within": "coverage within",
    "coverage_cross": "coverage across",
}
"""Column of the table of results -> heading in the documentation, for means over teachers."""
log = logging.getLogger("population_ladder")


def rungs() -> dict[str, Mapping[str, Any]]:
    """Every rung once: its name, and the options in which it differs from the base; the base is named ``base``."""
    named = {_name(axis, label, options): options for axis, labels in AXES.items() for label, options in labels.items()}
    return dict(sorted(named.items(), key=lambda pair: pair[0] != "base"))


def _name(axis: str, label: str, options: Mapping[str, Any]) -> str:
    return f"{axis}: {label}" if options else "base"


def without_region(teacher: PopulationTeacher, left_out: int) -> PopulationTeacher:
    """Leave a region out of the recording of a teacher, although the region is part of the network.

    A pathway from one region through this region to another counts as present: silencing its source has an effect on
    its target. No current flows from its source to its target directly.

    Parameters
    ----------
    teacher : the teacher.
    left_out : index of the region; regions with a higher index move down by one.
    """
    kept = np.delete(np.arange(len(teacher.present)), left_out)
    units = teacher.region != left_out
    through = np.outer(teacher.present[kept, left_out], teacher.present[left_out, kept])
    return teacher._replace(
        activity=teacher.activity[..., units],
        region=np.searchsorted(kept, teacher.region[units]),
        gain=teacher.gain[units],
        present=teacher.present[np.ix_(kept, kept)] | through,
        current=teacher.current[kept][..., units],
        silencing=teacher.silencing[kept][..., units],
    )


def measure(table: Path, seeds: Sequence[int], *, quick: bool = False, again: bool = False) -> pd.DataFrame:
    """Compute the missing rows of a table (CSV), one per rung and seed, and return all rows.

    Parameters
    ----------
    table : path of the table.
    seeds : seeds of the teachers.
    quick : whether only the base and the relay are tried, on small teachers.
    again : whether rows that the table holds are computed anew.
    """
    done = finished(table, KEYS, again)
    for seed in seeds:
        for rung, options in rungs().items():
            if (rung, seed) in done or (quick and rung != "base" and not rung.endswith(RELAY)):
                continue
            teacher = populations(seed=seed, silencing=True, **{**BASE, **options, **(QUICK if quick else {})})
            teacher = without_region(teacher, RELAY_REGION) if rung.endswith(RELAY) else teacher
            row = population_line(rung, seed, teacher, imaged="indicator_s" in options)
            if rung.endswith(RELAY):
                row["coverage_cross"] = np.nan  # There is no direct current.
            log.info("%s", row)
            add(table, KEYS, pd.DataFrame([row]).rename(columns={"row": "rung"}), [*rungs()])
    return rows(table, KEYS)


def summary(table: pd.DataFrame) -> str:
    """One Markdown table per axis: means over teachers, and numbers of resolved pathways."""
    parts = []
    for axis, labels in AXES.items():
        lines = []
        for label, options in labels.items():
            teachers = table[table["rung"] == _name(axis, label, options)]
            if len(teachers):
                means = teachers[list(COLUMNS)].mean()
                counts = teachers[["present", "present_resolved", "absent", "absent_resolved"]].sum().astype(int)
                lines.append(
                    {axis: label, "teachers": len(teachers)}
                    | {heading: number(means[column]) for column, heading in COLUMNS.items()}
                    | {
                        "present resolved": f"{counts['present_resolved']} of {counts['present']}",
                        "absent resolved": f"{counts['absent_resolved']} of {counts['absent']}",
                        "CPU s": f"{teachers['cpu_s'].mean():.0f}",
                    }
                )
        if lines:
            parts.append(markdown(pd.DataFrame(lines)))
    return "\n\n".join(parts)


def figure(table: pd.DataFrame, path: Path) -> None:
    """Figure: accuracy of currents between regions and share of pathways that are resolved, one panel for each axis."""
    plot, axes = plt.subplots(2, 3, figsize=(10.5, 5.6), sharey=True, layout="constrained")
    for panel, (axis, labels) in zip(axes.flat, AXES.items(), strict=True):
        names = [_name(axis, label, options) for label, options in labels.items()]
        groups = table.groupby("rung")
        r = groups["cross_r"].agg(["mean", "min", "max"]).reindex(names)
        sums = groups[["present", "present_resolved", "absent", "absent_resolved"]].sum().reindex(names)
        places = np.arange(len(names))
        joined = "" if axis == list(AXES)[-1] else "-"
        panel.errorbar(
            *(places, r["mean"], [r["mean"] - r["min"], r["max"] - r["mean"]]),
            color="#0072B2",
            marker="o",
            linestyle=joined,
            label="r of currents between regions (mean, lowest and highest teacher)",
        )
        for kind, colour, marker in (("present", "#009E73", "s"), ("absent", "#D55E00", "^")):
            share = sums[f"{kind}_resolved"] / sums[kind]
            text = f"share of {kind} pathways that are resolved"
            panel.plot(places, share, color=colour, marker=marker, linestyle=joined and "--", label=text)
        panel.set_title(axis, fontsize=10)
        turned = {"rotation": 35, "ha": "right", "rotation_mode": "anchor"} if not joined else {}
        panel.set_xticks(places, list(labels), fontsize=8, **turned)
        panel.set_ylim(-0.05, 1.05)
        panel.spines[["top", "right"]].set_visible(False)
    handles, texts = axes.flat[0].get_legend_handles_labels()
    plot.legend(handles, texts, loc="outside lower center", ncols=1, frameon=False)
    with whole_file(path) as temporary:
        plot.savefig(temporary, dpi=130, format="png")
    plt.close(plot)


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line: measure what is missing, then write the tables and the figure."""
    written = "populations.md, populations/ladder.csv and populations/ladder.png"
    parser = command.parser("population_ladder", __doc__, written, seeds=range(40, 44), quick=True)
    options = parser.parse_args(arguments)
    out = command.folder(options)
    folder = out / "populations"
    folder.mkdir(parents=True, exist_ok=True)
    with command.measuring():
        numbers = measure(folder / "ladder.csv", options.seeds, quick=options.quick, again=options.again)
    figure(numbers, folder / "ladder.png")
    insert(out / "populations.md", "ladder", summary(numbers))


if __name__ == "__main__":
    main()
