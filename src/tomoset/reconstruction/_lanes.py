"""Sums of 64 neighbouring float32 that stay in vector registers from the first term to the last.

LLVM does not keep an accumulator of that width over a loop by itself: it writes it to memory after every term. The type
``_Lanes`` is one LLVM vector, legal on every processor (the back end splits it into the registers that there are); the
same sums as plain loops are in ``_sums.py``, bit for bit, for a numba that does not take these intrinsics.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba import njit, types  # noqa: TID253
from numba.core import cgutils  # noqa: TID253
from numba.extending import intrinsic, models, register_model  # noqa: TID253
from numpy.typing import NDArray

__all__ = ["LANES", "four_by_four", "prove", "sum_entries", "sum_pairs", "turn"]

LANES = 64
# Their stubs say that a caller passes the typing context too, which numba does.
_intrinsic: Callable[[Callable[..., Any]], Callable[..., Any]] = intrinsic
_struct_proxy: Any = cgutils.create_struct_proxy
_TURN = 16
_INDEX = ir.IntType(32)
_WIDE = ir.VectorType(ir.FloatType(), LANES)
_NARROW = ir.VectorType(ir.FloatType(), _TURN)
_FOUR = ir.VectorType(ir.FloatType(), 4)

Floats = NDArray[np.float32]
Offsets = NDArray[np.uint32]


class _Lanes(types.Type):
    """64 float32 in registers."""

    def __init__(self) -> None:
        super().__init__(name="Lanes64")


_LANES_TYPE = _Lanes()


@register_model(_Lanes)
class _LanesModel(models.PrimitiveModel):
    def __init__(self, manager: Any, numba_type: Any) -> None:
        super().__init__(manager, numba_type, _WIDE)  # type: ignore[no-untyped-call]


def _pointer(context: Any, builder: Any, array_type: Any, array: Any, index: Any, vector: Any) -> Any:
    data = _struct_proxy(array_type)(context, builder, array).data
    return builder.bitcast(builder.gep(data, [index]), vector.as_pointer())


@_intrinsic
def _zeros(typing_context: Any) -> Any:
    """All lanes zero."""
    del typing_context

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        del context, builder, signature, arguments
        return ir.Constant(_WIDE, [0.0] * LANES)

    return _LANES_TYPE(), generate


@_intrinsic
def _plus_scaled(typing_context: Any, total: Any, array: Any, at: Any, weight: Any) -> Any:
    """``total + weight * array[at : at + 64]`` with one rounding."""
    del typing_context, at, weight

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        before, values, index, factor = arguments
        place = _pointer(context, builder, signature.args[1], values, index, _WIDE)
        empty = ir.Constant(_WIDE, ir.Undefined)
        first = builder.insert_element(empty, factor, ir.Constant(_INDEX, 0))
        same = ir.Constant(ir.VectorType(_INDEX, LANES), [0] * LANES)
        factors = builder.shuffle_vector(first, empty, same)
        product = builder.fmul(builder.load(place, align=4), factors, flags=("contract",))
        return builder.fadd(before, product, flags=("contract",))

    return total(total, array, types.uint64, types.float32), generate


@_intrinsic
def _load(typing_context: Any, array: Any, at: Any) -> Any:
    """``array[at : at + 64]``."""
    del typing_context, at

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array_at = _pointer(context, builder, signature.args[0], arguments[0], arguments[1], _WIDE)
        return builder.load(array_at, align=4)

    return _LANES_TYPE(array, types.uint64), generate


@_intrinsic
def _store(typing_context: Any, array: Any, at: Any, lanes: Any) -> Any:
    """Write to ``array[at : at + 64]``."""
    del typing_context, at

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        place = _pointer(context, builder, signature.args[0], arguments[0], arguments[1], _WIDE)
        builder.store(arguments[2], place, align=4)
        return context.get_dummy_value()

    return types.void(array, types.uint64, lanes), generate


def _turned(builder: Any, rows: list[Any]) -> list[Any]:
    """16 vectors of 16 transposed, in four rounds that exchange ever larger blocks."""
    for distance in (1, 2, 4, 8):
        low = [k if not k & distance else _TURN + k - distance for k in range(_TURN)]
        high = [k + distance if not k & distance else _TURN + k for k in range(_TURN)]
        masks = [ir.Constant(ir.VectorType(_INDEX, _TURN), mask) for mask in (low, high)]
        rows = [
            builder.shuffle_vector(rows[i & ~distance], rows[i | distance], masks[bool(i & distance)])
            for i in range(_TURN)
        ]
    return rows


@_intrinsic
def _turn_16_by_16(
    typing_context: Any, source: Any, source_at: Any, source_step: Any, target: Any, at: Any, step: Any
) -> Any:
    """``target[at + j * step + i] = source[source_at + i * source_step + j]`` for i and j below 16."""
    del typing_context, source_at, source_step, at, step

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        def place(array: int, number: int) -> Any:
            index = builder.add(
                arguments[array + 1], builder.mul(arguments[array + 2], ir.Constant(ir.IntType(64), number))
            )
            return _pointer(context, builder, signature.args[array], arguments[array], index, _NARROW)

        rows = [builder.load(place(0, i), align=4) for i in range(_TURN)]
        for j, row in enumerate(_turned(builder, rows)):
            builder.store(row, place(3, j), align=4)
        return context.get_dummy_value()

    size = types.uint64
    return types.void(source, size, size, target, size, size), generate


@_intrinsic
def four_by_four(
    typing_context: Any, image: Any, place: Any, step: Any, table: Any, of_rows: Any, of_columns: Any
) -> Any:
    """``Σ_ij table[of_rows + i] table[of_columns + j] image[place + i * step + j]`` for i and j below 4."""
    del typing_context, place, step, of_rows, of_columns

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        values, first, wide, weights, of_row, of_column = arguments

        def four(number: int, array: Any, index: Any) -> Any:
            return builder.load(_pointer(context, builder, signature.args[number], array, index, _FOUR), align=4)

        def pick(vector: Any, lanes: list[int]) -> Any:
            mask = ir.Constant(ir.VectorType(_INDEX, 4), lanes)
            return builder.shuffle_vector(vector, ir.Constant(_FOUR, ir.Undefined), mask)

        rows = four(3, weights, of_row)
        total = ir.Constant(_FOUR, [0.0] * 4)
        for i in range(4):
            index = builder.add(first, builder.mul(wide, ir.Constant(ir.IntType(64), i)))
            product = builder.fmul(four(0, values, index), pick(rows, [i] * 4), flags=("contract",))
            total = builder.fadd(total, product, flags=("contract",))
        total = builder.fmul(total, four(3, weights, of_column))
        for lanes in ([2, 3, 2, 3], [1, 1, 1, 1]):
            total = builder.fadd(total, pick(total, lanes))
        return builder.extract_element(total, ir.Constant(_INDEX, 0))

    size = types.uint64
    return types.float32(image, size, size, table, size, size), generate


@njit(nogil=True, cache=True)
def sum_pairs(rows: Floats, offsets: Offsets, fractions: Floats, line: int, out: Floats, out_at: int) -> None:
    """``out[out_at + i] = Σ_t (1 − f_t) rows[o_t + i] + f_t rows[o_t + 64 + i]`` for i below 64.

    ``offsets, fractions`` are tables of which ``line`` is read: slices of arrays cost more than these sums.
    """
    total, table = _zeros(), np.uint64(line)
    one = np.float32(1.0)
    for t in range(np.uint64(offsets.shape[1])):
        at = np.uint64(offsets[table, t])
        fraction = fractions[table, t]
        total = _plus_scaled(total, rows, at, one - fraction)
        total = _plus_scaled(total, rows, at + np.uint64(LANES), fraction)
    _store(out, np.uint64(out_at), total)


@njit(nogil=True, cache=True)
def sum_entries(
    volume: Floats,
    offsets: Offsets,
    weights: Floats,
    line: int,
    first: int,
    last: int,
    start: int,
    out: Floats,
    out_at: int,
) -> None:
    """``out[out_at + i] += Σ_k w_k volume[o_k + start + i]`` for k from ``first`` to below ``last``, i below 64."""
    total, table = _load(out, np.uint64(out_at)), np.uint64(line)
    for k in range(np.uint64(first), np.uint64(last)):
        total = _plus_scaled(total, volume, np.uint64(offsets[table, k]) + np.uint64(start), weights[table, k])
    _store(out, np.uint64(out_at), total)


@njit(nogil=True, cache=True)
def turn(
    source: Floats, source_at: int, source_step: int, shape: tuple[int, int], target: Floats, at: int, step: int
) -> None:
    """``target[at + j * step + i] = source[source_at + i * source_step + j]`` for (i, j) within ``shape``."""
    n_i, n_j = np.uint64(shape[0]), np.uint64(shape[1])
    full_i, full_j = np.uint64(shape[0] - shape[0] % _TURN), np.uint64(shape[1] - shape[1] % _TURN)
    read, wide, write, high = np.uint64(source_at), np.uint64(source_step), np.uint64(at), np.uint64(step)
    for i in range(np.uint64(0), full_i, np.uint64(_TURN)):
        for j in range(np.uint64(0), full_j, np.uint64(_TURN)):
            _turn_16_by_16(source, read + i * wide + j, wide, target, write + j * high + i, high)
    for i in range(n_i):
        for j in range(full_j if i < full_i else np.uint64(0), n_j):
            target[write + j * high + i] = source[read + i * wide + j]


def prove() -> None:
    """Compile everything here, or raise what numba raises where it cannot."""
    row, table = np.zeros(2 * LANES, np.float32), np.zeros((1, 1), np.uint32)
    weight, out = np.ones((1, 1), np.float32), np.zeros(LANES, np.float32)
    sum_pairs(row, table, weight, 0, out, 0)
    sum_entries(row, table, weight, 0, 0, 1, 0, out, 0)
    turn(row, 0, 1, (1, 1), out, 0, 1)
    _prove_taps(row)


@njit(nogil=True, cache=True)
def _prove_taps(row: Floats) -> float:
    none = np.uint64(0)
    return four_by_four(row, none, none, row, none, none)
