"""The few pieces of linear algebra that ranking shares: unit rows, a truncated SVD, ridge regression."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

Floats = NDArray[np.float32]
FAINT = 1e-3  # directions this much weaker than the strongest are noise in single precision


def unit(rows: Floats) -> Floats:
    """Each row scaled to length one; a row of zeros stays zero."""
    length = np.sqrt(np.einsum("ij,ij->i", rows, rows))[:, None]
    return np.asarray(np.divide(rows, length, out=np.zeros_like(rows), where=length > 1e-12), np.float32)


def unit_sparse(rows: sp.csr_array) -> sp.csr_array:
    length = np.sqrt(np.asarray(rows.multiply(rows).sum(axis=1), dtype=np.float32).ravel())
    scale = np.divide(1, length, out=np.zeros_like(length), where=length > 1e-12)
    return sp.csr_array(sp.diags_array(scale) @ rows)


def principal(rows: Floats) -> tuple[Floats, Floats]:
    """(turn, variances) of n rows of k numbers: `rows @ turn` (k x k, orthonormal) have no covariance but their variances.

    Turned, rows keep their lengths and products, and the variance of a product with any x is the sum of its squares times
    the variances: k steps instead of k squared. No turn and no variance where there are no rows.
    """
    if not len(rows):
        return np.eye(rows.shape[1], dtype=np.float32), np.zeros(rows.shape[1], np.float32)
    centred = rows - rows.mean(0)
    variances, turn = np.linalg.eigh((centred.T @ centred).astype(np.float64) / len(rows))
    return turn[:, ::-1].astype(np.float32), np.maximum(variances[::-1], 0).astype(np.float32)


def truncated_svd(matrix: sp.csr_array, rank: int, seed: int = 0) -> tuple[Floats, Floats]:
    """Singular values and right singular vectors (terms x rank) by subspace iteration.

    Halko, Martinsson and Tropp, "Finding structure with randomness" (2011), algorithm 4.4. The rank found is at most
    the smaller side of `matrix`; directions of no weight are left out.
    """
    width = min(rank + 20, *matrix.shape)
    if not width or not matrix.nnz:
        return np.zeros(0, np.float32), np.zeros((matrix.shape[1], 0), np.float32)
    transposed = sp.csr_array(matrix.T)
    basis = np.random.default_rng(seed).standard_normal((matrix.shape[1], width)).astype(np.float32)
    for _ in range(4):
        basis = _orthonormal(transposed @ (matrix @ basis))
    image = matrix @ basis
    power, turn = np.linalg.eigh((image.T @ image).astype(np.float64))
    scale = np.sqrt(np.maximum(power[::-1], 0))
    kept = int(np.sum(scale[:rank] > max(scale.max(initial=0), 1e-12) * FAINT))
    return scale[:kept].astype(np.float32), np.asarray(basis @ turn[:, ::-1][:, :kept], np.float32)


def _orthonormal(columns: Floats) -> Floats:
    """A basis of what the columns span, by way of their Gram matrix: many times faster than QR, and exact enough here."""
    power, turn = np.linalg.eigh((columns.T @ columns).astype(np.float64))
    told = power > max(power.max(initial=0), 1e-30) * FAINT**2
    return np.asarray(columns @ (turn[:, told] / np.sqrt(power[told])), np.float32)


def ridge(rows: sp.csr_array, targets: Floats, penalty: float, rounds: int = 40) -> Floats:
    """The (columns x targets) matrix E with least |rows E - targets|^2 + penalty |E|^2, by conjugate gradients.

    All targets share one pass over `rows` a round (Hestenes and Stiefel 1952, on the normal equations).
    """
    transposed = sp.csr_array(rows.T)
    found = np.zeros((rows.shape[1], targets.shape[1]), np.float32)
    rest = np.asarray(transposed @ targets, np.float32)
    step, size = rest.copy(), (rest * rest).sum(0)
    for _ in range(rounds):
        image = transposed @ (rows @ step) + penalty * step
        pace = size / np.maximum((step * image).sum(0), 1e-20)
        found += pace * step
        rest -= pace * image
        before, size = size, (rest * rest).sum(0)
        step = rest + (size / np.maximum(before, 1e-20)) * step
    return found
