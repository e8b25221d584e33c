"""Constructed low-rank networks, whose rank, connectivity and mechanism are known.

A network of rank R is a dynamical system of R latents z and the filtered inputs v: x = m z + B v + b with
tau dz/dt = -z + n' tanh(m z + B v + b) and tau dv/dt = -v + u. x, z and v are dimensionless. Most teachers are
populations with Gaussian loadings; in the others, n is the regression of a given flow on the rates (`embedded`).
Publications: Mastrogiuseppe & Ostojic, Neuron 2018; Dubreuil et al., Nat. Neurosci. 2022.
"""

from __future__ import annotations

import numpy as np

from curbd.network.equation import Network
from lrfit.teachers import tasks
from lrfit.teachers.low_rank_teacher import LowRankTeacher, record
from lrfit.teachers.tasks import DT_S, TAU_S

Array = np.ndarray


def random_dots(seed: int, *, units: int = 512) -> LowRankTeacher:
    """Construct a rank-1 network for the random-dots task.

    The latent integrates the stimulus and then falls into one of two fixed points, at about +1.1 and -1.1.

    Parameters
    ----------
    seed : seed for the loadings.
    units : number of units.

    Returns
    -------
    The network.
    """
    m, w = _loadings(np.random.default_rng(seed), units, 2).T
    n = (1.6 * m + 1.2 * w) / units
    return _teacher(m[:, None], n[:, None], w[:, None], choice=np.array([[1.0]]))


def romo(seed: int, *, units: int = 512) -> LowRankTeacher:
    """Construct a rank-2 network for Romo's vibrotactile discrimination task.

    The first latent stores the sum of the two stimuli on a line attractor. The second latent holds the second stimulus
    and decays with a time constant of 140 ms; the output subtracts it from the sum. Publication of the task: Romo et
    al., Nature 1999.

    Parameters
    ----------
    seed : seed for the loadings.
    units : number of units.

    Returns
    -------
    The network.
    """
    rng = np.random.default_rng(seed)
    m, w = np.split(_loadings(rng, units, 3), [2], axis=1)
    z, v = rng.uniform(-1, 1, (4000, 2)), rng.uniform(-0.4, 0.4, (4000, 1))
    flow = np.column_stack([z[:, 0] + v[:, 0], 0.3 * z[:, 1] + v[:, 0]])
    teacher = _teacher(m, embedded(flow, m, w, np.zeros(units), z, v, 0.05), w)
    task = tasks.romo(400, rng)
    rates = record(teacher, task, rng, noise_sd=0.0).rates
    latents, target = rates[task.mask] @ teacher.n, task.target[task.mask]
    return teacher._replace(readout=np.linalg.lstsq(latents, target, rcond=None)[0].T @ teacher.n.T)


def contextual_decision(seed: int, *, units: int = 512) -> LowRankTeacher:
    """Construct a rank-1 network of two populations for the context-dependent decision task.

    Each population passes on one of the two stimuli. In the context of the other stimulus it is saturated, and its gain
    is nearly 0. The latent falls into one of two fixed points.

    Parameters
    ----------
    seed : seed for the loadings.
    units : number of units.

    Returns
    -------
    The network.
    """
    rng = np.random.default_rng(seed)
    half = units // 2
    population = np.repeat([0, 1], [half, units - half])
    first, second = population == 0, population == 1
    # Half of a population saturates at +1 and half at -1, so that their outputs cancel.
    sign = np.where(np.arange(units) % 2, 1.0, -1.0)
    m, w_a, w_b = np.concatenate(
        [_loadings(rng, int(members.sum()), 3, sign[members]) for members in (first, second)]
    ).T
    # Only half of the units sustain the latent at a time, so that twice the overlap of m and n is needed.
    n = (2.4 * m + 3.0 * np.where(first, w_a, w_b)) / units
    B = np.column_stack([w_a * first, w_b * second, 3.0 * sign * second, 3.0 * sign * first])
    return _teacher(m[:, None], n[:, None], B, choice=np.array([[1.0]]), population=population)


def delayed_match(seed: int, *, units: int = 512) -> LowRankTeacher:
    """Construct a rank-2 network for the delayed match-to-sample task.

    The first latent z has five stable states, like the steps of a staircase. Stimulus A moves z one step up and
    stimulus B moves z one step down, so that two equal stimuli end in +2 or -2 and two different stimuli end in 0. The
    second latent is -cos(pi z / 2): positive for equal stimuli and negative for different stimuli.

    Parameters
    ----------
    seed : seed for the loadings.
    units : number of units.

    Returns
    -------
    The network.
    """
    rng = np.random.default_rng(seed)
    # Bounded loadings keep rates below 1 in floating point; the biases spread the units over the staircase.
    m = rng.uniform(-1, 1, (units, 2)) * [1.8, 1.2]
    w = rng.uniform(-1, 1, (units, 1))
    b = -m[:, 0] * rng.uniform(-2.2, 2.2, units)
    z = np.column_stack([rng.uniform(-2.7, 2.7, 6000), rng.uniform(-1.3, 1.3, 6000)])
    v = rng.choice([-1.0, 1.0], (6000, 1)) * rng.choice([0.0, 1.0], (6000, 1)) * rng.random((6000, 1))
    count = np.clip(z[:, 0], -2.2, 2.2)
    flow = np.column_stack([count - 0.06 * np.sin(2 * np.pi * count) + 0.24 * v[:, 0], -np.cos(np.pi * count / 2)])
    B = np.column_stack([w[:, 0], -w[:, 0]])
    n = embedded(flow, m, w, b, z, v, 0.1)
    return _teacher(m, n, B, b=b, choice=np.array([[0.0, 1.0]]))


def flip_flop(seed: int, *, units: int = 512, bits: int = 2) -> LowRankTeacher:
    """Construct a network of rank ``bits`` for the flip-flop task, with one bistable population for each bit.

    The network has 3^bits fixed points, of which 2^bits are stable.

    Parameters
    ----------
    seed : seed for the loadings.
    units : number of units.
    bits : number of bits, each with its own input and output.

    Returns
    -------
    The network.
    """
    rng = np.random.default_rng(seed)
    population = np.arange(units) * bits // units
    m, n, B = (np.zeros((units, bits)) for _ in range(3))
    for bit in range(bits):
        members = population == bit
        m[members, bit], B[members, bit] = _loadings(rng, int(members.sum()), 2).T
        n[members, bit] = (1.5 * m[members, bit] + 4.0 * B[members, bit]) / members.sum()
    return _teacher(m, n, B, choice=np.eye(bits), population=population)


def oscillator(seed: int, *, units: int = 512, period_s: float = 1.0, multiplier: float = 0.2) -> LowRankTeacher:
    """Construct a rank-2 network whose latents have a limit cycle of radius 1 with given period and Floquet multiplier.

    To the precision of the embedding, one step of the network is one step of d radius / dt = mu radius (1 - radius^2),
    d angle / dt = 2 pi / period, where exp(-2 mu period) = multiplier.

    Parameters
    ----------
    seed : seed for the loadings.
    units : number of units.
    period_s : period, s.
    multiplier : factor by which deviations of the radius shrink in one period.

    Returns
    -------
    The network.
    """
    rng = np.random.default_rng(seed)
    m = _loadings(rng, units, 2)
    b = rng.uniform(-1, 1, units)
    mu = -np.log(multiplier) / (2 * period_s)
    radius, angle = 1.6 * np.sqrt(rng.random(4000)), 2 * np.pi * rng.random(4000)
    z = radius[:, None] * np.column_stack([np.cos(angle), np.sin(angle)])
    later = radius / np.sqrt(radius**2 + (1 - radius**2) * np.exp(-2 * mu * DT_S))
    turned = angle + 2 * np.pi * DT_S / period_s
    step = later[:, None] * np.column_stack([np.cos(turned), np.sin(turned)]) - z
    no_inputs = np.zeros((units, 0))
    n = embedded(z + step * TAU_S / DT_S, m, no_inputs, b, z, np.zeros((4000, 0)), 1e-3)
    return _teacher(m, n, no_inputs, b=b, choice=np.array([[1.0, 0.0]]))._replace(start=b + m[:, 0])


def gating(seed: int, *, units: int = 256) -> LowRankTeacher:
    """Construct a network of two regions: ``relay`` passes on one of two stimuli, which ``context`` selects.

    A latent of ``context`` stores a cue as +1 or -1. Its current raises the gain of one population of ``relay``
    (population 0 for stimulus a, 1 for stimulus b) and lowers the gain of the other one. ``relay`` sends one
    combination of its rates to population 3 of ``context``, where a second latent decides. The rank is 0 from relay to
    relay, 2 from context to context, and 1 in each direction between the two regions. Without the current from
    ``context``, both populations of ``relay`` are at an intermediate gain and pass on both stimuli equally. The task is
    `tasks.contextual_decision` with a cue of 10 steps. Publication: Barbosa et al., Nat. Commun. 2023 (population
    gating).

    Parameters
    ----------
    seed : seed for the loadings.
    units : number of units in each region.

    Returns
    -------
    The network.
    """
    rng = np.random.default_rng(seed)
    half = units // 2
    population = np.repeat([0, 1, 2, 3], half)
    sign = np.where(np.arange(len(population)) % 2, 1.0, -1.0)
    w, m_in = np.concatenate([_loadings(rng, half, 2, sign[population == group]) for group in range(4)]).T
    stimulus = [np.where(population == group, w, 0.0) for group in (0, 1)]
    memory, decision = (np.where(population == group, w, 0.0) for group in (2, 3))
    arrives = np.where(population == 3, m_in, 0.0)
    half_closed = 1.5 * sign * (population < 2)
    m = np.column_stack([memory + half_closed * np.where(population == 0, -1, 1), decision, arrives])
    # The fixed points of the memory are exactly +-1.
    holds = memory / (memory @ np.tanh(memory))
    decides = (1.1 * decision + 1.5 * arrives) / half
    n = np.column_stack([holds, decides, sum(stimulus) * 2 / half])
    B = np.column_stack([*stimulus, memory, -memory])
    teacher = _teacher(m, n, B, b=half_closed, choice=np.array([[0.0, 1.0, 0.0]]), population=population)
    return teacher._replace(region=np.repeat(["relay", "context"], units))


def embedded(flow: Array, m: Array, B: Array, b: Array, z: Array, v: Array, noise_sd: float) -> Array:
    """Compute loadings n (unit, rank) with which a network has a given flow of its latents, by ridge regression.

    The loadings solve n' tanh(m z + B v + b) = flow at given positions z of the latents and filtered inputs v.
    Publication: Eliasmith & Anderson, Neural Engineering, 2003.

    Parameters
    ----------
    flow : (point, rank) z + tau dz/dt at the points.
    m, B, b : (unit, rank) left factors, (unit, input) input weights, (unit,) bias.
    z, v : (point, rank) positions of the latents and (point, input) filtered inputs at the points.
    noise_sd : standard deviation of the noise on the rates to which the flow should be robust.

    Returns
    -------
    n : (unit, rank) right factors.
    """
    r = np.tanh(z @ m.T + v @ B.T + b)
    return np.linalg.solve(r.T @ r + len(r) * noise_sd**2 * np.eye(len(m)), r.T @ flow)


def _loadings(rng: np.random.Generator, units: int, columns: int, orthogonal_to: Array | None = None) -> Array:
    """(unit, column) Gaussian loadings with means of exactly 0 and a covariance of exactly the identity.

    They are orthogonal to the vector ``orthogonal_to`` (unit,) as well.
    """
    fixed = np.ones((units, 1)) if orthogonal_to is None else np.column_stack([np.ones(units), orthogonal_to])
    q, triangle = np.linalg.qr(np.column_stack([fixed, rng.standard_normal((units, columns))]))
    return (q * np.sign(np.diag(triangle)))[:, fixed.shape[1] :] * np.sqrt(units)


def _teacher(
    m: Array,
    n: Array,
    B: Array,
    *,
    b: Array | None = None,
    choice: Array | None = None,
    population: Array | None = None,
) -> LowRankTeacher:
    """A teacher of one region, whose output is choice (output, rank) times the latents."""
    units = len(m)
    bias = np.zeros(units) if b is None else b
    network = Network(J=m @ n.T, B=B, b=bias, tau_s=TAU_S, dt_s=DT_S)
    readout = np.zeros((1, units)) if choice is None else choice @ n.T
    groups = np.zeros(units, dtype=int) if population is None else population
    return LowRankTeacher(
        network=network,
        m=m,
        n=n,
        readout=readout,
        region=np.repeat("A", units),
        population=groups,
        start=bias.copy(),
    )
