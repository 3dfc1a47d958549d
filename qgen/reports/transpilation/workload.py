"""Estimate the cost of sampling and of training steps on a device."""

from __future__ import annotations

from dataclasses import dataclass

from qgen.backends.device.local import LocalRuntimeBackend
from qgen.backends.device.saved_layouts import SavedLayouts
from qgen.backends.gradients.registry import parse_gradient
from qgen.backends.measurement import Measurement
from qgen.circuits import LayerCircuit
from qgen.devices import Device
from qgen.transpilation import TranspiledCircuit, WorkloadCost, workload_cost
from qgen.transpilation.cost import REP_DELAY_US

#: Gradient methods that a report compares.
GRADIENTS = ("parameter-shift", "parameter-shift:fraction=0.25", "spsa")


@dataclass(frozen=True)
class WorkloadSpec:
    """The size of a workload.

    Attributes:
        images: number of images to sample.
        shots: per circuit and basis.
        batch: images per training step.
        calls: sequential calls of the circuit during sampling: a diffusion model has one or more per step, the
            discriminator of a GAN 0.
        circuits: bindings of its parameters per call and image.
        training_calls: calls in the forward pass of a training step.
        training_circuits: bindings per such call and image.
        one_circuit: whether all images are shots of one circuit, as of a Born machine, and `shots` means nothing.
    """

    images: int = 64
    shots: int = 1024
    batch: int = 16
    calls: int = 1
    circuits: int = 1
    training_calls: int = 1
    training_circuits: int = 1
    one_circuit: bool = False


@dataclass(frozen=True)
class Workload:
    """A workload and its cost.

    Attributes:
        task: "sampling" or "training step".
        gradient: the gradient method; None for sampling.
        images: number of images.
        cost: see `WorkloadCost`.
    """

    task: str
    gradient: str | None
    images: int
    cost: WorkloadCost


def estimate_workloads(
    circuit: LayerCircuit, device: Device, transpiled: TranspiledCircuit, spec: WorkloadSpec
) -> tuple[Workload, ...]:
    """Estimate the cost of sampling and of a training step with a transpiled circuit.

    Each call is one job. In a training step it takes the values and all evaluations of the gradient, by inputs and
    weights.
    """
    saved = SavedLayouts(device.name, {circuit.digest: transpiled.isa})
    executable = LocalRuntimeBackend(device, spec.shots, saved).compile(circuit)
    bases = len(Measurement(circuit.conditional.observables).bases)
    length = (transpiled.result.metrics.duration_us or 0.0) + (device.readout_us or 0.0)
    delay = REP_DELAY_US if device.rep_delay_us is None else device.rep_delay_us

    def cost(circuits: int, jobs: int) -> WorkloadCost:
        return workload_cost(circuits * bases, spec.shots, jobs, length_us=length, rep_delay_us=delay)

    if spec.one_circuit:
        drawn = workload_cost(1, spec.images, length_us=length, rep_delay_us=delay)
        return (Workload("sampling", None, spec.images, drawn),)
    costs = []
    if spec.calls:
        sampled = cost(spec.images * spec.calls * spec.circuits, spec.calls)
        costs.append(Workload("sampling", None, spec.images, sampled))
    trained = spec.training_calls > 0  # not with its weights bound
    wanted = trained and circuit.num_inputs > 0, trained and circuit.num_weights > 0
    for gradient in GRADIENTS if any(wanted) else ():
        evaluations = parse_gradient(gradient).evaluations(executable, wanted)
        step = cost(spec.batch * spec.training_calls * spec.training_circuits * evaluations, spec.training_calls)
        costs.append(Workload("training step", gradient, spec.batch, step))
    return tuple(costs)
