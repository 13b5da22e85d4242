"""The Newton system of the barrier functions: blocks of users, budgets of servers, the largest delays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mecsim.system.arrays import Floats
from mecsim_policies.optim.shares import SHARED, ShareProblem

# Up to so many blocks, to decompose all costs less than to find out which need it.
_FEW = 30
# Of a matrix scaled to a unit diagonal.
_SMALLEST_EIGENVALUE = 1e-10


@dataclass(frozen=True, eq=False, slots=True)
class SharedHessian:
    """A term ``v v' / softness`` for each server, of its users' vectors together.

    Parameters
    ----------
    vectors : (K N, F) float
        Zero for users who have no part in it.
    softness : (K M,) float
    """

    vectors: Floats
    softness: Floats


@dataclass(frozen=True, eq=False, slots=True)
class Derivatives:
    """First and second derivatives of a barrier function.

    With F moving shares a user, the gradient is ``barrier_gradient + weight (per_j energy_gradient -
    score_gradient)``, and that of T is ``barrier_gradient_s + weight per_s``.

    Parameters
    ----------
    barrier_gradient, energy_gradient : (K N, F) float
    score_gradient : (K N,) float
        The same for each of the shared budgets.
    barrier_gradient_s : (K,) float
    blocks : (K N, F, F) float
        Blocks of the users without the budgets, made positive definite.
    border : (K N, F) float
        The column of T.
    inverse_slack : (K N,) float
        One over the slack of each delay; the squares add up to the second derivative by T. Ones where there
        is no T.
    slack : (K M, 3) float
        Slacks of the budgets; their inverse squares are the weights of the budgets' rank-one terms.
    delay_gradient : (K N, F) float or None
        Where the mean delay counts, whose price times the weight it is part of the gradient with.
    shared : SharedHessian, optional
        The rank-one terms of shared GPUs.
    """

    barrier_gradient: Floats
    barrier_gradient_s: Floats
    energy_gradient: Floats
    score_gradient: Floats
    blocks: Floats
    border: Floats
    inverse_slack: Floats
    slack: Floats
    delay_gradient: Floats | None = None
    shared: SharedHessian | None = None


class Step(NamedTuple):
    """A Newton step, its squared decrement, and how much slack it takes.

    Parameters
    ----------
    move : (K N, 6) float
        The step of the shares.
    move_s : (K,) float
        The step of T.
    decrement : (K,) float
        The squared Newton decrement.
    growth : (K,) float
        The largest part of a delay's slack that the whole step takes, to first order.
    """

    move: Floats
    move_s: Floats
    decrement: Floats
    growth: Floats


def positive(blocks: Floats) -> Floats:
    """Return the blocks with negative eigenvalues, of the scaled block, replaced by their absolute values."""
    try:
        np.linalg.cholesky(blocks)
    except np.linalg.LinAlgError:
        bad = _indefinite(blocks) if len(blocks) > _FEW else np.ones(len(blocks), dtype=bool)
        return _bent(blocks, bad, 1e-3)
    return blocks


def _bent(blocks: Floats, bad: NDArray[np.bool_], least: float) -> Floats:
    """Return blocks of which the bad ones are positive definite, their scaled eigenvalues at least ``least``.

    Blocks that are not finite become the identity: their steps are not finite, and not taken.
    """
    bent = blocks.copy()
    unusable = ~np.isfinite(blocks).all(axis=(1, 2))
    bent[unusable] = np.eye(blocks.shape[1])
    bad = bad & ~unusable
    diagonal = np.abs(np.diagonal(blocks[bad], axis1=1, axis2=2))
    scale = 1.0 / np.sqrt(np.where(diagonal > 0, diagonal, 1.0))
    scale = scale[:, :, None] * scale[:, None, :]
    values, vectors = np.linalg.eigh(blocks[bad] * scale)
    positive = vectors * np.maximum(np.abs(values), least)[:, None, :]
    bent[bad] = np.matmul(positive, vectors.swapaxes(1, 2)) / scale
    return bent


def _solved(blocks: Floats, right: Floats) -> Floats:
    """Solve small positive definite systems, (B, F, F) and (B, F, R); singular ones with a bent matrix.

    A matrix that is positive definite can be singular to rounding: where one term, such as the barrier of a
    phi that is nearly 0, is so large that the others are lost beside it.
    """
    try:
        return np.asarray(np.linalg.solve(blocks, right))
    except np.linalg.LinAlgError:
        pass
    solved = np.empty_like(right)
    for k in range(len(blocks)):
        try:
            solved[k] = np.linalg.solve(blocks[k], right[k])
        except np.linalg.LinAlgError:
            bent = _bent(blocks[k : k + 1], np.ones(1, dtype=bool), _SMALLEST_EIGENVALUE)
            solved[k] = np.linalg.solve(bent[0], right[k])
    return solved


def _indefinite(blocks: Floats) -> NDArray[np.bool_]:
    """Return which blocks have a pivot that is not positive."""
    left = blocks.copy()
    bad = np.zeros(len(blocks), dtype=bool)
    for _ in range(blocks.shape[1]):
        pivot = left[:, 0, 0]
        bad |= ~(pivot > 1e-14 * np.abs(blocks[:, -left.shape[1], -left.shape[1]]))
        row = left[:, 0, 1:] / np.where(bad, 1.0, pivot)[:, None]
        left = left[:, 1:, 1:] - left[:, 1:, :1] * row[:, None, :]
    return bad


def arrow_solve(problem: ShareProblem, d: Derivatives, gradient: Floats, gradient_s: Floats) -> Step:
    """Solve the Newton system: users' blocks, then 3 x 3 a server (4 x 4 with shared GPUs), then T."""
    users, free = gradient.shape
    copies, servers, each = problem.member.shape
    ranks = SHARED + (d.shared is not None)
    right = np.zeros((users, free, ranks + 2))
    right[:, range(SHARED), range(SHARED)] = 1.0
    right[:, :, ranks] = gradient
    right[:, :, ranks + 1] = d.border
    if d.shared is not None:
        right[:, :, SHARED] = d.shared.vectors
    solved = _solved(d.blocks, right)
    along = solved[:, :SHARED]
    if d.shared is not None:
        along = np.concatenate([along, d.shared.vectors[:, None, :] @ solved], axis=1)
    sums = problem.member @ along.reshape(copies, each, -1)
    sums = sums.reshape(copies * servers, ranks, ranks + 2)
    budgets = sums[:, :, :ranks].copy()
    budgets[:, range(SHARED), range(SHARED)] += d.slack**2
    if d.shared is not None:
        budgets[:, SHARED, SHARED] += d.shared.softness
    by_server = _solved(budgets, sums[:, :, ranks:])
    left = solved[:, :, ranks:] - np.matmul(solved[:, :, :ranks], by_server[problem.server])
    bordered = np.matmul(d.border[:, None, :], left).reshape(copies, each, 2).sum(axis=1)
    # The corner less border' H^-1 border is positive in exact arithmetic; cancellation must not flip it.
    corner = (d.inverse_slack**2).reshape(copies, each).sum(axis=1)
    schur = np.maximum(corner - bordered[:, 1], 1e-14 * corner)
    move_s = -(gradient_s - bordered[:, 0]) / schur
    move = np.zeros((users, 6))
    every_s = np.repeat(move_s, each)
    moved = move[:, :free] = -left[:, :, 0] - left[:, :, 1] * every_s[:, None]
    descent = np.einsum("nf,nf->n", gradient, moved).reshape(copies, each).sum(axis=1)
    growth = -d.inverse_slack * every_s - np.einsum("nf,nf->n", d.border, moved) / d.inverse_slack
    return Step(move, move_s, -(descent + gradient_s * move_s), growth.reshape(copies, each).max(axis=1))
