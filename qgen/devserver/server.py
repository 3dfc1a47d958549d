"""The loopback service as an object: started, used through the environment that it gives, and closed."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from threading import Thread
from types import TracebackType
from typing import Self

from qgen.devserver.billing import Ledger, Plan, Tariff
from qgen.devserver.faults import Faults
from qgen.devserver.handler import Loopback
from qgen.devserver.identity import Identity
from qgen.devserver.machine import DeviceModel, Machine
from qgen.devserver.service import Service
from qgen.devserver.worker import Worker
from qgen.errors import BackendError

ACCOUNT = "a/0123456789abcdef0123456789abcdef"
INSTANCE, OTHER_INSTANCE = (
    f"crn:v1:bluemix:public:quantum-computing:us-east:{ACCOUNT}:{number:08x}-0000-4000-8000-000000000000::"
    for number in range(2)
)
#: The account's instances by name. Each sees its own jobs.
INSTANCES = {"devserver": INSTANCE, "other": OTHER_INSTANCE}


class DevServer:
    """IBM Quantum's service on 127.0.0.1, for the stock client of qiskit-ibm-runtime, with simulated devices.

    Args:
        devices: what it offers.
        seed: results are a function of it and of what a job asks for; equal jobs get equal results.
        port: 0: any that is free.
        queue_seconds: that a job waits at least before it runs.
        run_seconds: that a job runs at least.
        list_seconds: after which a job is in the lists of jobs; IBM's lag behind.
        plan: what the account may do, and how many quantum seconds it has.
        tariff: what jobs cost.
        token: the API key that it accepts; None: one of its own making.
        token_seconds: that an access token holds.

    Attributes:
        faults: what is to go wrong; empty at first.

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
        machines = [Machine(model) for model in devices]
        names = [machine.name for machine in machines]
        if not names or len(set(names)) < len(names):
            raise BackendError(f"a devserver needs devices of different names, not {names}")
        self.token = token or secrets.token_urlsafe(32)
        self.faults = Faults(seed)
        identity, terms = Identity(self.token, token_seconds), (plan or Plan(), tariff or Tariff())
        self.service = Service(machines, identity, *terms, self.faults, INSTANCES, list_seconds)
        self._worker = Worker(self.service, seed, queue_seconds, run_seconds)
        self._port = port
        self._http: Loopback | None = None

    def start(self) -> Self:
        """Begin to serve.

        Raises:
            OSError: the port is taken.
        """
        self._http = Loopback(self._port, self.service)
        self._port = self._http.server_address[1]
        self._serving = Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.05}, name="devserver")
        self._serving.start()
        self._worker.start()
        return self

    def close(self) -> None:
        """End all connections and threads; the job that runs is run to its end first."""
        if self._http is None:
            return
        self._http.stop()
        self._serving.join()
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
        """Its address, without a path."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def devices(self) -> list[str]:
        """The names of its devices, those of mock ones left out."""
        return [machine.name for machine in self.service.machines.values() if not machine.mock]

    @property
    def ledger(self) -> Ledger:
        """What was billed until now."""
        return self.service.ledger

    def machine(self, name: str) -> Machine:
        """A device, to put it offline or to retire it."""
        return self.service.machines[name]

    def environment(self, instance: str = INSTANCE) -> dict[str, str]:
        """The environment in which the stock client finds this server, and nothing else.

        Args:
            instance: of the account, one of `INSTANCES`.
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
