"""`qgen backends`: where circuits can run, and how good each device is."""

from __future__ import annotations

import dataclasses
import os
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from qgen.cli.output import check_outputs, make_console, print_json, print_rows
from qgen.cli.tables import print_pairs, print_table
from qgen.errors import BackendError, HardwareError

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

    from rich.console import Console

    from qgen.backends import Capabilities
    from qgen.backends.ibm.live_devices import LiveDevice
    from qgen.devices import Device, DeviceSummary

EXAMPLES = """\b
Examples:
  qgen backends
  qgen backends --all  # also the small devices of former years
  qgen backends show fake_kingston
  qgen backends show fake_kingston --figure kingston.png
  qgen backends show ibm_fez  # as it is now, with an account
  qgen backends --json"""

_SHOW_EXAMPLES = """\b
Examples:
  qgen backends show aer
  qgen backends show fake_brisbane --json
  qgen backends show provider:iqm.qiskit_iqm:IQMFakeApollo
  qgen backends show fake_miami --figure miami.pdf
  qgen backends show ibm_fez --figure fez.png"""

_LOGIN_EXAMPLES = """\b
Examples:
  qgen backends login  # asks for the key, and does not show it
  qgen backends login --instance crn:v1:bluemix:public:quantum-computing:us-east:...
  qgen backends login --overwrite < key.txt"""

_PROVIDER = "provider:NAME"
#: Devices of so many qubits or fewer are left out of a list that was not asked for in full; none of them still runs.
_SMALL = 27
_HEADINGS = ("device", "qubits", "gate", "2q err", "readout", "T1 us", "calibrated", "machine")
_NUMBERS = ("qubits", "2q err", "readout", "T1 us")
#: Columns of a terminal from which on the table need not save on gaps.
_ROOMY = 90
_WORST = 5
_MOST_NAMED = 10
_NO_ACCOUNT = "there is no IBM account here: `qgen backends login` saves one"

app = typer.Typer(rich_markup_mode=None)


@app.callback(invoke_without_command=True, epilog=EXAMPLES)
def backends(
    context: typer.Context,
    show_all: Annotated[bool, typer.Option("--all", help=f"List devices of up to {_SMALL} qubits too.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, with all devices.")] = False,
) -> None:
    """List where circuits can run: simulators, IBM's devices as they are now, and published snapshots of devices.

    Errors are medians, as probabilities; T1 is in microseconds. Live devices are those
    of your account at IBM. The last column says how many jobs wait for them, and of
    snapshots whether the physical machine still runs.
    """
    if context.invoked_subcommand is not None:
        if show_all or as_json:
            raise typer.BadParameter("--all and --json of the list go without `show`; `show NAME --json` has its own.")
        return
    from qgen.backends import FORMS, backend_names, open_backend
    from qgen.devices import device_names, open_device

    simulators = {name: open_backend(name).capabilities for name in backend_names()}
    devices = sorted((open_device(name).summary for name in device_names()), key=_rank)
    if as_json:
        listed = [{"name": name, **dataclasses.asdict(capabilities)} for name, capabilities in simulators.items()]
        forms = [{"form": form, "about": about} for form, about in FORMS.items()]
        rows = [facts.to_dict() for facts in devices]
        everything = {"backends": listed, "forms": forms, "providers": sorted(_providers()), "devices": rows}
        live, problem = _live_devices()
        now = {"live": None if problem else [one.to_dict() for one in live], "live_problem": problem}
        print_json(everything | now)
        return
    _print_simulators(simulators)
    _print_live(*_live_devices())
    _print_devices(devices, show_all)


@app.command(epilog=_SHOW_EXAMPLES)
def show(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A backend, or a device: fake_fez, ibm_fez.")],
    figure: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Also draw the map of the device into a file: .png, .svg or .pdf."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show one backend; of a device, its errors and its map too, and of a live one its queue."""
    from qgen.backends import backend_names
    from qgen.devices import open_device, simulated
    from qgen.figures import ENDINGS

    if figure and figure.suffix.lower() not in ENDINGS:
        raise typer.BadParameter(f"{str(figure)!r} does not end in .png, .svg or .pdf.", param_hint="--figure")
    check_outputs(figure)
    if name in backend_names() or name in _providers() or _is_import_path(name):
        if figure:
            raise typer.BadParameter(f"{name} is no device: there is no map to draw.", param_hint="--figure")
        _show_backend(name, as_json)
        return
    if name.startswith("ibm_") or name == "least_busy":
        live = _find_live(name)
        _show_device(live.device, figure, as_json, live)
        return
    _refuse_misspelt(name)
    _show_device(open_device(simulated(name)), figure, as_json)


@app.command(epilog=_LOGIN_EXAMPLES)
def login(
    instance: Annotated[
        str | None,
        typer.Option(metavar="CRN", help="The service instance; default: IBM's client chooses, free ones first."),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the account that is saved.")] = False,
) -> None:
    """Save an IBM Quantum API key in Qiskit's own file, after asking IBM whether it is good.

    The key is read without being shown, or from the standard input. It is never written anywhere else.
    """
    from qgen.backends.ibm.account import save_account

    key = typer.prompt("API key", hide_input=True) if sys.stdin.isatty() else sys.stdin.readline()
    if not key.strip():
        raise typer.BadParameter("there is no key on the standard input.")
    save_account(key.strip(), instance, overwrite)
    typer.echo("saved: `qgen sample --backend ibm_... --dry-run` shows what a run would take")


def _may_have_account() -> bool:
    """Whether there could be an account at IBM, by a glance: its client takes seconds to import."""
    try:
        saved = Path.home() / ".qiskit" / "qiskit-ibm.json"
        return bool(os.environ.get("QISKIT_IBM_TOKEN")) or saved.exists()
    except (RuntimeError, OSError):
        return False


def _live_devices() -> tuple[list[LiveDevice], str | None]:
    """The devices of the account as they are now, or why there are none."""
    if not _may_have_account():
        return [], _NO_ACCOUNT
    from qgen.backends.ibm.live_devices import live_devices

    try:
        return live_devices(), None
    except HardwareError as error:
        return [], str(error)


def _find_live(name: str) -> LiveDevice:
    """A live device.

    Raises:
        HardwareError: there is none; the message says what snapshot there is of it.
    """
    from qgen.devices import open_device

    problem = _NO_ACCOUNT
    if _may_have_account():
        from qgen.backends.ibm.live_devices import find_live_device

        try:
            return find_live_device(name)
        except HardwareError as error:
            problem = str(error)
    try:
        open_device(name)
    except BackendError as error:
        problem = f"{problem}; {error}"
    raise HardwareError(problem)


def _print_live(live: list[LiveDevice], problem: str | None) -> None:
    console = make_console()
    console.print()
    if problem is not None or not live:
        console.print(f"live devices: {problem or 'the account has none just now'}", soft_wrap=True)
        return
    rows = []
    for one in live:
        name, *values, _, _ = _table_row(one.device.summary)
        rows.append((name, *values, _since(one.device.calibrated), f"{one.waiting:,}" if one.online else "offline"))
    _print_table(console, ("live device", *_HEADINGS[1:-1], "jobs wait"), rows)


def _print_table(console: Console, headings: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    gap = 1 if console.width < _ROOMY else 2
    print_table(console, headings, rows, (*_NUMBERS, "jobs wait"), gap, whole=True)


def _refuse_misspelt(name: str) -> None:
    from difflib import get_close_matches

    from qgen.backends import backend_names

    near = get_close_matches(name, [*backend_names(), *_providers()], 1, 0.75)
    if near:
        raise BackendError(f"there is no backend `{name}`, did you mean `{near[0]}`?")


def _providers() -> dict[str, EntryPoint]:
    """What installed packages offer, by the names of backends."""
    from qgen.backends.device.provider import provider_offers

    return {f"provider:{name}": offer for name, offer in provider_offers().items()}


def _print_simulators(simulators: dict[str, Capabilities]) -> None:
    from qgen.backends import FORMS

    known = {name: _describe_values(capabilities) for name, capabilities in simulators.items()}
    installed = ", ".join(sorted(_providers())) or "none"
    print_pairs(make_console(), (known | FORMS | {_PROVIDER: f"{FORMS[_PROVIDER]}: {installed}"}).items())


def _describe_values(capabilities: Capabilities) -> str:
    values = "exact values" if capabilities.exact else "values from shots"
    words = [
        values + " (or from shots)" * capabilities.countable,
        "a device's noise" if capabilities.noisy else "no noise",
    ]
    return ", ".join([*words, *(["adjoint gradients"] if capabilities.adjoint else [])])


def _rank(facts: DeviceSummary) -> tuple[Any, ...]:
    """The latest calibrated first, by the month; then the largest."""
    day = facts.calibrated
    return (day is None, *((-day.year, -day.month) if day else ()), -facts.qubits, facts.name)


def _print_devices(devices: list[DeviceSummary], show_all: bool) -> None:
    console = make_console()
    console.print()
    if not devices:
        console.print("No device snapshots: they come with pip install qiskit-ibm-runtime.")
        return
    shown = [facts for facts in devices if show_all or facts.status == "live" or facts.qubits > _SMALL]
    _print_table(console, _HEADINGS, map(_table_row, shown))
    if len(shown) < len(devices):
        console.print(f"\n{len(devices) - len(shown)} small devices of former years more: qgen backends --all")


def _table_row(facts: DeviceSummary) -> tuple[str, ...]:
    gate = "/".join(facts.two_qubit_gates) or "-"
    errors = _power(facts.two_qubit_error), _power(facts.readout_error)
    time = f"{facts.t1_us:.0f}" if facts.t1_us is not None else "-"
    day = f"{facts.calibrated:%Y-%m}, {_age(facts.calibrated, short=True)}" if facts.calibrated else "-"
    machine = f"retired {facts.retired:%Y}" if facts.retired else facts.status
    return facts.name, str(facts.qubits), gate, *errors, time, day, machine


def _power(error: float | None) -> str:
    return "-" if error is None else f"{error:.1e}".replace("e-0", "e-")


def _age(day: datetime | None, short: bool = False) -> str:
    if day is None:
        return "-"
    days = max((datetime.now(UTC) - (day if day.tzinfo else day.replace(tzinfo=UTC))).days, 0)
    number, unit = (days, "day") if days < 60 else (days // 30, "month") if days < 730 else (days // 365, "year")
    if short:
        return f"{number} {({'day': 'd', 'month': 'mo', 'year': 'y'})[unit]}"
    return f"{number} {unit}{'s' * (number != 1)}"


def _since(moment: datetime | None) -> str:
    """How long ago that was, in hours where it is less than two days."""
    if moment is None:
        return "-"
    hours = (datetime.now(UTC) - (moment if moment.tzinfo else moment.replace(tzinfo=UTC))).total_seconds() / 3600
    return f"{max(hours, 0):.0f} h ago" if hours < 48 else f"{_age(moment, short=True)} ago"


def _is_import_path(name: str) -> bool:
    """Whether a name is of the form `provider:module:callable`."""
    return name.startswith("provider:") and name.count(":") > 1


def _show_backend(name: str, as_json: bool) -> None:
    from qgen.backends import open_backend

    if name in (offers := _providers()):
        entry = offers[name]  # only its address: the package may be slow to import
        facts = {"name": name, "object": entry.value, "package": entry.dist.name if entry.dist else None}
        rows = {"backend": name, "object": entry.value, "package": facts["package"] or "-"}
    else:
        backend = open_backend(name)
        capabilities, more = backend.capabilities, backend.facts()
        facts = {"name": name} | dataclasses.asdict(capabilities) | more
        described = {key: str(value) for key, value in more.items()}
        rows = {"backend": name, "gives": _describe_values(capabilities)} | described
    if as_json:
        print_json(facts)
    else:
        print_rows(make_console(), rows)


def _show_device(device: Device, figure: Path | None, as_json: bool, live: LiveDevice | None = None) -> None:

    from qgen.devices import draw_device
    from qgen.devices.device import is_calibrated

    if figure:
        draw_device(device, figure)
    readout = [(error, qubit) for qubit, error in enumerate(device.readout_errors) if error and is_calibrated(error)]
    gates = [(error, pair) for pair, error in device.coupler_errors.items() if error and is_calibrated(error)]
    qubits, couplers = sorted(readout, reverse=True)[:_WORST], sorted(gates, reverse=True)[:_WORST]
    faulty = [pair for pair, error in device.coupler_errors.items() if not is_calibrated(error)]
    if as_json:
        details = {
            "worst_qubits": [{"qubit": qubit, "readout_error": error} for error, qubit in qubits],
            "worst_couplers": [{"qubits": pair, "error": error} for error, pair in couplers],
            "not_calibrated": faulty,
        }
        facts = device.summary.to_dict() if live is None else live.to_dict()
        print_json(facts | details | {"figure": figure and str(figure)})
        return
    rows = _device_rows(device.summary) | {
        **({} if live is None else _live_rows(live)),
        "worst readout": ", ".join(f"{qubit}: {_percent(error)}" for error, qubit in qubits) or "-",
        "worst couplers": ", ".join(f"{a}-{b}: {_percent(error)}" for error, (a, b) in couplers) or "-",
        **({"not calibrated": _named([f"{a}-{b}" for a, b in faulty])} if faulty else {}),
        **({"warning": "no two-qubit gate works in this snapshot"} if faulty and not couplers else {}),
        "use it": f"--backend {device.name if live else f'noisy:{device.name}'}",
    }
    print_rows(make_console(), rows | ({"drawn into": str(figure)} if figure else {}))


def _device_rows(facts: DeviceSummary) -> dict[str, str]:
    from qgen.devices.snapshots import AS_OF

    end = f"retired on {facts.retired}" if facts.retired else facts.status
    day = f"{facts.calibrated:%Y-%m-%d}, {_age(facts.calibrated)} ago" if facts.calibrated else "not said"
    gates = "/".join(facts.two_qubit_gates)
    errors = {gates: facts.two_qubit_error, "sx": facts.sx_error, "readout": facts.readout_error}
    size = f"{facts.qubits} qubit{'s' * (facts.qubits != 1)}, {facts.couplers} couplers"
    return {
        "device": ", ".join(filter(None, (facts.name, facts.processor, size))),
        "gates": ", ".join(facts.basis),
        "median errors": ", ".join(f"{what} {_percent(error)}" for what, error in errors.items() if error is not None),
        "median T1, T2": f"{_microseconds(facts.t1_us)}, {_microseconds(facts.t2_us)}",
        "calibrated": day,
        "machine": f"{end}{f' ({facts.note})' if facts.note else ''}, as of {AS_OF}",
    }


def _live_rows(live: LiveDevice) -> dict[str, str]:
    day, jobs = live.device.calibrated, f"{live.waiting:,} job{'s' * (live.waiting != 1)} wait for it"
    return {
        "calibrated": f"{day:%Y-%m-%d %H:%M %Z}, {_since(day)}" if day else "not said",
        "machine": f"{'online' if live.online else 'offline'}, {jobs}",
    }


def _percent(error: float) -> str:
    return f"{100 * error:.2g}%"


def _microseconds(time: float | None) -> str:
    return "-" if time is None else f"{time:.0f} us"


def _named(words: list[str]) -> str:
    more = len(words) - _MOST_NAMED
    return ", ".join([*words[:_MOST_NAMED], *([f"and {more} more"] if more > 0 else [])])
