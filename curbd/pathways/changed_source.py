"""Regressions in which the activity of one source is replaced by changed activity, many draws at a time.

The activity of the source is O A + R: a part that the other sources O predict, and a rest R that is exchanged between
trials or shifted in time. All that a draw changes is the products of R with the other sources and with the current.
The other sources are taken out of the regression once (Frisch & Waugh, Econometrica 1933), and each draw then costs a
regression on as many regressors as the source has.

The products of a draw are in single precision. They are products of fluctuations that are unrelated in every draw, so
that the rounding errors, a millionth of each product, are far below the differences between draws. All sums behind the
weights of other sources, and the solutions, are in double precision.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch

from curbd.pathways.current_regression import CurrentRegression
from curbd.pathways.solved_regression import SolvedRegression
from curbd.regression.moments import block_slices
from curbd.regression.symmetric_products import twice_lower

Array = np.ndarray


class Products(NamedTuple):
    """Sums over transitions of products with the rest R of a source, in every draw.

    Attributes
    ----------
    ZR : (draw, regressor, column) products of all regressors with R, single precision.
    YR : (draw, unit, column) products of the currents with R, single precision.
    RR : (draw or 1, column, column) products of R with itself.
    """

    ZR: torch.Tensor
    YR: torch.Tensor
    RR: torch.Tensor


class _Constants(NamedTuple):
    """What is the same in all draws, for one source and one target region; regressors of the source have entries 0.

    Attributes
    ----------
    inverse : (regressor, regressor) inverse of the penalised Gram matrix of the other sources.
    D : (regressor, column) what the ridge penalty leaves unexplained of the part O A: O D.
    W : (unit, regressor) weights of the other sources in a regression without the source.
    error_z : (unit, regressor) sums over held-out transitions of the error of W times z'.
    gram, product : (column, column) and (unit, column) moments of the part O A with itself and with the current, fitted
        transitions, without what the other sources explain of it; the gram includes the penalties of the source.
    """

    inverse: torch.Tensor
    D: torch.Tensor
    W: torch.Tensor
    error_z: torch.Tensor
    gram: torch.Tensor
    product: torch.Tensor


class ChangedSource:
    """The regression of one target region in which the activity of a source is O A + R, for changing R.

    Parameters
    ----------
    regression : the regression of all currents on all sources.
    solution : the solved regression of the target region.
    columns : (column,) regressors of the source.
    A : (regressor, column) weights by which the other sources predict the source, 0 for regressors of the source; None
        if the whole activity is changed.
    """

    def __init__(
        self, regression: CurrentRegression, solution: SolvedRegression, columns: Array, A: torch.Tensor | None
    ):
        self.solution = solution
        self.held_out_gram = regression.held_out_gram
        own = torch.as_tensor(columns, device=solution.inverse.device)
        sent = torch.linalg.solve(
            solution.inverse[own][:, own], torch.cat([solution.inverse[own], solution.sent[own]], 1)
        )
        sent, sent_held_out = sent.chunk(2, dim=1)
        inverse = torch.addmm(solution.inverse, solution.inverse[:, own], sent, alpha=-1)
        W = torch.addmm(solution.W, solution.W[:, own], sent, alpha=-1)
        # Zero up to rounding errors.
        inverse[own], inverse[:, own], W[:, own] = 0.0, 0.0, 0.0
        D, gram, product = inverse.new_zeros(len(inverse), len(own)), torch.diag(solution.ridge[own]), W.new_zeros(())
        if A is not None:
            penalised = solution.ridge[:, None] * A
            D = inverse @ penalised
            # (A' Z'Z) D, because the other sources explain Z A but for Z D.
            gram = gram + (A - D).mT @ penalised
            product = W @ penalised
        self.constants = _Constants(
            inverse=inverse.float(),
            D=D.float(),
            W=W.float(),
            error_z=torch.addmm(solution.error_z, solution.W[:, own], sent_held_out).float(),
            gram=gram,
            product=product,
        )

    def gain(self, fitted: Products, held_out: Products) -> tuple[Array, torch.Tensor]:
        """Compute the held-out gain of the source in every draw, and the weights of the source.

        Parameters
        ----------
        fitted, held_out : products with R in the fitted and in the held-out transitions.

        Returns
        -------
        gain : (draw, unit) fall of the squared held-out error by the source, as a share of the squared current.
        W : (draw, unit, column) weights of the source.
        """
        constants, units = self.constants, self.solution.units
        X, X_held_out = fitted.ZR, held_out.ZR
        # The source minus what the other sources predict of it is R - O P, in held-out transitions as well.
        P = _of_all_draws(constants.inverse, X) - constants.D
        # X' D + D' X - X' S X, and the same with P = S X - D in place of S X; only the symmetric part counts.
        gram = fitted.RR + constants.gram - (X.mT @ (P - constants.D)).double()
        product = constants.product + (fitted.YR[:, units] - _of_all_draws(constants.W, X)).double()
        W = torch.cholesky_solve(product.mT, torch.linalg.cholesky((gram + gram.mT) / 2)).mT
        # The weights W take the symmetric part alone.
        spread = _of_all_draws(self.held_out_gram, P, twice_lower)
        gram = held_out.RR + (P.mT @ (spread - 2 * X_held_out)).double()
        explained = _of_all_draws(constants.W, X_held_out) + _of_all_draws(constants.error_z, P)
        product = (held_out.YR[:, units] - explained).double()
        gain = 2 * (W * product).sum(-1) - ((W @ gram) * W).sum(-1)
        return (gain / self.solution.squares).cpu().numpy(), W


def _of_all_draws(
    matrix: torch.Tensor,
    draws: torch.Tensor,
    multiply: Callable[[torch.Tensor, torch.Tensor], torch.Tensor] = torch.matmul,
) -> torch.Tensor:
    """Multiply a matrix with (draw, regressor, column) from the left; one large product is faster than many small."""
    n_draws, n_regressors, n_columns = draws.shape
    product = multiply(matrix, draws.transpose(0, 1).reshape(n_regressors, n_draws * n_columns))
    return product.unflatten(1, (n_draws, n_columns)).transpose(0, 1)


def part_of_others(regression: CurrentRegression, columns: Array, ridge_share: float) -> torch.Tensor:
    """Compute the weights (regressor, column) by which the other sources predict a source in fitted transitions.

    Parameters
    ----------
    regression : the regression of all currents on all sources.
    columns : (column,) regressors of the source, whose own weights are 0.
    ridge_share : ridge penalty as a share of the mean power of the other sources.
    """
    ZZ = regression.moments[0].ZZ
    others = np.setdiff1d(np.arange(len(ZZ)), columns)
    gram = ZZ[others][:, others]
    gram = gram + torch.eye(len(gram), dtype=gram.dtype, device=gram.device) * ridge_share * gram.diagonal().mean()
    A = torch.zeros((len(ZZ), len(columns)), dtype=ZZ.dtype, device=ZZ.device)
    A[others] = torch.linalg.solve(gram, ZZ[others][:, columns])
    return A


def rest_of(regression: CurrentRegression, columns: Array, A: torch.Tensor) -> torch.Tensor:
    """Compute what the other sources do not predict of a source (trial, time, column), 0 where missing.

    Parameters
    ----------
    regression : the regression of all currents on all sources.
    columns : (column,) regressors of the source.
    A : (regressor, column) weights by which the other sources predict the source.
    """
    remaining = -A
    remaining[columns, np.arange(len(columns))] += 1.0
    single, z = remaining.float(), regression.z
    rest = torch.empty((*z.shape[:2], len(columns)), dtype=single.dtype, device=single.device)
    for trials in block_slices(len(z), z[0].size):
        rest[trials] = torch.as_tensor(z[trials], dtype=single.dtype, device=single.device) @ single
    return rest.nan_to_num_()
