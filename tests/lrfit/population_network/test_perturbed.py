"""What perturbations do to the weights and sources of a population network."""

from __future__ import annotations

import numpy as np
import pytest

from curbd.network.perturbation import Action, Cut, no_action
from lrfit.population_network.hidden import with_drive
from lrfit.population_network.model import Population
from lrfit.population_network.paths import first_paths, infer
from lrfit.population_network.perturbed import Change, change_of
from lrfit.population_network.weights import shrinkage
from tests.support.small_population import small_model, small_recording

REGION = np.repeat([0, 1], 5)
SOURCES = ("input:0", "bias")
INTACT = no_action(10, 2)
"""One recorded input, and one hidden drive."""


@pytest.fixture(scope="module")
def model() -> Population:
    """Two regions with two latents each, and a hidden drive."""
    small = small_model()
    data, _ = small_recording(small)
    paths = infer(small, data, first_paths(small, data), 3)
    return with_drive(small, paths, shrinkage(small, data.source_name), data, 0.2)[0]


def change(model: Population, action: Action) -> Change:
    return change_of(action, model, REGION, SOURCES, 0.0)


def test_a_silenced_region_sends_nothing(model: Population) -> None:
    kept = change(model, INTACT._replace(held=REGION == 0)).kept
    assert (kept[:, model.group == 0] == 0).all()
    assert (kept[:, model.group != 0] == 1).all()


def test_a_cut_pathway_is_the_only_one_that_is_lost(model: Population) -> None:
    kept = change(model, INTACT._replace(cuts=(Cut(targets=REGION == 1, sources=REGION == 0, sign=0),))).kept
    lost = kept == 0
    assert lost[np.ix_(model.group == 1, model.group == 0)].all()
    assert lost.sum() == 4


def test_inputs_and_hidden_drives_are_removed(model: Population) -> None:
    removed = change(model, INTACT._replace(inputs=np.array([True, False])))
    assert removed.kept_sources.tolist() == [0, 1]
    assert (removed.kept == 1).all()
    without_drive = change(model, INTACT._replace(inputs=np.array([False, True])))
    assert without_drive.kept_sources.tolist() == [1, 1]
    assert (without_drive.kept[:4, 4:] == 0).all()
    # The drive itself goes on.
    assert (without_drive.kept[4:, 4:] == 1).all()


def test_a_current_into_a_region_raises_its_units(model: Population) -> None:
    pushed = change(model, INTACT._replace(current=np.where(REGION == 1, 0.7, 0.0)))
    raised = model.C @ pushed.push
    assert (raised[REGION == 0] == 0).all()
    assert raised[REGION == 1].mean() > 0


@pytest.mark.parametrize(
    ("action", "text"),
    [
        (INTACT._replace(held=np.arange(10) < 3), "acts on a part of a region"),
        (INTACT._replace(gain=np.where(np.arange(10) == 0, 2.0, 1.0)), "acts on a part of a region"),
        (INTACT._replace(held=REGION == 0, level=np.where(REGION == 0, 0.3, 0.0)), "holds rates at a value"),
        (INTACT._replace(cuts=(Cut(targets=REGION == 1, sources=REGION == 0, sign=1),)), "weights of one sign"),
        (INTACT._replace(cuts=(Cut(targets=REGION == 1, sources=REGION + np.arange(10) < 4, sign=0),)), "a part of"),
    ],
)
def test_what_acts_on_single_units_is_told(model: Population, action: Action, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        change(model, action)
