"""Confirmation before anything is spent on hardware: the plan, the limit, and a question."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from qgen.cli.tables import print_table
from qgen.progress import Bar

if TYPE_CHECKING:
    from rich.console import Console

    from qgen.backends import Backend
    from qgen.backends.billing import BilledBackend, JobStatus
    from qgen.costing.plan import HardwarePlan, PlannedLayer
    from qgen.sampling import Trained
    from qgen.training import Trainer

#: Options of the commands that may run on hardware.
MaxSeconds = Annotated[float | None, typer.Option(min=0.1, help="Never spend more, over all that this run submits.")]
Beyond = Annotated[
    bool, typer.Option("--beyond-account", help="Submit even what takes more than the account has left: it waits.")
]
Yes = Annotated[bool, typer.Option("--yes", help="Agree to the plan for hardware without a question.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show the plan for hardware, and stop.")]
PlaceAnew = Annotated[
    bool, typer.Option("--place-anew", help="Put circuits where they are best on the hardware today.")
]
_COLUMNS = ("calls", "circuits", "executions", "QPU s", "tiles", "success")


@dataclass(frozen=True)
class SpendingArgs:
    """Arguments of the command line about spending.

    Attributes:
        max_qpu_seconds: QPU seconds that may be spent in all; None: as noted in the journal, else what the plan takes.
        beyond_account: go ahead though the account has less left than the plan takes.
        place_anew: put circuits where they are best today, wherever they were before.
        yes: do not ask.
        dry_run: show the plan only.
    """

    max_qpu_seconds: MaxSeconds = None
    beyond_account: Beyond = False
    place_anew: PlaceAnew = False
    yes: Yes = False
    dry_run: DryRun = False

    @property
    def given(self) -> bool:
        """Whether any was given."""
        return self != SpendingArgs()


def confirm_sampling(
    console: Console, trained: Trained, count: int, seed: int, args: SpendingArgs, as_json: bool
) -> bool:
    """Return whether sampling may go ahead: always where it costs nothing, else see `confirm_plan`."""
    from qgen.backends.billing import as_billed
    from qgen.costing.plan import place_anew, plan_sampling

    backend = as_billed(trained.backend)
    if backend is None:
        _refuse_args(args, trained.backend.name)
        return True
    if args.place_anew:
        place_anew(trained.generator, trained.config)
    plan = plan_sampling(trained.generator, trained.config, backend, count, seed)
    return confirm_plan(console, plan, backend, args, as_json)


def confirm_training(console: Console, trainer: Trainer, args: SpendingArgs, as_json: bool) -> bool:
    """Return whether the remaining steps of training may go ahead, as `confirm_sampling` does."""
    from qgen.backends.billing import as_billed
    from qgen.costing.plan import place_anew, plan_training

    backend = as_billed(trainer.generator.backend)
    if backend is None:
        _refuse_args(args, trainer.generator.backend.name)
        return True
    if args.place_anew:
        place_anew(trainer.generator, trainer.config, training=True)
    show_job_status(console, trainer.generator.backend, None)
    steps = trainer.total - trainer.run.steps_taken
    plan = plan_training(trainer.generator, trainer.config, backend, steps, trainer.run.last_saved)
    return confirm_plan(console, plan, backend, args, as_json)


def confirm_plan(
    console: Console, plan: HardwarePlan, backend: BilledBackend, args: SpendingArgs, as_json: bool
) -> bool:
    """Show the plan, ask, and let the backend spend what was agreed to.

    Args:
        console: where the plan is printed.
        plan: what is to be submitted.
        backend: the hardware.
        args: the arguments of the command line.
        as_json: print the plan of a dry run as JSON.

    Returns:
        Whether to go ahead; False for a dry run.

    Raises:
        BudgetError: the plan takes more than may be spent, or than the account has left.
        typer.Exit: the answer was no, or there was nobody to ask.
    """
    from qgen.costing.plan import check_limit

    if args.dry_run and as_json:
        typer.echo(json.dumps({"plan": plan.to_dict()}, indent=2))
        return False
    _print_plan(console, plan)
    if args.dry_run:
        console.print("a dry run: nothing was submitted")
        return False
    limit = check_limit(plan, backend, args.max_qpu_seconds, args.beyond_account)
    if plan.left and not args.yes:
        _ask(console)
    if args.max_qpu_seconds is not None:
        backend.allow(args.max_qpu_seconds)
    backend.authorize(limit, args.beyond_account)
    console.print(f"limit: {limit:,.1f} QPU seconds, of which {backend.spent():,.1f} are spent")
    return True


def show_job_status(console: Console, backend: Backend, bar: Bar | None) -> None:
    """Show the status of jobs on hardware while they are waited for; does nothing for other backends."""
    from qgen.backends.billing import as_billed

    billed = as_billed(backend)
    if billed is not None:
        billed.watch(_StatusLine(console, bar))


def check_args(args: SpendingArgs, name: str) -> None:
    """Refuse arguments about spending for a backend that costs nothing, by its name, before it is opened.

    Raises:
        typer.BadParameter: such an argument was given.
    """
    from qgen.backends.registry import is_billed

    if not is_billed(name):
        _refuse_args(args, name)


def _refuse_args(args: SpendingArgs, name: str) -> None:
    flags = {"--dry-run": args.dry_run, "--max-qpu-seconds": args.max_qpu_seconds is not None}
    flags |= {"--beyond-account": args.beyond_account, "--place-anew": args.place_anew}
    wrong = " and ".join(flag for flag, is_set in flags.items() if is_set)
    if wrong:
        raise typer.BadParameter(f"{wrong}: this goes with IBM's hardware, and {name} is none; leave it out.")


def _ask(console: Console) -> None:
    if not console.is_interactive:
        typer.echo("qgen: there is nobody to ask, so nothing was submitted: --yes agrees to this plan", err=True)
        raise typer.Exit(1)
    if not typer.confirm("Submit it?", err=True):
        console.print("nothing was submitted")
        raise typer.Exit(1)


def _print_plan(console: Console, plan: HardwarePlan) -> None:
    """Print what is to be submitted, layer by layer, and what it costs."""
    console.print(f"\nplan: {plan.task} on {plan.device}", soft_wrap=True)
    groups: dict[tuple[object, ...], list[PlannedLayer]] = {}
    for layer in plan.layers:
        properties = layer.qubits, layer.success, layer.cost, layer.calibration, layer.success_then
        groups.setdefault((layer.layer.partition(".")[0], *properties), []).append(layer)
    rows = [_row(group, plan.repeats) for group in groups.values()]
    print_table(console, ("", *_COLUMNS), rows, _COLUMNS, whole=True)
    console.print(
        f"QPU s, at most, each job in whole seconds; the first call: {plan.layers[0].cost.formula}",
        style="dim",
        soft_wrap=True,
    )
    done = f", {plan.done:,.0f} of them spent before" if plan.done else ""
    jobs = "1 job," if plan.jobs == 1 else f"{plan.jobs:,} jobs, one after the other,"
    console.print(
        f"{jobs} {plan.executions:,} executions, {plan.seconds:,.0f} QPU seconds{done}{_share(plan)}; "
        f"{plan.queue:,} jobs wait for the device",
        soft_wrap=True,
    )
    if any(layer.cost.parts for layer in plan.layers):
        console.print("the last job of each call calibrates readout", soft_wrap=True)
    bound = [layer.bound for layer in plan.layers]
    if any(bound):
        which = "circuits are" if all(bound) else "some circuits are"
        console.print(f"{which} compiled for these weights; training would compile them anew", soft_wrap=True)
    if plan.overrun > 1:
        console.print(f"jobs of this run took {plan.overrun:.2f} times as long as planned: counted in", soft_wrap=True)
    for group in groups.values():
        if group[0].success_then is not None:
            console.print(_layout_age(group[0], plan), soft_wrap=True)
    for reason in plan.moved:
        console.print(
            f"a circuit cannot stay where it was on {plan.device} ({reason}): what was run there is kept, and what is "
            "still to be run is run elsewhere, or not at all",
            soft_wrap=True,
        )


def _layout_age(layer: PlannedLayer, plan: HardwarePlan) -> str:
    """Return by which calibration the layout was chosen, and its success then and now."""
    then = _success(layer.success_then or layer.success, layer.tiles)
    return (
        f"{layer.layer.partition('.')[0]} lies where it was best by the calibration of {layer.calibration}: success "
        f"{then} then, {_success(layer.success, layer.tiles)} by that of {plan.calibrated}. --place-anew places it anew"
    )


def _success(success: tuple[float, float], tiles: int) -> str:
    best, worst = success
    return f"{best:.2f}" if tiles == 1 else f"{worst:.2f}-{best:.2f}"


def _share(plan: HardwarePlan) -> str:
    """Return the plan's share of what the account has left, as text."""
    if plan.share is None or plan.allowance is None:
        return ""
    if plan.allowance <= 0:
        return "; the account has no QPU seconds left"
    return f", {100 * plan.share:,.1f} % of the {plan.allowance:,.0f} s that the account has left"


def _row(group: list[PlannedLayer], repeats: int) -> list[str]:
    """Return the row for layers of one part of the network that cost the same."""
    first, calls = group[0], repeats * sum(layer.submissions for layer in group)
    layers = f"{len(group)} layers" if len(group) > 1 else "1 layer"
    return [
        f"{first.layer.partition('.')[0]}: {layers} of {first.qubits} qubits",
        *(f"{calls * number:,}" for number in (1, first.cost.circuits, first.cost.executions)),
        f"{sum(repeats * layer.seconds for layer in group):,.0f}",
        str(first.tiles),
        _success(first.success, first.tiles),
    ]


class _StatusLine:
    """Shows the status of a job that is waited for: in the bar, or without one a line for each change."""

    def __init__(self, console: Console, bar: Bar | None) -> None:
        self._console, self._bar, self._last = console, bar, ""

    def __call__(self, job: JobStatus) -> None:
        status = {"QUEUED": "waits", "RUNNING": "runs", "DONE": "is done"}.get(job.state, job.state.lower())
        position = f", {job.position} in the queue" if job.position else ""
        message = f"job {job.job_id} {status}{position}; {job.spent:,.0f} QPU s"
        if message == self._last:
            return
        self._last = message
        if self._bar is not None:
            self._bar.say(message)
        else:
            self._console.print(message, style="dim", soft_wrap=True)
