"""Readout mitigation where a device returns bits: by calibrations that run beside the circuits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

from qgen.backends.device.routing import RoutedCircuit
from qgen.backends.device.sampling import SampledSubmitter, Sampler
from qgen.backends.device.tiles import TiledCircuits
from qgen.backends.drawing import Bits
from qgen.backends.measurement import Measurement
from qgen.backends.mitigation.readout import reading_weights
from qgen.backends.mitigation.shots import mitigate_rows
from qgen.backends.parameters import Doubles
from qgen.errors import BackendError
from qgen.randomness import Streams


class Calibrated(NamedTuple):
    """What a sampler returns with the errors of its readings.

    Attributes:
        results: one for each pub; see `Sampler.sample`.
        errors: found of reading a prepared 0 and 1, (T, n, 2), of the qubits of each tile; 0 where none is read.
    """

    results: Sequence[Any]
    errors: Doubles


class CalibratedSampler(Sampler, Protocol):
    """A sampler that also finds the errors of reading, and keeps what it has read."""

    def sample_calibrated(self, pubs: Sequence[Any], rows: int, shots: int, streams: Streams) -> Calibrated:
        """Return what `sample` does, with the errors of reading at that time."""
        ...


class MitigatedSubmitter(SampledSubmitter):
    """A `Submitter` that corrects what a sampler reads by the errors of reading that calibrations find.

    Values count each reading by the inverse of its qubit's confusion matrix (`readout.py`); bits are strings that were
    read, each as often as the nearest probabilities say (`shots.py`).

    Args:
        routed, measurement, tiled, shots: see `SampledSubmitter`.
        sampler: runs the copies, and the calibrations.
    """

    def __init__(
        self,
        routed: RoutedCircuit,
        measurement: Measurement,
        tiled: TiledCircuits,
        shots: int,
        sampler: CalibratedSampler,
    ) -> None:
        super().__init__(routed, measurement, tiled, shots, sampler)
        self._copies, self._calibrated = tiled, sampler

    @property
    def method(self) -> str:
        return f"readout: {super().method}"

    def values(self, angles: Doubles, streams: Streams) -> Doubles:
        results, errors = self._calibrated.sample_calibrated(*self._job(self._copies, angles), self._shots, streams)
        weights = reading_weights(errors)[self._copies.tile_of(len(angles))]
        return self._measurement.from_outcomes(self._copies.outcomes(results, len(angles)), weights)

    def bits(self, angles: Doubles, shots: int, streams: Streams) -> Bits:
        """See `Reader.bits`.

        Raises:
            BackendError: nothing can be corrected; what was read can still be had without mitigation.
        """
        results, errors = self._calibrated.sample_calibrated(*self._job(self._copies, angles), shots, streams)
        (bits,) = self._copies.bits(results, len(angles))
        try:
            return mitigate_rows(bits, errors[self._copies.tile_of(len(angles))], streams)
        except BackendError as error:
            raise BackendError(f"{error}. What was read is kept: without mitigation it is not paid for again") from None
