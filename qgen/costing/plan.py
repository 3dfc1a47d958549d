"""What a piece of work would cost on IBM's hardware, before any of it is submitted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import sha256
from math import ceil, inf
from typing import Any

from qgen.backends.billing import BilledBackend, BilledExecutable
from qgen.backends.gradients import GradientMethod
from qgen.backends.ibm.budget import learned
from qgen.backends.statevector import StatevectorBackend
from qgen.costing.circuit_use import CircuitUse, sampling_uses, training_uses
from qgen.errors import BackendError, BudgetError
from qgen.nn.compiled import CompiledCircuit
from qgen.runs.building import build_generator
from qgen.runs.config import RunConfig
from qgen.runs.generators import ImageGenerator, Learner
from qgen.transpilation import WorkloadCost
from qgen.transpilation.tiling import Tiling

TRAINING = "training"


@dataclass(frozen=True)
class PlannedLayer:
    """One quantum layer's part of the work, or that part of it in which its calls are alike.

    Attributes:
        layer: its place in the network.
        qubits: of its circuit.
        tiles: copies that run side by side.
        success: of the best and of the worst copy as the device is today, see `Success.total`.
        submissions: how often it is called, one call after the other.
        cost: of one call.
        overrun: how many times as long jobs take, by what the journal's were billed.
        moved: why its circuit lies elsewhere than before; None: it does not.
        calibration: the moment of the calibration by which its place was chosen; None: the device's last one.
        success_then: of the best and of the worst copy by that calibration.
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

    @property
    def seconds(self) -> float:
        """QPU seconds of all calls, each job in whole seconds, since IBM's time limit for a job is one."""
        jobs = self.cost.jobs
        return self.submissions * jobs * learned(ceil(self.cost.seconds / jobs), self.overrun) if jobs else 0.0


@dataclass(frozen=True)
class HardwarePlan:
    """All that is to be submitted.

    Attributes:
        task: in words.
        purpose: by which the journal knows it.
        device: its name.
        layers: those of the network.
        repeats: how often all of it is done, as steps of training.
        queue: how many jobs wait for the device.
        allowance: QPU seconds that the account has left; None: not known, or without limit.
        done: QPU seconds of this work that were spent before, or are on their way, as planned.
        overrun: how many times as long as by the device's numbers jobs take, by what the journal's were billed.
        calibrated: the moment of the device's last calibration; None where IBM does not say.
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
        """Why circuits lie elsewhere than before."""
        return tuple(dict.fromkeys(layer.moved for layer in self.layers if layer.moved is not None))

    @property
    def jobs(self) -> int:
        """How many jobs."""
        return self._sum(lambda layer: layer.cost.jobs)

    @property
    def circuits(self) -> int:
        """Executions of the device, shots apart."""
        return self._sum(lambda layer: layer.cost.circuits)

    @property
    def executions(self) -> int:
        """Executions of the device."""
        return self._sum(lambda layer: layer.cost.executions)

    @property
    def seconds(self) -> float:
        """QPU seconds in all, as an upper bound."""
        return self.repeats * sum(layer.seconds for layer in self.layers)

    @property
    def left(self) -> float:
        """QPU seconds that are still to be spent."""
        return max(0.0, self.seconds - self.done)

    @property
    def share(self) -> float | None:
        """What is left to spend, as a part of the account's allowance."""
        if self.allowance is None:
            return None
        return self.left / self.allowance if self.allowance > 0 else inf if self.left else 0.0

    def plain(self) -> dict[str, Any]:
        """As plain values, ready for JSON."""
        layers = [
            {
                "layer": layer.layer,
                "qubits": layer.qubits,
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
        further = {"overrun": self.overrun, "moved": self.moved, "qpu_seconds": self.seconds, "layers": layers}
        return {name: getattr(self, name) for name in names} | further

    def _sum(self, each: Callable[[PlannedLayer], int]) -> int:
        return self.repeats * sum(layer.submissions * each(layer) for layer in self.layers)


def plan_sampling(
    generator: ImageGenerator, config: RunConfig, backend: BilledBackend, count: int, seed: int
) -> HardwarePlan:
    """What sampling so many images takes.

    Args:
        generator: on the hardware; nothing of it is run.
        config: what it was built from.
        backend: the hardware.
        count: how many images.
        seed: of the images.
    """
    uses = sampling_uses(_twin(generator, config))
    layers = _planned(generator, uses, backend, lambda compiled, use: count * use.circuits)
    task = f"sampling {count} images of seed {seed} with {generator.how['words']}"
    return _plan(task, _purpose(task, generator, config, backend), backend, layers, 1)


def plan_training(
    generator: Learner, config: RunConfig, backend: BilledBackend, steps: int, since: datetime | None = None
) -> HardwarePlan:
    """What so many further steps of training take: values and gradients of each call of a layer are one submission.

    Args:
        generator: on the hardware; nothing of it is run.
        config: what it was built from.
        backend: the hardware.
        steps: how many.
        since: when the last checkpoint was written: what was submitted later is part of these steps.
    """

    def circuits(compiled: CompiledCircuit, use: CircuitUse) -> int:
        return config.training.batch * use.circuits * _evaluations(compiled, use.wants)

    layers = _planned(generator, training_uses(_twin(generator, config)), backend, circuits)
    return _plan(
        f"{steps} steps of training on {config.training.batch} images", TRAINING, backend, layers, steps, since
    )


def place_anew(generator: Learner, config: RunConfig, training: bool = False) -> None:
    """Puts the circuits of all layers where they are best on the device as it is today.

    Args:
        generator: on the hardware; nothing of it is run.
        config: what it was built from.
        training: those too that sampling does without.

    Raises:
        BackendError: a circuit does not fit, or the user pinned it.
    """
    uses = (training_uses if training else sampling_uses)(_twin(generator, config))
    for name in dict.fromkeys(use.layer for use in uses):
        layer: Any = generator.network.get_submodule(name)
        billed: BilledExecutable = layer.compiled.executable
        billed.place_anew()


def check_limit(plan: HardwarePlan, backend: BilledBackend, limit: float | None, beyond: bool = False) -> float:
    """QPU seconds that may be spent in all: the limit given, or noted before; where there is none, what is planned.

    Args:
        plan: what is to be submitted.
        backend: the hardware.
        limit: as given now; None: it was not.
        beyond: go ahead though the account has less left than the plan takes.

    Raises:
        BudgetError: the plan takes more than that, or than the account has left; nothing was submitted.
    """
    spent = backend.spent()
    given = backend.limit if limit is None else limit
    if given is not None and spent + plan.left > given:
        raise BudgetError(
            f"{plan.task} takes about {plan.left:,.1f} QPU seconds, and {spent:,.1f} of the {given:,.1f} allowed are "
            f"spent: nothing was submitted. {_way_out(plan, given - spent)}"
        )
    if plan.allowance is not None and plan.left > plan.allowance and not beyond:
        raise BudgetError(
            f"{plan.task} takes about {plan.left:,.1f} QPU seconds, and the account has {plan.allowance:,.1f} left in "
            "this period: nothing was submitted. Take fewer images, steps or shots; or submit it all the same with "
            "--beyond-account, and its jobs wait"
        )
    return spent + plan.left if given is None else given


def _way_out(plan: HardwarePlan, left: float) -> str:
    fewer = int(left / (plan.seconds / plan.repeats)) if plan.repeats > 1 else 0
    if fewer:
        return f"The limit pays for {fewer} of {plan.repeats} steps: --set training.steps=..."
    return "Raise --max-qpu-seconds, or take fewer images, steps or shots, or --hardware tiles=auto"


def _twin(generator: Learner, config: RunConfig) -> ImageGenerator:
    """The same network where running it costs nothing."""
    return build_generator(config, generator.shape, StatevectorBackend())


def _planned(
    generator: Learner,
    uses: Sequence[CircuitUse],
    backend: BilledBackend,
    circuits: Callable[[CompiledCircuit, CircuitUse], int],
) -> tuple[PlannedLayer, ...]:
    overrun, found = backend.overrun(), []
    for use in uses:
        layer: Any = generator.network.get_submodule(use.layer)
        billed: BilledExecutable = layer.compiled.executable
        tiling, today = billed.tiling, billed.tiling_now
        if tiling is None or today is None:  # nothing of it is measured
            continue
        cost, size = billed.cost(circuits(layer.compiled, use)), (use.circuit.qubits, len(tiling.tiles))
        planned = PlannedLayer(use.layer, *size, _range(today), use.submissions, cost, overrun, billed.moved)
        if billed.calibration not in (None, backend.calibrated):
            planned = replace(planned, calibration=billed.calibration, success_then=_range(tiling))
        found.append(planned)
    return tuple(found)


def _range(tiling: Tiling) -> tuple[float, float]:
    return max(tiling.successes), min(tiling.successes)


def _evaluations(compiled: CompiledCircuit, wants: tuple[bool, bool]) -> int:
    method: GradientMethod = compiled.gradient
    return method.evaluations(compiled.executable, wants)


def _purpose(task: str, generator: ImageGenerator, config: RunConfig, backend: BilledBackend) -> str:
    """The task, with a mark of all that its jobs depend on: the same words with other weights are other work."""
    mark = sha256(repr((backend.name, backend.capabilities.shots, config.plain())).encode())
    for weights in generator.network.state_dict().values():
        mark.update(weights.detach().cpu().numpy().tobytes())
    return f"{task} ({mark.hexdigest()[:8]})"


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
    done = float(sum(learned(estimate, overrun) for estimate in backend.estimates(purpose, since)))
    where = backend.name, layers, repeats
    return HardwarePlan(task, purpose, *where, queue, allowance, done, overrun, backend.calibrated)
