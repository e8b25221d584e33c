"""Currents between populations of which a few units are recorded: accuracy, coverage and verdicts on teachers.

``python -m benchmarks.populations`` continues where it was stopped: rows that are in the table are not computed again.
Each kind of teacher comes from `curbd.teachers.populations` or `curbd.teachers.spiking_areas`.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks import command
from benchmarks.document import insert, markdown
from benchmarks.rows import add, finished, rows
from curbd.teachers.populations import PopulationTeacher, populations
from curbd.teachers.spiking_areas import spiking_areas
from lrfit.population_network.analysis import Analysis, analyse
from lrfit.population_network.currents import currents
from lrfit.population_network.fit import converge, start
from lrfit.population_network.fit_settings import PopulationSettings
from lrfit.population_network.indicator import from_fluorescence
from lrfit.population_network.model import Population
from lrfit.population_network.recording import Recording, from_arrays
from lrfit.population_network.silencing import mean_effect, silence

Array = np.ndarray

KEYS = ["row", "seed"]
SMALL: Mapping[str, Any] = {"regions": 2, "recorded": 12, "trials": 80, "bins": 80}
"""Teachers with two regions, in which little stands against a false pathway."""
TEACHERS: Mapping[str, Mapping[str, Any]] = {
    "base": {},
    "few_units": {"recorded": 10},
    "few_trials": {"trials": 60, "rate_hz": 3.0},
    "hidden_drive": {"hidden": 1.0},
    "random_bulk": {"bulk": 0.8},
    "five_regions": {"regions": 5, "absent": 8, "trials": 150},
    "many_units": {"recorded": 100},
    "calcium": {"indicator_s": 0.7, "frame_bins": 2, "fluorescence_noise_sd": 0.5},
    "latency": {**SMALL, "absent": 2, "latency_sd_s": 0.3},
    "latency_coupled": {**SMALL, "absent": [(0, 1)], "latency_sd_s": 0.3},
    "trial_gain": {**SMALL, "absent": 2, "trial_gain_sd": 0.4},
    "slow_calcium": {"indicator_s": 1.0, "frame_bins": 5, "fluorescence_noise_sd": 1.0},
}
"""Kinds of teachers of many tanh units per region, with the options of `populations`."""
SYNAPSE_MV: Mapping[str, float] = {"background": 0.0, "synapses": 1.0}
"""Kinds of teachers of integrate-and-fire areas, with the jump of the potential at a spike in mV."""
QUICK_TEACHERS: Mapping[str, Mapping[str, Any]] = {
    "base": {"units": 50, "trials": 30, "recorded": 10, "bins": 40},
    "few_units": {"units": 50, "trials": 30, "recorded": 6, "bins": 40},
}
PROTOTYPE_R: Mapping[str, str] = {
    "base": ".87, .87",
    "few_units": ".82, .79",
    "many_units": ".87, .91",
    "few_trials": ".83, .80",
    "five_regions": ".83, .80",
    "random_bulk": ".86, .87",
    "hidden_drive": ".85, .48 (.80 with a hidden latent)",
}
"""Correlations within and across regions of a linear Gaussian prototype."""
WANTED_R: Mapping[str, str] = {
    "base": ".93, .92",
    "few_units": ".88, .86",
    "many_units": ".95, .95",
    "few_trials": "-, .85",
    "five_regions": "-, .88",
    "random_bulk": "-, .90",
    "hidden_drive": "-, .88",
}
"""Correlations within and across regions that were the goals."""
MEANS = (
    *("within_r", "cross_r", "silencing_r", "coverage_within", "coverage_cross"),
    *("plain_within_r", "plain_cross_r", "wall_s", "cpu_s"),
)
"""Columns whose means over seeds are in the summary."""
log = logging.getLogger("populations")


def correlation(true: Array, fitted: Array) -> float:
    """Compute the mean correlation of true and fitted currents, weighted by the power of the true current of each unit.

    The correlation is NaN if no unit receives a true current.

    Parameters
    ----------
    true, fitted : (trial, time, unit) currents.
    """
    a = true.reshape(-1, true.shape[2])
    b = fitted.reshape(-1, true.shape[2])
    a, b = a - a.mean(0), b - b.mean(0)
    power = (a**2).sum(0)
    if not power.any():
        return float("nan")
    r = (a * b).sum(0) / np.sqrt(power * (b**2).sum(0) + 1e-20)
    return float((r * power).sum() / power.sum())


def pathway_scores(teacher: PopulationTeacher, result: Analysis, data: Recording) -> pd.DataFrame:
    """Score every pathway: correlation and coverage of its current, verdict, correlation of the effect of silencing.

    Parameters
    ----------
    teacher : the teacher, with the true currents.
    result : the analysis of the recording of the teacher.
    data : the recording of the teacher.
    """
    scores = []
    regions = len(teacher.present)
    for s in range(regions):
        effect = mean_effect(silence(result.fit.model, data, result.fit.paths, s, echo=result.echo), teacher.condition)
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
            scores.append(row)
    return pd.DataFrame(scores)


def population_line(name: str, seed: int, teacher: PopulationTeacher, imaged: bool = False) -> dict[str, Any]:
    """Analyse one teacher of many tanh units per region, and average over its pathways.

    Parameters
    ----------
    name : kind of the teacher.
    seed : seed of the teacher.
    teacher : the teacher.
    imaged : whether its activity is fluorescence.
    """
    wall, used = time.perf_counter(), time.process_time()
    parts = (teacher.activity, teacher.region, teacher.bin_s, teacher.inputs, teacher.condition)
    data = from_fluorescence(*parts) if imaged else from_arrays(*parts)
    result = analyse(data, settings=PopulationSettings(tau_s=teacher.tau_s))
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
        "dimensions": " ".join(map(str, result.dimensions.number)),
        "drives": drives(result.fit.model),
        "drive_nats": float(result.drive_gains[0]) if len(result.drive_gains) else np.nan,
        "share": np.nan,
        "wall_s": wall,
        "cpu_s": used,
    } | (behind_indicator(teacher, data, result.dimensions.number) if imaged else {})


def behind_indicator(teacher: PopulationTeacher, data: Recording, dimensions: Sequence[int]) -> dict[str, float]:
    """Return the estimated decay time, and the correlations of a network that takes fluorescence for Gaussian activity.

    Parameters
    ----------
    teacher : the teacher, with the true currents.
    data : the recording of the teacher.
    dimensions : (region,) number of latents of each region.
    """
    plain = from_arrays(teacher.activity, teacher.region, teacher.bin_s, teacher.inputs, teacher.condition)
    fit = converge(start(plain, dimensions, teacher.tau_s, gaussian=True), plain)
    fitted = currents(fit.model, plain, fit.paths).current
    r = np.full(teacher.present.shape, np.nan)
    for target, source in np.argwhere(teacher.present):
        units = teacher.region == target
        r[target, source] = correlation(teacher.current[source][..., units], fitted[source][..., units])
    within = np.eye(len(r), dtype=bool)
    return {
        "indicator_s": float(data.indicator_s or 0),
        "plain_within_r": float(np.nanmean(r[within])),
        "plain_cross_r": float(np.nanmean(r[~within])),
    }


def spiking_line(name: str, seed: int, synapse_mv: float) -> dict[str, Any]:
    """Analyse one pair of integrate-and-fire areas; A to B is present if there are synapses, B to A is always absent.

    Parameters
    ----------
    name : kind of the teacher.
    seed : seed of the teacher.
    synapse_mv : jump of the potential of a unit of B at a spike of a unit of A, in mV.
    """
    teacher = spiking_areas(synapse_mv=synapse_mv, seed=seed, bins=125, bin_s=0.004)
    data = from_arrays(teacher.activity, teacher.region, teacher.bin_s)
    wall, used = time.perf_counter(), time.process_time()
    result = analyse(data, settings=PopulationSettings(tau_s=None))
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
        "dimensions": " ".join(map(str, result.dimensions.number)),
        "drives": drives(result.fit.model),
        "drive_nats": float(result.drive_gains[0]) if len(result.drive_gains) else np.nan,
        "share": float(np.nanmax(result.verdict.evidence.share)),
        "coupling": float(result.verdict.evidence.spike_coupling[1, 0]),
        "coupling_back": float(result.verdict.evidence.spike_coupling[0, 1]),
        "wall_s": wall,
        "cpu_s": used,
    }


def drives(model: Population) -> int:
    """Return the number of hidden drives of a model."""
    return int(model.group.max()) + 1 - model.regions


def summary(table: pd.DataFrame) -> str:
    """Write the results as a Markdown table: means over seeds, and numbers of verdicts, for each kind of teacher."""
    lines = []
    for name, teachers in table.groupby("row", sort=False):
        # Spiking areas have no true currents, and a table of these rows alone lacks the columns.
        mean = teachers.mean(numeric_only=True).reindex(MEANS)
        cells = {
            "teachers": name,
            "seeds": len(teachers),
            "prototype: r within, across": PROTOTYPE_R.get(str(name), _without_indicator(mean)),
            "wanted: r within, across": WANTED_R.get(str(name), ""),
            "r within": f"{mean['within_r']:.3f}",
            "r across": f"{mean['cross_r']:.3f}",
            "r of silencing": f"{mean['silencing_r']:.2f}",
            "coverage within, across": ", ".join(
                f"{coverage:.2f}" for coverage in mean[["coverage_within", "coverage_cross"]].dropna()
            ),
            "present resolved": _of(teachers["present_resolved"].sum(), teachers["present"].sum()),
            "absent resolved": _of(teachers["absent_resolved"].sum(), teachers["absent"].sum()),
            "hidden drive kept": _of((teachers["drives"] > 0).sum(), len(teachers)),
            "wall, CPU s": f"{mean['wall_s']:.0f}, {mean['cpu_s']:.0f}",
        }
        lines.append({key: "" if str(cell).startswith("nan") else cell for key, cell in cells.items()})
    return markdown(pd.DataFrame(lines))


def _without_indicator(mean: pd.Series) -> str:
    """Write the correlations of a network that takes fluorescence for Gaussian activity; empty for spikes."""
    if np.isnan(mean["plain_within_r"]):
        return ""
    return f"{mean['plain_within_r']:.2f}, {mean['plain_cross_r']:.2f} (no indicator)"


def _of(number: float, total: float) -> str:
    return f"{int(number)} of {int(total)}"


def line(name: str, seed: int, quick: bool) -> dict[str, Any]:
    """Analyse one teacher with one thread, and return its row of the table.

    Parameters
    ----------
    name : kind of the teacher.
    seed : seed of the teacher.
    quick : whether the teacher is small.
    """
    if name in SYNAPSE_MV:
        return spiking_line(name, seed, SYNAPSE_MV[name])
    options = (QUICK_TEACHERS if quick else TEACHERS)[name]
    return population_line(name, seed, populations(seed=seed, silencing=True, **options), "indicator_s" in options)


def measure(
    table: Path, names: Iterable[str], seeds: Sequence[int], *, quick: bool = False, again: bool = False, jobs: int = 1
) -> pd.DataFrame:
    """Compute the missing rows of a table (CSV), one per teacher, and return all rows.

    Each row is written as soon as its teacher has been analysed.

    Parameters
    ----------
    table : path of the table.
    names : kinds of teachers.
    seeds : seeds of the teachers.
    quick : whether the teachers are small, to try the machinery.
    again : whether rows that the table holds are computed anew.
    jobs : number of processes, each with one thread.
    """
    done = finished(table, KEYS, again)
    wanted = [(name, seed) for seed in seeds for name in names if not quick or name in QUICK_TEACHERS]
    missing = [(name, seed) for name, seed in wanted if (name, seed) not in done]
    for row in _in_processes(missing, quick, jobs) if jobs > 1 else (line(*pair, quick) for pair in missing):
        log.info("%s", row)
        add(table, KEYS, pd.DataFrame([row]), [*TEACHERS, *SYNAPSE_MV])
    return rows(table, KEYS)


def _in_processes(pairs: Sequence[tuple[str, int]], quick: bool, jobs: int) -> Iterator[dict[str, Any]]:
    """Yield the rows of the teachers (kind, seed) in the order in which they are finished."""
    # Spawned processes read the number of threads before they load any library of linear algebra.
    os.environ["OMP_NUM_THREADS"] = "1"
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        for future in as_completed([pool.submit(line, *pair, quick) for pair in pairs]):
            yield future.result()


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line: measure what is missing, then write the table."""
    written = "populations.md and populations/populations.csv"
    parser = command.parser("populations", __doc__, written, seeds=range(50, 60), quick=True)
    names = [*TEACHERS, *SYNAPSE_MV]
    parser.add_argument("--rows", nargs="+", choices=names, default=names, help="kinds of teachers")
    parser.add_argument("--jobs", type=int, default=1, help="number of processes, each with one thread")
    options = parser.parse_args(arguments)
    out = command.folder(options)
    table = out / "populations" / "populations.csv"
    table.parent.mkdir(parents=True, exist_ok=True)
    with command.measuring():
        numbers = measure(
            table, options.rows, options.seeds, quick=options.quick, again=options.again, jobs=options.jobs
        )
    insert(out / "populations.md", "populations", summary(numbers))


if __name__ == "__main__":
    main()
