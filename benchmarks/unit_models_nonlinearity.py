"""Is the nonlinearity of a network recognised by held-out likelihood, and are its currents of the right size?

The teachers are three regions of 8 units (`curbd.teachers.multi_region`), with 16 training trials and 4 held-out
trials of 200 samples. The nonlinearity is chosen on rates whose scale is not known, as measured rates are fitted
(`nonlinearity: auto`). The currents are then compared on the rates of the network, in its own units, in a fit with the
chosen nonlinearity. Time constants are known.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from benchmarks import command
from benchmarks.document import insert, markdown, number
from benchmarks.recorded import recorded
from benchmarks.rows import add, finished, rows
from curbd import teachers
from curbd.estimators.fitting import fit
from curbd.network.nonlinearity import nonlinearity_of
from curbd.network.view import view
from curbd.pathways.judge import truth_evidence
from curbd.recording.scaling import scales
from curbd.settings.models import Model

KEYS = ("seed", "teacher")
TEACHERS: dict[str, dict[str, Any]] = {
    "relu": {"gain": 1.0, "bias": 0.5, "inhibition": 1.5},
    "softplus": {"gain": 1.0, "inhibition": 1.5},
    "exponential": {"gain": 0.4, "bias": -0.5, "inhibition": 1.0},
    "tanh": {"gain": 1.5},
}
"""Nonlinearity -> gain, bias and inhibition with which rates neither vanish nor grow without limit."""
TAU_S = 0.1
log = logging.getLogger("nonlinearity")


def measure(table: Path, seeds: Sequence[int], *, quick: bool = False, again: bool = False) -> pd.DataFrame:
    """All teachers of every seed; rows that the table already holds are kept."""
    done = finished(table, KEYS, again)
    for seed in seeds:
        for name in TEACHERS:
            if (seed, name) not in done:
                row = _row(seed, name, quick=quick)
                add(table, KEYS, pd.DataFrame([row]), list(seeds))
                log.info("%s, seed %d: %s", name, seed, row["chosen"])
    return rows(table, KEYS)


def _row(seed: int, name: str, *, quick: bool) -> dict[str, Any]:
    """The choice on rates of unknown scale, and the currents of the chosen network on the rates of the teacher."""
    sizes: dict[str, Any] = {"units": 8, "trials": 20, "samples": 200}
    if quick:
        sizes = {"units": 5, "trials": 10, "samples": 60}
    phi = nonlinearity_of(name)
    teacher = teachers.multi_region(substeps=1, nonlinearity=phi, seed=seed, **TEACHERS[name], **sizes)
    recording, truth = recorded(teacher)
    networks = fit(
        _as_measured(recording), Model(family="full_rank", nonlinearity="auto", seeds=[0], tau_s=TAU_S)
    ).networks
    chosen = str(networks.attrs["phi"])
    row: dict[str, Any] = {"seed": seed, "teacher": name, "chosen": chosen}
    row["gain_nats"] = float(networks.attrs.get("nonlinearity_nats", np.nan))
    row["silent_share"] = float((teacher.rates <= 0).mean()) if name != "tanh" else np.nan
    if chosen == name:
        model = Model.model_validate({"family": "full_rank", "nonlinearity": name, "seeds": [0], "tau_s": TAU_S})
        own = fit(recording, model).networks
        seen = view(recording, own)
        off_diagonal = ~np.eye(len(seen.regions), dtype=bool)
        evidence = truth_evidence(seen, seen, truth)
        pathways = slice(len(seen.regions))
        for column in ("true_r", "true_ratio", "true_r2"):
            row[column] = float(np.median(evidence[column][:, pathways][off_diagonal]))
    return row


def _as_measured(recording: xr.Dataset) -> xr.Dataset:
    """The recording without the knowledge that its rates are those of a network."""
    rates = recording["rates"].transpose("trial", "time", "unit").values
    scale = scales(rates, recording["split"].values == "train")
    measured = recording.assign_coords(scale=("unit", np.where(scale > 0, scale, 1.0)))
    measured.attrs |= {"activity": "rates", "nonlinearity": "tanh"}
    return measured


def summary(table: pd.DataFrame) -> str:
    """How often every nonlinearity is recognised, and the currents of the chosen networks, as a Markdown table."""
    lines = []
    for teacher, of_teacher in table.groupby("teacher", sort=False):
        right = of_teacher["chosen"] == teacher
        ratio = of_teacher["true_ratio"]
        lines.append(
            {
                "teacher": str(teacher),
                "recognised": f"{right.sum()} of {len(of_teacher)}",
                "gain over the next best in nats, least": number(of_teacher["gain_nats"].min(), 0),
                "silent": number(of_teacher["silent_share"].mean(), 2),
                "true_ratio, least to most": f"{number(ratio.min(), 3)} to {number(ratio.max(), 3)}",
                "true_r": number(of_teacher["true_r"].mean(), 3),
                "true_r2": number(of_teacher["true_r2"].mean(), 3),
            }
        )
    return markdown(pd.DataFrame(lines))


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line: measure what is missing, then write the table."""
    parser = command.parser(
        "unit_models_nonlinearity", __doc__, "units.md and nonlinearity.csv", seeds=range(10), quick=True
    )
    options = parser.parse_args(arguments)
    out = command.folder(options)
    with command.measuring():
        table = measure(out / "nonlinearity.csv", options.seeds, quick=options.quick, again=options.again)
    insert(out / "units.md", "nonlinearity", summary(table))


if __name__ == "__main__":
    main()
