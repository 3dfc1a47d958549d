"""Point: the angles at which a noisy circuit is evaluated."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from qgen.randomness import Streams

Doubles = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]


class Point(NamedTuple):
    """Angles of N samples, which share R rows of weights.

    angles: (N, C), radians, seconds for delays; weight_rows: (N,), the row of weights of each sample; order: (N,), the
    samples sorted by it; first: (R,), one sample of each row, N where no sample uses it; streams: what the samples draw
    from.

    Columns that do not depend on the inputs are equal in all samples of one row of weights.
    """

    angles: Doubles
    weight_rows: Integers
    order: Integers
    first: Integers
    streams: Streams
