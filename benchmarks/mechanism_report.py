"""The results of `benchmarks.mechanism` as Markdown."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pandas as pd

from benchmarks.document import markdown, number

Measure = tuple[str, str, str]
"""Name of a measure, wanted value, measured value."""
LOST_ACCURACY = 0.95
"""Silencing a population has an effect where the accuracy falls below this."""


def summary(numbers: pd.DataFrame) -> str:
    """Markdown: wanted and measured values of every experiment."""
    lines = []
    for (experiment, network, noise), rows in numbers.groupby(["experiment", "network", "measured"], sort=False):
        measures = _MEASURES[str(experiment)](rows)
        lines += [
            {
                "experiment": experiment,
                "network": network,
                "noise on the rates": number(rows["measured"].iloc[0]) if noise else "0",
                "what": what,
                "wanted": wanted,
                "measured": value,
            }
            for what, wanted, value in measures
        ]
    return markdown(pd.DataFrame(lines))


def _of_silencing(rows: pd.DataFrame) -> list[Measure]:
    error = (rows["true"] - rows["fitted"]).abs()
    silenced = ~rows["item"].str.endswith("none")
    lost = silenced & (rows["true"] < LOST_ACCURACY)
    worst = number(error[silenced].max())
    spread = f"{number(rows.loc[silenced, 'true'].min())} to {number(rows.loc[silenced, 'true'].max())}"
    return [
        ("mean error of the accuracy, a population silenced", "<= .05", number(error[silenced].mean(), 3)),
        (f"mean error where the accuracy of the network itself falls below {number(LOST_ACCURACY)}", "",
         f"{number(error[lost].mean(), 3)} ({int(lost.sum())} points)"),
        ("worst error, a population silenced", "", f"{worst} ({int(silenced.sum())} points, true accuracies {spread})"),
        ("mean error of the accuracy, intact", "", number(error[~silenced].mean(), 3)),
    ]  # fmt: skip


def _of_fixed_points(rows: pd.DataFrame) -> list[Measure]:
    counts = rows[rows["item"] != "distance of the stable points"]
    right = (counts["true"] == counts["fitted"]).groupby(counts["seed"]).all()
    far = rows.loc[rows["item"] == "distance of the stable points", "fitted"]
    return [
        ("networks with all points and none besides", "10 of 10", f"{int(right.sum())} of {len(right)}"),
        ("largest distance of a stable point (of the spread of the rates)", "", number(far.max())),
    ]


def _of_cycle(rows: pd.DataFrame) -> list[Measure]:
    error = (rows["fitted"] - rows["true"]).abs().groupby(rows["item"]).mean()
    worst = (rows["fitted"] - rows["true"]).abs().groupby(rows["item"]).max()
    period = f"{100 * error['period_s']:.2f} % ({100 * worst['period_s']:.2f} %)"
    multiplier = f"{number(error['multiplier'], 3)} ({number(worst['multiplier'], 3)})"
    return [
        ("error of the period, mean (worst)", "<= 1 %", period),
        ("error of the multiplier, mean (worst)", "<= .02", multiplier),
    ]


def _of_gating(rows: pd.DataFrame) -> list[Measure]:
    closed = rows["item"].str.endswith("silenced")
    return [
        ("context ratio, mean (least); that of the network", ">= 3",
         f"{number(rows.loc[~closed, 'fitted'].mean())} ({number(rows.loc[~closed, 'fitted'].min())}); "
         f"{number(rows.loc[~closed, 'true'].mean())}"),
        ("without the context region, mean (largest)", "< 1.2",
         f"{number(rows.loc[closed, 'fitted'].mean())} ({number(rows.loc[closed, 'fitted'].max())})"),
    ]  # fmt: skip


_MEASURES: Mapping[str, Callable[[pd.DataFrame], list[Measure]]] = {
    "silencing": _of_silencing,
    "fixed points": _of_fixed_points,
    "limit cycle": _of_cycle,
    "gating": _of_gating,
}
