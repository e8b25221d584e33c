"""The table ``interactions``: what the single experiments say together about how regions depend on one another."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
import torch

from curbd.inactivation.bench import Outcome
from curbd.inactivation.effects import STATES
from curbd.inactivation.messages import transmitter_index
from curbd.inactivation.tabulate import interval
from curbd.network.perturbation import Perturbation
from curbd.network.perturbed_run import onset, rates
from curbd.network.tensors import device, tensor
from curbd.recording.scaling import silent

Array = np.ndarray
KEY = ["recording", "model", "seed"]


def interaction_table(
    found: Outcome, inactivations: pd.DataFrame, pathways: pd.DataFrame | None = None
) -> pd.DataFrame:
    """Direct beside total effects, transmitter indices, critical windows, and the synergy of combinations.

    Every measure is there where the config holds the experiments that it needs: silenced regions (total effect), cut
    pathways (direct effect), a window cut into successive ones (critical window), parts (synergy).
    """
    parts = [
        _direct_and_total(found, inactivations),
        _critical_windows(found, inactivations),
        _transmission(found, pathways),
        _synergy(found),
    ]
    columns = [*KEY, "measure", "perturbation", "source", "target", "condition", "start_s", "stop_s", "value"]
    parts = [part for part in parts if len(part)]
    table = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()
    return table.reindex(columns=[*columns, "ci_low", "ci_high"])


def _sources(found: Outcome) -> dict[str, tuple[str, str]]:
    """Perturbation -> source and measure, of whole silenced regions and of cut pathways."""
    region, at_rest = found.recording["region"].values.astype(str), silent(found.recording)
    sources = {}
    for one in found.plan:
        if one.pathway is not None:
            sources[one.name] = (one.pathway[0], "direct_effect")
        elif one.kind == "region" and not one.parts and (one.action.level[one.action.held] == at_rest).all():
            held = {str(name) for name in region[one.action.held]}
            if len(held) == 1 and one.action.held.sum() == (region == min(held)).sum():
                sources[one.name] = (min(held), "total_effect")
    return sources


def _direct_and_total(found: Outcome, inactivations: pd.DataFrame) -> pd.DataFrame:
    """Effect of a silenced region on every other one, that of the pathway between them alone, and their ratio."""
    sources = _sources(found)
    targets = {one.name: one.pathway[1] for one in found.plan if one.pathway is not None}
    rows = inactivations[inactivations["perturbation"].isin(sources) & (inactivations["target_kind"] == "region")]
    rows = rows.assign(
        source=rows["perturbation"].map(lambda name: sources[name][0]),
        measure=rows["perturbation"].map(lambda name: sources[name][1]),
        value=rows["effect_rms"],
        ci_low=np.nan,
        ci_high=np.nan,
    )
    own = rows["perturbation"].map(targets)
    rows = rows[(rows["target"] == own) | (own.isna() & (rows["target"] != rows["source"]))]
    same = [*KEY, "source", "target", "condition", "start_s", "stop_s", "strength"]
    total, direct = (rows[rows["measure"] == f"{which}_effect"] for which in ("total", "direct"))
    # A region may be silenced by more than one experiment, a graded one among them; the effect is the same.
    both = direct.merge(total.drop_duplicates(same), on=same, suffixes=("", "_total"))
    both = both[both["value_total"] > 0]
    share = both.assign(measure="direct_share", value=both["value"] / both["value_total"])
    return pd.concat([rows, share[rows.columns]], ignore_index=True)


def _critical_windows(found: Outcome, inactivations: pd.DataFrame) -> pd.DataFrame:
    """Of successive windows the one with the largest effect, as a multiple of the mean effect of all."""
    own = inactivations["perturbation"].map({one.name: one.pathway[1] for one in found.plan if one.pathway is not None})
    rows = inactivations[(inactivations["perturbed_share"] < 1) & (own.isna() | (own == inactivations["target"]))]
    rows = rows.assign(measure="critical_window", source=None)
    same = [*KEY, "experiment", "acts_on", "fraction", "strength", "target", "condition"]
    rows = rows[rows.groupby(same, dropna=False)["perturbation"].transform("size") > 1]
    mean = rows.groupby(same, dropna=False)["effect_rms"].transform("mean")
    rows = rows.assign(value=rows["effect_rms"] / mean.where(mean > 0), ci_low=np.nan, ci_high=np.nan)
    largest = rows.loc[rows.dropna(subset="value").groupby(same, dropna=False)["value"].idxmax()]
    sources = _sources(found)
    return largest.assign(source=[sources.get(name, ("", ""))[0] for name in largest["perturbation"]])


def _transmission(found: Outcome, pathways: pd.DataFrame | None) -> pd.DataFrame:
    """Transmitter index of every region, and the generator index, 1 minus it."""
    rows = []
    for number, seed in enumerate(found.networks["seed"].values):
        index = transmitter_index(found.recording, found.networks, number, pathways)
        for name, value in index.items():
            for measure, share in (("transmitter_index", value), ("generator_index", 1 - value)):
                if np.isfinite(share):
                    rows.append((seed, measure, name, share))
    table = pd.DataFrame(rows, columns=["seed", "measure", "source", "value"])
    return table.assign(
        recording=found.recording.attrs["recording"],
        model=found.networks.attrs["model"],
        perturbation="",
        target="",
        condition="all",
    )


def _synergy(found: Outcome) -> pd.DataFrame:
    """Size of the effect of a combination over that of the sum of the effects of its parts, minus 1."""
    region = found.recording["region"].values.astype(str)
    rows = []
    for one in found.plan:
        if len(one.parts) < 2:
            continue
        alive = ~one.action.held
        targets = [name for name in found.regions if (alive & (region == name)).any()]
        units = np.stack([alive & (region == name) for name in targets])
        value = synergy(found, one, units)
        low, high = interval(found, value)
        for (seed, condition, target), each in np.ndenumerate(value[: found.n_seeds]):
            if np.isfinite(each) and found.conditions[condition] in one.conditions:
                cell = (condition, target)
                rows.append((seed, one, targets[target], found.conditions[condition], each, low[cell], high[cell]))
    return pd.DataFrame(
        {
            "recording": found.recording.attrs["recording"],
            "model": found.networks.attrs["model"],
            "seed": found.networks["seed"].values[seed],
            "measure": "synergy",
            "perturbation": one.name,
            "source": "",
            "target": target,
            "condition": condition,
            "start_s": one.start_s,
            "stop_s": one.stop_s,
            "value": value,
            "ci_low": low,
            "ci_high": high,
        }
        for seed, one, target, condition, value, low, high in rows
    )


def synergy(found: Outcome, one: Perturbation, units: Array) -> Array:
    """|e| / |e_1 + e_2 + ...| - 1 (member, condition, target), e the effect of a combination, e_k those of its parts.

    Norms are over trials, the time of the window and the units (target, unit) of each target. 0 where parts simply
    add; above 0 where one part makes up for the other; NaN where the parts do nothing.
    """
    alone = [one._replace(action=action, parts=()) for action in one.parts]
    members, n_trials = found.members, len(found.trials.x)
    begin = onset([one])
    at_once = max(1, STATES[device().type] // (len(members.members) * units.shape[1] * (2 + len(alone))))
    read = tensor(units.astype(float))
    together = apart = read.new_zeros(())
    for chunk in _chunks(n_trials, at_once):
        share = tensor(found.trials.share[:, chunk])
        steps = rates(members.of_trials(chunk), [one, *alone], found.trials.x[chunk, begin])
        for t, r in enumerate(steps, start=begin):
            if one.when[t]:
                effect = r[:, 1:] - r[:, :1]
                together = together + _power(effect[:, 0], share[:, :, t], read)
                apart = apart + _power(effect[:, 1:].sum(1), share[:, :, t], read)
    ratio = (together / apart).sqrt().cpu().numpy() - 1
    result: Array = np.where(np.isfinite(ratio), ratio, np.nan)
    return result


def _power(effect: torch.Tensor, share: torch.Tensor, units: torch.Tensor) -> torch.Tensor:
    """(member, condition, target) squares of an effect (member, trial, unit), summed."""
    return share @ (effect * effect) @ units.T


def _chunks(number: int, at_once: int) -> Iterator[Array]:
    for first in range(0, number, at_once):
        yield np.arange(first, min(first + at_once, number))
