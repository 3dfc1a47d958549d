"""Circuits on IBM's hardware: in the layout in which they are paid for, and in those that they had before."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from itertools import groupby
from typing import Any

import numpy as np
import torch

from qgen.backends.api import Executable, ShiftForm, Value
from qgen.backends.batch import Batch
from qgen.backends.device.saved_layouts import SavedLayouts
from qgen.backends.drawing import Bits, along_z, reads_all_along_z, refuse_mixture
from qgen.backends.ibm.estimated import NO_BITS, estimated_layout
from qgen.backends.ibm.hardware import Hardware, HardwareLayout, Jobs, Submit
from qgen.backends.ibm.layouts import Layout, load_calibration, with_faulty_gates
from qgen.backends.ibm.runner import NotStoredError
from qgen.backends.ibm.sampled import sampled_layout
from qgen.circuits import LayerCircuit
from qgen.errors import BackendError
from qgen.randomness import Streams
from qgen.transpilation.cost import WorkloadCost
from qgen.transpilation.tiling import Tiling


class HardwareExecutable(Executable):
    """A circuit in all of its layouts on a device: each call is answered in the one whose results the journal has.

    Where it lacks a calibration of readout alone, that runs in the layout of these results, as long as the qubits that
    are read there work. What the journal has of none runs in the last layout, as long as the device can run it there;
    else the circuit is placed anew.

    Args:
        circuit: the circuit.
        backend: the device.
        most: what may be submitted. Of less than all, only the layouts that the journal has are taken, of which there
            are some, and `NotStoredError` is raised where that is not enough.

    Attributes:
        moved: why it was placed anew, or cannot be; None: it was not.

    Raises:
        BackendError: the circuit does not fit on the device, or uses what the device does not have or what is faulty.
    """

    def __init__(self, circuit: LayerCircuit, backend: Hardware, most: Submit = Submit.ALL) -> None:
        super().__init__(circuit, backend)
        self._hardware, self._most = backend, most
        self.moved: str | None = None
        known = backend.layouts(circuit)
        self._layouts = [self._known(saved, number) for number, saved in enumerate(known)]
        if most is Submit.ALL and (not known or self._layouts[-1].jobs.submit is not Submit.ALL):
            self._place_anew(len(known))
        self._use_last()

    def __reduce__(self) -> Any:
        return HardwareExecutable, (self.circuit, self._hardware, self._most)

    @property
    def method(self) -> str:
        return self._used.executable.method

    @property
    def shift_form(self) -> ShiftForm:
        return self._used.executable.shift_form

    @property
    def tiling(self) -> Tiling | None:
        """The layout of its copies, see `BilledExecutable`."""
        return self._layouts[-1].jobs.tiling

    @property
    def tiling_now(self) -> Tiling | None:
        """The same, with the success of each copy by today's calibration."""
        return self._layouts[-1].jobs.tiling_now()

    @property
    def calibration(self) -> str | None:
        """The time of the calibration by which its layout was chosen; None where it is not known."""
        hardware = self._hardware
        return load_calibration(hardware.notes, hardware.name, self.circuit, len(self._layouts) - 1)

    def place_anew(self) -> None:
        """Choose the best layout by today's calibration; earlier results are still answered from the journal.

        Raises:
            BackendError: it does not fit, or the user pinned it.
        """
        layouts, number = self._hardware.layouts(self.circuit), len(self._layouts)
        # It may have been put there a moment ago, for another layer.
        saved = layouts[-1] if len(layouts) > number else self._hardware.place_anew(self.circuit)
        self._layouts.append(self._at(Layout(saved, self._hardware.target, number)))
        self._use_last()

    def cost(self, samples: int) -> WorkloadCost:
        """Return an upper bound on the cost of one submission of `samples` sets of angles."""
        return self._layouts[-1].jobs.cost(samples)

    def cost_of_draws(self, samples: int, shots: int) -> WorkloadCost:
        """Return an upper bound on the cost of `draw` for `samples` sets of angles, `shots` each."""
        return self.along_z.jobs.cost(samples, self._hardware.round_shots(shots))

    @property
    def jobs(self) -> Jobs:
        """The jobs in the layout where it runs next."""
        return self._layouts[-1].jobs

    @cached_property
    def along_z(self) -> HardwareExecutable:
        """The circuit with all qubits read along Z: itself, where its observables are measured so.

        Raises:
            BackendError: it is a mixture, or the device returns mitigated values only.
        """
        refuse_mixture(self.circuit, self.backend.name)
        if self._hardware.options.resilience:
            raise BackendError(NO_BITS)
        if reads_all_along_z(self._used.executable.routed.bases, self.circuit.qubits):
            return self
        return HardwareExecutable(along_z(self.circuit), self._hardware)

    def draw_rows(self, batch: Batch, shots: int, streams: Streams) -> Bits:
        if self.along_z is not self:
            return self.along_z.draw_rows(batch, shots, streams)
        whole = self._hardware.round_shots(shots)
        bits = self.on_one_layout(lambda: self._used.executable.draw_rows(batch, whole, streams))
        return np.ascontiguousarray(bits[:, :shots])

    def evaluate(self, batch: Batch, streams: Streams) -> torch.Tensor:
        return self.on_one_layout(lambda: self._used.executable.evaluate(batch, streams))

    def on_one_layout(self, call: Callable[[], Value]) -> Value:
        drawn = torch.random.get_rng_state()
        for layout, submit in self._attempts():
            try:
                with self._using(layout, submit):
                    return call()
            except NotStoredError:
                torch.random.set_rng_state(drawn)
        if self._most is not Submit.ALL:
            raise NotStoredError
        raise BackendError(f"this cannot run on {self._hardware.name} today: {self.moved}")

    @contextmanager
    def submitting(self, most: Submit) -> Iterator[None]:
        """Submit no more than this within the block: `NotStoredError` is raised where that is not enough."""
        before, self._most = self._most, most
        try:
            yield
        finally:
            self._most = before

    def _attempts(self) -> list[tuple[HardwareLayout, Submit]]:
        """Return where a call is tried, and what is submitted there, until one has it all.

        At first nothing, in any layout; then calibrations of what was read in earlier layouts; then all, in the last.
        """
        attempts = [
            (layout, submit)
            for submit in Submit
            for layout in self._layouts
            if submit <= self._most and submit in (Submit.NOTHING, layout.jobs.submit)
        ]
        # Of attempts that follow one another in the same layout the last one does what the others would.
        return [list(same)[-1] for _, same in groupby(attempts, key=lambda attempt: id(attempt[0]))]

    @contextmanager
    def _using(self, layout: HardwareLayout, submit: Submit) -> Iterator[None]:
        before = layout.jobs.submit
        self._used, layout.jobs.submit = layout, submit
        try:
            yield
        finally:
            self._used, layout.jobs.submit = self._layouts[-1], before

    def _use_last(self) -> None:
        """Run circuits that are not in the journal in the last layout."""
        for earlier in self._layouts[:-1] if self._most is Submit.ALL else self._layouts:
            earlier.jobs.submit_no_circuits()
        self._used = self._layouts[-1]

    def _known(self, saved: SavedLayouts, number: int) -> HardwareLayout:
        """Return an earlier layout; if a gate of it is out of order today, only for results that are stored."""
        try:
            return self._at(Layout(saved, self._hardware.target, number))
        except BackendError as error:
            self.moved = str(error)
            then = with_faulty_gates(self._hardware.target, self._hardware.couplers, saved.routed.values())
            return self._at(Layout(saved, then, number, faulty=True))

    def _place_anew(self, number: int) -> None:
        """Add a layout; where there is none, stored results can still be answered."""
        try:
            self._layouts.append(
                self._at(Layout(self._hardware.place_anew(self.circuit), self._hardware.target, number))
            )
        except BackendError as error:
            if not self._layouts or not self._hardware.runner.journal.records():
                raise
            self.moved = str(error)

    def _at(self, layout: Layout) -> HardwareLayout:
        if self._hardware.options.resilience:
            return estimated_layout(self.circuit, self._hardware, layout)
        return sampled_layout(self.circuit, self._hardware, layout)
