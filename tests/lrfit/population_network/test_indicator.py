"""Population networks behind a calcium indicator: decay time, counts with equal noise, and currents."""

from __future__ import annotations

import numpy as np

from curbd.teachers.populations import PopulationTeacher, populations
from lrfit.population_network.currents import currents
from lrfit.population_network.fit import improve, start
from lrfit.population_network.indicator import equivalent_counts, from_fluorescence

Array = np.ndarray


SEEDS = range(211, 219)


def teacher_of(seed: int) -> PopulationTeacher:
    """Frames of 40 ms through an indicator with a decay time of .6 s; region 1 drives region 0, nothing comes back."""
    return populations(
        regions=2,
        units=100,
        recorded=20,
        trials=100,
        rate_hz=12.0,
        absent=[(1, 0)],
        indicator_s=0.6,
        frame_bins=2,
        seed=seed,
    )


def correlation_across(teacher: PopulationTeacher, indicator_s: float | None) -> tuple[float, float]:
    """The decay time, and the mean correlation of the true with the fitted current from region 1 to region 0."""
    data = from_fluorescence(
        teacher.activity,
        teacher.region,
        teacher.bin_s,
        teacher.inputs,
        teacher.condition,
        indicator_s=indicator_s,
    )
    fit = improve(start(data, [2, 2], teacher.tau_s), data, 25)
    units = teacher.region == 0
    fitted = currents(fit.model, data, fit.paths).current[1][..., units].reshape(-1, units.sum())
    true = teacher.current[1][..., units].reshape(-1, units.sum())
    r = [np.corrcoef(fitted[:, unit], true[:, unit])[0, 1] for unit in range(units.sum())]
    return float(data.indicator_s or 0), float(np.mean(r))


def test_the_decay_time_is_found_and_makes_currents_better() -> None:
    teachers = [teacher_of(seed) for seed in SEEDS]
    decays_s, r = np.transpose([correlation_across(teacher, None) for teacher in teachers])
    _, r_without = np.transpose([correlation_across(teacher, 0.0) for teacher in teachers])
    # Factor analysis of 40 units with 200 s of data leaves an error of about a tenth.
    np.testing.assert_allclose(decays_s, 0.6, rtol=0.2)
    # Single teachers lie between .57 and .98, with a mean of .78; without the decay, the mean is .55.
    assert r.mean() > 0.75
    assert r.mean() > r_without.mean() + 0.15


def test_counts_have_a_noise_variance_equal_to_their_mean(rng: np.random.Generator) -> None:
    """Independent Poisson spikes with noise: everything that varies is noise."""
    spikes = rng.poisson(rng.uniform(0.2, 2, 12), (40, 200, 12)).astype(float)
    trace = spikes.copy()
    for k in range(1, 200):
        trace[:, k] += np.exp(-0.1 / 0.8) * trace[:, k - 1]
    fluorescence = 0.3 * (trace + 0.5 * rng.standard_normal(trace.shape))
    counts, per_count = equivalent_counts(fluorescence, np.zeros(40, int), 0.1, 0.8)
    counts = counts[:, 1:]
    # The factor analysis takes a part of the noise for shared.
    np.testing.assert_allclose(counts.var((0, 1)), counts.mean((0, 1)), rtol=0.15)
    # Late in a trial, the fluorescence has reached the level that belongs to its counts.
    np.testing.assert_allclose(counts.mean((0, 1)) * per_count, fluorescence[:, 50:].mean((0, 1)), rtol=0.05)
