"""`qgen devserver`: IBM Quantum's service on this machine, with simulated devices."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Annotated

import typer

from qgen.cli.output import print_note
from qgen.errors import ConfigError, InputError
from qgen.interrupts import leave_signals_to_child

if TYPE_CHECKING:
    from qgen.devserver import DevServer, Fault

EXAMPLES = """\b
Examples:
  qgen devserver -- qgen sample --backend ibm_fez --count 1 --steps 1 --yes
  qgen devserver --device fake_brisbane=ibm_brisbane --ideal -- qgen backends
  qgen devserver --fault '{"path": "/jobs", "status": 503}' -- qgen backends"""

OPEN_PLAN = ("fake_fez", "fake_marrakesh", "fake_kingston")


def devserver(
    command: Annotated[
        list[str] | None,
        typer.Argument(metavar="-- COMMAND", help="What to run with the service; default: serve until Ctrl-C."),
    ] = None,
    device: Annotated[
        list[str] | None,
        typer.Option(metavar="SNAPSHOT[=NAME]", help=f"A device, and its name; default: {', '.join(OPEN_PLAN)}."),
    ] = None,
    noisy: Annotated[
        bool, typer.Option("--noisy/--ideal", help="With the errors of the snapshots, or without.")
    ] = True,
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: any that is free.")] = 0,
    seed: Annotated[int, typer.Option(min=0, help="Of all results: equal jobs get equal ones.")] = 0,
    queue_seconds: Annotated[float, typer.Option(min=0, help="How long a job waits before it runs.")] = 0.0,
    run_seconds: Annotated[float, typer.Option(min=0, help="How long a job runs at least.")] = 0.0,
    list_seconds: Annotated[float, typer.Option(min=0, help="After how long the lists of jobs have a job.")] = 0.0,
    plan_seconds: Annotated[
        float, typer.Option(min=0, help="Quantum seconds of the account; once they are used up, jobs wait.")
    ] = 600.0,
    fault: Annotated[
        list[str] | None, typer.Option(metavar="JSON", help="Something that goes wrong; see qgen.devserver.Fault.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print address, devices and environment as JSON.")] = False,
) -> None:
    """Serve simulated devices by IBM Quantum's own protocol, on this machine alone, to Qiskit's own client.

    With a command after `--`, that runs with the service; without, the environment in which programs find the service
    is printed, ready for another terminal, and it serves until Ctrl-C.
    """
    from qgen.devserver import DeviceModel, DevServer, Plan

    pairs = [text.partition("=") for text in device or OPEN_PLAN]
    models = [DeviceModel(snapshot, name, noisy) for snapshot, _, name in pairs]
    faults = [_parse_fault(text) for text in fault or ()]
    server = DevServer(
        models,
        seed=seed,
        port=port,
        queue_seconds=queue_seconds,
        run_seconds=run_seconds,
        list_seconds=list_seconds,
        plan=Plan(seconds=plan_seconds),
    )
    for parsed in faults:
        server.faults.add(parsed)
    with server:
        code = _run(command, server) if command else _serve(server, as_json)
        _print_ledger(server)
    raise typer.Exit(code)


def _parse_fault(text: str) -> Fault:
    from qgen.devserver import Fault

    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"--fault takes a JSON object, not {text[:100]!r} ({error})") from error
    if not isinstance(content, dict):
        raise ConfigError(f"--fault takes a JSON object, not {text[:100]!r}")
    return Fault.read(content)


def _print(server: DevServer, as_json: bool) -> None:
    environment = server.environment()
    if as_json:
        typer.echo(json.dumps({"url": server.url, "devices": server.devices, "environment": environment}))
    else:
        typer.echo("\n".join(f"export {name}={shlex.quote(value)}" for name, value in environment.items()))
        print_note(f"{', '.join(server.devices)} at {server.url}, until Ctrl-C; ledger: {server.url}/devserver/ledger")
    sys.stdout.flush()


def _serve(server: DevServer, as_json: bool) -> int:
    try:
        _print(server, as_json)
        threading.Event().wait()
    except KeyboardInterrupt:
        typer.echo("", err=True)
    return 0


def _run(command: list[str], server: DevServer) -> int:
    if command[0] == "qgen":  # this one, wherever it is installed
        command = [sys.executable, "-P", "-m", *command]
    try:
        with leave_signals_to_child(), subprocess.Popen(command, env=os.environ | server.environment()) as child:
            while True:
                try:
                    code = child.wait()
                    break
                except KeyboardInterrupt:  # the child receives it too, and ends when it is ready
                    continue
    except FileNotFoundError as error:
        raise InputError(f"there is no command `{command[0]}`: give one that can be run after `--`") from error
    return code if code >= 0 else 128 - code


def _print_ledger(server: DevServer) -> None:
    ledger = server.ledger
    jobs = f"{len(ledger.jobs):,} job{'s' * (len(ledger.jobs) != 1)}"
    totals = f"{jobs}, {ledger.executions:,} executions, {ledger.seconds:,.1f} quantum seconds"
    typer.echo(f"devserver: {totals}", err=True)
