"""How often the intervals of the shares of pathways between populations hold the true shares.

The teachers have three regions and two missing pathways; 20 units of every region are recorded in 60 trials. The true
share is that of the currents of all units of a region, recorded and unrecorded. ``python -m benchmarks.shares``
continues where it was stopped.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from benchmarks import command
from benchmarks.document import insert, markdown, number
from benchmarks.rows import add, finished, rows
from curbd.teachers.populations import PopulationTeacher, populations
from lrfit.population_network.analysis import train
from lrfit.population_network.currents import currents
from lrfit.population_network.file import Fitted
from lrfit.population_network.fitting import of_all_trials
from lrfit.population_network.history import as_read
from lrfit.population_network.recording import Recording, from_arrays, split
from lrfit.population_network.share_interval import share_intervals

Array = np.ndarray
KEYS = ("seed", "kind", "target", "source")
TEACHER: Mapping[str, Any] = {"regions": 3, "units": 200, "recorded": 20, "trials": 60, "bins": 60, "absent": 2}
LATENTS = [2, 2, 2]
"""The numbers of latents are given: their choice takes most of the time of a fit."""
KINDS = {
    "present": "pathways that exist",
    "absent": "pathways that do not exist",
    "within": "a region on itself",
    "difference": "difference between the directions",
}


def true_shares(teacher: PopulationTeacher) -> Array:
    """(target region, source region) shares of the true currents; the recorded input is a source as well."""
    of_input = teacher.inputs[..., :1] * teacher.input_weight
    power = (np.concatenate([teacher.current, of_input[None]]) * teacher.gain).var((1, 2))
    of_target = np.stack([power[:, teacher.region == t].sum(1) for t in range(len(teacher.present))])
    return np.asarray(of_target[:, :-1] / of_target.sum(1, keepdims=True))


def shares_of(seed: int) -> pd.DataFrame:
    """Fit the network of one teacher, and compare its intervals with the truth.

    Parameters
    ----------
    seed : seed of the teacher.
    """
    teacher = populations(seed=seed, **TEACHER)
    data = from_arrays(teacher.activity, teacher.region, teacher.bin_s, teacher.inputs, teacher.condition)
    training, held_out = split(data)
    model = train(training, held_out, LATENTS).fit
    data, training = as_read(model.model, data), as_read(model.model, training)
    fitted = of_all_trials(model, training, data)
    return compared(fitted, data, true_shares(teacher), teacher.present).assign(seed=seed)


def compared(fitted: Fitted, data: Recording, true: Array, present: Array) -> pd.DataFrame:
    """Compare the intervals of all shares, and of their differences, with the truth.

    Parameters
    ----------
    fitted : the fitted network.
    data : the recording as the network reads it.
    true : (target region, source region) true shares.
    present : (target region, source region) whether the pathway exists.
    """
    low, high = share_intervals(fitted, data)
    power = currents(fitted.model, data, fitted.paths, fitted.echo).current[:, data.inside.T].var(1)
    into = [data.region == region for region in range(len(low))]
    share = np.stack([power[: len(low), units].sum(1) / power[:, units].sum() for units in into])
    error = (high - low) / 2
    made = []
    for t, s in np.ndindex(*share.shape):
        kind = "within" if t == s else "present" if present[t, s] else "absent"
        made.append((kind, t, s, share[t, s], low[t, s], high[t, s], true[t, s]))
        if s < t:
            difference, half_width = share[t, s] - share[s, t], np.hypot(error[t, s], error[s, t])
            ends = difference - half_width, difference + half_width
            made.append(("difference", t, s, difference, *ends, true[t, s] - true[s, t]))
    return pd.DataFrame(made, columns=["kind", "target", "source", "estimate", "low", "high", "true"])


def text(table: pd.DataFrame) -> str:
    """How often intervals hold the truth and exclude 0, as a Markdown table."""
    lines = []
    for kind, words in KINDS.items():
        chosen = table[table["kind"] == kind]
        inside = (chosen["low"] <= chosen["true"]) & (chosen["true"] <= chosen["high"])
        excluded = (chosen["low"] > 0) | (chosen["high"] < 0)
        wrong = excluded & (np.sign(chosen["low"]) != np.sign(chosen["true"]))
        lines.append(
            {
                "share of the current": words,
                "n": len(chosen),
                "interval holds the truth": number(inside.mean()),
                "interval excludes 0": number(excluded.mean()),
                "with the wrong sign": int(wrong.sum()),
                "error, median": number((chosen["estimate"] - chosen["true"]).abs().median(), 3),
                "width, median": number((chosen["high"] - chosen["low"]).median(), 3),
            }
        )
    return markdown(pd.DataFrame(lines))


def main(words: Sequence[str] | None = None) -> None:
    """Compute the missing rows, and write the table into docs/contrasts.md."""
    parser = command.parser("shares", __doc__, "shares.csv and contrasts.md", seeds=range(100, 116))
    options = parser.parse_args(words)
    out = command.folder(options)
    table = out / "shares.csv"
    done = {seed for seed, *_ in finished(table, KEYS, options.again)}
    with command.measuring():
        for seed in options.seeds:
            if seed not in done:
                add(table, KEYS, shares_of(seed), options.seeds)
    insert(out / "contrasts.md", "shares", text(rows(table, KEYS)))


if __name__ == "__main__":
    main()
