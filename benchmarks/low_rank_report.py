"""The tables of `benchmarks.low_rank` as Markdown."""

from __future__ import annotations

import pandas as pd

from benchmarks.document import markdown, number

PUBLISHED_R2 = {"random_dots": "1.00", "romo": "1.00", "contextual_decision": ".96", "delayed_match": ".99"}
"""Task -> R2 divided by its ceiling of the published method, as the publication states it."""


def tasks_text(table: pd.DataFrame) -> str:
    """Markdown: fits to constructed teachers of four tasks, means over teachers."""
    lines = []
    for name, group in table.groupby("task", sort=False):
        mean = group.mean(numeric_only=True)
        ranks_found = f"{(group['rank'] == group['true_rank']).sum()} of {len(group)}"
        lines.append(
            {
                "task (rank)": f"{name} ({group['true_rank'].iloc[0]})",
                "R2 over ceiling": number(mean["r2_over_ceiling"], 4),
                "published": PUBLISHED_R2[str(name)],
                "R2 without noise": number(mean["clean_r2"], 4),
                "connectivity r": number(mean["connectivity_r"], 3),
                "effective r": number(mean["effective_r"], 4),
                "R2 at noise .05, over the teacher's own": number(mean["noise_r2_over_teacher"], 3),
                "rank found": ranks_found,
                "s": number(mean["seconds"], 0),
                "CPU s": number(mean["cpu_seconds"], 0),
            }
        )
    return markdown(pd.DataFrame(lines))


def blocks_text(table: pd.DataFrame) -> str:
    """Markdown: how many block ranks of three regions are found."""
    lines = []
    for trials, group in table.groupby("trials", sort=False):
        lines.append(
            {
                "trials": trials,
                "networks": len(group),
                "all nine blocks right": int((group["right"] == 9).sum()),
                "at least eight right": int((group["right"] >= 8).sum()),
                "blocks right": f"{int(group['right'].sum())} of {9 * len(group)}",
                "truth inside rank_low to rank_high": f"{int(group['covered'].sum())} of {9 * len(group)}",
                "CPU s": number(group["cpu_seconds"].mean(), 1),
            }
        )
    return markdown(pd.DataFrame(lines))


def trained_text(table: pd.DataFrame) -> str:
    """Markdown: low-rank fits to trained networks of full rank; networks that did not learn their task are left out."""
    lines = []
    learnt = table["accuracy"] >= 0.9
    for name, group in table[learnt].groupby("task", sort=False):
        mean = group.mean(numeric_only=True)
        lines.append(
            {
                "task": name,
                "networks that learnt it": f"{len(group)} of {(table['task'] == name).sum()}",
                "effective ranks": ", ".join(str(rank) for rank in group["rank"]),
                "R2": number(mean["r2"], 3),
                "lowest R2": number(group["r2"].min(), 3),
                "R2 of the closed form at that rank": number(mean["closed_form_r2"], 3),
                "accuracy": number(mean["accuracy"], 3),
                "accuracy of the low-rank network": number(mean["low_rank_accuracy"], 3),
                "CPU s": number(mean["cpu_seconds"], 0),
            }
        )
    return markdown(pd.DataFrame(lines))


def unrecorded_text(table: pd.DataFrame) -> str:
    """Markdown: fits to some units of a teacher, with and without unrecorded units in the fitted network."""
    lines = []
    for recorded, group in table.groupby("recorded", sort=False):
        better = (group["r2_with_unrecorded"] > group["r2"]).sum()
        lines.append(
            {
                "recorded units of 45": recorded,
                "R2, recorded units alone (lowest)": _mean_and_lowest(group["r2"]),
                "R2 with the others as unrecorded units (lowest)": _mean_and_lowest(group["r2_with_unrecorded"]),
                "networks in which it is larger": f"{better} of {len(group)}",
            }
        )
    return markdown(pd.DataFrame(lines))


def _mean_and_lowest(values: pd.Series) -> str:
    return f"{number(values.mean(), 4)} ({number(values.min(), 4)})"
