"""Currents between populations of which a few units are recorded: score, coverage and verdicts over teachers.

python -m benchmarks.populations [--quick] [--seeds 10] [--rows base few_units] [--out folder]

Each row is a kind of teacher of `curbd.teachers.populations` or `curbd.teachers.spiking_areas`. Results are appended
to populations.csv, one line a teacher, and summed up in populations.md; teachers that the file already holds are not
run again.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from curbd.teachers.populations import PopulationTeacher, populations
from curbd.teachers.spiking_areas import spiking_areas
from lrfit.population_network.analysis import Analysis, analyse
from lrfit.population_network.model import Population
from lrfit.population_network.recording import Recording, recording
from lrfit.population_network.silencing import mean_effect, silence

Array = np.ndarray

ROWS: dict[str, dict[str, Any]] = {
    "base": {},
    "few_units": {"recorded": 10},
    "few_trials": {"trials": 60, "rate_hz": 3.0},
    "hidden_drive": {"hidden": 1.0},
    "random_bulk": {"bulk": 0.8},
    "five_regions": {"regions": 5, "absent": 8, "trials": 150},
    "many_units": {"recorded": 100},
}
SPIKING = {"background": 0.0, "synapses": 1.0}
"""Rows of integrate-and-fire areas: jump of a synapse in mV."""
QUICK = {"base": {"trials": 40, "recorded": 15}, "few_units": {"trials": 40, "recorded": 8}}
PROTOTYPE = {
    "base": ".87 / .87",
    "few_units": ".82 / .79",
    "many_units": ".87 / .91",
    "few_trials": ".83 / .80",
    "five_regions": ".83 / .80",
    "random_bulk": ".86 / .87",
    "hidden_drive": ".85 / .48, with a hidden latent .80",
    "background": "looks real by nats",
    "synapses": "right direction by nats",
}
"""Measured for populations.md, section 4: within / cross r."""


def correlation(true: Array, fitted: Array) -> float:
    """Correlation over trials and bins per unit, weighted by the power of the true current; (trial, time, unit)."""
    a = true.reshape(-1, true.shape[2])
    b = fitted.reshape(-1, true.shape[2])
    a, b = a - a.mean(0), b - b.mean(0)
    power = (a**2).sum(0)
    r = (a * b).sum(0) / np.sqrt(power * (b**2).sum(0) + 1e-20)
    return float((r * power).sum() / power.sum())


def pathway_scores(teacher: PopulationTeacher, result: Analysis, data: Recording) -> pd.DataFrame:
    """One line for each pathway: correlation, coverage, verdict, correlation of the effect of silencing."""
    rows = []
    regions = len(teacher.present)
    for s in range(regions):
        effect = mean_effect(silence(result.fit.model, data, result.fit.paths, s), teacher.condition)
        wanted = mean_effect(teacher.silencing[s] * teacher.gain, teacher.condition) if len(teacher.silencing) else None
        for t in range(regions):
            units = teacher.region == t
            # Currents into log rates: a unit's gain times the current into its state.
            true = teacher.current[s][..., units] * teacher.gain[units]
            fitted = result.currents.current[s][..., units]
            off = (fitted - fitted.mean((0, 1))) - (true - true.mean((0, 1)))
            present = bool(teacher.present[t, s])
            row = {
                "target": t,
                "source": s,
                "present": present,
                "resolved": bool(result.verdict.resolved[t, s]),
                "grounds": result.verdict.grounds[t, s],
                "r": correlation(true, fitted) if present else np.nan,
                "coverage": float(np.mean(np.abs(off) < 1.96 * result.deviation[s][..., units])) if present else np.nan,
                "silencing_r": np.nan,
            }
            if present and s != t and wanted is not None:
                row["silencing_r"] = float(np.corrcoef(effect[..., units].ravel(), wanted[..., units].ravel())[0, 1])
            rows.append(row)
    return pd.DataFrame(rows)


def population_line(name: str, seed: int, options: dict[str, Any]) -> dict[str, Any]:
    """One teacher: means over its pathways."""
    teacher = populations(seed=seed, silencing=True, **options)
    data = recording(teacher.activity, teacher.region, teacher.bin_s, teacher.inputs, teacher.condition)
    wall, used = time.perf_counter(), time.process_time()
    result = analyse(data, tau_s=teacher.tau_s)
    wall, used = time.perf_counter() - wall, time.process_time() - used
    table = pathway_scores(teacher, result, data)
    cross = table[table.target != table.source]
    within = table[table.target == table.source]
    there, absent = cross[cross.present], cross[~cross.present]
    return {
        "row": name,
        "seed": seed,
        "within_r": within.r.mean(),
        "cross_r": there.r.mean(),
        "silencing_r": there.silencing_r.mean(),
        "coverage_within": within.coverage.mean(),
        "coverage_cross": there.coverage.mean(),
        "present": len(there),
        "present_resolved": int(there.resolved.sum()),
        "absent": len(absent),
        "absent_resolved": int(absent.resolved.sum()),
        "coverage_resolved": there[there.resolved].coverage.mean(),
        "dimensions": " ".join(map(str, result.dimensions)),
        "drives": drives(result.fit.model),
        "drive_nats": float(result.drive_gains[0]) if len(result.drive_gains) else np.nan,
        "share": np.nan,
        "wall_s": wall,
        "cpu_s": used,
    }


def spiking_line(name: str, seed: int, synapse_mv: float) -> dict[str, Any]:
    """One pair of integrate-and-fire areas: A to B is present where there are synapses, B to A never is."""
    teacher = spiking_areas(synapse_mv=synapse_mv, seed=seed)
    data = recording(teacher.activity, teacher.region, teacher.bin_s)
    wall, used = time.perf_counter(), time.process_time()
    result = analyse(data, tau_s=None)
    wall, used = time.perf_counter() - wall, time.process_time() - used
    resolved = result.verdict.resolved
    forward = int(resolved[1, 0])
    return {
        "row": name,
        "seed": seed,
        "present": int(teacher.coupled),
        "present_resolved": forward if teacher.coupled else 0,
        "absent": 2 - int(teacher.coupled),
        "absent_resolved": int(resolved[0, 1]) + (0 if teacher.coupled else forward),
        "dimensions": " ".join(map(str, result.dimensions)),
        "drives": drives(result.fit.model),
        "drive_nats": float(result.drive_gains[0]) if len(result.drive_gains) else np.nan,
        "share": float(np.nanmax(result.verdict.evidence.share)),
        "wall_s": wall,
        "cpu_s": used,
    }


def drives(model: Population) -> int:
    """Hidden drives of a model."""
    return int(model.group.max()) + 1 - model.regions


def summary(table: pd.DataFrame) -> str:
    """Markdown table, one line a row of teachers: means over seeds, and sums of verdicts."""
    lines = [
        "| teachers | seeds | prototype, within / cross r | within r | cross r | silencing r | coverage within, cross "
        "| present resolved | absent resolved | hidden drive kept | wall, CPU s |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for name in dict.fromkeys(table.row):
        part = table[table.row == name]
        mean = part.mean(numeric_only=True)
        cells = [
            name,
            str(len(part)),
            PROTOTYPE.get(name, ""),
            f"{mean.within_r:.3f}",
            f"{mean.cross_r:.3f}",
            f"{mean.silencing_r:.2f}",
            f"{mean.coverage_within:.2f}, {mean.coverage_cross:.2f}",
            f"{int(part.present_resolved.sum())} of {int(part.present.sum())}",
            f"{int(part.absent_resolved.sum())} of {int(part.absent.sum())}",
            f"{int((part.drives > 0).sum())} of {len(part)}",
            f"{mean.wall_s:.0f}, {mean.cpu_s:.0f}",
        ]
        lines.append("| " + " | ".join(cells).replace("nan", "") + " |")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="two small kinds of teachers, one seed each")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--rows", nargs="*", default=[*ROWS, *SPIKING])
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results"))
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    path = arguments.out / ("populations_quick.csv" if arguments.quick else "populations.csv")
    table = pd.read_csv(path) if path.exists() else pd.DataFrame({"row": [], "seed": []})
    rows: dict[str, dict[str, Any]] = QUICK if arguments.quick else ROWS
    seeds = range(arguments.first_seed, arguments.first_seed + (1 if arguments.quick else arguments.seeds))
    for seed in seeds:
        for name in rows if arguments.quick else arguments.rows:
            if ((table.row == name) & (table.seed == seed)).any():
                continue
            if name in SPIKING:
                line = spiking_line(name, seed, SPIKING[name])
            else:
                line = population_line(name, seed, rows[name])
            table = pd.concat([table, pd.DataFrame([line])], ignore_index=True)
            table.to_csv(path, index=False)
    path.with_suffix(".md").write_text(summary(table))


if __name__ == "__main__":
    main()
