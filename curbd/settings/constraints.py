"""Settings of what is known about the circuit: signs, distance, density and anatomical pairs (key `constraints`)."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from curbd.settings.section import NotNegative, Section


class Constraints(Section):
    """What is known about the circuit and holds for the weights J of a model. The estimator `one_step` then solves its
    ridge regression, and `sparse` a regression with an L1 penalty, under these constraints; all samples have equal
    weights."""

    signs: bool = False
    """Weights of excitatory units are not negative, and weights of inhibitory units are not positive (Dale's law).
    Units of unknown cell type are free. The key `cell_types` says where cell types come from."""
    local_inhibition: bool = False
    """Inhibitory units have no weights onto units of other regions. Needs `signs: true`."""
    distance: NotNegative = 0.0
    """Exponent p of the distance between two units, by which the penalty on their weight is multiplied: (distance /
    mean distance)^p. 0: the penalty does not depend on distance. Units without a position are at the mean distance."""
    communicability: bool = False
    """Whether the penalty is also multiplied by the communicability of the two units, relative to its mean (Achterberg
    et al., Nature Machine Intelligence 2023). It needs `distance` and two further fits, and lowers the recovery of
    currents."""
    density: str | None = None
    """Path of a TSV with the columns `target`, `source` (regions), `density` and, if wanted, `target_type` and
    `source_type` (cell types): the share of the weights of this block that are not zero. Other weights are pruned, and
    the rest is fitted again."""
    pairs: str | None = None
    """Path of a TSV with the columns `target` and `source` (unit ids): pairs of units that are connected."""
    unlisted_pairs: Literal["absent", "penalised"] = "absent"
    """Weights of units that both occur in the table `pairs`, but not as a pair: `absent`, or `penalised` ten times as
    strongly as those of listed pairs. Units that the table does not name are free."""
    shuffles: Annotated[int, Field(ge=0)] = 9
    """Number of control fits with shuffled cell types, and of control fits with shuffled positions if there is a
    `distance`. 0: no control, and cell types and distances are not judged."""

    @model_validator(mode="after")
    def _complete(self) -> Constraints:
        if self.local_inhibition and not self.signs:
            raise ValueError("local_inhibition: found true with signs: false, expected signs: true")
        if self.communicability and not self.distance:
            raise ValueError("communicability: found true with distance: 0, expected a positive distance")
        if not (self.signs or self.distance or self.density or self.pairs):
            raise ValueError("found no constraint, expected one of signs, distance, density, pairs")
        return self

    def tables(self) -> dict[str, str]:
        """Return the tables that the settings name: key -> path."""
        named = {"density": self.density, "pairs": self.pairs}
        return {key: path for key, path in named.items() if path is not None}
