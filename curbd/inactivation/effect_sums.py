"""Sums of effects over trials, which grow while the networks are simulated bin by bin."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from curbd.inactivation.simulation import RunStarts
from curbd.network.perturbation import Perturbation
from curbd.network.tensors import tensor

if TYPE_CHECKING:
    import torch

Array = np.ndarray


class Targets(NamedTuple):
    """The targets of effects: groups of units whose mean rate is compared, and weighted sums of rates.

    Attributes
    ----------
    units : (perturbation, target, unit) 1 for the units of a target, over which effects are averaged, else 0.
    projections : (member, projection, unit) weights of additional targets (latents and readouts), which are weighted
        sums over all units.
    """

    units: Array
    projections: Array


class Compared(NamedTuple):
    """Which members are compared with what.

    Attributes
    ----------
    with_first : index of the first member that is compared with member 0; all later members are compared as well.
    with_truth : number of members, the fits, that are compared with the true network; the fits come first.
    """

    with_first: int
    with_truth: int

    @classmethod
    def of(cls, n_members: int, n_fits: int | None, compare: bool) -> Compared:
        """Derive the comparisons from the number of members and from the parameters of `effects`."""
        n_fits = n_members if n_fits is None else n_fits
        first_drawn = n_fits if n_fits < n_members else 1
        return cls(first_drawn if compare else n_members, n_fits)


class Reading(NamedTuple):
    """The weights by which effects on targets are computed from rates.

    Attributes
    ----------
    units : (perturbation, target, unit) weights that average over the units of a target.
    projections : (member, projection, unit) weights of latents and readouts.
    weight : (condition, trial, time) 1 in the observed bins of the trials of a condition.
    inside : (perturbation, time) 1 inside the window of a perturbation.
    """

    units: torch.Tensor
    projections: torch.Tensor
    weight: torch.Tensor
    inside: torch.Tensor

    @classmethod
    def of(cls, starts: RunStarts, perturbations: Sequence[Perturbation], targets: Targets) -> Reading:
        """Collect the weights for the effects of some perturbations."""
        units = tensor(targets.units)
        return cls(
            units=units / units.sum(-1, keepdim=True).clamp_min(1),
            projections=tensor(targets.projections),
            weight=tensor(starts.weight),
            inside=tensor(np.stack([entry.when for entry in perturbations]).astype(float)),
        )

    def of_members(self, members: slice) -> Reading:
        """Restrict the weights of projections to a subset of the networks (members)."""
        return self._replace(projections=self.projections[members])

    def over_trials(self, values: torch.Tensor, t: int) -> torch.Tensor:
        """Sum values (member, run, trial, unit) of bin t over the trials of each condition, in double precision."""
        return (self.weight[:, :, t].to(values.dtype) @ values).double()

    def of_targets(self, values: torch.Tensor) -> torch.Tensor:
        """Average values (member, run, condition, unit) over the units of each target, and append the projections."""
        import torch

        values = values.expand(-1, len(self.units), -1, -1)
        averaged = torch.einsum("mpcn,pqn->mpcq", values, self.units)
        projected = torch.einsum("mpcn,mqn->mpcq", values, self.projections)
        return torch.cat([averaged, projected], dim=-1)

    def squares(self, effect: torch.Tensor, square: torch.Tensor, t: int) -> torch.Tensor:
        """Sum the squares of an effect in bin t over trials, for each target.

        Parameters
        ----------
        effect : (member, perturbation, trial, unit) effects, which are projected in every trial and then squared.
        square : (member, perturbation, condition, unit) squared effects, already summed over trials.
        t : index of the bin.

        Returns
        -------
        (member, perturbation, condition, target) sums of squares.
        """
        import torch

        averaged = torch.einsum("mpcn,pqn->mpcq", square, self.units)
        if not self.projections.shape[1]:
            return averaged
        projected = effect @ self.projections.to(effect.dtype).mT[:, None]
        return torch.cat([averaged, self.over_trials(projected * projected, t)], dim=-1)


class EffectSums:
    """Sums over trials of the fields of `Effects`; fields about the time window are also summed over its bins.

    Parameters
    ----------
    n_members : number of networks.
    reading : weights by which effects on targets are computed from rates.
    recorded : (bin before the onset, condition, unit) recorded rates, summed over trials; they are the intact run
        before the onset.
    """

    def __init__(self, n_members: int, reading: Reading, recorded: torch.Tensor) -> None:
        n_conditions, _, n_bins = reading.weight.shape
        n_perturbations, n_region_targets, n_units = reading.units.shape
        n_targets = n_region_targets + reading.projections.shape[1]

        def zeros(members: int, *shape: int) -> torch.Tensor:
            return reading.units.new_zeros((members, n_perturbations, n_conditions, *shape))

        self.reading = reading
        self.fields = {name: zeros(n_members, n_bins, n_targets) for name in ("mean", "square", "intact")}
        self.fields |= {name: zeros(n_members, n_units) for name in ("unit_mean", "unit_square", "unit_intact")}
        self.fields |= {name: zeros(n_members, n_targets) for name in ("square_from_first", "square_from_truth")}
        self.fields["expected_square_from_truth"] = zeros(1, n_targets)
        for t, rates_before in enumerate(recorded):
            self.fields["intact"][..., t, :] = reading.of_targets(rates_before.expand(n_members, 1, -1, -1))

    def add(self, r: torch.Tensor, members: slice, t: int) -> torch.Tensor:
        """Add the rates of some networks in one bin.

        Parameters
        ----------
        r : (member, run, trial, unit) rates of the members, the intact run first.
        members : the members.
        t : index of the bin.

        Returns
        -------
        (member, perturbation, trial, unit) effects.
        """
        reading = self.reading.of_members(members)
        fields = {name: values[members] for name, values in self.fields.items()}
        inside = reading.inside[:, t, None, None]
        effect = r[:, 1:] - r[:, :1]
        intact, mean = reading.over_trials(r[:, :1], t), reading.over_trials(effect, t)
        square = reading.over_trials(effect.square(), t)
        fields["intact"][..., t, :] += reading.of_targets(intact)
        fields["mean"][..., t, :] += reading.of_targets(mean)
        fields["square"][..., t, :] += reading.squares(effect, square, t)
        fields["unit_intact"].add_(inside * intact)
        fields["unit_mean"].add_(inside * mean)
        fields["unit_square"].add_(inside * square)
        return effect

    def miss(self, name: str, members: slice, difference: torch.Tensor, t: int) -> None:
        """Add the squares of a difference between effects in bin t.

        Parameters
        ----------
        name : field with the sums of squares.
        members : the members whose effects are compared; the differences are projected on the latents of these members.
        difference : (member, perturbation, trial, unit) difference between the effects in these members and another
            effect; none if no effects are compared.
        t : index of the bin.
        """
        if len(difference):
            reading = self.reading.of_members(members)
            squares = reading.squares(difference, reading.over_trials(difference.square(), t), t)
            self.fields[name][members] += reading.inside[:, t, None, None] * squares


class BinComparison:
    """The squared differences between effects in one bin.

    Parameters
    ----------
    sums : the sums, which are changed in place.
    compared : which members are compared with what.
    true_effect : (1, perturbation, trial, unit) effects in the true network, or None.
    t : index of the bin.
    """

    def __init__(self, sums: EffectSums, compared: Compared, true_effect: torch.Tensor | None, t: int) -> None:
        self.sums, self.compared, self.true_effect, self.t = sums, compared, true_effect, t
        self.first: torch.Tensor | None = None
        self.drawn: torch.Tensor | None = None
        self.n_drawn = 0

    def add(self, effect: torch.Tensor, members: slice) -> None:
        """Compare the effects (member, perturbation, trial, unit) in some members; the first members come first."""
        if self.first is None:
            self.first = effect[:1]
        later, drawn = (_from(first, members) for first in (self.compared.with_first, self.compared.with_truth))
        begin = members.start
        self.sums.miss("square_from_first", later, effect[later.start - begin :] - self.first, self.t)
        if self.true_effect is not None:
            fits = slice(begin, drawn.start)
            self.sums.miss("square_from_truth", fits, effect[: drawn.start - begin] - self.true_effect, self.t)
            total = effect[drawn.start - begin :].sum(0, keepdim=True)
            self.drawn = total if self.drawn is None else self.drawn + total
            self.n_drawn += drawn.stop - drawn.start

    def end(self) -> None:
        """Compare the mean effect over the drawn networks with the true effect."""
        if self.drawn is not None and self.true_effect is not None and self.n_drawn:
            expected = self.drawn / self.n_drawn
            self.sums.miss("expected_square_from_truth", slice(1), expected - self.true_effect, self.t)


def _from(first: int, members: slice) -> slice:
    """Restrict a range of members to those from an index on."""
    return slice(min(max(first, members.start), members.stop), members.stop)
