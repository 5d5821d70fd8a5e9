"""Products of coefficients and basis planes that are never stored: only their extremes are.

A score is ``Σ_k c_k(R) A_k(x)``. Blocks of 64 voxels (16 without AVX-512) and six rotations at a time are summed in
vector registers; then the largest and the smallest score of every voxel are kept with the number of their rotation.
Planes come as pairs of bfloat16, two neighbouring ranks in 32 bits, which processors with AVX-512 BF16 multiply and add
in one instruction; elsewhere the same pairs are widened to float32 first. Blocks, never sums, are divided between
threads.
"""

from collections.abc import Callable
from typing import Any

import numba  # noqa: TID253
import numpy as np
from llvmlite import binding, ir  # type: ignore[import-untyped]
from numba import njit, types  # noqa: TID253
from numba.core import cgutils  # noqa: TID253
from numba.extending import intrinsic, models, register_model  # noqa: TID253
from numpy.typing import NDArray

__all__ = ["HAS_PAIR_PRODUCTS", "LANES", "ROTATIONS", "cosine_and_sine_sums", "extremes_of_blocks", "prove"]

ROTATIONS = 6
_REGISTER = 16
_SUPER = 4  # blocks of voxels that share one pass over a stretch of rotations
_STRETCH_BYTES = 1 << 18  # of coefficients, which stay in the second-level cache meanwhile

# Their stubs say that a caller passes the typing context too, which numba does.
_intrinsic: Callable[[Callable[..., Any]], Callable[..., Any]] = intrinsic
_struct_proxy: Any = cgutils.create_struct_proxy
_function: Any = cgutils.get_or_insert_function
Floats = NDArray[np.float32]
Pairs = NDArray[np.uint32]


def _host_has(feature: str) -> bool:
    """Whether code is generated for this very processor, and it has a feature."""
    settings: Any = numba.config
    if settings.CPU_NAME or settings.CPU_FEATURES:  # a name such as "generic" promises little
        return False
    return bool(binding.get_host_cpu_features().get(feature, False))


HAS_PAIR_PRODUCTS = _host_has("avx512bf16")
LANES = 64 if _host_has("avx512f") else 16  # six sums and what they are made of fill the registers
_INDEX = ir.IntType(32)
_WIDE = ir.VectorType(ir.FloatType(), LANES)
_WIDE_INDEX = ir.VectorType(_INDEX, LANES)


class _BFloat(ir.types.Type):  # type: ignore[misc]
    """LLVM's bfloat, which llvmlite does not name."""

    def _to_string(self) -> str:
        return "bfloat"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, type(self))

    def __hash__(self) -> int:
        return hash(type(self))


_BF16 = ir.VectorType(_BFloat(), 2 * _REGISTER)
_ONE_REGISTER = ir.VectorType(ir.FloatType(), _REGISTER)


class _Lanes(types.Type):
    """As many float32 as sums are made of at a time."""

    def __init__(self) -> None:
        super().__init__(name="ScoreLanes")


_LANES_TYPE = _Lanes()


@register_model(_Lanes)
class _LanesModel(models.PrimitiveModel):
    def __init__(self, manager: Any, numba_type: Any) -> None:
        super().__init__(manager, numba_type, _WIDE)  # type: ignore[no-untyped-call]


def _pointer(context: Any, builder: Any, array_type: Any, array: Any, index: Any, pointee: Any) -> Any:
    data = _struct_proxy(array_type)(context, builder, array).data
    return builder.bitcast(builder.gep(data, [index]), pointee.as_pointer())


def _repeated(builder: Any, value: Any, count: int) -> Any:
    """A vector with the same value in every lane."""
    empty = ir.Constant(ir.VectorType(value.type, count), ir.Undefined)
    first = builder.insert_element(empty, value, ir.Constant(_INDEX, 0))
    return builder.shuffle_vector(first, empty, ir.Constant(ir.VectorType(_INDEX, count), [0] * count))


@_intrinsic
def _zeros(typing_context: Any) -> Any:
    """All lanes zero."""
    del typing_context

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        del context, builder, signature, arguments
        return ir.Constant(_WIDE, [0.0] * LANES)

    return _LANES_TYPE(), generate


@_intrinsic
def _plus_pairs(typing_context: Any, total: Any, planes: Any, at: Any, coefficients: Any, where: Any) -> Any:
    """``total`` plus both products of ``planes[at : at + LANES]`` and ``coefficients[where]``, in one instruction."""
    del typing_context, at, where

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        before, values, index, factors, place = arguments
        kind = ir.FunctionType(_ONE_REGISTER, [_ONE_REGISTER, _BF16, _BF16])
        multiply = _function(builder.module, kind, "llvm.x86.avx512bf16.dpbf16ps.512")
        factor = builder.load(_pointer(context, builder, signature.args[3], factors, place, _INDEX), align=4)
        both = builder.bitcast(_repeated(builder, factor, _REGISTER), _BF16)
        parts = []
        for part in range(LANES // _REGISTER):
            lanes = [part * _REGISTER + i for i in range(_REGISTER)]
            mask = ir.Constant(ir.VectorType(_INDEX, _REGISTER), lanes)
            here = builder.shuffle_vector(before, ir.Constant(_WIDE, ir.Undefined), mask)
            offset = builder.add(index, ir.Constant(ir.IntType(64), part * _REGISTER))
            pairs = builder.load(_pointer(context, builder, signature.args[1], values, offset, _BF16), align=4)
            parts.append(builder.call(multiply, [here, pairs, both]))
        return _joined(builder, parts)

    return total(total, planes, types.uint64, coefficients, types.uint64), generate


def _joined(builder: Any, parts: list[Any]) -> Any:
    """Vectors one behind the other."""
    while len(parts) > 1:
        width = parts[0].type.count
        mask = ir.Constant(ir.VectorType(_INDEX, 2 * width), list(range(2 * width)))
        parts = [builder.shuffle_vector(a, b, mask) for a, b in zip(parts[::2], parts[1::2], strict=True)]
    return parts[0]


@_intrinsic
def _plus_widened(typing_context: Any, total: Any, planes: Any, at: Any, coefficients: Any, where: Any) -> Any:
    """The same in float32: a bfloat16 is the upper half of a float32."""
    del typing_context, at, where

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        before, values, index, factors, place = arguments
        pairs = builder.load(_pointer(context, builder, signature.args[1], values, index, _WIDE_INDEX), align=4)
        factor = builder.load(_pointer(context, builder, signature.args[3], factors, place, _INDEX), align=4)
        for shift_first in (True, False):
            widened = []
            for bits, count in ((pairs, LANES), (factor, 0)):
                amount = ir.Constant(_INDEX, 16 if shift_first else -65536)
                amount = _repeated(builder, amount, count) if count else amount
                high = builder.shl(bits, amount) if shift_first else builder.and_(bits, amount)
                widened.append(builder.bitcast(high, _WIDE if count else ir.FloatType()))
            product = builder.fmul(widened[0], _repeated(builder, widened[1], LANES), flags=("contract",))
            before = builder.fadd(before, product, flags=("contract",))
        return before

    return total(total, planes, types.uint64, coefficients, types.uint64), generate


@_intrinsic
def _plus_scaled(typing_context: Any, total: Any, values: Any, at: Any, factor: Any) -> Any:
    """``total + factor * values[at : at + LANES]`` with one rounding."""
    del typing_context, at, factor

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        before, array, index, scale = arguments
        there = builder.load(_pointer(context, builder, signature.args[1], array, index, _WIDE), align=4)
        product = builder.fmul(there, _repeated(builder, scale, LANES), flags=("contract",))
        return builder.fadd(before, product, flags=("contract",))

    return total(total, values, types.uint64, types.float32), generate


@_intrinsic
def _store(typing_context: Any, values: Any, at: Any, total: Any) -> Any:
    """Write to ``values[at : at + LANES]``."""
    del typing_context, at

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        builder.store(arguments[2], _pointer(context, builder, signature.args[0], arguments[0], arguments[1], _WIDE), 4)
        return context.get_dummy_value()

    return types.void(values, types.uint64, total), generate


def _keep(wanted: str) -> Callable[..., Any]:
    """Intrinsic that keeps the largest (">") or smallest ("<") of what is there and six totals."""

    def typed(typing_context: Any, values: Any, which: Any, at: Any, first: Any, totals: Any) -> Any:
        del typing_context, at, first

        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            place = _pointer(context, builder, signature.args[0], arguments[0], arguments[2], _WIDE)
            numbers = _pointer(context, builder, signature.args[1], arguments[1], arguments[2], _WIDE_INDEX)
            best, found = builder.load(place, align=4), builder.load(numbers, align=4)
            for offset in range(ROTATIONS):
                total = builder.extract_value(arguments[4], offset)
                beats = builder.fcmp_ordered(wanted, total, best)
                number = builder.add(arguments[3], ir.Constant(_INDEX, offset))
                best = builder.select(beats, total, best)
                found = builder.select(beats, _repeated(builder, number, LANES), found)
            builder.store(best, place, align=4)
            builder.store(found, numbers, align=4)
            return context.get_dummy_value()

        return types.void(values, which, types.uint64, types.int32, totals), generate

    return _intrinsic(typed)


_keep_largest, _keep_smallest = _keep(">"), _keep("<")
_plus = _plus_pairs if HAS_PAIR_PRODUCTS else _plus_widened


@njit(nogil=True, cache=True)
def extremes_of_blocks(
    planes: Pairs,
    coefficients: Pairs,
    first: int,
    last: int,
    best: Floats,
    which: NDArray[np.int32],
    worst: Floats,
    which_worst: NDArray[np.int32],
) -> None:
    """Largest and smallest score of voxels ``first`` to below ``last`` over all rotations.

    Parameters
    ----------
    planes : (pairs of ranks, voxels) array of uint32
        Voxels a multiple of ``LANES``.
    coefficients : (groups of six rotations, pairs of ranks, 6) array of uint32
        Rotations that fill up the last group repeat one of its others.
    first, last : int
        Multiples of ``LANES``.
    best, which, worst, which_worst : (voxels,) arrays
        Results; what they hold before takes part.
    """
    n_pairs, groups = planes.shape[0], coefficients.shape[0]
    wide = np.uint64(LANES)
    block = np.empty(_SUPER * n_pairs * LANES, np.uint32)
    factors = coefficients.reshape(-1)
    per_group = n_pairs * ROTATIONS
    stretch = max(1, _STRETCH_BYTES // (4 * per_group))
    for start in range(first, last, _SUPER * LANES):
        here = min(_SUPER, (last - start) // LANES)
        for sub in range(here):
            for p in range(n_pairs):
                for i in range(LANES):
                    block[(sub * n_pairs + p) * LANES + i] = planes[p, start + sub * LANES + i]
        for group_first in range(0, groups, stretch):
            for sub in range(here):
                at = np.uint64(start + sub * LANES)
                for group in range(group_first, min(group_first + stretch, groups)):
                    t0, t1, t2, t3, t4, t5 = _zeros(), _zeros(), _zeros(), _zeros(), _zeros(), _zeros()
                    read = np.uint64(sub * n_pairs * LANES)
                    c = np.uint64(group * per_group)
                    for _ in range(n_pairs):
                        t0 = _plus(t0, block, read, factors, c)
                        t1 = _plus(t1, block, read, factors, c + np.uint64(1))
                        t2 = _plus(t2, block, read, factors, c + np.uint64(2))
                        t3 = _plus(t3, block, read, factors, c + np.uint64(3))
                        t4 = _plus(t4, block, read, factors, c + np.uint64(4))
                        t5 = _plus(t5, block, read, factors, c + np.uint64(5))
                        read += wide
                        c += np.uint64(ROTATIONS)
                    number = np.int32(group * ROTATIONS)
                    _keep_largest(best, which, at, number, (t0, t1, t2, t3, t4, t5))
                    _keep_smallest(worst, which_worst, at, number, (t0, t1, t2, t3, t4, t5))


@njit(nogil=True, cache=True)
def cosine_and_sine_sums(
    even: Floats, odd: Floats, cosine: Floats, sine: Floats, row: int, low: int, high: int, p: Floats, q: Floats
) -> None:
    """``p = Σ_z cosine[row, z] even[z]`` and ``q = Σ_z sine[row, z] odd[z]`` for entries ``low`` to below ``high``.

    Rows are a multiple of ``LANES`` long; entries beside the ones wanted may be overwritten.
    """
    count, length = np.uint64(even.shape[0]), np.uint64(even.shape[1])
    evens, odds, line = even.reshape(-1), odd.reshape(-1), np.uint64(row)
    for j in range(np.uint64(low // LANES * LANES), np.uint64(high), np.uint64(LANES)):
        a, b = _zeros(), _zeros()
        for z in range(count):
            a = _plus_scaled(a, evens, j + z * length, cosine[line, z])
            b = _plus_scaled(b, odds, j + z * length, sine[line, z])
        _store(p, j, a)
        _store(q, j, b)


def prove() -> None:
    """Compile everything here, or raise what numba raises where it cannot."""
    planes, coefficients = np.zeros((1, LANES), np.uint32), np.zeros((1, 1, ROTATIONS), np.uint32)
    values, numbers = np.zeros(LANES, np.float32), np.zeros(LANES, np.int32)
    extremes_of_blocks(planes, coefficients, 0, LANES, values, numbers, values.copy(), numbers.copy())
    row = np.zeros((1, LANES), np.float32)
    cosine_and_sine_sums(row, row, row, row, 0, 0, LANES, values, values)
