"""Slow factors behind the residual of a regression: y = W z + L h + noise, h a smooth Gaussian process.

In each run of consecutive samples a cosine transform makes the samples of h independent: at the angular frequency w
(per sample) h has variance s(w) = c t (1 + (w t)^2)^-p, the spectrum of a Matern process of unit variance and time
scale t samples, p = 1 for one that jumps and p = 4 for a smooth one, and white noise stays white. So a factor touches
the few lowest frequencies of a run alone, and there only as many combinations of the units as there are factors:
these are regressed with the factor counted as noise (generalised least squares), all the rest by plain ridge
regression. Around this exact step, loadings and noise follow by expectation-maximisation (ECME: Liu & Rubin,
Biometrika 1994; factor analysis with Gaussian-process factors: Yu et al., J. Neurophysiol. 2009), and time scales by
the likelihood itself. At last the spectrum is sharpened: what drives a region is rarely a featureless process, and
trials tell at which frequencies it has its power.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.fft import dct, idct

Array = np.ndarray
POWER = {1: 2.0, 4: 6.4}
"""c of the spectrum for every order p."""
BAND = 1e4
"""A factor has no power where its spectrum has fallen by this factor."""
SHORTEST = 4.0
"""Shortest time scale, in samples: anything faster is noise that units share."""
ITERATIONS = 60
REFIT_ITERATIONS = 20
SHARPENINGS = 4
SHARPENING_ITERATIONS = 10
PRIOR_ROWS = 4.0
"""A frequency's own power counts against the smooth spectrum as its rows do against this many."""
TOLERANCE = 1e-6
"""Convergence: a gain in log likelihood a sample and unit below this."""


class Slow(NamedTuple):
    """A regression in the frequency domain, rows sorted from slow to fast.

    z (row, regressor), y (row, unit), w (row,) angular frequency per sample. Together the rows hold all samples.
    """

    z: Array
    y: Array
    w: Array


class Factors(NamedTuple):
    """Parameters of the model.

    W (unit, regressor), L (unit, factor), noise (unit,) variances, scale (factor,) time scales in samples, order
    (factor,) of the spectrum, lines (bin, factor) by which the spectrum differs from the smooth one in bins of
    frequency of this width, the last bin being open.
    """

    W: Array
    L: Array
    noise: Array
    scale: Array
    order: Array
    lines: Array
    width: float


class _Problem(NamedTuple):
    """What all iterations share: the data, Z'Z + penalty, Y'Z, the sum of squares of y, and the plain ridge W."""

    data: Slow
    ZZ: Array
    YZ: Array
    YY: Array
    ridge: Array


def to_frequencies(values: Array, run: Array) -> tuple[Array, Array]:
    """Orthonormal cosine transform of values (sample, column) along every run.

    Parameters
    ----------
    run : (sample,) number of the run; the samples of a run are neighbours.

    Returns
    -------
    (row, column) in the places of the samples, and the angular frequency (row,) of each row, per sample.
    """
    out, w = np.empty_like(values), np.empty(len(run))
    for place in _runs(run):
        out[place] = dct(values[place], axis=1, norm="ortho")
        w[place] = np.pi * np.arange(place.shape[1]) / place.shape[1]
    return out, w


def from_frequencies(values: Array, run: Array) -> Array:
    """The inverse of `to_frequencies`."""
    out = np.empty_like(values)
    for place in _runs(run):
        out[place] = idct(values[place], axis=1, norm="ortho")
    return out


def _runs(run: Array) -> list[Array]:
    """(run, sample) places of the samples, runs of one length together."""
    start = np.flatnonzero(np.r_[True, np.diff(run) != 0])
    length = np.diff(np.r_[start, len(run)])
    return [start[length == size][:, None] + np.arange(size) for size in np.unique(length)]


def slow(z: Array, y: Array, run: Array) -> Slow:
    """The regression of y (sample, unit) on z (sample, regressor) in the frequency domain."""
    transformed, w = to_frequencies(np.concatenate([z, y], axis=1), run)
    order = np.argsort(w, kind="stable")
    return Slow(transformed[order, : z.shape[1]], transformed[order, z.shape[1] :], w[order])


def spectrum(w: Array, factors: Factors) -> Array:
    """(row, factor) prior variance of every factor at the frequencies w (row,)."""
    height = factors.scale * np.array([POWER[int(order)] for order in factors.order])
    fall = (1 + (w[:, None] * factors.scale) ** 2) ** -factors.order
    own = factors.lines[_bins(w, factors)]
    return np.where(fall * BAND >= 1, height * fall * own, 0.0)


def _bins(w: Array, factors: Factors) -> Array:
    """(row,) bin of each frequency."""
    return np.minimum(np.rint(w / factors.width).astype(int), len(factors.lines) - 1)


def infer(factors: Factors, residual: Array, w: Array) -> tuple[Array, Array]:
    """Mean (row, factor) and covariance (row, factor, factor) of h given the residuals y - W z (row, unit)."""
    where, back = np.unique(w, return_inverse=True)
    root, inner, weighted = _posterior_parts(factors, where)
    covariance = (root[:, :, None] * np.linalg.inv(inner) * root[:, None, :])[back]
    return np.einsum("rij,rj->ri", covariance, residual @ weighted), covariance


def _posterior_parts(factors: Factors, w: Array) -> tuple[Array, Array, Array]:
    """Root of the prior (row, factor), I + root L' noise^-1 L root (row, factor, factor), noise^-1 L."""
    root = np.sqrt(spectrum(w, factors))
    weighted = factors.L / factors.noise[:, None]
    information = factors.L.T @ weighted
    return root, np.eye(len(information)) + root[:, :, None] * information * root[:, None, :], weighted


def log_likelihood(data: Slow, factors: Factors) -> float:
    """Log density of y given z, the factors integrated out."""
    residual = data.y - data.z @ factors.W.T
    independent = (residual**2 / factors.noise).sum() + len(residual) * np.log(2 * np.pi * factors.noise).sum()
    return -0.5 * float(independent) + _gain(residual, data.w, factors)


def _gain(residual: Array, w: Array, factors: Factors) -> float:
    """What the factors add to the log density of independent noise; rows without power may be left out."""
    mean, _ = infer(factors, residual, w)
    where, count = np.unique(w, return_counts=True)
    _, inner, weighted = _posterior_parts(factors, where)
    return 0.5 * float(((residual @ weighted) * mean).sum() - (count * np.linalg.slogdet(inner)[1]).sum())


def without_factors(data: Slow, penalty: Array) -> Factors:
    """The plain ridge regression, penalty (regressor,) relative to the noise variance."""
    problem = _problem(data, penalty)
    none, noise = np.zeros(0), _noise(problem, problem.ridge)
    return Factors(problem.ridge, np.zeros((len(noise), 0)), noise, none, none, np.ones((1, 0)), np.pi)


def add_factor(data: Slow, penalty: Array, factors: Factors) -> Factors:
    """Fit with one factor more, of the time scale and order with the highest likelihood.

    Scales are walked from a middle one by factors of 2, each from a fresh start: loadings that were found with too
    short a scale are a local optimum for longer ones.
    """
    problem = _problem(data, penalty)
    slowest = float(data.w[data.w > 0].min(initial=np.pi))
    longest = max(np.pi / slowest / 2, SHORTEST)
    candidates = []
    for order in POWER:
        start = float(np.clip(8 * SHORTEST, SHORTEST, longest))
        here = _climb(problem, _with_another(problem, factors, start, order))
        for step in (2.0, 0.5):
            scale = start * step
            while SHORTEST <= scale <= longest:
                there = _climb(problem, _with_another(problem, factors, scale, order))
                if there[1] <= here[1]:
                    break
                here, scale = there, scale * step
        candidates.append(here)
    return max(candidates, key=lambda one: one[1])[0]


def sharpen(data: Slow, penalty: Array, factors: Factors) -> Factors:
    """Fit with a spectrum of the factors' own: in each bin of frequency what the runs show there, tempered."""
    if not len(factors.scale):
        return factors
    problem = _problem(data, penalty)
    width = float(data.w[data.w > 0].min(initial=np.pi))
    smooth = factors._replace(lines=np.ones((int(np.rint(np.pi / width)) + 1, len(factors.scale))), width=width)
    part = _touched(data, smooth)
    prior, bins = spectrum(part.w, smooth), _bins(part.w, smooth)
    factors = smooth
    for _ in range(SHARPENINGS):
        mean, covariance = infer(factors, part.y - part.z @ factors.W.T, part.w)
        power = mean**2 + np.einsum("rii->ri", covariance)
        found, count = np.zeros_like(smooth.lines), np.zeros_like(smooth.lines)
        np.add.at(found, bins, np.where(prior > 0, power / np.where(prior > 0, prior, 1.0), 0.0))
        np.add.at(count, bins, prior > 0)
        factors = factors._replace(lines=(PRIOR_ROWS + found) / (PRIOR_ROWS + count))
        factors, _ = _climb(problem, factors, SHARPENING_ITERATIONS)
    return factors


def refit(data: Slow, penalty: Array, start: Factors) -> Factors:
    """Fit other data of the same kind, with the same factors' spectra."""
    return (
        _climb(_problem(data, penalty), start, REFIT_ITERATIONS)[0]
        if len(start.scale)
        else without_factors(data, penalty)
    )


def _problem(data: Slow, penalty: Array) -> _Problem:
    ZZ, YZ = data.z.T @ data.z + np.diag(penalty), data.y.T @ data.z
    return _Problem(data, ZZ, YZ, (data.y**2).sum(0), np.linalg.solve(ZZ, YZ.T).T)


def _squares(problem: _Problem, W: Array) -> Array:
    """(unit,) squared error and penalty of independent regressions."""
    return problem.YY - 2 * (W * problem.YZ).sum(1) + ((W @ problem.ZZ) * W).sum(1)


def _noise(problem: _Problem, W: Array) -> Array:
    """(unit,) noise variance, kept above the rounding of y."""
    return np.maximum(_squares(problem, W), 1e-12 * problem.YY + 1e-300) / len(problem.data.y)


def _touched(data: Slow, factors: Factors) -> Slow:
    """The rows in which some factor has power."""
    highest = (np.sqrt(BAND ** (1 / factors.order) - 1) / factors.scale).max()
    rows = slice(0, int(np.searchsorted(data.w, highest, side="right")))
    return Slow(data.z[rows], data.y[rows], data.w[rows])


def _with_another(problem: _Problem, factors: Factors, scale: float, order: int) -> Factors:
    """One factor more: the combination of units whose slow residual stands out most from the noise."""
    lines = np.c_[factors.lines, np.ones(len(factors.lines))]
    more = factors._replace(scale=np.r_[factors.scale, scale], order=np.r_[factors.order, order], lines=lines)
    part = _touched(problem.data, more)
    residual = part.y - part.z @ factors.W.T
    if len(factors.scale):
        residual = residual - infer(factors, residual, part.w)[0] @ factors.L.T
    power = spectrum(part.w, more)[:, -1:]
    scaled = residual / np.sqrt(factors.noise)
    values, vectors = np.linalg.eigh((scaled * power).T @ scaled / power.sum())
    # Power in excess of the noise, in units of the factor's own; a floor where there is none.
    size = np.sqrt(max(values[-1] - 1, 0.1) * power.sum() / (power**2).sum())
    return more._replace(L=np.c_[factors.L, size * np.sqrt(factors.noise) * vectors[:, -1]])


def _climb(problem: _Problem, factors: Factors, iterations: int = ITERATIONS) -> tuple[Factors, float]:
    """ECME steps at fixed time scales until the penalised log likelihood, returned too, rests."""
    part = _touched(problem.data, factors)
    value = -np.inf
    for _ in range(iterations):
        factors = factors._replace(W=_regress(problem, part, factors))
        residual = part.y - part.z @ factors.W.T
        before, value = value, _value(problem, residual, part.w, factors)
        if value - before < TOLERANCE * problem.data.y.size:
            break
        factors = _maximise(problem, part, residual, factors)
    return factors, value


def _value(problem: _Problem, residual: Array, w: Array, factors: Factors) -> float:
    own = (_squares(problem, factors.W) / factors.noise).sum() + len(problem.data.y) * np.log(factors.noise).sum()
    return -0.5 * float(own) + _gain(residual, w, factors)


def _regress(problem: _Problem, part: Slow, factors: Factors) -> Array:
    """W given loadings, noise and time scales: exact, the factors integrated out."""
    root = np.sqrt(factors.noise)[:, None]
    U, precision = contaminated(part.w, factors)
    own = (part.y / root.T) @ U
    excess = np.einsum("rij,rj->ri", precision, own) - own
    right = U.T @ (problem.YZ / root) + excess.T @ part.z
    W = np.linalg.solve(normal_matrix(problem.ZZ, part.z, precision), right.ravel()).reshape(right.shape)
    ridge = problem.ridge / root
    return root * (ridge + U @ (W - U.T @ ridge))


def contaminated(w: Array, factors: Factors) -> tuple[Array, Array]:
    """Combinations U (unit, factor) of the noise-scaled units that factors reach; their precision (row, ., .)."""
    U, s, Vt = np.linalg.svd(factors.L / np.sqrt(factors.noise)[:, None], full_matrices=False)
    where, back = np.unique(w, return_inverse=True)
    across = s[:, None] * Vt
    inside = np.einsum("ik,rk,jk->rij", across, spectrum(where, factors), across)
    return U, np.linalg.inv(np.eye(len(s)) + inside)[back]


def normal_matrix(ZZ: Array, z: Array, precision: Array) -> Array:
    """Normal equations of the contaminated combinations: ZZ where rows count fully, less in the rows z."""
    number = precision.shape[1]
    k = len(ZZ)
    A = np.kron(np.eye(number), ZZ)
    for i in range(number):
        for j in range(i + 1):
            block = (z * (precision[:, i, j] - (i == j))[:, None]).T @ z
            A[i * k : (i + 1) * k, j * k : (j + 1) * k] += block
            if i != j:
                A[j * k : (j + 1) * k, i * k : (i + 1) * k] += block
    return A


def _maximise(problem: _Problem, part: Slow, residual: Array, factors: Factors) -> Factors:
    """Loadings and noise from the expected factors; W moves along and is solved for again afterwards."""
    mean, covariance = infer(factors, residual, part.w)
    Zh, hh = part.z.T @ mean, mean.T @ mean + covariance.sum(0)
    gram = np.block([[problem.ZZ, Zh], [Zh.T, hh]])
    # A factor that has died out leaves nothing to solve for: a hair keeps the matrix regular.
    gram[np.diag_indices_from(gram)] += 1e-12 * np.diag(gram).max()
    joint = problem._replace(ZZ=gram, YZ=np.concatenate([problem.YZ, part.y.T @ mean], axis=1))
    W = np.linalg.solve(joint.ZZ, joint.YZ.T).T
    k = len(problem.ZZ)
    return factors._replace(W=W[:, :k], L=W[:, k:], noise=_noise(joint, W))
