"""Settings of the models: what an estimator does not use is refused, and what is left out is filled in."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from curbd.settings.estimators import ESTIMATORS, OneStep, Shooting, Sparse
from curbd.settings.models import Model


def test_options_that_a_start_does_not_use_are_refused() -> None:
    with pytest.raises(ValidationError, match="noise: found auto with start: one_step, expected start: sparse"):
        Shooting(noise="auto")


def test_the_options_of_shooting_are_those_of_its_start() -> None:
    assert Shooting(folds=7).start_options() == OneStep(folds=7)
    assert Shooting(start="sparse", rounds=9).start_options() == Sparse(rounds=9)
    assert Shooting(start="sparse").noise == Sparse().noise


@pytest.mark.parametrize("family", ESTIMATORS)
@pytest.mark.parametrize("start", ["one_step", "sparse"])
def test_options_that_were_written_out_are_read_again(family: str, start: str) -> None:
    options = {"start": start} if family == "full_rank" else {}
    model = Model.model_validate({"family": family, "estimator": "shooting", "options": options})
    written = model.estimator_options().model_dump(mode="json")
    assert Model.model_validate(model.model_dump() | {"options": written}).estimator_options().model_dump() == written


def test_the_description_of_the_key_names_every_estimator() -> None:
    description = Model.model_fields["estimator"].description
    assert description is not None
    assert all(f"`{name}`" in description for estimators in ESTIMATORS.values() for name in estimators)
