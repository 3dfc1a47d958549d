"""Circuits on IBM's hardware: at the place where they are paid for, and where they were before."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from qgen.backends.base import Angled, Executable, Value
from qgen.backends.batching import Batch
from qgen.backends.ibm.estimated import EstimatedLayout
from qgen.backends.ibm.hardware import Hardware
from qgen.backends.ibm.layouts import ElsewhereError, Layout, as_it_was
from qgen.backends.ibm.remembered import recall_calibration
from qgen.backends.ibm.sampled import SampledLayout
from qgen.backends.pins import Pins
from qgen.circuits import LayerCircuit
from qgen.errors import BackendError
from qgen.randomness import Streams
from qgen.transpilation.cost import WorkloadCost
from qgen.transpilation.tiling import Tiling

Place = SampledLayout | EstimatedLayout


class HardwareExecutable(Executable):
    """A circuit at all of its places on a device: each call is answered at the one whose results the journal has.

    What the journal has of none runs at the last place, as long as the device can run it there; else the circuit is
    placed anew.

    Attributes:
        moved: why it was placed anew, or cannot be; None: it was not.

    Raises:
        BackendError: the circuit does not fit on the device, or uses what the device does not have or what is faulty.
    """

    def __init__(self, circuit: LayerCircuit, backend: Hardware) -> None:
        super().__init__(circuit, backend)
        self._hardware = backend
        self.moved: str | None = None
        known = backend.layouts(circuit)
        self._places = [self._known(pins, number) for number, pins in enumerate(known)]
        if not known or self._places[-1].only_known:
            self._place_anew(len(known))
        self._use_last()

    def __reduce__(self) -> Any:
        return HardwareExecutable, (self.circuit, self._hardware)

    @property
    def angled(self) -> Angled:
        return self._used.angled

    @property
    def tiling(self) -> Tiling | None:
        """Where its copies lie, see `Priced`."""
        return self._places[-1].tiling

    @property
    def tiling_now(self) -> Tiling | None:
        """The same, with the success of each copy as the device is today."""
        return self._places[-1].tiling_now()

    @property
    def calibration(self) -> str | None:
        """The moment of the calibration by which its place was chosen; None where that is not known."""
        hardware = self._hardware
        return recall_calibration(hardware.notes, hardware.name, self.circuit, len(self._places) - 1)

    def place_anew(self) -> None:
        """Puts the circuit where it is best today; what was run elsewhere is still answered from the journal.

        Raises:
            BackendError: it does not fit, or the user pinned it.
        """
        layouts, number = self._hardware.layouts(self.circuit), len(self._places)
        # It may have been put there a moment ago, for another layer.
        pins = layouts[-1] if len(layouts) > number else self._hardware.place_anew(self.circuit)
        self._places.append(self._at(Layout(pins, self._hardware.target, number)))
        self._use_last()

    def cost(self, samples: int) -> WorkloadCost:
        """What one submission of so many settings of the angles costs, as an upper bound."""
        return self._places[-1].cost(samples)

    def evaluate(self, batch: Batch, streams: Streams) -> torch.Tensor:
        return self.settled(lambda: self._used.evaluate(batch, streams))

    def settled(self, call: Callable[[], Value]) -> Value:
        drawn = torch.random.get_rng_state()
        for place in self._places:
            self._used = place
            try:
                return call()
            except ElsewhereError:
                torch.random.set_rng_state(drawn)
            finally:
                self._used = self._places[-1]
        raise BackendError(f"this cannot run on {self._hardware.name} today: {self.moved}")

    def _use_last(self) -> None:
        """What is not in the journal runs at the last place."""
        for earlier in self._places[:-1]:
            earlier.only_known = True
        self._used = self._places[-1]

    def _known(self, pins: Pins, number: int) -> Place:
        """Where it was before: if a gate is out of order there today, for what was run there alone."""
        try:
            return self._at(Layout(pins, self._hardware.target, number))
        except BackendError as error:
            self.moved = str(error)
            then = as_it_was(self._hardware.target, self._hardware.couplers, pins.routed.values())
            return self._at(Layout(pins, then, number, past=True))

    def _place_anew(self, number: int) -> None:
        """One more place; where there is none, what was run before can still be answered."""
        try:
            self._places.append(
                self._at(Layout(self._hardware.place_anew(self.circuit), self._hardware.target, number))
            )
        except BackendError as error:
            if not self._places or not self._hardware.runner.journal.entries():
                raise
            self.moved = str(error)

    def _at(self, layout: Layout) -> Place:
        if self._hardware.options.resilience:
            return EstimatedLayout(self.circuit, self._hardware, layout)
        return SampledLayout(self.circuit, self._hardware, layout)
