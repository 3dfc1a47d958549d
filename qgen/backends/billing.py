"""What backends that cost money offer besides: what they spend is planned, limited and watched."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import NamedTuple, Protocol, TypeAlias, cast

from qgen.backends.api import Backend, Capabilities
from qgen.transpilation.cost import WorkloadCost
from qgen.transpilation.tiling import Tiling


class JobStatus(NamedTuple):
    """A job that is waited for.

    Attributes:
        job_id: by which the service knows it.
        state: `QUEUED`, `RUNNING`, `DONE`, or another one of the service.
        position: in the queue; None: not known.
        spent: QPU seconds so far, over all jobs of the journal.
    """

    job_id: str
    state: str
    position: int | None
    spent: float


StatusCallback: TypeAlias = Callable[[JobStatus], None]


class BilledBackend(Protocol):
    """A backend with `Capabilities.billed`. Nothing is submitted before `allow` or `authorize` was called."""

    @property
    def name(self) -> str: ...

    @property
    def capabilities(self) -> Capabilities: ...

    @property
    def calibrated(self) -> str | None:
        """The time of the device's last calibration; None: not known."""
        ...

    @property
    def limit(self) -> float | None:
        """QPU seconds that may be spent, over all jobs of the journal; None: nothing may be submitted."""
        ...

    def allow(self, seconds: float | None) -> None:
        """Limit the QPU seconds that may be spent, for good; None: as was allowed before."""
        ...

    def authorize(self, limit: float, beyond_account: bool = False) -> None:
        """Limit the QPU seconds that this process may spend.

        Args:
            limit: over all jobs of the journal.
            beyond_account: submit even what takes more than the account has left; jobs then wait.
        """
        ...

    def spent(self) -> float:
        """Return the QPU seconds that all jobs of the journal have taken, or are expected to take."""
        ...

    def queue(self) -> tuple[int, float | None]:
        """Return how many jobs wait for the device, and the QPU seconds that the account has left, if it says so."""
        ...

    def begin(self, purpose: str) -> None:
        """Name the work that is submitted next, and find jobs that were submitted but never confirmed."""
        ...

    def estimates(self, purpose: str, since: datetime | None = None) -> Sequence[float]:
        """Return the estimated QPU seconds of each job of this work that is done, on its way, or of unknown fate.

        Each of them is in `spent` too, so that a plan counts none of them twice.

        Args:
            purpose: see `begin`.
            since: leave out what was submitted earlier.
        """
        ...

    def overrun(self) -> float:
        """Return how many times as long as estimated jobs take, by what was billed; at least 1."""
        ...

    def watch(self, on_status: StatusCallback) -> None:
        """Report each look at a job that is waited for."""
        ...


class BilledExecutable(Protocol):
    """A compiled circuit of a `BilledBackend`: its cost is known before it runs."""

    @property
    def bound(self) -> bool:
        """Whether it was compiled for fixed weights; see `Backend.compile`."""
        ...

    @property
    def tiling(self) -> Tiling | None:
        """Where copies of the circuit run; None where there is nothing to measure."""
        ...

    @property
    def tiling_now(self) -> Tiling | None:
        """The same, with the success of each copy by today's calibration."""
        ...

    @property
    def calibration(self) -> str | None:
        """The time of the calibration by which its layout was chosen; None: not known."""
        ...

    @property
    def moved(self) -> str | None:
        """Why its layout changed; None: it did not."""
        ...

    def place_anew(self) -> None:
        """Choose the best layout by today's calibration.

        Raises:
            BackendError: the circuit does not fit, or the user chose its layout.
        """
        ...

    def cost(self, samples: int) -> WorkloadCost:
        """Return what one submission of so many settings of the angles costs, as an upper bound."""
        ...

    def cost_of_draws(self, samples: int, shots: int) -> WorkloadCost:
        """Return what one call of `draw` for so many settings of the angles costs, as an upper bound.

        Raises:
            BackendError: there are no bits to draw.
        """
        ...


def as_billed(backend: Backend) -> BilledBackend | None:
    """Return the backend, if running circuits there costs money."""
    return cast(BilledBackend, backend) if backend.capabilities.billed else None
