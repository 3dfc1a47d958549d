"""IBM Quantum's REST interface: which address does what."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from typing import Any
from urllib.parse import parse_qs

from qgen.devserver.jobs import CANCELLED, COMPLETED, FAILED, Job, stamp
from qgen.devserver.machine import Machine
from qgen.devserver.messages import Answer, ApiError, Request
from qgen.devserver.service import Service

Endpoint = Callable[..., Answer]
PLAN = "devserver-open-plan"
PAGE = 20  # jobs in an answer, unless the client asks for another number


def token(service: Service, request: Request) -> Answer:
    """IBM Cloud's identity service."""
    form = parse_qs(request.body.decode("utf-8", "replace"))
    issued = service.identity.issue(form.get("apikey", [""])[0])
    if issued is None:
        message = "Provided API key could not be found."
        return Answer.of({"errorCode": "BXNIM0415E", "errorMessage": message, "context": {}}, 400)
    return Answer.of(issued)


def _backends(service: Service, request: Request) -> Answer:
    mocks = request.one("include_mocks").lower() == "true"
    machines = [one for one in service.machines.values() if not one.retired and (mocks or not one.mock)]
    return Answer.of({"devices": [_summary(service, machine) for machine in machines]})


def _summary(service: Service, machine: Machine) -> dict[str, Any]:
    status = {"name": "online"} if machine.online else {"name": "offline", "reason": "maintenance"}
    return {
        "name": machine.name,
        "class": "mock" if machine.mock else "hardware",
        "status": status,
        "qubits": machine.qubits,
        "queue_length": len(service.queue(machine)),
        "processor_type": machine.configuration.get("processor_type"),
    }


def _configuration(service: Service, request: Request, name: str) -> Answer:
    return Answer.of(service.machine(name).configuration)


def _properties(service: Service, request: Request, name: str) -> Answer:
    return Answer.of(service.machine(name).properties)


def _defaults(service: Service, request: Request, name: str) -> Answer:
    service.machine(name)
    raise ApiError(404, 1009, f"Backend {name} has no defaults.")


def _status(service: Service, request: Request, name: str) -> Answer:
    machine = service.machine(name)
    return Answer.of(
        {
            "state": machine.online,
            "status": "active" if machine.online else "maintenance",
            "message": "available" if machine.online else "maintenance",
            "length_queue": len(service.queue(machine)),
            "backend_version": machine.configuration.get("backend_version", "0.0.0"),
        }
    )


def _usage(service: Service, request: Request) -> Answer:
    return Answer.of(service.usage())


def _create_job(service: Service, request: Request) -> Answer:
    job = service.submit(request.json(), request.instance)
    return Answer.of({"id": job.id, "backend": job.backend})


def _list_jobs(service: Service, request: Request) -> Answer:
    found = [job for job in service.listed(request.instance) if _matches(job, request)]
    if request.one("sort") != "ASC":
        found.reverse()
    offset, limit = int(request.one("offset", "0")), int(request.one("limit", str(PAGE)))
    page = [job.plain(None, with_params=False) for job in found[offset : offset + limit]]
    return Answer.of({"jobs": page, "count": len(found), "limit": limit, "offset": offset})


def _matches(job: Job, request: Request) -> bool:
    wanted = {"backend": job.backend, "session_id": job.session, "program": job.request.get("program_id")}
    if any(request.one(name) not in ("", value) for name, value in wanted.items()):
        return False
    if not set(request.query.get("tags", [])) <= set(job.tags):
        return False
    if (pending := request.one("pending")) and (pending == "true") == job.done:
        return False
    after, before = request.one("created_after"), request.one("created_before")
    if after and job.created < datetime.fromisoformat(after):
        return False
    return not (before and job.created > datetime.fromisoformat(before))


def _get_job(service: Service, request: Request, name: str) -> Answer:
    job = service.job(name, request.instance)
    return Answer.of(job.plain(service.position(job), with_params=request.one("exclude_params") != "true"))


def _results(service: Service, request: Request, name: str) -> Answer:
    job = service.job(name, request.instance)
    if job.state == COMPLETED:
        return Answer.text(job.result)
    if job.state in (FAILED, CANCELLED):
        return Answer.text(job.reason or "")
    raise ApiError(404, 1292, f"Job results not found. Job ID: {name}")


def _metrics(service: Service, request: Request, name: str) -> Answer:
    job = service.job(name, request.instance)
    return Answer.of(job.metrics(service.position(job)))


def _logs(service: Service, request: Request, name: str) -> Answer:
    service.job(name, request.instance)
    return Answer.text("")


def _cancel(service: Service, request: Request, name: str) -> Answer:
    service.cancel(service.job(name, request.instance))
    return Answer(204)


def _set_tags(service: Service, request: Request, name: str) -> Answer:
    service.job(name, request.instance).tags = [str(tag) for tag in request.json().get("tags", [])]
    return Answer(204)


def _delete_job(service: Service, request: Request, name: str) -> Answer:
    service.delete(service.job(name, request.instance))
    return Answer(204)


def _create_session(service: Service, request: Request) -> Answer:
    return Answer.of(service.open_session(request.json()).plain([]))


def _get_session(service: Service, request: Request, name: str) -> Answer:
    session = service.session(name)
    return Answer.of(session.plain(service.jobs_of(session)))


def _change_session(service: Service, request: Request, name: str) -> Answer:
    if request.json().get("accepting_jobs") is False:
        service.close_session(service.session(name), cancel=False)
    return Answer(204)


def _close_session(service: Service, request: Request, name: str) -> Answer:
    service.close_session(service.session(name), cancel=True)
    return Answer(204)


def _workloads(service: Service, request: Request) -> Answer:
    found = [
        {
            "id": job.id,
            "mode": service.session(job.session).mode if job.session else "job",
            "backend": job.backend,
            "status": job.state.lower(),
            "created_at": stamp(job.created),
            "ended_at": stamp(job.ended),
            "tags": job.tags,
            "usage": {"seconds": job.seconds},
        }
        for job in reversed(service.jobs())
    ]
    return Answer.of({"workloads": found, "total_count": len(found)})


def _search(service: Service, request: Request) -> Answer:
    """IBM Cloud's search for instances, by which a client finds the CRN of one that it knows by name."""
    (name, crn), *_ = service.instances.items()
    item = {"crn": crn, "name": name, "service_plan_unique_id": PLAN, "tags": []}
    return Answer.of({"items": [item | {"doc": {"extensions": [{"backends": "all"}]}}], "limit": 100})


def _catalog(service: Service, request: Request) -> Answer:
    """IBM Cloud's catalogue, by which a client finds the plan of an instance."""
    return Answer.of({"overview_ui": {"en": {"display_name": "Open"}}, "metadata": {"pricing": {"type": "free"}}})


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


def answer(service: Service, request: Request) -> Answer:
    """What the service says to a request whose sender may ask.

    Raises:
        ApiError: it refuses, or there is no such address.
    """
    for method, path, endpoint in ROUTES:
        if method == request.method and (found := re.fullmatch(path, request.path)):
            return endpoint(service, request, *found.groups())
    raise ApiError(404, 1200, f"There is no {request.method} {request.path} here.")
