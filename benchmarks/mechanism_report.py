"""What `benchmarks.mechanism` measured, as a table of the documentation."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pandas as pd

from benchmarks.document import markdown, number

Measure = tuple[str, str, str]
"""What, what is wanted, what was measured."""
HURT = 0.95
"""Accuracy below which silencing a population has done something."""


def summary(found: pd.DataFrame) -> str:
    """Markdown: what is asked for, and what was measured."""
    lines = []
    for (experiment, network, noise), mine in found.groupby(["experiment", "network", "measured"], sort=False):
        measures = _MEASURES[str(experiment)](mine)
        lines += [
            {
                "experiment": experiment,
                "network": network,
                "noise on the rates": number(mine["measured"].iloc[0]) if noise else "0",
                "what": what,
                "wanted": wanted,
                "measured": value,
            }
            for what, wanted, value in measures
        ]
    return markdown(pd.DataFrame(lines))


def _of_silencing(mine: pd.DataFrame) -> list[Measure]:
    error = (mine["true"] - mine["fitted"]).abs()
    silenced = ~mine["item"].str.endswith("none")
    hurt = silenced & (mine["true"] < HURT)
    worst = number(error[silenced].max())
    spread = f"{number(mine.loc[silenced, 'true'].min())} to {number(mine.loc[silenced, 'true'].max())}"
    return [
        ("mean error of the accuracy, a population silenced", "<= .05", number(error[silenced].mean(), 3)),
        (f"the same where the network itself falls below {number(HURT)}", "",
         f"{number(error[hurt].mean(), 3)} ({int(hurt.sum())} points)"),
        ("worst error of it", "", f"{worst} ({int(silenced.sum())} points, true accuracies {spread})"),
        ("mean error of the accuracy, intact", "", number(error[~silenced].mean(), 3)),
    ]  # fmt: skip


def _of_fixed_points(mine: pd.DataFrame) -> list[Measure]:
    counts = mine[mine["item"] != "distance of the stable points"]
    right = (counts["true"] == counts["fitted"]).groupby(counts["seed"]).all()
    far = mine.loc[mine["item"] == "distance of the stable points", "fitted"]
    return [
        ("networks with all points and none besides", "10 of 10", f"{int(right.sum())} of {len(right)}"),
        ("largest distance of a stable point (of the spread of the rates)", "", number(far.max())),
    ]


def _of_cycle(mine: pd.DataFrame) -> list[Measure]:
    error = (mine["fitted"] - mine["true"]).abs().groupby(mine["item"]).mean()
    worst = (mine["fitted"] - mine["true"]).abs().groupby(mine["item"]).max()
    period = f"{100 * error['period_s']:.2f} % ({100 * worst['period_s']:.2f} %)"
    multiplier = f"{number(error['multiplier'], 3)} ({number(worst['multiplier'], 3)})"
    return [
        ("error of the period, mean (worst)", "<= 1 %", period),
        ("error of the multiplier, mean (worst)", "<= .02", multiplier),
    ]


def _of_gating(mine: pd.DataFrame) -> list[Measure]:
    closed = mine["item"].str.endswith("silenced")
    return [
        ("context ratio, mean (least); that of the network", ">= 3",
         f"{number(mine.loc[~closed, 'fitted'].mean())} ({number(mine.loc[~closed, 'fitted'].min())}); "
         f"{number(mine.loc[~closed, 'true'].mean())}"),
        ("without the context region, mean (largest)", "< 1.2",
         f"{number(mine.loc[closed, 'fitted'].mean())} ({number(mine.loc[closed, 'fitted'].max())})"),
    ]  # fmt: skip


_MEASURES: Mapping[str, Callable[[pd.DataFrame], list[Measure]]] = {
    "silencing": _of_silencing,
    "fixed points": _of_fixed_points,
    "limit cycle": _of_cycle,
    "gating": _of_gating,
}
