"""Whether contrasts find the currents that differ between conditions, and no others.

The teachers have three regions. An input, whose sign is the condition, drives C, and C drives B. A receives nothing
from B and C, so that its activity is the same in both conditions. Every contrast is also computed for labels that mean
nothing. The true differences are those of 800 trials, of which 80 are fitted.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
import xarray as xr

from benchmarks import command
from benchmarks.document import insert, markdown, number
from benchmarks.rows import add, finished, rows
from curbd import teachers
from curbd.contrasts.contrast_table import contrast_tables
from curbd.contrasts.pathway_contrast import PARTS
from curbd.estimators.fitting import fit
from curbd.pathways.currents import decompose
from curbd.recording.ingest import ingest_file
from curbd.settings.contrasts import Contrast
from curbd.settings.models import Model
from curbd.teachers import Teacher

Array = np.ndarray
KEYS = ("seed", "contrast", "part", "target", "source")
ABSENT = (("A", "C"), ("A", "B"))
"""Pathways (target, source) that the teachers do not have."""
N_FITTED, N_TRIALS = 80, 800
KINDS = {
    "labels without meaning": "contrast == 'coin'",
    "source alike in both conditions": "contrast == 'side' and source == 'A'",
    "no pathway, source differs": "contrast == 'side' and source != 'A' and target == 'A'",
    "current differs": "contrast == 'side' and source != 'A' and target != 'A'",
}
"""Kind of pathway -> how its rows are chosen; the first three have no true difference."""
log = logging.getLogger("contrasts")


def measure(table: Path, seeds: Sequence[int], *, quick: bool = False, again: bool = False) -> pd.DataFrame:
    """Contrasts of every teacher, with the true differences; rows that the table already holds are kept."""
    done = {key[0] for key in finished(table, KEYS, again)}
    for seed in seeds:
        if seed not in done:
            add(table, KEYS, contrasts_of_teacher(seed, quick=quick), list(seeds))
            log.info("seed %d", seed)
    return rows(table, KEYS)


def contrasts_of_teacher(seed: int, *, quick: bool = False) -> pd.DataFrame:
    """Contrasts of one teacher by its condition (``side``) and by labels without meaning (``coin``)."""
    n_trials, n_fitted = (N_TRIALS // 10, N_FITTED // 2) if quick else (N_TRIALS, N_FITTED)
    teacher = teachers.multi_region(
        seed=seed,
        trials=n_trials,
        units=4 if quick else 12,
        samples=20 if quick else 60,
        dt_s=0.02,
        absent=ABSENT,
        gain=0.8,
        coupling=0.8,
    )
    coin = np.random.default_rng(seed).permutation(n_trials) % 2
    teacher = teacher._replace(trials=teacher.trials.assign(coin=coin))
    few = teacher._replace(
        rates=teacher.rates[:n_fitted],
        inputs=teacher.inputs[:n_fitted],
        trials=teacher.trials.iloc[:n_fitted],
        drive=teacher.drive[:n_fitted],
    )
    with TemporaryDirectory() as folder:
        path = Path(folder) / "teacher.h5"
        teachers.write_hdf5(few, path)
        recording = ingest_file(path).recording
    networks = fit(recording, Model(family="full_rank", seeds=[0])).networks
    currents = decompose(recording, networks)
    contrasts = {name: Contrast(column=name, permutations=99 if quick else 499) for name in ("side", "coin")}
    table = contrast_tables(currents, recording, contrasts, networks).contrasts
    table = table[table["source"].isin(list("ABC"))]
    true = true_differences(teacher, currents)
    kept = ["difference", "ci_low", "ci_high", "p_value", "q_value", "p_trials", "p_posterior", "window_p_value"]
    return table.assign(
        seed=seed,
        true=[
            true[target, source, part] if contrast == "side" else 0.0
            for target, source, part, contrast in table[["target", "source", "part", "contrast"]].to_numpy(str)
        ],
    )[[*KEYS, *kept, "true"]]


def true_differences(teacher: Teacher, currents: xr.DataArray) -> dict[tuple[str, str, str], float]:
    """True difference of every part of every current; the evoked part along the pattern of the estimated current."""
    left = teacher.trials["side"].to_numpy() == "left"
    true: dict[tuple[str, str, str], float] = {}
    for target, source in product("ABC", repeat=2):
        current = teachers.true_current(teacher, target, source)
        a, b = current[left], current[~left]
        difference = a.mean(0) - b.mean(0)
        estimated = currents.sel(source=source).isel(seed=0)[..., currents["region"].values == target]
        pattern = estimated.mean("trial").values
        norm = np.sqrt((pattern**2).sum(1, keepdims=True) * pattern.shape[1])
        pattern = np.divide(pattern, norm, out=np.zeros_like(pattern), where=norm > 0)
        values = (
            difference.mean(),
            (difference * pattern).sum(1).mean(),
            np.sqrt((difference**2).mean()),
            np.sqrt(((a - a.mean(0)) ** 2).mean()) - np.sqrt(((b - b.mean(0)) ** 2).mean()),
        )
        true |= {(target, source, part): float(value) for part, value in zip(PARTS, values, strict=True)}
    return true


def summary(table: pd.DataFrame) -> str:
    """The rates of significant differences and of intervals that hold the true difference, as a Markdown table."""
    lines = []
    for kind, chosen in KINDS.items():
        of_kind = table.query(chosen)
        for part in PARTS:
            of_part = of_kind[of_kind["part"] == part]
            held = (of_part["ci_low"] <= of_part["true"]) & (of_part["true"] <= of_part["ci_high"])
            ratio = (of_part["difference"] / of_part["true"]).median() if kind == "current differs" else np.nan
            lines.append(
                {
                    "pathways": kind,
                    "part": f"`{part}`",
                    "n": str(len(of_part)),
                    "p_value ≤ .05": number((of_part["p_value"] <= 0.05).mean(), 3),
                    "p_trials ≤ .05": number((of_part["p_trials"] <= 0.05).mean(), 3),
                    "interval holds the truth": number(held.mean(), 3),
                    "estimate / truth, median": number(ratio),
                }
            )
    return markdown(pd.DataFrame(lines))


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line: measure what is missing, then write the table."""
    parser = command.parser("contrasts", __doc__, "contrasts.md and contrasts.csv", seeds=range(10), quick=True)
    options = parser.parse_args(arguments)
    out = command.folder(options)
    with command.measuring():
        table = measure(out / "contrasts.csv", options.seeds, quick=options.quick, again=options.again)
    insert(out / "contrasts.md", "contrasts", summary(table))


if __name__ == "__main__":
    main()
