"""DevServer: IBM Quantum's service on the loopback, started and closed as an object."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from functools import partial
from threading import Thread
from types import TracebackType
from typing import Self

from qgen.devserver.api import respond
from qgen.devserver.billing import Ledger, Plan, Tariff
from qgen.devserver.device import DeviceModel, SimulatedDevice
from qgen.devserver.faults import Faults
from qgen.devserver.http_server import LoopbackServer
from qgen.devserver.identity import Identity
from qgen.devserver.service import Service
from qgen.devserver.worker import Worker
from qgen.errors import BackendError

ACCOUNT = "a/0123456789abcdef0123456789abcdef"
INSTANCE, OTHER_INSTANCE = (
    f"crn:v1:bluemix:public:quantum-computing:us-east:{ACCOUNT}:{number:08x}-0000-4000-8000-000000000000::"
    for number in range(2)
)
#: The account's instances by name; each sees its own jobs.
INSTANCES = {"devserver": INSTANCE, "other": OTHER_INSTANCE}


class DevServer:
    """IBM Quantum's service on 127.0.0.1, for the stock client of qiskit-ibm-runtime, with simulated devices.

    Args:
        devices: the devices.
        seed: seed of the results; equal jobs get equal results.
        port: 0: any that is free.
        queue_seconds: the least time that a job waits before it runs.
        run_seconds: the least time that a job runs.
        list_seconds: seconds after which a job is in the lists of jobs; IBM's lag behind.
        plan: plan of the account, with its quantum seconds.
        tariff: cost of jobs.
        token: the API key that it accepts; None: a random one.
        token_seconds: seconds for which an access token is valid.

    Attributes:
        faults: faults that strike; empty at first.

    Raises:
        BackendError: no device, two of one name, or no such snapshot.
    """

    def __init__(
        self,
        devices: Iterable[DeviceModel],
        *,
        seed: int = 0,
        port: int = 0,
        queue_seconds: float = 0.0,
        run_seconds: float = 0.0,
        list_seconds: float = 0.0,
        plan: Plan | None = None,
        tariff: Tariff | None = None,
        token: str | None = None,
        token_seconds: float = 3600.0,
    ) -> None:
        simulated = [SimulatedDevice(model) for model in devices]
        names = [device.name for device in simulated]
        if not names or len(set(names)) < len(names):
            raise BackendError(f"a devserver needs devices of different names, not {names}")
        self.token = token or secrets.token_urlsafe(32)
        self.faults = Faults(seed)
        identity, contract = Identity(self.token, token_seconds), (plan or Plan(), tariff or Tariff())
        self.service = Service(simulated, identity, *contract, self.faults, INSTANCES, list_seconds)
        self._worker = Worker(self.service, seed, queue_seconds, run_seconds)
        self._port = port
        self._http: LoopbackServer | None = None

    def start(self) -> Self:
        """Start to serve.

        Raises:
            OSError: the port is taken.
        """
        self._http = LoopbackServer(self._port, partial(respond, self.service), self.faults)
        self._port = self._http.server_address[1]
        self._thread = Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.05}, name="devserver")
        self._thread.start()
        self._worker.start()
        return self

    def close(self) -> None:
        """End all connections and threads; a running job is finished first."""
        if self._http is None:
            return
        self._http.stop()
        self._thread.join()
        self._worker.stop()
        self._http = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def url(self) -> str:
        """Its URL, without a path."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def devices(self) -> list[str]:
        """Names of its devices, without mock devices."""
        return [device.name for device in self.service.devices.values() if not device.mock]

    @property
    def ledger(self) -> Ledger:
        """The ledger of what was billed so far."""
        return self.service.ledger

    def device(self, name: str) -> SimulatedDevice:
        """Return a device, to put it offline or to retire it."""
        return self.service.devices[name]

    def environment(self, instance: str = INSTANCE) -> dict[str, str]:
        """Return the environment variables by which the stock client finds this server, and nothing else.

        Args:
            instance: CRN of an instance of the account, one of `INSTANCES`.
        """
        return {
            "QISKIT_IBM_CHANNEL": "ibm_quantum_platform",
            "QISKIT_IBM_URL": f"{self.url}/experimental",
            "QISKIT_IBM_TOKEN": self.token,
            "QISKIT_IBM_INSTANCE": instance,
            "IAM_URL": self.url,
            "QISKIT_FUNCTIONS_EXPERIMENTAL": "1",
            "NO_PROXY": "127.0.0.1",
            "no_proxy": "127.0.0.1",
        }
