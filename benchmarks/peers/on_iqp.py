"""Training of an IQP circuit, by qgen and by IQPopt, from the same angles on the same bits: tasks of workers."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

RATE = 0.01


class Task:
    """A circuit, bits to learn, and where the angles begin.

    Args:
        file: .npz with `bits` (N, n), `start` (J,) and `pairs` (J - n, 2): gates on one qubit come first.
        scales: of the kernel.
        strings, samples: of a loss, strings over all scales.
    """

    def __init__(self, file: str, scales: list[float], strings: int, samples: int) -> None:
        with np.load(file) as saved:
            self.bits, self.start, self.pairs = saved["bits"], saved["start"], saved["pairs"].tolist()
        self.scales, self.strings, self.samples = scales, strings, samples

    def __call__(self, steps: int, seed: int) -> dict[str, Any]:
        """Train, after as many steps that warm up; the CPU seconds of a step, and the angles at the end."""
        self.train(steps, seed)
        started = time.process_time()
        weights = self.train(2 * steps, seed)
        twice, between = time.process_time() - started, time.process_time()
        self.train(steps, seed)
        once = time.process_time() - between  # what is compiled anew for each training is in both
        return {"cpu_seconds": (twice - once) / steps, "weights": np.asarray(weights, dtype=float).tolist()}

    def train(self, steps: int, seed: int) -> Any:
        """Return the angles after so many steps of Adam."""
        raise NotImplementedError


class Qgen(Task):
    """`BornMachine`, in float32."""

    def train(self, steps: int, seed: int) -> Any:
        import torch

        from qgen.circuits.iqp import iqp
        from qgen.models.born.machine import BornMachine

        torch.set_num_threads(1)
        circuit = iqp(self.bits.shape[1], self.pairs)
        machine = BornMachine(circuit, "aer", 0, tuple(self.scales), self.strings, self.samples)
        with torch.no_grad():
            machine.weight.copy_(torch.from_numpy(self.start))
        optimizer = torch.optim.Adam(machine.parameters(), RATE)
        bits, source = torch.from_numpy(self.bits).float(), torch.Generator().manual_seed(seed)
        for _ in range(steps):
            optimizer.zero_grad()
            machine.loss(bits, source).backward()
            optimizer.step()
        return machine.weight.detach().numpy()


class IQPopt(Task):
    """The authors' package (XanaduAI/iqpopt, installed from its sources), which sets JAX to float64."""

    def train(self, steps: int, seed: int) -> Any:
        import iqpopt
        import jax.numpy as jnp
        from iqpopt.gen_qml import mmd_loss_iqp

        qubits = self.bits.shape[1]
        gates = [[[qubit]] for qubit in range(qubits)] + [[list(pair)] for pair in self.pairs]
        settings = {
            "params": jnp.array(self.start),
            "iqp_circuit": iqpopt.IqpSimulator(qubits, gates),
            "ground_truth": jnp.array(self.bits, dtype="float64"),
            "sigma": list(self.scales),
            "n_ops": self.strings // len(self.scales),
            "n_samples": self.samples,
        }
        trainer = iqpopt.Trainer("Adam", mmd_loss_iqp, stepsize=RATE)
        trainer.train(n_iters=steps, loss_kwargs=settings, turbo=steps, random_state=seed)
        return trainer.final_params
