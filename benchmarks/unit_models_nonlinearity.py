"""Is the nonlinearity of a network recognised by held-out likelihood, and are its currents of the right size?

The teachers are three regions of 8 units (`curbd.teachers.multi_region`), with 16 training trials and 4 held-out
trials of 200 samples. The nonlinearity is chosen on rates whose scale is not known, as measured rates are fitted
(`nonlinearity: auto`). The currents are then compared on the rates of the network, in its own units, in a fit with the
nonlinearity of the teacher to 16 and to 64 training trials of the same network. Currents are compared about the mean of
each unit: rates that are never negative have large means, and the constant part of a current can also be sent by the
region itself or the bias. Time constants are known.
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
from curbd.network.current_pairs import CurrentPair
from curbd.network.equation import weights
from curbd.network.nonlinearity import nonlinearity_of
from curbd.network.truth import true_network
from curbd.network.view import view
from curbd.recording.scaling import scales
from curbd.settings.models import Model

KEYS = ("seed", "teacher")
TEACHERS: dict[str, dict[str, Any]] = {
    "relu": {"gain": 1.0, "bias": 0.5, "inhibition": 1.5},
    "softplus": {"gain": 1.0, "inhibition": 1.5},
    "exponential": {"gain": 0.3, "bias": -1.0, "inhibition": 2.0},
    "tanh": {"gain": 1.5},
}
"""Nonlinearity -> gain, bias and inhibition with which rates neither vanish nor grow without limit."""
TAU_S = 0.1
TRAINING_TRIALS = (16, 64)
TRAINING_SHARE = 0.8
"""Share of the trials of a recording that are training trials."""
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
    """The choice on rates of unknown scale, and currents in fits with the nonlinearity of the teacher to its rates."""
    sizes: dict[str, Any] = {"units": 5, "samples": 60} if quick else {"units": 8, "samples": 200}
    row: dict[str, Any] = {"seed": seed, "teacher": name}
    for trials in TRAINING_TRIALS:
        teacher = teachers.multi_region(
            substeps=1,
            nonlinearity=nonlinearity_of(name),
            seed=seed,
            trials=round(trials / TRAINING_SHARE),
            **TEACHERS[name],
            **sizes,
        )
        recording, truth = recorded(teacher)
        if trials == TRAINING_TRIALS[0]:
            row |= _choice(recording)
            row["silent_share"] = float((teacher.rates <= 0).mean()) if name != "tanh" else np.nan
        row |= {f"{column}_{trials}": value for column, value in _currents(recording, truth, name).items()}
    return row


def _choice(recording: xr.Dataset) -> dict[str, Any]:
    """The nonlinearity that is chosen on rates of unknown scale, and its gain over the next best."""
    networks = fit(
        _as_measured(recording), Model(family="full_rank", nonlinearity="auto", seeds=[0], tau_s=TAU_S)
    ).networks
    gain_nats = float(networks.attrs.get("nonlinearity_nats", np.nan))
    return {"chosen": str(networks.attrs["phi"]), "gain_nats": gain_nats}


def _currents(recording: xr.Dataset, truth: xr.Dataset, name: str) -> dict[str, float]:
    """Median correlation and ratio with the true currents between regions, about the mean of each unit.

    The ratio without shrinkage is the ratio divided by the root of the expected R2 (``predicted_r2`` of pathways.csv).
    """
    model = Model.model_validate({"family": "full_rank", "nonlinearity": name, "seeds": [0], "tau_s": TAU_S})
    seen = view(recording, fit(recording, model).networks)
    true_weights = weights(true_network(truth))
    r, ratio, unshrunk = [], [], []
    for source in seen.pathway_sources[: len(seen.regions)]:
        activity = seen.z[..., source.columns]
        pair = CurrentPair.of((activity, activity), (seen.W[:, source.columns], true_weights[:, source.columns]))
        for region in seen.regions:
            if region != source.name:
                product = pair.of_units(seen.region == region).product.sum(2)
                r.append(product[0, 1] / np.sqrt(product[0, 0] * product[1, 1]))
                ratio.append(np.sqrt(product[0, 0] / product[1, 1]))
                unshrunk.append(ratio[-1] / np.sqrt(seen.expected_r2(source, region)))
    medians = {"true_r": r, "true_ratio": ratio, "unshrunk_ratio": unshrunk}
    return {column: float(np.median(values)) for column, values in medians.items()}


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
        lines.append(
            {
                "teacher": str(teacher),
                "recognised": f"{right.sum()} of {len(of_teacher)}",
                "gain over the next best in nats, least": number(of_teacher["gain_nats"].min(), 0),
                "silent": number(of_teacher["silent_share"].mean(), 2),
            }
            | {
                f"{title}, {trials} trials": f"{number(column.mean(), 3)} ({number(column.min(), 3)})"
                for trials in TRAINING_TRIALS
                for title, column in (
                    ("r with the truth, mean (worst)", of_teacher[f"true_r_{trials}"]),
                    ("ratio, mean (least)", of_teacher[f"true_ratio_{trials}"]),
                    ("ratio without shrinkage, mean (least)", of_teacher[f"unshrunk_ratio_{trials}"]),
                )
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
