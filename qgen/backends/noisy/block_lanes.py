"""A 16 x 16 matrix on two digits of Pauli vectors, and the products that its gradient sums: unrolled, lane by lane.

A vector of n digits (base 4) is 4^n rows of `V` lanes (see `lanes.py`); a group is the sixteen rows that differ in the
two digits of a block, at `at + p0 * low + p1 * high`. A matrix has one coefficient for all lanes, or one for each.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from qgen.backends.statevector.lanes import FLAGS, FLOATS, LanesType, in_every_lane, internal, store, width

Array = Any
Integers = Any
#: What `apply_groups` does: the matrix or its transpose, with coefficients for all lanes or for each.
PLAIN, TRANSPOSED, PLAIN_LANES, TRANSPOSED_LANES = range(4)
GROUP = 16


class _Memory:
    """Loads and stores of lanes, at addresses that are index + k for constants k."""

    def __init__(self, context: Any, builder: Any, array_type: Any, array: Any) -> None:
        self.builder = builder
        self.data = context.make_array(array_type)(context, builder, array).data
        self.vector = ir.VectorType(FLOATS[array_type.dtype], LanesType(array_type.dtype).width)
        self.align = array_type.dtype.bitwidth // 8

    def _address(self, index: Any) -> Any:
        return self.builder.bitcast(self.builder.gep(self.data, [index]), self.vector.as_pointer())

    def load(self, index: Any) -> Any:
        return self.builder.load(self._address(index), align=self.align)

    def store(self, index: Any, value: Any) -> None:
        self.builder.store(value, self._address(index), align=self.align)

    def spread(self, index: Any) -> Any:
        """One number, in every lane."""
        return in_every_lane(self.builder, self.builder.load(self.builder.gep(self.data, [index])), self.vector)


def _plus(builder: Any, index: Any, offset: int) -> Any:
    return builder.add(index, ir.Constant(index.type, offset)) if offset else index


def _multiply_add(builder: Any, total: Any, left: Any, right: Any) -> Any:
    product = builder.fmul(left, right, flags=FLAGS)
    return product if total is None else builder.fadd(total, product, flags=FLAGS)


@intrinsic
def _load_group(typing: Any, state: Any, at: Any, low: Any, high: Any) -> Any:
    """_load_group(state, at, low, high) -> the sixteen rows of a group, a tuple of Lanes."""
    group = types.UniTuple(LanesType(state.dtype), GROUP)

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        memory = _Memory(context, builder, signature.args[0], args[0])
        result = ir.Constant(context.get_value_type(group), ir.Undefined)
        for k in range(GROUP):
            row = builder.add(args[1], builder.mul(args[3], ir.Constant(args[3].type, k >> 2)))
            row = builder.add(row, builder.mul(args[2], ir.Constant(args[2].type, k & 3)))
            result = builder.insert_value(result, memory.load(row), k)
        return result

    return group(state, types.intp, types.intp, types.intp), codegen


def _row(lanes: bool, transposed: bool) -> Any:
    """An intrinsic (matrix, first, group): the product of a row, or a column, with a group; it begins at `first`."""

    @intrinsic
    def product(typing: Any, matrix: Any, first: Any, group: Any) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            coefficients = _Memory(context, builder, signature.args[0], args[0])
            step = (GROUP if transposed else 1) * (coefficients.vector.count if lanes else 1)
            read = coefficients.load if lanes else coefficients.spread
            total = None
            for k in range(GROUP):
                factor = read(_plus(builder, args[1], k * step))
                total = _multiply_add(builder, total, factor, builder.extract_value(args[2], k))
            return total

        return group.dtype(matrix, types.intp, group), codegen

    return product


_plain, _transposed = _row(False, False), _row(False, True)
_plain_lanes, _transposed_lanes = _row(True, False), _row(True, True)


@intrinsic
def _no_products(typing: Any, array: Any) -> Any:
    """_no_products(array) -> sixteen Lanes of zeros."""
    tile = types.UniTuple(LanesType(array.dtype), GROUP)

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return ir.Constant(context.get_value_type(tile), None)

    return tile(array), codegen


@intrinsic
def _add_products(typing: Any, tile: Any, left: Any, left_at: Any, right: Any, right_at: Any, step: Any) -> Any:
    """tile[4 r + c] + left[left_at + r step] * right[right_at + c step], as a new tile."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        rows, columns = (
            [memory.load(builder.add(args[at], builder.mul(args[5], ir.Constant(args[5].type, k)))) for k in range(4)]
            for memory, at in (
                (_Memory(context, builder, signature.args[1], args[1]), 2),
                (_Memory(context, builder, signature.args[3], args[3]), 4),
            )
        )
        result = args[0]
        for k in range(GROUP):
            total = _multiply_add(builder, builder.extract_value(args[0], k), rows[k >> 2], columns[k & 3])
            result = builder.insert_value(result, total, k)
        return result

    return tile(tile, left, types.intp, right, types.intp, types.intp), codegen


@intrinsic
def _add_tile(typing: Any, sums: Any, at: Any, tile: Any) -> Any:
    """Add entry 4 r + c of a tile, widened, to the float64 lanes at `at` + (16 r + c) lanes."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        lanes = signature.args[2].dtype
        data = context.make_array(signature.args[0])(context, builder, args[0]).data
        wide = ir.VectorType(ir.DoubleType(), lanes.width)
        for k in range(GROUP):
            index = _plus(builder, args[1], ((k >> 2) * GROUP + (k & 3)) * lanes.width)
            address = builder.bitcast(builder.gep(data, [index]), wide.as_pointer())
            value = builder.extract_value(args[2], k)
            if lanes.scalar != types.float64:
                value = builder.fpext(value, wide)
            builder.store(builder.fadd(builder.load(address, align=8), value), address, align=8)
        return context.get_dummy_value()

    return types.void(sums, types.intp, tile), codegen


@internal
def apply_groups(
    state: Array, places: Integers, count: int, low: int, high: int, matrix: Array, first: int, how: int
) -> None:
    """A block on the groups at places[:count] of `state`; `how` is PLAIN, ... and `first` where the matrix begins."""
    V = width(state)
    for k in range(count):
        group = _load_group(state, places[k], low, high)
        for p1 in range(4):
            for p0 in range(4):
                row, to = 4 * p1 + p0, places[k] + p0 * low + p1 * high
                if how == PLAIN:
                    store(state, to, _plain(matrix, first + GROUP * row, group))
                elif how == TRANSPOSED:
                    store(state, to, _transposed(matrix, first + row, group))
                elif how == PLAIN_LANES:
                    store(state, to, _plain_lanes(matrix, first + GROUP * row * V, group))
                else:
                    store(state, to, _transposed_lanes(matrix, first + row * V, group))


@internal
def add_moments(adjoint: Array, state: Array, places: Integers, count: int, low: int, high: int, sums: Array) -> None:
    """Add the sum over groups of adjoint[r] * state[c], lane by lane, to sums[16 r + c] (256 float64 lanes)."""
    V = width(state)
    for r in range(4):
        for c in range(4):
            tile = _no_products(state)
            for k in range(count):
                tile = _add_products(tile, adjoint, places[k] + r * high, state, places[k] + c * high, low)
            _add_tile(sums, (4 * r * GROUP + 4 * c) * V, tile)
