"""Whether time constants of single units or regions are found, and what they add to the currents between regions.

The teachers are three regions of 40 tanh units (`curbd.teachers.unequal_time_constants`), with 10 training trials and 2
held-out trials of 1200 samples. Networks are fitted to exact rates by `one_step`.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import xarray as xr

from benchmarks import command
from benchmarks.document import insert, markdown, number
from benchmarks.recorded import recorded
from benchmarks.rows import add, finished, rows
from benchmarks.view_scores import currents_between_regions, held_out_r2
from curbd import teachers
from curbd.estimators.fitting import fit
from curbd.network.truth import correlation
from curbd.network.view import view
from curbd.settings.models import Model
from curbd.teachers import Teacher

KEYS = ("seed", "teacher", "fit")
TEACHERS: dict[str, Literal["units", "regions", "none"]] = {
    "units differ": "units",
    "regions differ": "regions",
    "all equal": "none",
}
"""Teacher -> between what its time constants differ."""
FITS = {"one time constant": "estimate", "per unit": "per_unit", "per region": "per_region"}
TRIALS, HELD_OUT_TRIALS = 12, 2
log = logging.getLogger("time constants")


def measure(table: Path, seeds: Sequence[int], *, quick: bool = False, again: bool = False) -> pd.DataFrame:
    """All fits to the teachers of every seed; rows that the table already holds are kept."""
    done = finished(table, KEYS, again)
    for seed in seeds:
        for name, differ in TEACHERS.items():
            missing = [of_fit for of_fit in FITS if (seed, name, of_fit) not in done]
            if missing:
                measured = pd.DataFrame(_fits(seed, name, differ, missing, quick=quick))
                add(table, KEYS, measured, list(seeds))
                log.info("%s, seed %d", name, seed)
    return rows(table, KEYS)


def _fits(
    seed: int, name: str, differ: Literal["units", "regions", "none"], fits: list[str], *, quick: bool
) -> Iterator[dict[str, Any]]:
    sizes = {"units": 6, "samples": 120} if quick else {}
    teacher = teachers.unequal_time_constants(differ=differ, trials=TRIALS, seed=seed, **sizes)
    recording, _ = recorded(teacher, HELD_OUT_TRIALS / TRIALS)
    for of_fit in fits:
        keys = {"family": "full_rank", "estimator": "one_step", "seeds": [0], "tau_s": FITS[of_fit]}
        networks = fit(recording, Model.model_validate(keys)).networks
        yield {"seed": seed, "teacher": name, "fit": of_fit} | _scores(teacher, recording, networks)


def _scores(teacher: Teacher, recording: xr.Dataset, networks: xr.Dataset) -> dict[str, Any]:
    """Errors of the time constants, R2 of currents between regions on training trials (raw), and the held-out R2."""
    seen = view(recording, networks)
    _, r2 = currents_between_regions(seen, teacher)
    true_log = np.log(teacher.network.time_constant_s)
    estimated_log = np.log(np.full(len(seen.region), seen.network.time_constant_s))
    return {
        "cross_r2": float(np.mean(r2)),
        "least_cross_r2": float(np.min(r2)),
        "held_out_r2": held_out_r2(seen),
        "tau_r": correlation(estimated_log, true_log) if min(np.ptp(true_log), np.ptp(estimated_log)) > 0 else np.nan,
        "tau_error": float(np.exp(np.sqrt(((estimated_log - true_log) ** 2).mean())) - 1),
        "nats": float(networks["tau_nats"].item()) if "tau_nats" in networks else np.nan,
    }


def summary(table: pd.DataFrame) -> str:
    """Means over seeds, and the worst seeds, of every fit as a Markdown table."""
    lines = []
    for (teacher, name), of_fit in table.groupby(["teacher", "fit"], sort=False):
        r2, tau_r = of_fit["cross_r2"], of_fit["tau_r"]
        lines.append(
            {
                "teacher": str(teacher),
                "fit": str(name),
                "r of log tau, mean (worst)": f"{number(tau_r.mean(), 3)} ({number(tau_r.min(), 3)})",
                "error of tau": f"{of_fit['tau_error'].mean():.0%}",
                "cross R2, mean (worst)": f"{number(r2.mean(), 3)} ({number(r2.min(), 3)})",
                "held-out one-step R2": number(of_fit["held_out_r2"].mean(), 3),
                "held-out nats, least to most": "-"
                if of_fit["nats"].isna().all()
                else f"{of_fit['nats'].min():.0f} to {of_fit['nats'].max():.0f}",
            }
        )
    return markdown(pd.DataFrame(lines))


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line: measure what is missing, then write the table."""
    parser = command.parser(
        "unit_models_time_constants", __doc__, "units.md and time_constants.csv", seeds=range(5), quick=True
    )
    options = parser.parse_args(arguments)
    out = command.folder(options)
    with command.measuring():
        table = measure(out / "time_constants.csv", options.seeds, quick=options.quick, again=options.again)
    insert(out / "units.md", "time_constants", summary(table))


if __name__ == "__main__":
    main()
