"""Slow factors behind the residual of a regression: y = W z + L h + noise, h a smooth Gaussian process.

In each run of consecutive samples a cosine transform makes the samples of h independent: at the angular frequency w
(per sample) h has variance s(w) = c t (1 + (w t)^2)^-p, the spectrum of a Matern process of unit variance and time
scale t samples, p = 1 for one that jumps and p = 4 for a smooth one, and white noise stays white. So a factor touches
the few lowest frequencies of a run alone, and there only as many combinations of the units as there are factors:
these are regressed with the factor counted as noise (generalised least squares), all the rest by plain ridge
regression. All that such a regression needs of the data is their cross-spectrum, the sums of squares and products at
each frequency, however many trials there are. Around this exact step, loadings and noise follow by expectation-
maximisation (ECME: Liu & Rubin, Biometrika 1994; factor analysis with Gaussian-process factors: Yu et al., J.
Neurophysiol. 2009), and time scales by the likelihood itself. At last the spectrum is sharpened: what drives a region
is rarely a featureless process, and trials tell at which frequencies it has its power.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.fft import dct, idct

from curbd.network.fit import SlowFactors

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
GRID = 0.05
"""Frequencies closer than this ratio are taken as one in the cross-spectrum."""


class Spectra(NamedTuple):
    """Cross-spectrum of the regressors z and the targets y of a regression.

    Attributes
    ----------
    zz (frequency, regressor, regressor), yz (frequency, unit, regressor), yy (frequency, unit, unit) : sums of products
        over runs.
    number (frequency,) : terms of these sums, all samples together.
    w (frequency,) : angular frequency per sample.
    """

    zz: Array
    yz: Array
    yy: Array
    number: Array
    w: Array


class _Problem(NamedTuple):
    """What all iterations share: the data, how many samples, Z'Z + penalty, Y'Z, the squares of y, and the ridge W."""

    data: Spectra
    n: float
    ZZ: Array
    YZ: Array
    YY: Array
    ridge: Array


class _Expected(NamedTuple):
    """Expected sums of products of the factors h: hh (frequency, factor, factor), zh (regressor, factor), yh (unit, .).

    gain : what the factors add to the log density of independent noise.
    """

    hh: Array
    zh: Array
    yh: Array
    gain: float


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


def cross_spectrum(z: Array, y: Array, run: Array) -> Spectra:
    """The cross-spectrum of z (sample, regressor) and y (sample, unit)."""
    z_there, w = to_frequencies(z, run)
    y_there, _ = to_frequencies(y, run)
    with np.errstate(divide="ignore"):
        place = np.where(w > 0, np.exp(GRID * np.rint(np.log(w) / GRID)), 0.0)
    order = np.argsort(place, kind="stable")
    where, first = np.unique(place[order], return_index=True)
    parts = np.split(order, first[1:])
    zz = np.stack([z_there[part].T @ z_there[part] for part in parts])
    yz = np.stack([y_there[part].T @ z_there[part] for part in parts])
    yy = np.stack([y_there[part].T @ y_there[part] for part in parts])
    return Spectra(zz, yz, yy, np.array([len(part) for part in parts], dtype=float), where)


def together(parts: Sequence[Spectra]) -> Spectra:
    """The cross-spectrum of several stretches of data."""
    w = np.unique(np.concatenate([part.w for part in parts]))
    places = [np.searchsorted(w, part.w) for part in parts]

    def summed(pieces: list[Array]) -> Array:
        total = np.zeros((len(w), *pieces[0].shape[1:]))
        for place, piece in zip(places, pieces, strict=True):
            total[place] += piece
        return total

    return Spectra(
        summed([part.zz for part in parts]),
        summed([part.yz for part in parts]),
        summed([part.yy for part in parts]),
        summed([part.number for part in parts]),
        w,
    )


def spectrum(w: Array, factors: SlowFactors) -> Array:
    """(row, factor) prior variance of every factor at the frequencies w (row,)."""
    height = factors.scale * np.array([POWER[int(order)] for order in factors.order])
    fall = (1 + (w[:, None] * factors.scale) ** 2) ** -factors.order
    own = factors.lines[_bins(w, factors)]
    return np.where(fall * BAND >= 1, height * fall * own, 0.0)


def _bins(w: Array, factors: SlowFactors) -> Array:
    """(row,) bin of each frequency."""
    return np.minimum(np.rint(w / factors.width).astype(int), len(factors.lines) - 1)


def infer(factors: SlowFactors, residual: Array, w: Array) -> Array:
    """Mean (row, factor) of h given the residuals y - W z (row, unit) at the frequencies w (row,)."""
    where, back = np.unique(w, return_inverse=True)
    covariance, _ = _posterior(factors, where)
    return np.einsum("rij,rj->ri", covariance[back], residual @ (factors.L / factors.noise[:, None]))


def _posterior(factors: SlowFactors, w: Array) -> tuple[Array, Array]:
    """Covariance of h given the data (frequency, factor, factor), and log |prior| - log |covariance| (frequency,)."""
    root = np.sqrt(spectrum(w, factors))
    information = factors.L.T @ (factors.L / factors.noise[:, None])
    inner = np.eye(len(information)) + root[:, :, None] * information * root[:, None, :]
    return root[:, :, None] * np.linalg.inv(inner) * root[:, None, :], np.linalg.slogdet(inner)[1]


def _expected(data: Spectra, factors: SlowFactors) -> _Expected:
    """Everything that the data say about the factors."""
    covariance, determinant = _posterior(factors, data.w)
    weighted = factors.L / factors.noise[:, None]
    on_z = factors.W.T @ weighted
    # Sums of z p' and of y p', p being what the residual shows of the factors; their mean is covariance p.
    zp = data.yz.transpose(0, 2, 1) @ weighted - data.zz @ on_z
    yp = data.yy @ weighted - data.yz @ on_z
    pp = weighted.T @ yp - on_z.T @ zp
    hh = covariance @ pp @ covariance + data.number[:, None, None] * covariance
    gain = 0.5 * float((covariance * pp).sum() - (data.number * determinant).sum())
    return _Expected(hh, (zp @ covariance).sum(0), (yp @ covariance).sum(0), gain)


def log_likelihood(data: Spectra, factors: SlowFactors) -> float:
    """Log density of y given z, the factors integrated out."""
    W = factors.W
    squares = np.einsum("fii->i", data.yy) - (W * (2 * data.yz.sum(0) - W @ data.zz.sum(0))).sum(1)
    independent = (squares / factors.noise).sum() + data.number.sum() * np.log(2 * np.pi * factors.noise).sum()
    return -0.5 * float(independent) + _expected(data, factors).gain


def without_factors(data: Spectra, penalty: Array) -> SlowFactors:
    """The plain ridge regression, penalty (regressor,) relative to the noise variance."""
    problem = _problem(data, penalty)
    none, noise = np.zeros(0), _noise(problem, problem.ridge)
    return SlowFactors(problem.ridge, np.zeros((len(noise), 0)), noise, none, none, np.ones((1, 0)), np.pi)


def add_factor(data: Spectra, penalty: Array, factors: SlowFactors) -> SlowFactors:
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


def sharpen(data: Spectra, penalty: Array, factors: SlowFactors) -> SlowFactors:
    """Fit with a spectrum of the factors' own: in each bin of frequency what the runs show there, tempered."""
    if not len(factors.scale):
        return factors
    problem = _problem(data, penalty)
    width = float(data.w[data.w > 0].min(initial=np.pi))
    smooth = factors._replace(lines=np.ones((int(np.rint(np.pi / width)) + 1, len(factors.scale))), width=width)
    prior, bins = spectrum(data.w, smooth), _bins(data.w, smooth)
    factors = smooth
    for _ in range(SHARPENINGS):
        power = np.einsum("fii->fi", _expected(data, factors).hh)
        found, count = np.zeros_like(smooth.lines), np.zeros_like(smooth.lines)
        np.add.at(found, bins, np.where(prior > 0, power / np.where(prior > 0, prior, 1.0), 0.0))
        np.add.at(count, bins, data.number[:, None] * (prior > 0))
        factors = factors._replace(lines=(PRIOR_ROWS + found) / (PRIOR_ROWS + count))
        factors, _ = _climb(problem, factors, SHARPENING_ITERATIONS)
    return factors


def refit(data: Spectra, penalty: Array, start: SlowFactors) -> SlowFactors:
    """Fit other data of the same kind, with the same factors' spectra."""
    return (
        _climb(_problem(data, penalty), start, REFIT_ITERATIONS)[0]
        if len(start.scale)
        else without_factors(data, penalty)
    )


def _problem(data: Spectra, penalty: Array) -> _Problem:
    ZZ, YZ = data.zz.sum(0) + np.diag(penalty), data.yz.sum(0)
    n, YY = float(data.number.sum()), np.einsum("fii->i", data.yy)
    return _Problem(data, n, ZZ, YZ, YY, np.linalg.solve(ZZ, YZ.T).T)


def _squares(problem: _Problem, W: Array) -> Array:
    """(unit,) squared error and penalty of independent regressions."""
    return problem.YY - 2 * (W * problem.YZ).sum(1) + ((W @ problem.ZZ) * W).sum(1)


def _noise(problem: _Problem, W: Array) -> Array:
    """(unit,) noise variance, kept above the rounding of y."""
    return np.maximum(_squares(problem, W), 1e-12 * problem.YY + 1e-300) / problem.n


def _touched(data: Spectra, factors: SlowFactors) -> Spectra:
    """The frequencies at which some factor has power: the lowest ones."""
    number = np.count_nonzero(spectrum(data.w, factors).any(1))
    return Spectra._make(one[:number] for one in data)


def _with_another(problem: _Problem, factors: SlowFactors, scale: float, order: int) -> SlowFactors:
    """One factor more: the combination of units whose slow residual stands out most from the noise."""
    lines = np.c_[factors.lines, np.ones(len(factors.lines))]
    more = factors._replace(scale=np.r_[factors.scale, scale], order=np.r_[factors.order, order], lines=lines)
    data, W, n = _touched(problem.data, more), factors.W, len(factors.noise)
    covariance, _ = _posterior(factors, data.w)
    # What the factors so far leave of the residual, at each frequency.
    left = np.eye(n) - factors.L @ covariance @ (factors.L / factors.noise[:, None]).T
    shared = data.yz @ W.T
    squares = left @ (data.yy - shared - shared.transpose(0, 2, 1) + W @ data.zz @ W.T) @ left.transpose(0, 2, 1)
    power, root = spectrum(data.w, more)[:, -1], np.sqrt(factors.noise)
    total = (data.number * power).sum()
    values, vectors = np.linalg.eigh(np.tensordot(power, squares, 1) / np.outer(root, root) / total)
    # Power in excess of the noise, in units of the factor's own; a floor where there is none.
    size = np.sqrt(max(values[-1] - 1, 0.1) * total / (data.number * power**2).sum())
    return more._replace(L=np.c_[factors.L, size * root * vectors[:, -1]])


def _climb(problem: _Problem, factors: SlowFactors, iterations: int = ITERATIONS) -> tuple[SlowFactors, float]:
    """ECME steps at fixed time scales until the penalised log likelihood, returned too, rests."""
    part, value = _touched(problem.data, factors), -np.inf
    for _ in range(iterations):
        factors = factors._replace(W=_regress(problem, part, factors))
        expected = _expected(part, factors)
        own = (_squares(problem, factors.W) / factors.noise).sum() + problem.n * np.log(factors.noise).sum()
        before, value = value, expected.gain - 0.5 * float(own)
        if value - before < TOLERANCE * problem.n * len(factors.noise):
            break
        factors = _maximise(problem, expected, factors)
    return factors, value


def _regress(problem: _Problem, part: Spectra, factors: SlowFactors) -> Array:
    """W given loadings, noise and time scales: exact, the factors integrated out."""
    root = np.sqrt(factors.noise)[:, None]
    U, lost = _contaminated(part.w, factors)
    right = U.T @ (problem.YZ / root) - (lost @ (U.T @ (part.yz / root))).sum(0)
    W = np.linalg.solve(_normal_matrix(problem.ZZ, part.zz, lost), right.ravel()).reshape(right.shape)
    ridge = problem.ridge / root
    return root * (ridge + U @ (W - U.T @ ridge))


def _contaminated(w: Array, factors: SlowFactors) -> tuple[Array, Array]:
    """Combinations U (unit, factor) of the noise-scaled units that factors reach; the precision that they lose there.

    (frequency, factor, factor): 0 where a factor has no power, the identity where nothing else is left.
    """
    U, s, Vt = np.linalg.svd(factors.L / np.sqrt(factors.noise)[:, None], full_matrices=False)
    across, identity = s[:, None] * Vt, np.eye(len(s))
    inside = across @ (spectrum(w, factors)[:, :, None] * across.T)
    return U, identity - np.linalg.inv(identity + inside)


def _normal_matrix(ZZ: Array, zz: Array, lost: Array) -> Array:
    """Normal equations of the contaminated combinations: samples count fully, but for the precision they lost."""
    number, k = lost.shape[1], len(ZZ)
    weak = (lost.reshape(-1, number**2).T @ zz.reshape(-1, k**2)).reshape(number, number, k, k)
    return np.kron(np.eye(number), ZZ) - weak.transpose(0, 2, 1, 3).reshape(number * k, number * k)


def _maximise(problem: _Problem, expected: _Expected, factors: SlowFactors) -> SlowFactors:
    """Loadings and noise from the expected factors; W moves along and is solved for again afterwards."""
    gram = np.block([[problem.ZZ, expected.zh], [expected.zh.T, expected.hh.sum(0)]])
    # A factor that has died out leaves nothing to solve for: a hair keeps the matrix regular.
    gram[np.diag_indices_from(gram)] += 1e-12 * np.diag(gram).max()
    joint = problem._replace(ZZ=gram, YZ=np.concatenate([problem.YZ, expected.yh], axis=1))
    W = np.linalg.solve(joint.ZZ, joint.YZ.T).T
    k = len(problem.ZZ)
    return factors._replace(W=W[:, :k], L=W[:, k:], noise=_noise(joint, W))
