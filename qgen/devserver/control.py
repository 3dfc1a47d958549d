"""Addresses below /devserver, which IBM has not: the ledger, faults, the state of devices and their calibration."""

from __future__ import annotations

from qgen.devserver.faults import Fault
from qgen.devserver.messages import Answer, ApiError, Request
from qgen.devserver.service import Service
from qgen.errors import ConfigError

PREFIX = "/devserver"


def control(service: Service, request: Request) -> Answer:
    """Answer a request from whoever runs the server; no token is asked for.

    Raises:
        ApiError: it asks for something that is not there.
    """
    path = request.path.removeprefix(PREFIX)
    if (request.method, path) == ("GET", "/ledger"):
        return Answer.of(service.ledger.plain())
    if path == "/faults":
        return _faults(service, request)
    if request.method == "POST" and path == "/tokens/revoke":
        service.identity.revoke()
        return Answer(204)
    if request.method == "POST" and path.startswith("/devices/"):
        return _change_device(service, path.removeprefix("/devices/"), request)
    raise ApiError(404, 1200, f"There is no {request.method} {request.path} here.")


def _faults(service: Service, request: Request) -> Answer:
    if request.method == "DELETE":
        service.faults.clear()
        return Answer(204)
    if request.method == "POST":
        try:
            service.faults.add(Fault.read(request.json()))
        except ConfigError as error:
            raise ApiError(400, 1002, str(error)) from error
    return Answer.of({"faults": [fault.plain() for fault in service.faults.waiting]})


def _change_device(service: Service, name: str, request: Request) -> Answer:
    machine = service.machines.get(name)
    if machine is None:
        raise ApiError(404, 1007, f"Backend {name} not found.")
    wanted = request.json()
    couplers, states = wanted.pop("broken", []), list(wanted.values())
    if not set(wanted) <= {"online", "retired"} or not all(isinstance(value, bool) for value in states):
        raise ApiError(400, 1002, "Give `online` or `retired`, each true or false, or `broken`: couplers like [0, 1].")
    with service.changed:
        machine.online, machine.retired = wanted.get("online", machine.online), wanted.get("retired", machine.retired)
        for first, second in couplers:
            machine.break_coupler(int(first), int(second))
        service.changed.notify_all()
    return Answer.of({"name": name, "online": machine.online, "retired": machine.retired})
