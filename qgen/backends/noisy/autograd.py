"""Values by torch operations that autograd differentiates any number of times: second derivatives of small circuits.

None of them works in place, and the matrix after every operation is kept, and the Pauli vector after every block,
4^wires numbers a sample, which the adjoint does without.
"""

from __future__ import annotations

import torch

from qgen.backends.noisy.pauli_blocks import PARTNER, SIGN
from qgen.backends.noisy.program import NoisyProgram, Ops
from qgen.backends.noisy.steps import DELAY, FIXED_1Q, ROTATION
from qgen.errors import BackendError

MOST_WIRES = 6


class AutogradValues:
    """The values of a program as a function of its angles.

    Args:
        program: the circuit, compiled with its prefix.

    Raises:
        BackendError: more than six wires.
    """

    def __init__(self, program: NoisyProgram) -> None:
        if program.wires > MOST_WIRES:
            raise BackendError(
                f"derivatives of gradients under noise take at most {MOST_WIRES} wires, and the circuit is placed on "
                f"{program.wires}: use fewer qubits, or backend `statevector`"
            )
        self._program = program
        start, key, coefficient = program.strings
        self._key, self._coefficient = torch.from_numpy(key), torch.from_numpy(coefficient)
        self._observable = torch.repeat_interleave(torch.arange(len(start) - 1), torch.from_numpy(start).diff())

    def __call__(self, angles: torch.Tensor) -> torch.Tensor:
        """Return the values (N, O), float64, for angles (N, C), float64."""
        program, samples = self._program, len(angles)
        state = angles.new_ones(samples, 1)
        for wire in range(program.wires):
            vector = angles.new_tensor([1.0, 0.0, 0.0, 1.0]).expand(samples, 4)
            for op in range(program.prefix.start[wire], program.prefix.start[wire + 1]):
                vector = (_on_one(program.prefix.ops, op, angles) @ vector.unsqueeze(-1)).squeeze(-1)
            state = (vector.unsqueeze(2) * state.unsqueeze(1)).reshape(samples, -1)
        for block, (low, high) in enumerate(program.blocks.wires.tolist()):
            matrix = torch.eye(16, dtype=angles.dtype).expand(samples, 16, 16)
            for op in range(program.blocks.start[block], program.blocks.start[block + 1]):
                matrix = _on_two(program.blocks.ops, op, angles) @ matrix
            shape = samples, 4 ** (program.wires - 1 - high), 4, 4 ** (high - low - 1), 4, 4**low
            turned = torch.einsum("nijkl,nakblc->naibjc", matrix.reshape(samples, 4, 4, 4, 4), state.reshape(shape))
            state = turned.reshape(samples, -1)
        read = state[:, self._key] * self._coefficient
        return angles.new_zeros(samples, program.observables).index_add(1, self._observable, read)


def _rotation_terms() -> torch.Tensor:
    """The matrices A, B, C (16, 3, 16, 16) of rotations about each string: A + cos(angle) B + sin(angle) C."""
    sign, rows = torch.from_numpy(SIGN), torch.arange(16)
    turned = torch.zeros(16, 16, 16, dtype=torch.float64)
    turned[rows[:, None], rows, torch.from_numpy(PARTNER)] = sign
    return torch.stack([torch.diag_embed((sign == 0).double()), torch.diag_embed((sign != 0).double()), turned], 1)


_TERMS = _rotation_terms()


def _length(ops: Ops, op: int, angles: torch.Tensor) -> torch.Tensor:
    """The operation's angle, (N, 1, 1)."""
    column = int(ops.column[op])
    if column < 0:
        return angles.new_full((1, 1, 1), float(ops.offset[op]))
    return (float(ops.factor[op]) * angles[:, column] + float(ops.offset[op])).reshape(-1, 1, 1)


def _rotation(ops: Ops, op: int, angles: torch.Tensor) -> torch.Tensor:
    fixed, cosine, sine = _TERMS[int(ops.site[op])]
    angle = _length(ops, op, angles)
    matrix: torch.Tensor = fixed + angle.cos() * cosine + angle.sin() * sine
    return matrix


def _on_one(ops: Ops, op: int, angles: torch.Tensor) -> torch.Tensor:
    """The matrix of an operation on one wire, (N or 1, 4, 4)."""
    if ops.kind[op] == ROTATION:
        return _rotation(ops, op, angles)[:, :4, :4]
    if ops.kind[op] == DELAY:
        length = _length(ops, op, angles)
        e1, e2 = (torch.exp(-float(rate) * length) for rate in ops.noise[op, :2])
        still, left_1, left_2 = angles.new_zeros(3, 4, 4)
        still[0, 0] = still[3, 0] = left_1[3, 3] = left_2[1, 1] = left_2[2, 2] = 1
        left_1[3, 0] = -1
        relaxed: torch.Tensor = still + e1 * left_1 + e2 * left_2
        return relaxed
    return torch.from_numpy(ops.ptms[ops.matrix[op], :4, :4]).unsqueeze(0)


def _on_two(ops: Ops, op: int, angles: torch.Tensor) -> torch.Tensor:
    """The matrix of an operation in a block, (N or 1, 16, 16)."""
    if ops.kind[op] == ROTATION:
        return _rotation(ops, op, angles)
    if ops.kind[op] not in (DELAY, FIXED_1Q):
        return torch.from_numpy(ops.ptms[ops.matrix[op]]).unsqueeze(0)
    one, rest = _on_one(ops, op, angles), torch.eye(4, dtype=angles.dtype)
    return torch.stack([torch.kron(rest, m) if ops.site[op] == 0 else torch.kron(m, rest) for m in one])
