"""What would make a pathway between populations resolvable."""

from __future__ import annotations

import numpy as np
import pytest

from curbd.teachers.populations import populations
from lrfit.population_network.fit import improve, start
from lrfit.population_network.power import needed
from lrfit.population_network.recording import Recording, from_arrays, split, subset
from lrfit.population_network.verdict import Verdict, verdict

PRESENT, ABSENT = (1, 0), (0, 1)


@pytest.fixture(scope="module")
def trials() -> tuple[Recording, Recording]:
    """Two regions; A drives B, and nothing comes back."""
    teacher = populations(
        regions=2, units=100, recorded=15, trials=100, bins=50, rate_hz=12.0, absent=[ABSENT], seed=502
    )
    return split(from_arrays(teacher.activity, teacher.region, teacher.bin_s, teacher.inputs, teacher.condition))


def judged(trials: tuple[Recording, Recording], n_fitted: int, latents_suffice: bool = True) -> Verdict:
    fitted, held_out = trials
    fitted = subset(fitted, np.arange(n_fitted))
    return verdict(improve(start(fitted, [2, 2], 0.1), fitted, 20), fitted, held_out, 0.0, latents_suffice)


def test_few_trials_ask_for_more_and_these_resolve_the_pathway(trials: tuple[Recording, Recording]) -> None:
    few, many = judged(trials, 12), judged(trials, 80)
    assert not few.resolved[PRESENT]
    text = needed(few, *PRESENT, trials=12)
    assert text.startswith("about ")
    assert float(text.split()[1]) < 80 / 12
    assert many.resolved[PRESENT]
    assert needed(many, *PRESENT, trials=80) == ""


def test_missing_latents_ask_for_more_of_them(trials: tuple[Recording, Recording]) -> None:
    assert needed(judged(trials, 80, latents_suffice=False), *PRESENT, trials=80) == "more latents (max_dimensions)"


def test_currents_too_small_to_matter_ask_for_nothing(trials: tuple[Recording, Recording]) -> None:
    absent = judged(trials, 80)
    assert "share" in absent.grounds[ABSENT]
    assert needed(absent, *ABSENT, trials=80) == ""
