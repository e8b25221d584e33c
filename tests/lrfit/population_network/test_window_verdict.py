"""Verdicts in parts of the trial: a pathway that acts in the second half of the trial only."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest

from curbd.teachers.populations import PopulationTeacher, populations
from lrfit.population_network.fit import Fit, converge, start
from lrfit.population_network.hidden import initial_shrinkage, with_drive
from lrfit.population_network.paths import first_paths, infer
from lrfit.population_network.recording import Recording, from_arrays, split, subset
from lrfit.population_network.verdict import Verdict, verdict
from lrfit.population_network.weights import ABSENT_PENALTY
from lrfit.population_network.window_verdict import in_bins, window_verdict
from tests.support.small_population import small_model, small_recording

BINS = 80
LATE, ABSENT = (1, 0), (0, 1)


class Fitted(NamedTuple):
    """A teacher, its training and held-out trials, and the network of the whole trial."""

    teacher: PopulationTeacher
    training: Recording
    held_out: Recording
    fit: Fit


@pytest.fixture(scope="module")
def fitted() -> Fitted:
    """Two regions; A drives B from the middle of the trial on, and nothing comes back."""
    teacher = populations(
        regions=2, units=200, recorded=30, trials=160, bins=BINS, rate_hz=20.0, absent=[ABSENT], late=[LATE], seed=421
    )
    data = from_arrays(teacher.activity, teacher.region, teacher.bin_s, teacher.inputs, teacher.condition)
    training, held_out = split(data, None)
    return Fitted(teacher, training, held_out, converge(start(training, [2, 2], 0.1), training))


def judged(fitted: Fitted, first: int, stop: int) -> Verdict:
    return window_verdict(fitted.fit.model, fitted.training, fitted.held_out, np.arange(first, stop), 0.0)[1]


def test_the_current_of_a_late_pathway_starts_in_the_middle_of_the_trial(fitted: Fitted) -> None:
    into = fitted.teacher.current[0][..., fitted.teacher.region == 1]
    assert not into[:, : BINS // 2].any()
    assert into[:, BINS // 2 :].std() > 0


def test_a_late_pathway_is_resolved_in_the_second_half_only(fitted: Fitted) -> None:
    early, late = judged(fitted, 0, BINS // 2), judged(fitted, BINS // 2, BINS)
    assert not early.resolved[LATE]
    assert late.resolved[LATE]
    assert early.evidence.nats[LATE] < 3 < 20 < late.evidence.nats[LATE]
    assert early.evidence.tests.p_value[LATE] > 0.05 > 0.001 > late.evidence.tests.p_value[LATE]
    assert not early.resolved[ABSENT]
    assert not late.resolved[ABSENT]


def test_a_window_over_the_whole_trial_says_what_the_whole_trial_says(fitted: Fitted) -> None:
    whole = verdict(fitted.fit, fitted.training, fitted.held_out, 0.0)
    window = judged(fitted, 0, BINS)
    np.testing.assert_array_equal(window.resolved, whole.resolved)
    # Both fits end when ten rounds gain less than 4 nats, at different points.
    assert window.evidence.nats[LATE] == pytest.approx(whole.evidence.nats[LATE], rel=0.2)
    assert window.held_out_nats[LATE] == pytest.approx(whole.held_out_nats[LATE], rel=0.2)


def test_trials_that_end_before_a_window_have_no_part_in_it(fitted: Fitted) -> None:
    data = subset(fitted.training, np.arange(6))
    data.inside[20:, 2] = False
    window = in_bins(data, np.arange(30, 40))
    assert window.inside.shape == (10, 5)
    np.testing.assert_array_equal(window.activity[:, 2], data.activity[30:40, 3])
    np.testing.assert_array_equal(window.sources, np.delete(data.sources[30:40], 2, 1))


def test_hidden_drives_keep_their_way_into_the_regions() -> None:
    model = small_model()
    data, _ = small_recording(model, trials=4)
    paths = infer(model, data, first_paths(model, data))
    prior = initial_shrinkage(model, data.source_name)
    wider, _, grown = with_drive(model, paths, prior, data, 0.3)
    fresh = initial_shrinkage(wider, data.source_name)
    regions = slice(model.regions)
    np.testing.assert_array_equal(fresh.penalty[regions] >= ABSENT_PENALTY, grown.penalty[regions] >= ABSENT_PENALTY)
    np.testing.assert_array_equal(fresh.block, grown.block)
    np.testing.assert_array_equal(fresh.free, grown.free)
