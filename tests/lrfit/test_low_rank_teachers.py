"""The constructed low-rank networks do what their mechanism says, and solve their tasks."""

from __future__ import annotations

import numpy as np
import pytest

from curbd.network.equation import simulate
from lrfit.teachers import constructed, low_rank_teacher, tasks
from lrfit.teachers.low_rank_teacher import LowRankTeacher

Array = np.ndarray


@pytest.mark.parametrize("name", tasks.TASKS)
def test_a_task_has_a_target_wherever_the_answer_counts(name: str) -> None:
    task = tasks.TASKS[name](30, np.random.default_rng(0))
    n_samples = task.inputs.shape[1]
    inside = np.arange(n_samples) < task.length[:, None]
    assert task.inputs.shape == (30, n_samples, len(task.input_name))
    assert task.mask.shape == (30, n_samples)
    assert task.mask.any(1).all()
    assert not task.mask[~inside].any()
    assert not task.inputs[~inside].any()
    assert np.abs(task.target[task.mask]).max() > 0
    assert len(task.trials) == 30
    assert tasks.accuracy(task, task.target) == 1


def test_the_contexts_of_a_decision_ask_for_different_answers() -> None:
    trials = tasks.contextual_decision(400, np.random.default_rng(1)).trials
    relevant = np.where(trials["context"] == 0, trials["coherence_a"], trials["coherence_b"])
    assert (np.sign(relevant) == trials["choice"]).all()
    assert 0.3 < (np.sign(trials["coherence_a"]) == trials["choice"]).mean() < 0.9


@pytest.mark.parametrize(
    ("name", "rank", "noise_sd"),
    [("random_dots", 1, 0.05), ("romo", 2, 0.01), ("contextual_decision", 1, 0.05), ("delayed_match", 2, 0.05)],
)
@pytest.mark.parametrize("seed", [100, 101])
def test_the_teachers_solve_their_tasks(name: str, rank: int, noise_sd: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    teacher, task = getattr(constructed, name)(seed), tasks.TASKS[name](100, rng)
    recording = low_rank_teacher.record(teacher, task, rng, noise_sd=noise_sd)
    assert teacher.m.shape == teacher.n.shape == (512, rank)
    assert np.linalg.matrix_rank(teacher.network.J) == rank
    assert np.array_equal(np.isfinite(recording.rates).all(2).sum(1), task.length)
    assert np.nanmax(np.abs(recording.rates)) < 1
    assert tasks.accuracy(task, low_rank_teacher.output(teacher, np.nan_to_num(recording.rates))) >= 0.97


def settled(teacher: LowRankTeacher, latents: Array, steps: int = 1500) -> Array:
    """Latents long after the start at some latents, without input."""
    x0 = teacher.start + latents @ teacher.m.T
    nothing = np.zeros((len(latents), steps, teacher.network.B.shape[1]))
    return simulate(teacher.network, x0, nothing)[:, -1] @ teacher.n


@pytest.mark.parametrize("bits", [1, 2, 3])
def test_a_flip_flop_has_one_attractor_for_each_state(bits: int) -> None:
    teacher = constructed.flip_flop(100, units=240, bits=bits)
    end = settled(teacher, np.random.default_rng(0).uniform(-2, 2, (60, bits)))
    assert len(np.unique(end.round(4), axis=0)) == 2**bits
    assert np.abs(end).min() > 0.5


def test_the_decision_network_has_two_attractors() -> None:
    end = settled(constructed.random_dots(100), np.linspace(-2, 2, 10)[:, None])
    assert np.unique(np.sign(end)).tolist() == [-1, 1]
    np.testing.assert_allclose(np.abs(end), abs(end[0, 0]), rtol=1e-6)


def test_the_oscillator_has_the_period_and_the_multiplier_that_it_was_built_for() -> None:
    teacher = constructed.oscillator(100, period_s=1.0, multiplier=0.2)
    x0 = teacher.start + 0.05 * teacher.m[:, 0]
    r = simulate(teacher.network, np.stack([teacher.start, x0]), np.zeros((2, 501, 0)))
    z = np.arctanh(r) - teacher.network.b
    z = z @ teacher.m / len(teacher.m)
    radius, angle = np.hypot(*z.T).T, np.unwrap(np.arctan2(*z[..., ::-1].T).T)
    assert np.abs(radius[0] - 1).max() < 0.005
    assert 2 * np.pi * 10 / (angle[0, 500] - angle[0, 0]) == pytest.approx(1.0, rel=0.002)
    # The network returns to the cycle from outside by that factor in each period of 50 steps.
    away = radius[1] - radius[0]
    assert away[100] / away[50] == pytest.approx(0.2, abs=0.01)


def passed_on(teacher: LowRankTeacher, gain: Array | None = None) -> Array:
    """Amplitude of the relay's current in response to stimulus a, in the context of a and in that of b."""
    u = np.zeros((4, 60, 4))
    u[:2, 5:15, 2] = u[2:, 5:15, 3] = 1.0
    u[::2, 30:, 0], u[1::2, 30:, 0] = 0.2, -0.2
    r = simulate(teacher.network, np.tile(teacher.start, (4, 1)), u, gain=gain)
    relay, context = teacher.region == "relay", teacher.region == "context"
    current = r[..., relay] @ teacher.network.J[np.ix_(context, relay)].T
    difference = current[::2, 50:] - current[1::2, 50:]
    return np.sqrt((difference**2).mean((1, 2)))


def test_the_context_region_gates_what_the_relay_passes_on() -> None:
    teacher = constructed.gating(100)
    silent = np.where(teacher.region == "context", 0.0, 1.0) * np.ones((1, 60, 1))
    intact, alone = passed_on(teacher), passed_on(teacher, silent)
    assert intact[0] / intact[1] >= 3
    assert alone[0] / alone[1] == pytest.approx(1)
    ranks = {
        (target, source): np.linalg.matrix_rank(
            teacher.network.J[np.ix_(teacher.region == target, teacher.region == source)], tol=1e-9
        )
        for target in ("relay", "context")
        for source in ("relay", "context")
    }
    expected = {("relay", "relay"): 0, ("relay", "context"): 1, ("context", "relay"): 1, ("context", "context"): 2}
    assert ranks == expected


def test_the_gated_network_decides_on_the_relevant_stimulus() -> None:
    rng = np.random.default_rng(3)
    teacher, task = constructed.gating(101), tasks.contextual_decision(200, rng, cue=10)
    rates = low_rank_teacher.record(teacher, task, rng).rates
    assert tasks.accuracy(task, low_rank_teacher.output(teacher, rates)) >= 0.95


def test_an_embedded_flow_is_the_flow_of_the_network() -> None:
    rng = np.random.default_rng(0)
    m, b = rng.standard_normal((300, 2)), rng.uniform(-1, 1, 300)
    z = rng.uniform(-1, 1, (2000, 2))
    flow = np.column_stack([z[:, 1], -z[:, 0] * (1 - z[:, 1] ** 2)])
    n = constructed.embedded(flow, m, np.zeros((300, 0)), b, z, np.zeros((2000, 0)), 1e-3)
    fresh = rng.uniform(-0.9, 0.9, (100, 2))
    wanted = np.column_stack([fresh[:, 1], -fresh[:, 0] * (1 - fresh[:, 1] ** 2)])
    np.testing.assert_allclose(np.tanh(fresh @ m.T + b) @ n, wanted, atol=0.01)


def test_the_same_seed_gives_the_same_network() -> None:
    first, again, other = (constructed.delayed_match(seed, units=64) for seed in (5, 5, 6))
    assert np.array_equal(first.network.J, again.network.J)
    assert not np.array_equal(first.network.J, other.network.J)
