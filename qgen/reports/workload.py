"""What it would cost to sample images, or to take a step of training, on a device."""

from __future__ import annotations

from dataclasses import dataclass

from qgen.backends.gradients.choice import parse_gradient
from qgen.backends.measuring import Measurement
from qgen.backends.pins import Pins
from qgen.backends.primitives import LocalRuntimeBackend
from qgen.circuits import LayerCircuit
from qgen.devices import Device
from qgen.transpilation import Found, WorkloadCost, workload_cost
from qgen.transpilation.cost import REP_DELAY_US

#: The ways to differentiate that a table compares.
GRADIENTS = ("parameter-shift", "parameter-shift:fraction=0.25", "spsa")


@dataclass(frozen=True)
class Work:
    """How much of a circuit is to be run.

    Attributes:
        images: how many are sampled.
        shots: how often each circuit is measured in each basis.
        batch: images in a step of training.
        calls: how often the circuit is called while images are sampled, one call after the other: a diffusion model
            calls it in each of its steps; 0 where only training does, as with the discriminator of a GAN.
        circuits: settings of its angles that such a call has for one image.
        training_calls: calls in the forward pass of one step of training.
        training_circuits: as `circuits`, of such a call.
    """

    images: int = 64
    shots: int = 1024
    batch: int = 16
    calls: int = 1
    circuits: int = 1
    training_calls: int = 1
    training_circuits: int = 1


@dataclass(frozen=True)
class Workload:
    """A piece of work, and what it costs.

    Attributes:
        task: "sampling", or "training step".
        gradient: how it is differentiated; None for sampling.
        images: how many.
        cost: see `WorkloadCost`.
    """

    task: str
    gradient: str | None
    images: int
    cost: WorkloadCost


def workloads(circuit: LayerCircuit, device: Device, found: Found, work: Work) -> tuple[Workload, ...]:
    """What this work costs with the circuit as it was put on the device.

    Each call is one job. A step of training takes the values and all that its gradient needs, for inputs and weights,
    in one job a call.
    """
    pins = Pins(device.name, {circuit.digest: found.isa})
    executable = LocalRuntimeBackend(device, work.shots, pins).compile(circuit)
    bases = len(Measurement(circuit.conditional.observables).bases)
    length = (found.candidate.figures.duration_us or 0.0) + (device.readout_us or 0.0)
    delay = REP_DELAY_US if device.rep_delay_us is None else device.rep_delay_us

    def cost(circuits: int, jobs: int) -> WorkloadCost:
        return workload_cost(circuits * bases, work.shots, jobs, length_us=length, rep_delay_us=delay)

    costs = []
    if work.calls:
        sampled = cost(work.images * work.calls * work.circuits, work.calls)
        costs.append(Workload("sampling", None, work.images, sampled))
    wants = circuit.num_inputs > 0, circuit.num_weights > 0
    for gradient in GRADIENTS if any(wants) else ():
        each = parse_gradient(gradient).evaluations(executable, wants)
        step = cost(work.batch * work.training_calls * work.training_circuits * each, work.training_calls)
        costs.append(Workload("training step", gradient, work.batch, step))
    return tuple(costs)
