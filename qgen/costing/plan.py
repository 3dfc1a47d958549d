"""HardwarePlan: what sampling or training would cost on IBM's hardware, before any of it is submitted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import sha256
from math import ceil, inf
from typing import Any, cast

from qgen.backends.billing import BilledBackend, BilledExecutable
from qgen.backends.gradients import GradientMethod
from qgen.backends.ibm.budget import expected_seconds
from qgen.backends.statevector import StatevectorBackend
from qgen.costing.circuit_use import CircuitUse, sampling_uses, training_uses
from qgen.errors import BackendError, BudgetError, counted
from qgen.generators import Generator, TrainableModel
from qgen.generators.protocols import DrawsShots
from qgen.nn.compiled import CompiledCircuit
from qgen.runs.building import build_generator, data_facts
from qgen.runs.config import RunConfig
from qgen.transpilation import WorkloadCost
from qgen.transpilation.tiling import Tiling

TRAINING = "training"


@dataclass(frozen=True)
class PlannedLayer:
    """Equal calls of one quantum layer.

    Attributes:
        layer: name of the layer in the network.
        qubits: qubits of its circuit.
        tiles: copies that run side by side.
        success: success probability of the best and of the worst copy today, see `Success.total`.
        submissions: number of calls, one after the other.
        cost: cost of one call.
        overrun: ratio of billed to estimated seconds, see `Journal.overrun`.
        moved: why the circuit's layout changed; None: it did not.
        calibration: time of the calibration by which the layout was chosen; None: the device's last one.
        success_then: success probability of the best and of the worst copy by that calibration.
        bound: whether the circuit was compiled for the weights that it runs with.
    """

    layer: str
    qubits: int
    tiles: int
    success: tuple[float, float]
    submissions: int
    cost: WorkloadCost
    overrun: float = 1.0
    moved: str | None = None
    calibration: str | None = None
    success_then: tuple[float, float] | None = None
    bound: bool = False

    @property
    def seconds(self) -> float:
        """QPU seconds of all calls, each job in whole seconds, as IBM's time limits are."""
        parts = [part for part in self.cost.parts or (self.cost,) if part.jobs]
        seconds = (part.jobs * expected_seconds(ceil(part.seconds / part.jobs), self.overrun) for part in parts)
        return self.submissions * sum(seconds)


@dataclass(frozen=True)
class HardwarePlan:
    """Everything that a task submits.

    Attributes:
        task: description of the task.
        purpose: the task's identity in the journal.
        device: name of the device.
        layers: the network's layers.
        repeats: how often all layers run, as steps of training.
        queue: number of jobs in the device's queue.
        allowance: QPU seconds that the account has left; None: not known, or unlimited.
        done: planned QPU seconds of this task's jobs that are done or submitted.
        overrun: ratio of billed to estimated seconds, see `Journal.overrun`.
        calibrated: time of the device's last calibration; None where IBM does not say.
    """

    task: str
    purpose: str
    device: str
    layers: tuple[PlannedLayer, ...]
    repeats: int
    queue: int
    allowance: float | None
    done: float
    overrun: float = 1.0
    calibrated: str | None = None

    @property
    def moved(self) -> tuple[str, ...]:
        """Why layouts changed."""
        return tuple(dict.fromkeys(layer.moved for layer in self.layers if layer.moved is not None))

    @property
    def jobs(self) -> int:
        """Number of jobs."""
        return self._sum(lambda layer: layer.cost.jobs)

    @property
    def circuits(self) -> int:
        """Number of circuits."""
        return self._sum(lambda layer: layer.cost.circuits)

    @property
    def executions(self) -> int:
        """Number of executions: circuits times shots."""
        return self._sum(lambda layer: layer.cost.executions)

    @property
    def seconds(self) -> float:
        """Upper bound on the QPU seconds in all."""
        return self.repeats * sum(layer.seconds for layer in self.layers)

    @property
    def left(self) -> float:
        """QPU seconds that are not spent yet."""
        return max(0.0, self.seconds - self.done)

    @property
    def share(self) -> float | None:
        """`left` as a fraction of the account's allowance."""
        if self.allowance is None:
            return None
        return self.left / self.allowance if self.allowance > 0 else inf if self.left else 0.0

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain values for JSON."""
        layers = [
            {
                "layer": layer.layer,
                "qubits": layer.qubits,
                "weights": "bound" if layer.bound else "open",
                "tiles": layer.tiles,
                "success_best": layer.success[0],
                "success_worst": layer.success[1],
                "calibration": layer.calibration or self.calibrated,
                "success_then": layer.success_then or layer.success,
                "submissions": layer.submissions,
                "circuits": layer.cost.circuits,
                "executions": layer.cost.executions,
                "jobs": layer.cost.jobs,
                "qpu_seconds": layer.cost.seconds,
                "formula": layer.cost.formula,
            }
            for layer in self.layers
        ]
        names = (
            "task",
            "device",
            "calibrated",
            "repeats",
            "queue",
            "allowance",
            "done",
            "jobs",
            "circuits",
            "executions",
            "left",
        )
        computed = {"overrun": self.overrun, "moved": self.moved, "qpu_seconds": self.seconds, "layers": layers}
        return {name: getattr(self, name) for name in names} | computed

    def _sum(self, per_call: Callable[[PlannedLayer], int]) -> int:
        return self.repeats * sum(layer.submissions * per_call(layer) for layer in self.layers)


def plan_sampling(
    generator: Generator, config: RunConfig, backend: BilledBackend, count: int, seed: int
) -> HardwarePlan:
    """Return the plan for sampling.

    Args:
        generator: the generator, on the hardware; nothing of it is run.
        config: the configuration that it was built from.
        backend: the hardware.
        count: number of images.
        seed: seed of the images.
    """
    if isinstance(generator, DrawsShots):
        layers = _plan_draws(generator, backend, count)
    else:
        uses = sampling_uses(_on_simulator(generator, config))
        layers = _plan_layers(generator, uses, backend, lambda compiled, use: count * use.circuits)
    task = f"sampling {counted(count, 'image')} of seed {seed} with {generator.sampling_info['words']}"
    return _plan(task, _purpose(task, generator, config, backend), backend, layers, 1)


def plan_training(
    generator: TrainableModel, config: RunConfig, backend: BilledBackend, steps: int, since: datetime | None = None
) -> HardwarePlan:
    """Return the plan for further steps of training; values and gradients of a layer's call are one submission.

    Args:
        generator: the generator, on the hardware; nothing of it is run.
        config: the configuration that it was built from.
        backend: the hardware.
        steps: number of steps.
        since: when the last checkpoint was written: what was submitted later is part of these steps.
    """

    def circuits(compiled: CompiledCircuit, use: CircuitUse) -> int:
        return config.training.batch * use.circuits * _evaluations(compiled, use.gradients)

    layers = _plan_layers(generator, training_uses(_on_simulator(generator, config)), backend, circuits)
    task = f"{counted(steps, 'step')} of training on {counted(config.training.batch, 'image')}"
    return _plan(task, TRAINING, backend, layers, steps, since)


def place_anew(generator: TrainableModel, config: RunConfig, training: bool = False) -> None:
    """Choose the best layouts by today's calibration for the circuits of all layers.

    Args:
        generator: the generator, on the hardware; nothing of it is run.
        config: the configuration that it was built from.
        training: include layers that only training uses.

    Raises:
        BackendError: a circuit does not fit, or the user pinned it.
    """
    uses = (training_uses if training else sampling_uses)(_on_simulator(generator, config))
    for name in dict.fromkeys(use.layer for use in uses):
        layer: Any = generator.network.get_submodule(name)
        executable: BilledExecutable = layer.compiled.executable
        if layer.compiled.executable.backend.name == generator.backend.name:
            executable.place_anew()


def check_limit(plan: HardwarePlan, backend: BilledBackend, limit: float | None, beyond_account: bool = False) -> float:
    """Return the QPU seconds that may be spent in all: the given limit, else the noted one, else what is planned.

    Args:
        plan: what is to be submitted.
        backend: the hardware.
        limit: the limit that the user gives now; None: none.
        beyond_account: go ahead though the account has less left than the plan takes.

    Raises:
        BudgetError: the plan takes more than that, or than the account has left; nothing was submitted.
    """
    spent = backend.spent()
    allowed = backend.limit if limit is None else limit
    if allowed is not None and spent + plan.left > allowed:
        raise BudgetError(
            f"{plan.task} takes about {plan.left:,.1f} QPU seconds, and {spent:,.1f} of the {allowed:,.1f} allowed are "
            f"spent: nothing was submitted. {_remedy(plan, allowed - spent)}"
        )
    if plan.allowance is not None and plan.left > plan.allowance and not beyond_account:
        raise BudgetError(
            f"{plan.task} takes about {plan.left:,.1f} QPU seconds, and the account has {plan.allowance:,.1f} left in "
            "this period: nothing was submitted. Take fewer images, steps or shots; or submit it all the same with "
            "--beyond-account, and its jobs wait"
        )
    return spent + plan.left if allowed is None else allowed


def _remedy(plan: HardwarePlan, left: float) -> str:
    fewer = int(left / (plan.seconds / plan.repeats)) if plan.repeats > 1 else 0
    if fewer:
        return f"The limit pays for {fewer} of {plan.repeats} steps: --set training.steps=..."
    return "Raise --max-qpu-seconds, or take fewer images, steps or shots, or --hardware tiles=auto"


def _on_simulator(generator: TrainableModel, config: RunConfig) -> Generator:
    """Return the same network on a simulator, where running it costs nothing."""
    source = generator.conditioning
    known = data_facts({} if source is None else source.data_facts)
    return build_generator(config, generator.shape, StatevectorBackend(), **known)


def _plan_layers(
    generator: TrainableModel,
    uses: Sequence[CircuitUse],
    backend: BilledBackend,
    circuits: Callable[[CompiledCircuit, CircuitUse], int],
) -> tuple[PlannedLayer, ...]:
    overrun, planned = backend.overrun(), []
    for use in uses:
        layer: Any = generator.network.get_submodule(use.layer)
        executable: BilledExecutable = layer.compiled.executable
        if layer.compiled.executable.backend.name != backend.name:  # as an encoder on the exact engine: it is free
            continue
        tiling, today = executable.tiling, executable.tiling_now
        if tiling is None or today is None:  # nothing of it is measured
            continue
        cost, size = executable.cost(circuits(layer.compiled, use)), (use.circuit.qubits, len(tiling.tiles))
        plan = PlannedLayer(use.layer, *size, _range(today), use.submissions, cost, overrun, executable.moved)
        plan = replace(plan, bound=executable.bound)
        if executable.calibration not in (None, backend.calibrated):
            plan = replace(plan, calibration=executable.calibration, success_then=_range(tiling))
        planned.append(plan)
    return tuple(planned)


def _plan_draws(generator: DrawsShots, backend: BilledBackend, count: int) -> tuple[PlannedLayer, ...]:
    """Return the one circuit whose shots are the images."""
    if generator.drawn is None:
        return ()
    executable = cast(BilledExecutable, generator.drawn)
    tiling, today = executable.tiling, executable.tiling_now
    if tiling is None or today is None:
        return ()
    cost, size = executable.cost_of_draws(1, count), (generator.drawn.circuit.qubits, len(tiling.tiles))
    layer = PlannedLayer("prior", *size, _range(today), 1, cost, backend.overrun(), executable.moved)
    return (replace(layer, bound=executable.bound),)


def _range(tiling: Tiling) -> tuple[float, float]:
    return max(tiling.successes), min(tiling.successes)


def _evaluations(compiled: CompiledCircuit, gradients: tuple[bool, bool]) -> int:
    method: GradientMethod = compiled.gradient
    return method.evaluations(compiled.executable, gradients)


def _purpose(task: str, generator: Generator, config: RunConfig, backend: BilledBackend) -> str:
    """Return the task with a hash of all that its jobs depend on: with other weights it is another task."""
    digest = sha256(repr((backend.name, backend.capabilities.shots, config.plain())).encode())
    for weights in generator.network.state_dict().values():
        digest.update(weights.detach().cpu().numpy().tobytes())
    return f"{task} ({digest.hexdigest()[:8]})"


def _plan(
    task: str,
    purpose: str,
    backend: BilledBackend,
    layers: tuple[PlannedLayer, ...],
    repeats: int,
    since: datetime | None = None,
) -> HardwarePlan:
    if not layers:
        raise BackendError(f"this model has no circuits that {backend.name} could run: leave --backend out")
    backend.begin(purpose)
    queue, allowance = backend.queue()
    overrun = layers[0].overrun
    done = float(sum(expected_seconds(estimate, overrun) for estimate in backend.estimates(purpose, since)))
    return HardwarePlan(
        task, purpose, backend.name, layers, repeats, queue, allowance, done, overrun, backend.calibrated
    )
