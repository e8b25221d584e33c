"""Whether a pathway that changed between two days is named, and whether other differences between days are no change.

The teachers have three regions of 12 units and 40 trials on each of two days. Between the days, a pathway changes, or
nothing changes but the noise, the inputs, the numbers of trials or the noise of the measurement.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd

from benchmarks import command
from benchmarks.document import insert, markdown, number
from benchmarks.rows import add, finished, rows
from curbd import teachers
from curbd.changes.change_table import change_tables
from curbd.changes.size import activity_covariance
from curbd.estimators.fitting import fit
from curbd.recording.ingest import ingest_file
from curbd.settings.contrasts import Change
from curbd.settings.models import Model
from curbd.teachers import TwoDays

Array = np.ndarray
KEYS = ("seed", "days", "target", "source")

DAYS: dict[str, dict[str, Any]] = {
    "B from A: redrawn": {"how": "redrawn"},
    "B from A: rotated": {"how": "rotated"},
    "B from A: halved": {"how": "scaled"},
    "B from A: redrawn, 60 and 20 trials": {"how": "redrawn", "trials": 60, "second_trials": 20},
    "all weights redrawn": {"changed": tuple(product("ABC", repeat=2))},
    "nothing": {"changed": ()},
    "process noise doubled": {"changed": (), "second_noise": 2.0},
    "inputs trebled": {"changed": (), "second_inputs": 3.0},
    "unrecorded inputs trebled": {"changed": (), "second_inputs": 3.0, "inputs": "hidden"},
    "60 and 20 trials": {"changed": (), "trials": 60, "second_trials": 20},
    "noise of the measurement, .01 and .05": {"changed": (), "measurement_noise": (0.01, 0.05)},
}
"""What differs between the days -> settings of the teacher."""
log = logging.getLogger("changes")


def measure(table: Path, seeds: Sequence[int], *, quick: bool = False, again: bool = False) -> pd.DataFrame:
    """Changes of every teacher, with the true changes; rows that the table already holds are kept."""
    done = {key[:2] for key in finished(table, KEYS, again)}
    for seed in seeds:
        for days in DAYS:
            if (seed, days) not in done:
                add(table, KEYS, changes_of_teacher(seed, days, quick=quick), list(seeds))
                log.info("seed %d, %s", seed, days)
    return rows(table, KEYS)


def changes_of_teacher(seed: int, days: str, *, quick: bool = False) -> pd.DataFrame:
    """Changes of one teacher between its days."""
    small: dict[str, Any] = {"units": 4, "samples": 40} if quick else {}
    teacher = teachers.two_days(seed=seed, **DAYS[days], **small)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "teacher.h5"
        teachers.write_hdf5(teacher.teacher, path)
        recording = ingest_file(path).recording
    networks = fit(recording, Model(family="full_rank", seeds=[0])).networks
    settings = {"day": Change(column="day", permutations=19 if quick else 199)}
    table = change_tables(recording, networks, settings).changes
    kept = ["verdict", "evidence_nats", "p_corrected", "relative_change", "ci_low", "ci_high", "gain", "rotated_share"]
    kept += ["new_direction_share", "r2_shared", "r2_separate", "r2_drawn_together"]
    true = [true_share(teacher, target, source) for target, source in table[["target", "source"]].to_numpy(str)]
    return table.assign(seed=seed, days=days, true_share=true)[[*KEYS, *kept, "true_share"]]


def true_share(teacher: TwoDays, target: str, source: str) -> float:
    """True share of the current of a pathway that changed; NaN for an input."""
    region, first = teacher.teacher.region, teacher.teacher.network
    if source not in region:
        return float("nan")
    block = np.ix_(region == target, region == source)
    z = teacher.teacher.rates.reshape(-1, len(region))
    z = np.concatenate([z, np.ones((len(z), 1))], axis=1)
    S = activity_covariance(z.T @ z, np.flatnonzero(region == source))
    before, after = first.J[block], teacher.second.J[block]

    def size(weights: Array) -> float:
        return float(((weights @ S) * weights).sum())

    return size(after - before) / (size(before) + size(after))


def summary(table: pd.DataFrame) -> str:
    """Which pathways are called changed, and the held-out R2 of separate weights, as a Markdown table."""
    lines = []
    for days in DAYS:
        of_days = table[table["days"] == days]
        if of_days.empty:
            continue
        changed = of_days["true_share"] > 0
        called = of_days["verdict"] == "changed"
        named = (called == changed).groupby(of_days["seed"]).all()
        gap = (of_days["r2_separate"] - of_days["r2_shared"]).groupby(of_days["seed"]).mean()
        known = of_days.dropna(subset=["true_share", "relative_change"])
        held = (known["ci_low"] <= known["true_share"]) & (known["true_share"] <= known["ci_high"])
        lines.append(
            {
                "what differs": days,
                "changed pathways found": f"{(called & changed).sum()} of {changed.sum()}" if changed.any() else "-",
                "others called changed": f"{(called & ~changed).sum()} of {(~changed).sum()}",
                "right in every pathway": f"{named.sum()} of {len(named)}",
                "cannot tell": number((of_days["verdict"] == "cannot_tell").mean()),
                "R2, separate minus shared": number(gap.mean(), 3),
                "smallest, largest": f"{number(gap.min(), 3)}, {number(gap.max(), 3)}",
                "interval holds the share": number(held.mean()),
            }
        )
    return markdown(pd.DataFrame(lines))


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line: measure what is missing, then write the table."""
    parser = command.parser("changes", __doc__, "changes.md and changes.csv", seeds=range(10), quick=True)
    options = parser.parse_args(arguments)
    out = command.folder(options)
    with command.measuring():
        table = measure(out / "changes.csv", options.seeds, quick=options.quick, again=options.again)
    insert(out / "changes.md", "changes", summary(table))


if __name__ == "__main__":
    main()
