"""How circuits run on IBM's hardware, where there is a choice."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from qgen.backends.mitigation.method import Mitigation
from qgen.errors import BackendError
from qgen.settings import Settings


class HardwareOptions(Settings):
    """What may be chosen for runs on IBM's hardware; the defaults cost least and bill nothing but executions."""

    tiles: Annotated[int, Field(ge=1)] | Literal["auto"] = 1
    """Copies of a circuit side by side on the device, each with angles of its own; `auto`: as many as are worth it."""
    mode: Literal["job", "batch"] = "job"
    """`batch` keeps jobs together. Sessions are not offered: they bill by the clock, also while nothing runs."""
    resilience: int = Field(0, ge=0, le=2)
    """Error mitigation by the Estimator: 0 none (the Sampler's bits), 1 readout (TREX), 2 also zero-noise extrapolation
    with twirled gates. Each costs further executions. Bits are corrected by `backend.mitigation`."""
    decoupling: Literal["XX", "XpXm", "XY4"] | None = None
    """Dynamical decoupling: pulses on qubits that wait."""
    twirling: bool = False
    """Random Pauli gates around two-qubit gates, so that coherent errors average out."""
    measure_twirling: bool = False
    """Random flips before measurement, undone after it."""
    rep_delay_us: float | None = Field(None, ge=0)
    """The wait before each execution, in microseconds; None: the device's own. Shorter costs less, and resets worse."""
    fractional: bool = False
    """Use the device's gate rx of any angle, where it has it. Its rzz takes angles from 0 to half a turn only, and is
    left out, since shifted angles are not."""

    @model_validator(mode="after")
    def _one_primitive(self) -> Self:
        if self.resilience and self.tiles != 1:
            raise ValueError(
                "tiles need the bits that the Sampler reads; resilience above 0 has the Estimator's values"
            )
        return self


def check_mitigation(name: str, mitigation: Mitigation | None, options: HardwareOptions) -> None:
    """Refuse mitigation that is not done on hardware, or by the Estimator already.

    Args:
        name: of the device.
        mitigation: what is to be done against errors of the Sampler's bits; None: nothing.
        options: how circuits run.

    Raises:
        BackendError: it extrapolates, or values are the Estimator's.
    """
    if mitigation in (None, Mitigation()):
        return
    if len(mitigation.factors) > 1:
        raise BackendError(
            f"backend `{name}` extrapolates by an option of hardware, not by mitigation = '{mitigation}': "
            "`hardware.resilience` is 2 for it, or mitigation `readout` alone"
        )
    if options.resilience:
        raise BackendError(
            f"mitigation = '{mitigation}' corrects the Sampler's bits, and with hardware.resilience = "
            f"{options.resilience} backend `{name}` returns values that the Estimator has mitigated: leave out one of "
            "the two"
        )
