"""IBM Quantum's REST interface, and the addresses below /devserver: which path does what."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from typing import Any
from urllib.parse import parse_qs

from qgen.devserver.device import SimulatedDevice
from qgen.devserver.faults import Fault
from qgen.devserver.http_server import ADMIN, ApiError, Request, Response
from qgen.devserver.jobs import CANCELLED, COMPLETED, FAILED, Job, format_time
from qgen.devserver.service import Service
from qgen.errors import ConfigError

Endpoint = Callable[..., Response]
PLAN = "devserver-open-plan"
PAGE = 20  # jobs in a response, unless the client asks for another number
TOKEN_PATH = "/identity/token"


def _issue_token(service: Service, request: Request) -> Response:
    """Exchange an API key for a token, as IBM Cloud's identity service does."""
    form = parse_qs(request.body.decode("utf-8", "replace"))
    issued = service.identity.issue(form.get("apikey", [""])[0])
    if issued is None:
        message = "Provided API key could not be found."
        return Response.json({"errorCode": "BXNIM0415E", "errorMessage": message, "context": {}}, 400)
    return Response.json(issued)


def _backends(service: Service, request: Request) -> Response:
    mocks = request.param("include_mocks").lower() == "true"
    devices = [device for device in service.devices.values() if not device.retired and (mocks or not device.mock)]
    return Response.json({"devices": [_summary(service, device) for device in devices]})


def _summary(service: Service, device: SimulatedDevice) -> dict[str, Any]:
    status = {"name": "online"} if device.online else {"name": "offline", "reason": "maintenance"}
    return {
        "name": device.name,
        "class": "mock" if device.mock else "hardware",
        "status": status,
        "qubits": device.qubits,
        "queue_length": len(service.queue(device)),
        "processor_type": device.configuration.get("processor_type"),
    }


def _configuration(service: Service, request: Request, name: str) -> Response:
    return Response.json(service.device(name).configuration)


def _properties(service: Service, request: Request, name: str) -> Response:
    return Response.json(service.device(name).properties)


def _defaults(service: Service, request: Request, name: str) -> Response:
    service.device(name)
    raise ApiError(404, 1009, f"Backend {name} has no defaults.")


def _status(service: Service, request: Request, name: str) -> Response:
    device = service.device(name)
    return Response.json(
        {
            "state": device.online,
            "status": "active" if device.online else "maintenance",
            "message": "available" if device.online else "maintenance",
            "length_queue": len(service.queue(device)),
            "backend_version": device.configuration.get("backend_version", "0.0.0"),
        }
    )


def _usage(service: Service, request: Request) -> Response:
    return Response.json(service.usage())


def _create_job(service: Service, request: Request) -> Response:
    job = service.submit(request.json(), request.instance)
    return Response.json({"id": job.id, "backend": job.backend})


def _list_jobs(service: Service, request: Request) -> Response:
    jobs = [job for job in service.listed(request.instance) if _matches(job, request)]
    if request.param("sort") != "ASC":
        jobs.reverse()
    offset, limit = int(request.param("offset", "0")), int(request.param("limit", str(PAGE)))
    page = [job.to_json(None, with_params=False) for job in jobs[offset : offset + limit]]
    return Response.json({"jobs": page, "count": len(jobs), "limit": limit, "offset": offset})


def _matches(job: Job, request: Request) -> bool:
    fields = {"backend": job.backend, "session_id": job.session, "program": job.request.get("program_id")}
    if any(request.param(name) not in ("", value) for name, value in fields.items()):
        return False
    if not set(request.query.get("tags", [])) <= set(job.tags):
        return False
    if (pending := request.param("pending")) and (pending == "true") == job.done:
        return False
    after, before = request.param("created_after"), request.param("created_before")
    if after and job.created < datetime.fromisoformat(after):
        return False
    return not (before and job.created > datetime.fromisoformat(before))


def _get_job(service: Service, request: Request, name: str) -> Response:
    job = service.job(name, request.instance)
    return Response.json(job.to_json(service.position(job), with_params=request.param("exclude_params") != "true"))


def _results(service: Service, request: Request, name: str) -> Response:
    job = service.job(name, request.instance)
    if job.state == COMPLETED:
        return Response.text(job.result)
    if job.state in (FAILED, CANCELLED):
        return Response.text(job.reason or "")
    raise ApiError(404, 1292, f"Job results not found. Job ID: {name}")


def _metrics(service: Service, request: Request, name: str) -> Response:
    job = service.job(name, request.instance)
    return Response.json(job.metrics(service.position(job)))


def _logs(service: Service, request: Request, name: str) -> Response:
    service.job(name, request.instance)
    return Response.text("")


def _cancel(service: Service, request: Request, name: str) -> Response:
    service.cancel(service.job(name, request.instance))
    return Response(204)


def _set_tags(service: Service, request: Request, name: str) -> Response:
    service.job(name, request.instance).tags = [str(tag) for tag in request.json().get("tags", [])]
    return Response(204)


def _delete_job(service: Service, request: Request, name: str) -> Response:
    service.delete(service.job(name, request.instance))
    return Response(204)


def _create_session(service: Service, request: Request) -> Response:
    return Response.json(service.open_session(request.json()).to_json([]))


def _get_session(service: Service, request: Request, name: str) -> Response:
    session = service.session(name)
    return Response.json(session.to_json(service.jobs_of(session)))


def _change_session(service: Service, request: Request, name: str) -> Response:
    if request.json().get("accepting_jobs") is False:
        service.close_session(service.session(name), cancel=False)
    return Response(204)


def _close_session(service: Service, request: Request, name: str) -> Response:
    service.close_session(service.session(name), cancel=True)
    return Response(204)


def _workloads(service: Service, request: Request) -> Response:
    workloads = [
        {
            "id": job.id,
            "mode": service.session(job.session).mode if job.session else "job",
            "backend": job.backend,
            "status": job.state.lower(),
            "created_at": format_time(job.created),
            "ended_at": format_time(job.ended),
            "tags": job.tags,
            "usage": {"seconds": job.seconds},
        }
        for job in reversed(service.jobs())
    ]
    return Response.json({"workloads": workloads, "total_count": len(workloads)})


def _search(service: Service, request: Request) -> Response:
    """Search for instances, as IBM Cloud does: a client finds the CRN of an instance by its name."""
    (name, crn), *_ = service.instances.items()
    item = {"crn": crn, "name": name, "service_plan_unique_id": PLAN, "tags": []}
    return Response.json({"items": [item | {"doc": {"extensions": [{"backends": "all"}]}}], "limit": 100})


def _catalog(service: Service, request: Request) -> Response:
    """Catalogue of IBM Cloud: a client finds the plan of an instance."""
    return Response.json({"overview_ui": {"en": {"display_name": "Open"}}, "metadata": {"pricing": {"type": "free"}}})


_NAME = "([A-Za-z0-9_.-]+)"

#: Method, path below the service's address, what it does.
ROUTES: tuple[tuple[str, str, Endpoint], ...] = (
    ("GET", "/backends", _backends),
    ("GET", f"/backends/{_NAME}/configuration", _configuration),
    ("GET", f"/backends/{_NAME}/properties", _properties),
    ("GET", f"/backends/{_NAME}/defaults", _defaults),
    ("GET", f"/backends/{_NAME}/status", _status),
    ("GET", "/instances/usage", _usage),
    ("GET", "/workloads", _workloads),
    ("POST", "/v3/resources/search", _search),
    ("GET", f"/{PLAN}", _catalog),
    ("POST", "/jobs", _create_job),
    ("GET", "/jobs", _list_jobs),
    ("GET", f"/jobs/{_NAME}", _get_job),
    ("DELETE", f"/jobs/{_NAME}", _delete_job),
    ("GET", f"/jobs/{_NAME}/results", _results),
    ("GET", f"/jobs/{_NAME}/metrics", _metrics),
    ("GET", f"/jobs/{_NAME}/logs", _logs),
    ("POST", f"/jobs/{_NAME}/cancel", _cancel),
    ("PUT", f"/jobs/{_NAME}/tags", _set_tags),
    ("POST", "/sessions", _create_session),
    ("GET", f"/sessions/{_NAME}", _get_session),
    ("PATCH", f"/sessions/{_NAME}", _change_session),
    ("DELETE", f"/sessions/{_NAME}/close", _close_session),
)


def respond(service: Service, request: Request) -> Response:
    """Answer a request.

    Raises:
        ApiError: the sender has no valid token, the service refuses, or there is no such address.
    """
    if request.path.startswith(f"{ADMIN}/"):
        return _administer(service, request)
    if request.path == TOKEN_PATH:
        return _issue_token(service, request)
    if not service.identity.accepts(request.authorization):
        raise ApiError(401, 1201, "Unauthorized: the token is invalid or has expired.")
    for method, path, endpoint in ROUTES:
        if method == request.method and (match := re.fullmatch(path, request.path)):
            return endpoint(service, request, *match.groups())
    raise _unknown(request)


def _administer(service: Service, request: Request) -> Response:
    """Answer whoever runs the server: the ledger, faults, tokens, the state of devices; no token is asked for."""
    path = request.path.removeprefix(ADMIN)
    if (request.method, path) == ("GET", "/ledger"):
        return Response.json(service.ledger.to_dict())
    if path == "/faults":
        return _faults(service, request)
    if request.method == "POST" and path == "/tokens/revoke":
        service.identity.revoke()
        return Response(204)
    if request.method == "POST" and path.startswith("/devices/"):
        return _change_device(service, path.removeprefix("/devices/"), request)
    raise _unknown(request)


def _faults(service: Service, request: Request) -> Response:
    if request.method == "DELETE":
        service.faults.clear()
        return Response(204)
    if request.method == "POST":
        try:
            service.faults.add(Fault.read(request.json()))
        except ConfigError as error:
            raise ApiError(400, 1002, str(error)) from error
    return Response.json({"faults": [fault.plain() for fault in service.faults.pending]})


def _change_device(service: Service, name: str, request: Request) -> Response:
    device = service.devices.get(name)
    if device is None:
        raise ApiError(404, 1007, f"Backend {name} not found.")
    changes = request.json()
    couplers, states = changes.pop("broken", []), list(changes.values())
    if not set(changes) <= {"online", "retired"} or not all(isinstance(value, bool) for value in states):
        raise ApiError(400, 1002, "Give `online` or `retired`, each true or false, or `broken`: couplers like [0, 1].")
    with service.changed:
        device.online, device.retired = changes.get("online", device.online), changes.get("retired", device.retired)
        for first, second in couplers:
            device.break_coupler(int(first), int(second))
        service.changed.notify_all()
    return Response.json({"name": name, "online": device.online, "retired": device.retired})


def _unknown(request: Request) -> ApiError:
    return ApiError(404, 1200, f"There is no {request.method} {request.path} here.")
