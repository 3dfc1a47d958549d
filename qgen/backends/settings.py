"""The options of a backend, declared once: for `open_backend`, for YAML, and for the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field, field_validator

from qgen.backends.ibm.options import HardwareOptions
from qgen.backends.mitigation.method import Mitigation
from qgen.settings import Settings

if TYPE_CHECKING:
    from qgen.backends.device.saved_layouts import SavedLayouts


class BackendSettings(Settings):
    """Where circuits run while training, and how they are differentiated."""

    added: ClassVar[frozenset[str]] = frozenset({"idle_noise", "method", "mitigation", "paths", "tolerance"})

    name: str = "statevector"
    """As `qgen backends` lists them: `statevector`, `aer`, `noisy:fake_brisbane`, `aer:noise.yaml`, ..."""
    shots: int | None = Field(None, gt=0)
    """How often each circuit is measured; None: exact values where the backend can compute them, else 1,024 shots."""
    noise_scale: float | None = Field(None, ge=0)
    """How strong a device's errors are; None or 1: as they are, 0: none."""
    noise: tuple[Literal["gates", "relaxation", "readout"], ...] | None = None
    """Which kinds of a device's errors are on; None: all."""
    idle_noise: bool | None = None
    """Whether qubits relax while they wait, too; None or false: during gates only, as in Aer's models of devices."""
    method: Literal["auto", "exact", "propagate", "paths"] | None = None
    """How `noisy:` backends find values: `exact`, `propagate` (up to a tolerance), `paths` (of errors drawn at random);
    None or `auto`: exact on few wires, else propagate where inputs come before all gates on two qubits, else paths."""
    paths: int | None = Field(None, gt=0)
    """Of method `paths`: how many paths a value is the mean of; None: 16."""
    tolerance: float | None = Field(None, gt=0)
    """Of method `propagate`: the error that values may have, as the root of its mean square; None: 0.01."""
    mitigation: str | None = None
    """What is done against a device's errors: `readout` (errors of reading are inverted), `zne:1,3`, `zne:1,3,5`, ...
    (extrapolated from circuits with so many times as many gates on two qubits, which share the shots), or both, as in
    `readout+zne:1,3`; None or `none`: nothing. Images that are shots take `readout` alone: strings that were read, as
    often as without errors of reading. IBM's hardware takes `readout` alone: one more job for each call finds the
    errors."""
    layout: str | None = None
    """A file of `qgen transpile --pin`: circuits put on that device before; None: the transpiler puts them there."""
    hardware: HardwareOptions = HardwareOptions()
    """How circuits run on IBM's hardware."""
    gradient: str = "auto"
    """`adjoint`, `parameter-shift`, `spsa`, each with options as in `spsa:directions=4,step=0.1`; `auto` is adjoint
    where the backend has it, else parameter-shift."""

    @field_validator("mitigation")
    @classmethod
    def _check_mitigation(cls, text: str | None) -> str | None:
        mitigation = Mitigation() if text is None else Mitigation.parse(text)
        return None if mitigation == Mitigation() else str(mitigation)

    def mitigated(self) -> Mitigation | None:
        """Return what is done against errors; None: nothing."""
        return None if self.mitigation is None else Mitigation.parse(self.mitigation)

    def saved_layouts(self) -> SavedLayouts | None:
        """Read the circuits of `layout`.

        Raises:
            BackendError: the file cannot be read, or is no such file.
        """
        from qgen.backends.device.saved_layouts import read_layouts

        return None if self.layout is None else read_layouts(self.layout)
