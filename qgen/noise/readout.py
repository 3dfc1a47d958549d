"""Readout errors: confusion matrices, and what they do to the probabilities of outcomes."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Doubles = npt.NDArray[np.float64]

#: The readout error of a random bit.
RANDOM_READOUT = 0.5


def confusion_matrices(errors: npt.ArrayLike, scale: float) -> Doubles:
    """Return confusion matrices (k, 2, 2) from readout errors (k, 2) of a prepared 0 and a prepared 1.

    Errors are multiplied by `scale`, up to one half, that of a random bit; those beyond do not grow.
    """
    reported = np.asarray(errors, dtype=np.float64).reshape(-1, 2)
    scaled = np.minimum(reported * scale, np.maximum(reported, RANDOM_READOUT))
    read_1 = np.stack([scaled[:, 0], 1 - scaled[:, 1]], axis=-1)
    return np.stack([np.stack([1 - scaled[:, 0], scaled[:, 1]], axis=-1), read_1], axis=-1)


def apply_readout_error(probabilities: Doubles, confusion: Doubles) -> Doubles:
    """Return the probabilities of the outcomes that are read, from those of the prepared ones.

    Args:
        probabilities: (N, 2^n).
        confusion: (n, 2, 2); confusion[q, prepared, read] is the probability that qubit q, prepared as `prepared`, is
            read as `read`.

    Returns:
        (N, 2^n).
    """
    read = probabilities
    # Product by product: a product of matrices would round a row by how many are beside it.
    for qubit, matrix in enumerate(confusion):
        prepared = read.reshape(len(probabilities), -1, 2, 1 << qubit)
        zero, one = prepared[:, :, 0], prepared[:, :, 1]
        read = np.stack([zero * matrix[0, bit] + one * matrix[1, bit] for bit in (0, 1)], axis=2)
    return read.reshape(probabilities.shape)
