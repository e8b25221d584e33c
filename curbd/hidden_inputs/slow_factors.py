"""Slow latent factors h in the residual of a regression: y = W z + L h + noise, with h a smooth Gaussian process.

z are the regressors, y the currents into the units of one region, W the weights and L the loadings of the factors. A
contiguous segment of samples is called a *run*. In every run a cosine transform makes the samples of h independent: at
the angular frequency w (in radians per sample) h has the variance s(w) = c t (1 + (w t)^2)^-p. This is the spectrum of
a Matern process of unit variance and time scale t (in samples), with p = 1 for a process that jumps and p = 4 for a
smooth process. White noise stays white. A factor therefore only affects the lowest frequencies of a run, and there only
as many combinations of the units as there are factors. At these frequencies and combinations, the weights are found by
generalised least squares, in which the factor counts as noise; everywhere else by ridge regression. The regression
needs only the cross-spectrum of the data, sums of squares and products at each frequency, so that the cost does not
depend on the number of trials.

This regression is exact. Loadings and noise are found by expectation-maximisation around it (ECME: Liu & Rubin,
Biometrika 1994; factor analysis with Gaussian-process factors: Yu et al., J. Neurophysiol. 2009), and time scales by
maximum likelihood. Finally the spectrum is sharpened: the input of a region rarely has a smooth spectrum, and the
trials show at which frequencies it has power.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from curbd.hidden_inputs.spectra import Spectra
from curbd.network.fit import SlowFactors

Array = np.ndarray
HEIGHT_OF_ORDER = {1: 2.0, 4: 6.4}
"""Order p of the prior spectrum -> its height c, for every order that is tried."""
MAX_SPECTRUM_FALL = 1e4
"""A latent factor counts as without power at frequencies at which its spectrum has fallen to less than 1 / this
value."""
SHORTEST_SCALE_SAMPLES = 4.0
"""Shortest time scale, in samples: faster factors are treated as noise that units share."""
START_SCALE_SAMPLES = 32.0
"""Time scale from which the search starts, in samples."""
MAX_ITERATIONS = 60
"""Largest number of iterations of a fit from a new start."""
MAX_REFIT_ITERATIONS = 20
"""Largest number of iterations of a fit that starts from fitted factors."""
SHARPENING_ROUNDS = 4
"""Number of times that the spectrum is estimated."""
MAX_SHARPENING_ITERATIONS = 10
"""Largest number of iterations of the fit after each estimate of the spectrum."""
PRIOR_ROWS = 4.0
"""Weight of the smooth prior in the estimate of the spectrum, in rows (samples in the frequency domain)."""
LIKELIHOOD_TOLERANCE = 1e-6
"""Gain in log likelihood, per sample and unit, below which a fit has converged."""
LEAST_EXCESS = 0.1
"""Smallest power in excess of the noise with which a new factor starts, as a share of the noise."""
LEAST_NOISE_SHARE = 1e-12
"""Smallest noise variance, as a share of the mean square of the currents, above the rounding errors."""
REGULARISING_SHARE = 1e-12
"""Ridge that keeps the matrix regular when a factor has vanished, as a share of its largest diagonal entry."""


class _Problem(NamedTuple):
    """Quantities of a fit that all iterations have in common.

    Attributes
    ----------
    data : the cross-spectrum.
    n : number of samples.
    ZZ : (regressor, regressor) second moments of the regressors, plus the penalty.
    YZ : (unit, regressor) sums of y z'.
    YY : (unit,) sums of y^2.
    ridge : (unit, regressor) weights of the ridge regression without factors.
    """

    data: Spectra
    n: float
    ZZ: Array
    YZ: Array
    YY: Array
    ridge: Array


class _Expected(NamedTuple):
    """Expected sums of products of the factors h, given the data.

    Attributes
    ----------
    hh : (frequency, factor, factor) expected sum of h h'.
    zh : (regressor, factor) expected sum of z h', over all frequencies.
    yh : (unit, factor) expected sum of y h', over all frequencies.
    gain : increase of the log density through the factors, relative to independent noise.
    """

    hh: Array
    zh: Array
    yh: Array
    gain: float


def spectrum(w: Array, factors: SlowFactors) -> Array:
    """Return the prior variance (row, factor) of every factor at the angular frequencies w (row,)."""
    height = factors.scale * np.array([HEIGHT_OF_ORDER[int(order)] for order in factors.order])
    fall = (1 + (w[:, None] * factors.scale) ** 2) ** -factors.order
    lines = factors.lines[_bins(w, factors)]
    return np.where(fall * MAX_SPECTRUM_FALL >= 1, height * fall * lines, 0.0)


def _bins(w: Array, factors: SlowFactors) -> Array:
    """Return the frequency bin (row,) of each angular frequency w (row,)."""
    return np.minimum(np.rint(w / factors.width).astype(int), len(factors.lines) - 1)


def infer(factors: SlowFactors, residual: Array, w: Array) -> Array:
    """Infer the slow factors h: their posterior mean, given the residuals of a regression.

    Parameters
    ----------
    factors : the fitted parameters of the factors.
    residual : (row, unit) residuals y - W z of the currents y, in the frequency domain.
    w : (row,) angular frequency of each row, in radians per sample.

    Returns
    -------
    (row, factor) posterior mean of the factors, in the frequency domain.
    """
    frequencies, index = np.unique(w, return_inverse=True)
    covariance, _ = _posterior(factors, frequencies)
    return np.einsum("rij,rj->ri", covariance[index], residual @ (factors.L / factors.noise[:, None]))


def _posterior(factors: SlowFactors, w: Array) -> tuple[Array, Array]:
    """Return the posterior covariance of h (frequency, factor, factor), and log |prior| - log |covariance|."""
    root = np.sqrt(spectrum(w, factors))
    information = factors.L.T @ (factors.L / factors.noise[:, None])
    inner = np.eye(len(information)) + root[:, :, None] * information * root[:, None, :]
    return root[:, :, None] * np.linalg.inv(inner) * root[:, None, :], np.linalg.slogdet(inner)[1]


def _expected(data: Spectra, factors: SlowFactors) -> _Expected:
    """Expected sums of products of the factors, given the data."""
    covariance, determinant = _posterior(factors, data.w)
    weighted = factors.L / factors.noise[:, None]
    on_z = factors.W.T @ weighted
    # p = L' noise^-1 (y - W z); the posterior mean of h is covariance p. These are sums of z p', y p' and p p'.
    zp = data.yz.transpose(0, 2, 1) @ weighted - data.zz @ on_z
    yp = data.yy @ weighted - data.yz @ on_z
    pp = weighted.T @ yp - on_z.T @ zp
    hh = covariance @ pp @ covariance + data.n_terms[:, None, None] * covariance
    gain = 0.5 * float((covariance * pp).sum() - (data.n_terms * determinant).sum())
    return _Expected(hh=hh, zh=(zp @ covariance).sum(0), yh=(yp @ covariance).sum(0), gain=gain)


def log_likelihood(data: Spectra, factors: SlowFactors) -> float:
    """Return the log density, in nats, of the currents y given the regressors z, with the factors integrated out."""
    W = factors.W
    squares = np.einsum("fii->i", data.yy) - (W * (2 * data.yz.sum(0) - W @ data.zz.sum(0))).sum(1)
    independent = (squares / factors.noise).sum() + data.n_terms.sum() * np.log(2 * np.pi * factors.noise).sum()
    return -0.5 * float(independent) + _expected(data, factors).gain


def without_factors(data: Spectra, penalty: Array) -> SlowFactors:
    """Fit the ridge regression without factors, with penalties (regressor,) relative to the noise variance."""
    problem = _problem(data, penalty)
    noise = _noise(problem, problem.ridge)
    return SlowFactors(
        W=problem.ridge,
        L=np.zeros((len(noise), 0)),
        noise=noise,
        scale=np.zeros(0),
        order=np.zeros(0),
        lines=np.ones((1, 0)),
        width=np.pi,
    )


def add_factor(data: Spectra, penalty: Array, factors: SlowFactors) -> SlowFactors:
    """Fit the regression with one additional latent factor, whose time scale and order have the highest likelihood.

    Starting from `START_SCALE_SAMPLES`, the time scale is doubled (and halved) repeatedly as long as the likelihood
    rises. The loadings of the additional factor are fitted anew for every time scale, because loadings that were found
    with too short a time scale are a local optimum for longer time scales.

    Parameters
    ----------
    data : the cross-spectrum.
    penalty : (regressor,) ridge penalties, relative to the noise variance.
    factors : the factors so far.

    Returns
    -------
    The factors, the additional factor last.
    """
    problem = _problem(data, penalty)
    slowest = float(data.w[data.w > 0].min(initial=np.pi))
    longest = max(np.pi / slowest / 2, SHORTEST_SCALE_SAMPLES)
    candidates = []
    for order in HEIGHT_OF_ORDER:
        start = float(np.clip(START_SCALE_SAMPLES, SHORTEST_SCALE_SAMPLES, longest))
        best = _climb(problem, _with_another(problem, factors, start, order))
        for step in (2.0, 0.5):
            scale = start * step
            while SHORTEST_SCALE_SAMPLES <= scale <= longest:
                candidate = _climb(problem, _with_another(problem, factors, scale, order))
                if candidate[1] <= best[1]:
                    break
                best, scale = candidate, scale * step
        candidates.append(best)
    return max(candidates, key=lambda candidate: candidate[1])[0]


def sharpen(data: Spectra, penalty: Array, factors: SlowFactors) -> SlowFactors:
    """Fit the regression with an estimated spectrum of the factors instead of the smooth prior spectrum.

    In each frequency bin, the estimate is a weighted mean of the power of the factors in this bin and of the smooth
    spectrum, which has the weight of `PRIOR_ROWS` rows of data.

    Parameters
    ----------
    data : the cross-spectrum.
    penalty : (regressor,) ridge penalties, relative to the noise variance.
    factors : the factors, fitted with the smooth spectrum.

    Returns
    -------
    The factors with their estimated spectrum.
    """
    if not len(factors.scale):
        return factors
    problem = _problem(data, penalty)
    width = float(data.w[data.w > 0].min(initial=np.pi))
    smooth = factors._replace(lines=np.ones((int(np.rint(np.pi / width)) + 1, len(factors.scale))), width=width)
    prior, bins = spectrum(data.w, smooth), _bins(data.w, smooth)
    factors = smooth
    for _ in range(SHARPENING_ROUNDS):
        power = np.einsum("fii->fi", _expected(data, factors).hh)
        relative, count = np.zeros_like(smooth.lines), np.zeros_like(smooth.lines)
        np.add.at(relative, bins, np.where(prior > 0, power / np.where(prior > 0, prior, 1.0), 0.0))
        np.add.at(count, bins, data.n_terms[:, None] * (prior > 0))
        factors = factors._replace(lines=(PRIOR_ROWS + relative) / (PRIOR_ROWS + count))
        factors, _ = _climb(problem, factors, MAX_SHARPENING_ITERATIONS)
    return factors


def refit(data: Spectra, penalty: Array, start: SlowFactors) -> SlowFactors:
    """Fit factors to other data, starting from fitted factors whose spectra are kept.

    Parameters
    ----------
    data : the cross-spectrum of the other data.
    penalty : (regressor,) ridge penalties, relative to the noise variance.
    start : the factors that were fitted before.

    Returns
    -------
    The factors with weights, loadings and noise of the other data.
    """
    if not len(start.scale):
        return without_factors(data, penalty)
    return _climb(_problem(data, penalty), start, MAX_REFIT_ITERATIONS)[0]


def _problem(data: Spectra, penalty: Array) -> _Problem:
    """Compute the quantities of a fit that all iterations have in common."""
    ZZ, YZ = data.zz.sum(0) + np.diag(penalty), data.yz.sum(0)
    n, YY = float(data.n_terms.sum()), np.einsum("fii->i", data.yy)
    return _Problem(data=data, n=n, ZZ=ZZ, YZ=YZ, YY=YY, ridge=np.linalg.solve(ZZ, YZ.T).T)


def _squares(problem: _Problem, W: Array) -> Array:
    """Return the squared error plus penalty (unit,) of independent regressions with weights W (unit, regressor)."""
    return problem.YY - 2 * (W * problem.YZ).sum(1) + ((W @ problem.ZZ) * W).sum(1)


def _noise(problem: _Problem, W: Array) -> Array:
    """Return the noise variance (unit,) of independent regressions, above the rounding errors of y."""
    return np.maximum(_squares(problem, W), LEAST_NOISE_SHARE * problem.YY + 1e-300) / problem.n


def _with_power(data: Spectra, factors: SlowFactors) -> Spectra:
    """Select the cross-spectrum at the frequencies at which a factor has power, which are the lowest frequencies."""
    n_frequencies = np.count_nonzero(spectrum(data.w, factors).any(1))
    return Spectra._make(values[:n_frequencies] for values in data)


def _with_another(problem: _Problem, factors: SlowFactors, scale: float, order: int) -> SlowFactors:
    """Add a factor: the combination of units whose slow residual exceeds the noise most."""
    lines = np.c_[factors.lines, np.ones(len(factors.lines))]
    more = factors._replace(scale=np.r_[factors.scale, scale], order=np.r_[factors.order, order], lines=lines)
    data, W, n = _with_power(problem.data, more), factors.W, len(factors.noise)
    covariance, _ = _posterior(factors, data.w)
    # Residual that the factors so far do not explain, at each frequency.
    left = np.eye(n) - factors.L @ covariance @ (factors.L / factors.noise[:, None]).T
    shared = data.yz @ W.T
    squares = left @ (data.yy - shared - shared.transpose(0, 2, 1) + W @ data.zz @ W.T) @ left.transpose(0, 2, 1)
    power, root = spectrum(data.w, more)[:, -1], np.sqrt(factors.noise)
    total = (data.n_terms * power).sum()
    values, vectors = np.linalg.eigh(np.tensordot(power, squares, 1) / np.outer(root, root) / total)
    # Power in excess of the noise, relative to the prior power of the factor.
    size = np.sqrt(max(values[-1] - 1, LEAST_EXCESS) * total / (data.n_terms * power**2).sum())
    return more._replace(L=np.c_[factors.L, size * root * vectors[:, -1]])


def _climb(problem: _Problem, factors: SlowFactors, iterations: int = MAX_ITERATIONS) -> tuple[SlowFactors, float]:
    """Fit weights, loadings and noise by ECME steps at fixed time scales until the penalised log likelihood converges.

    Parameters
    ----------
    problem : the data.
    factors : factors to start from.
    iterations : largest number of steps.

    Returns
    -------
    The factors and their penalised log likelihood.
    """
    slow, value = _with_power(problem.data, factors), -np.inf
    for _ in range(iterations):
        factors = factors._replace(W=_regress(problem, slow, factors))
        expected = _expected(slow, factors)
        independent = (_squares(problem, factors.W) / factors.noise).sum() + problem.n * np.log(factors.noise).sum()
        before, value = value, expected.gain - 0.5 * float(independent)
        if value - before < LIKELIHOOD_TOLERANCE * problem.n * len(factors.noise):
            break
        factors = _maximise(problem, expected, factors)
    return factors, value


def _regress(problem: _Problem, slow: Spectra, factors: SlowFactors) -> Array:
    """Solve for W (unit, regressor) given loadings, noise and time scales, with the factors integrated out exactly.

    Parameters
    ----------
    problem : the data.
    slow : the cross-spectrum at the frequencies at which a factor has power.
    factors : loadings, noise and time scales.
    """
    root = np.sqrt(factors.noise)[:, None]
    U, lost = _precision_lost(slow.w, factors)
    right = U.T @ (problem.YZ / root) - (lost @ (U.T @ (slow.yz / root))).sum(0)
    W = np.linalg.solve(_normal_matrix(problem.ZZ, slow.zz, lost), right.ravel()).reshape(right.shape)
    ridge = problem.ridge / root
    return root * (ridge + U @ (W - U.T @ ridge))


def _precision_lost(w: Array, factors: SlowFactors) -> tuple[Array, Array]:
    """Find the combinations of units that the factors affect, and the fraction of precision that the factors remove.

    Returns
    -------
    Left singular vectors U (unit, factor) of L / sqrt(noise), and the fraction of precision (frequency, factor,
    factor): 0 at frequencies at which a factor has no power, near the identity if the factors are much stronger than
    the noise.
    """
    U, s, Vt = np.linalg.svd(factors.L / np.sqrt(factors.noise)[:, None], full_matrices=False)
    across, identity = s[:, None] * Vt, np.eye(len(s))
    inside = across @ (spectrum(w, factors)[:, :, None] * across.T)
    return U, identity - np.linalg.inv(identity + inside)


def _normal_matrix(ZZ: Array, zz: Array, lost: Array) -> Array:
    """Build the matrix of the normal equations of the combinations of units that factors affect.

    Parameters
    ----------
    ZZ : (regressor, regressor) penalised scatter matrix of all samples.
    zz : (frequency, regressor, regressor) scatter matrices at the frequencies at which a factor has power.
    lost : (frequency, factor, factor) fraction of precision that the factors remove.

    Returns
    -------
    (factor regressor, factor regressor) matrix; the rows are all pairs of a factor and a regressor.
    """
    n_factors, k = lost.shape[1], len(ZZ)
    weak = (lost.reshape(-1, n_factors**2).T @ zz.reshape(-1, k**2)).reshape(n_factors, n_factors, k, k)
    return np.kron(np.eye(n_factors), ZZ) - weak.transpose(0, 2, 1, 3).reshape(n_factors * k, n_factors * k)


def _maximise(problem: _Problem, expected: _Expected, factors: SlowFactors) -> SlowFactors:
    """Update loadings and noise given the expected factors; W is updated too, and solved again in the next step."""
    gram = np.block([[problem.ZZ, expected.zh], [expected.zh.T, expected.hh.sum(0)]])
    # A factor that has vanished makes the matrix singular.
    gram[np.diag_indices_from(gram)] += REGULARISING_SHARE * np.diag(gram).max()
    joint = problem._replace(ZZ=gram, YZ=np.concatenate([problem.YZ, expected.yh], axis=1))
    W = np.linalg.solve(joint.ZZ, joint.YZ.T).T
    k = len(problem.ZZ)
    return factors._replace(W=W[:, :k], L=W[:, k:], noise=_noise(joint, W))
