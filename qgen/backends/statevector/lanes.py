"""Vectors of numbers as a type of numba's: the SIMD registers that the kernels compute with.

numba only vectorises loops that LLVM can prove free of aliasing, which in-place gate updates are not. Here a kernel
loads `Lanes` from an array, computes with `+ - *` (contracted to fused multiply-adds) and stores them; LLVM cuts the
vectors to whatever width the processor has.
"""

from __future__ import annotations

import operator
import platform
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, models, overload, register_model

from qgen.compilation import inlined as inlined
from qgen.compilation import internal as internal
from qgen.compilation import kernel as kernel

WIDTH = {types.float32: 16, types.float64: 8}  # one 512-bit register, two of 256 bits, or four of 128
FLOATS = {types.float32: ir.FloatType(), types.float64: ir.DoubleType()}
FLAGS = ("contract", "nsz")  # allow a*b + c to be one instruction, and nothing that changes a sum's order


class LanesType(types.Type):
    """The numba type of a vector of `width` scalars."""

    def __init__(self, scalar: types.Float) -> None:
        self.scalar = scalar
        self.width = WIDTH[scalar]
        super().__init__(name=f"Lanes({scalar} x {self.width})")


@register_model(LanesType)
class _LanesModel(models.PrimitiveModel):
    def __init__(self, manager: Any, lanes: LanesType) -> None:
        super().__init__(manager, lanes, ir.VectorType(FLOATS[lanes.scalar], lanes.width))


def lane_address(context: Any, builder: Any, array_type: Any, array: Any, index: Any, vector: Any) -> Any:
    """Emit the address of array[index] as that of a vector."""
    data = context.make_array(array_type)(context, builder, array).data
    return builder.bitcast(builder.gep(data, [index]), vector.as_pointer())


@intrinsic
def load(typing: Any, array: Any, index: Any) -> Any:
    """load(array, index) -> Lanes: the WIDTH numbers from array[index] on; `array` is flat and contiguous."""
    lanes = LanesType(array.dtype)

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        address = lane_address(context, builder, signature.args[0], args[0], args[1], context.get_value_type(lanes))
        return builder.load(address, align=array.dtype.bitwidth // 8)

    return lanes(array, types.intp), codegen


@intrinsic
def store(typing: Any, array: Any, index: Any, value: Any) -> Any:
    """store(array, index, lanes): the reverse of `load`."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        address = lane_address(context, builder, signature.args[0], args[0], args[1], args[2].type)
        builder.store(args[2], address, align=array.dtype.bitwidth // 8)
        return context.get_dummy_value()

    return types.void(array, types.intp, value), codegen


def in_every_lane(builder: Any, number: Any, vector: Any) -> Any:
    """Emit a vector of one number."""
    first = builder.insert_element(ir.Constant(vector, ir.Undefined), number, ir.Constant(ir.IntType(32), 0))
    mask = ir.Constant(ir.VectorType(ir.IntType(32), vector.count), None)
    return builder.shuffle_vector(first, ir.Constant(vector, ir.Undefined), mask)


@intrinsic
def spread(typing: Any, array: Any, index: Any) -> Any:
    """spread(array, index) -> Lanes: the one number array[index] in every lane; `array` is flat and contiguous."""
    lanes = LanesType(array.dtype)

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        data = context.make_array(signature.args[0])(context, builder, args[0]).data
        return in_every_lane(builder, builder.load(builder.gep(data, [args[1]])), context.get_value_type(lanes))

    return lanes(array, types.intp), codegen


def widened_sum(context: Any, builder: Any, array_type: Any, array: Any, index: Any, lanes: Any, vector: Any) -> None:
    """Emit the addition of a vector, widened, to a float64 array."""
    wide = ir.VectorType(ir.DoubleType(), lanes.width)
    address = lane_address(context, builder, array_type, array, index, wide)
    addend = vector if lanes.scalar == types.float64 else builder.fpext(vector, wide)
    builder.store(builder.fadd(builder.load(address, align=8), addend), address, align=8)


@intrinsic
def accumulate(typing: Any, array: Any, index: Any, value: Any) -> Any:
    """accumulate(array, index, lanes): add the lanes, widened, to a float64 array: long sums keep their digits."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        widened_sum(context, builder, signature.args[0], args[0], args[1], value, args[2])
        return context.get_dummy_value()

    return types.void(array, types.intp, value), codegen


@intrinsic
def width(typing: Any, array: Any) -> Any:
    """width(array) -> int: how many lanes a vector of the array's numbers has, as a compile-time constant."""
    lanes = WIDTH[array.dtype]

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return context.get_constant(types.intp, lanes)

    return types.intp(array), codegen


def permuted(builder: Any, vector: Any, bit: Any, width: int) -> Any:
    """Emit what `flip` is."""
    result = vector
    for k in range(width.bit_length() - 1):
        mask = ir.Constant(ir.VectorType(ir.IntType(32), width), [lane ^ (1 << k) for lane in range(width)])
        flipped = builder.shuffle_vector(vector, ir.Constant(vector.type, ir.Undefined), mask)
        is_k = builder.icmp_signed("==", bit, ir.Constant(bit.type, k))
        result = builder.select(is_k, flipped, result)
    return result


@intrinsic
def flip(typing: Any, value: Any, bit: Any) -> Any:
    """flip(lanes, bit) -> Lanes: lane i of the result is lane i XOR 2**bit.

    One shuffle where `bit` is a constant after inlining, a chain of selects where it is not.
    """

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return permuted(builder, args[0], args[1], value.width)

    return value(value, types.intp), codegen


@intrinsic
def zeros_like(typing: Any, value: Any) -> Any:
    """zeros_like(lanes) -> Lanes of zeros."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return ir.Constant(context.get_value_type(signature.return_type), None)

    return value(value), codegen


@intrinsic
def exceeds(typing: Any, value: Any, bound: Any) -> Any:
    """exceeds(lanes, bounds) -> int: 1 where the absolute value of any lane is above that lane's bound, else 0."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        vector = args[0].type
        width = value.width
        size = f"v{width}f{value.scalar.bitwidth}"
        absolute = cgutils.get_or_insert_function(
            builder.module, ir.FunctionType(vector, [vector]), f"llvm.fabs.{size}"
        )
        above = builder.fcmp_ordered(">", builder.call(absolute, [args[0]]), args[1])
        bits = builder.bitcast(above, ir.IntType(width))
        return builder.zext(builder.icmp_unsigned("!=", bits, ir.Constant(bits.type, 0)), ir.IntType(64))

    return types.int64(value, value), codegen


@intrinsic
def total(typing: Any, value: Any) -> Any:
    """total(lanes) -> float: the sum of the lanes, in halves: the order is the same on every processor."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        (vector,) = args
        while vector.type.count > 1:
            half = vector.type.count // 2
            lower, upper = (
                builder.shuffle_vector(
                    vector,
                    ir.Constant(vector.type, ir.Undefined),
                    ir.Constant(ir.VectorType(ir.IntType(32), half), list(range(start, start + half))),
                )
                for start in (0, half)
            )
            vector = builder.fadd(lower, upper)
        return builder.extract_element(vector, ir.Constant(ir.IntType(32), 0))

    return value.scalar(value), codegen


def _arithmetic(operation: Any, instruction: str) -> None:
    @intrinsic
    def compute(typing: Any, left: Any, right: Any) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            return getattr(builder, instruction)(args[0], args[1], flags=FLAGS)

        return left(left, right), codegen

    @overload(operation)
    def resolve(left, right):  # type: ignore[no-untyped-def]  # numba compares the two signatures, hints included
        if isinstance(left, LanesType) and left == right:
            return lambda left, right: compute(left, right)
        return None


for _operation, _instruction in (
    (operator.add, "fadd"),
    (operator.iadd, "fadd"),
    (operator.sub, "fsub"),
    (operator.isub, "fsub"),
    (operator.mul, "fmul"),
):
    _arithmetic(_operation, _instruction)


_FLUSH = 0x8040  # MXCSR bits: flush-to-zero and denormals-are-zero
_IS_X86 = platform.machine().lower() in ("x86_64", "amd64")


def _mxcsr(builder: Any, name: str, slot: Any) -> None:
    void = ir.FunctionType(ir.VoidType(), [ir.IntType(8).as_pointer()])
    function = cgutils.get_or_insert_function(builder.module, void, f"llvm.x86.sse.{name}")
    builder.call(function, [builder.bitcast(slot, ir.IntType(8).as_pointer())])


@intrinsic
def flush_denormals(typing: Any) -> Any:
    """flush_denormals() -> int: treat denormal numbers as zero on this thread; returns the mode to restore.

    Small angles give products of many small amplitudes; below 1e-38 each would cost a hundred times an ordinary one.
    Does nothing on processors other than x86.
    """

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        slot = cgutils.alloca_once_value(builder, ir.Constant(ir.IntType(32), 0))
        if not _IS_X86:
            return builder.load(slot)
        _mxcsr(builder, "stmxcsr", slot)
        before = builder.load(slot)
        builder.store(builder.or_(before, ir.Constant(ir.IntType(32), _FLUSH)), slot)
        _mxcsr(builder, "ldmxcsr", slot)
        return before

    return types.uint32(), codegen


@intrinsic
def restore_denormals(typing: Any, mode: Any) -> Any:
    """restore_denormals(mode): undo `flush_denormals`."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        if _IS_X86:
            _mxcsr(builder, "ldmxcsr", cgutils.alloca_once_value(builder, args[0]))
        return context.get_dummy_value()

    return types.void(types.uint32), codegen
