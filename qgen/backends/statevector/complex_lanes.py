"""Complex numbers in lanes: a pair of `Lanes`, real parts and imaginary parts, that kernels compute with.

An array holds a vector of real parts, then one of imaginary parts. Each function here becomes a few instructions of
LLVM, in the order that its docstring gives: numba has little to look at, so that kernels compile quickly.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from qgen.backends.statevector.lanes import FLAGS, LanesType, in_every_lane, lane_address, permuted, widened_sum


def _pair(lanes: Any) -> Any:
    return types.UniTuple(lanes, 2)


def _parts(builder: Any, value: Any) -> tuple[Any, Any]:
    return builder.extract_value(value, 0), builder.extract_value(value, 1)


def _joined(context: Any, builder: Any, lanes: Any, real: Any, imaginary: Any) -> Any:
    empty = ir.Constant(context.get_value_type(_pair(lanes)), ir.Undefined)
    return builder.insert_value(builder.insert_value(empty, real, 0), imaginary, 1)


def _product(builder: Any, a: Any, b: Any, conjugate: bool, total: Any = None) -> tuple[Any, Any]:
    """`total` plus a times b, or times its conjugate, of pairs of vectors."""

    def multiply(x: Any, y: Any) -> Any:
        return builder.fmul(x, y, flags=FLAGS)

    (ar, ai), (br, bi) = a, b
    real = multiply(ar, br)
    imaginary = multiply(ai, br) if conjugate else multiply(ar, bi)
    if total is not None:
        real = builder.fadd(total[0], real, flags=FLAGS)
        imaginary = builder.fadd(total[1], imaginary, flags=FLAGS)
    if conjugate:
        real = builder.fadd(real, multiply(ai, bi), flags=FLAGS)
        return real, builder.fsub(imaginary, multiply(ar, bi), flags=FLAGS)
    real = builder.fsub(real, multiply(ai, bi), flags=FLAGS)
    return real, builder.fadd(imaginary, multiply(ai, br), flags=FLAGS)


def _load(context: Any, builder: Any, array_type: Any, array: Any, index: Any) -> tuple[Any, Any]:
    """The pair of vectors from array[index] on."""
    lanes = LanesType(array_type.dtype)
    vector, align = context.get_value_type(lanes), array_type.dtype.bitwidth // 8
    first = lane_address(context, builder, array_type, array, index, vector)
    second = builder.gep(first, [ir.Constant(ir.IntType(64), 1)])
    return builder.load(first, align=align), builder.load(second, align=align)


@intrinsic
def load_pair(typing: Any, array: Any, index: Any) -> Any:
    """load_pair(array, index): the complex lanes that begin at array[index]; `array` is flat and contiguous."""
    lanes = LanesType(array.dtype)

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return _joined(context, builder, lanes, *_load(context, builder, signature.args[0], *args))

    return _pair(lanes)(array, types.intp), codegen


@intrinsic
def store_pair(typing: Any, array: Any, index: Any, value: Any) -> Any:
    """store_pair(array, index, value): the reverse of `load_pair`."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        parts, align = _parts(builder, args[2]), array.dtype.bitwidth // 8
        first = lane_address(context, builder, signature.args[0], args[0], args[1], parts[0].type)
        builder.store(parts[0], first, align=align)
        builder.store(parts[1], builder.gep(first, [ir.Constant(ir.IntType(64), 1)]), align=align)
        return context.get_dummy_value()

    return types.void(array, types.intp, value), codegen


@intrinsic
def accumulate_pair(typing: Any, array: Any, index: Any, value: Any) -> Any:
    """accumulate_pair(array, index, value): add real and imaginary parts, widened, to vectors of a float64 array."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        for k, part in enumerate(_parts(builder, args[2])):
            at = builder.add(args[1], ir.Constant(args[1].type, k * value.dtype.width))
            widened_sum(context, builder, signature.args[0], args[0], at, value.dtype, part)
        return context.get_dummy_value()

    return types.void(array, types.intp, value), codegen


@intrinsic
def zero_pair(typing: Any, array: Any) -> Any:
    """zero_pair(array): zeros, of the array's type."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return ir.Constant(context.get_value_type(signature.return_type), None)

    return _pair(LanesType(array.dtype))(array), codegen


@intrinsic
def flip_pair(typing: Any, value: Any, bit: Any) -> Any:
    """flip_pair(value, bit): as `lanes.flip`, both parts."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        parts = (permuted(builder, part, args[1], value.dtype.width) for part in _parts(builder, args[0]))
        return _joined(context, builder, value.dtype, *parts)

    return value(value, types.intp), codegen


@intrinsic
def add_times_conjugate(typing: Any, total: Any, a: Any, b: Any) -> Any:
    """add_times_conjugate(total, a, b): total + a conj(b): total.re + a.re b.re + a.im b.im and the like."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        before, left, right = (_parts(builder, value) for value in args)
        return _joined(context, builder, total.dtype, *_product(builder, left, right, True, before))

    return total(total, a, b), codegen


def _row_times(spread: bool) -> Any:
    """An intrinsic (coefficients, at, x0, x1, x2, x3): sum_k c_k x_k, in this order."""

    @intrinsic
    def compute(typing: Any, coefficients: Any, at: Any, x0: Any, x1: Any, x2: Any, x3: Any) -> Any:
        lanes = x0.dtype

        def coefficient(context: Any, builder: Any, array_type: Any, array: Any, at: Any, k: int) -> tuple[Any, Any]:
            if not spread:
                where = builder.add(at, ir.Constant(at.type, 2 * k * lanes.width))
                return _load(context, builder, array_type, array, where)
            data = context.make_array(array_type)(context, builder, array).data
            places = (builder.add(at, ir.Constant(at.type, 2 * k + part)) for part in range(2))
            numbers = (builder.load(builder.gep(data, [place])) for place in places)
            real, imaginary = (in_every_lane(builder, number, context.get_value_type(lanes)) for number in numbers)
            return real, imaginary

        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            total: Any = None
            for k, value in enumerate(args[2:]):
                c = coefficient(context, builder, signature.args[0], args[0], args[1], k)
                total = _product(builder, c, _parts(builder, value), False, total)
            return _joined(context, builder, lanes, *total)

        return x0(coefficients, types.intp, x0, x1, x2, x3), codegen

    return compute


#: A row of four complex numbers, real then imaginary part, that begins at coefficients[at], times four complex lanes.
row_times = _row_times(spread=True)
#: The same with complex lanes of coefficients: a number for each lane.
row_of_lanes_times = _row_times(spread=False)
