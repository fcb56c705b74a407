"""The compiled pass over trees: seven comparisons and twelve look-ups for eight firms at a time.

A look-up in a table of eight is one lane permutation of a 256-bit register, where a gather from
memory would cost several cycles a firm. The compiler finds that instruction by itself when it is
shown a permutation of vectors, which only LLVM's own language can express; hence the intrinsic. On a
processor without such an instruction the same code is lowered to plain moves, slower and equal.

Rows are taken in blocks that stay in the second-level cache. The kernel holds no lock and starts
no thread: callers may run it on disjoint row ranges at once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol, cast

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic
from numpy.typing import NDArray

from creditlink.engine.compiled import compiled

if TYPE_CHECKING:
    from numba.core.typing.context import BaseContext
    from numba.core.typing.templates import Signature

Ints = NDArray[np.int32]
Floats = NDArray[np.float32]

BLOCK = 512  # rows; 60 features staged and summed take 240 KiB
LANES = 8


class ArrayView(Protocol):
    """An array as the emitter sees it: the addresses of its data and of its strides."""

    data: ir.Value
    strides: ir.Value


class EmitContext(Protocol):
    """What the emitter needs of numba's target."""

    def make_array(self, kind: types.Type) -> Callable[[EmitContext, ir.IRBuilder, ir.Value], ArrayView]:
        """Return what makes a view of an array of this type."""
        ...

    def get_dummy_value(self) -> ir.Value:
        """Return the value of a function that returns nothing."""
        ...


Emitter = Callable[[EmitContext, ir.IRBuilder, "Signature", Sequence[ir.Value]], ir.Value]

_I32, _I64, _F32 = ir.IntType(32), ir.IntType(64), ir.FloatType()
_INTS, _FLOATS = ir.VectorType(_I32, LANES), ir.VectorType(_F32, LANES)
_SLOT_OF = (0, 0, 0, 0, 1, 1, 2, 2, 3, 4, 5, 6)  # table row -> its split


def _ints(value: int) -> ir.Constant:
    return ir.Constant(_INTS, [value] * LANES)


def _load(builder: ir.IRBuilder, address: ir.Value, kind: ir.Type) -> ir.Value:
    value = builder.load(builder.bitcast(address, kind.as_pointer()))
    value.align = 4  # rows of a block start anywhere
    return value


def _splat(builder: ir.IRBuilder, value: ir.Value, kind: ir.VectorType) -> ir.Value:
    empty = ir.Constant(kind, ir.Undefined)
    first = builder.insert_element(empty, value, ir.Constant(_I32, 0))
    return builder.shuffle_vector(first, empty, _ints(0))


def _permute(builder: ir.IRBuilder, table: ir.Value, index: ir.Value) -> ir.Value:
    """Return table[index] by lane; LLVM makes one vpermps of these sixteen moves where it can."""
    result = ir.Constant(_INTS, ir.Undefined)
    for number in range(LANES):
        lane = ir.Constant(_I32, number)
        picked = builder.extract_element(table, builder.extract_element(index, lane))
        result = builder.insert_element(result, picked, lane)
    return result


def _emit_tree(
    context: EmitContext, builder: ir.IRBuilder, signature: Signature, arguments: Sequence[ir.Value]
) -> ir.Value:
    """Emit one tree over `rows` staged rows: compare, form the four outcomes, look up, add."""
    arrays = [
        context.make_array(kind)(context, builder, value)
        for kind, value in zip(signature.args[:6], arguments[:6], strict=True)
    ]
    tree, rows = arguments[6:]
    byte = ir.IntType(8).as_pointer()
    stage, sums, columns, thresholds, targets, tables = (builder.bitcast(a.data, byte) for a in arrays)

    def at(base: ir.Value, offset: ir.Value) -> ir.Value:
        return builder.gep(base, [offset])

    def number(value: int) -> ir.Constant:
        return ir.Constant(_I64, value)

    def row_of(array: ArrayView, base: ir.Value, index: ir.Value) -> ir.Value:
        stride = builder.extract_value(array.strides, 0)
        return at(base, builder.mul(builder.sext(index, _I64), stride))

    splits = at(columns, builder.mul(tree, number(4 * 7)))
    limits = at(thresholds, builder.mul(tree, number(4 * 7)))
    features = at(targets, builder.mul(tree, number(4 * 7)))
    table = at(tables, builder.mul(tree, number(4 * 12 * LANES)))
    inputs, cuts, outputs = [], [], []
    for slot in range(7):
        here = number(4 * slot)
        inputs.append(row_of(arrays[0], stage, _load(builder, at(splits, here), _I32)))
        cuts.append(_splat(builder, _load(builder, at(limits, here), _F32), _FLOATS))
        outputs.append(row_of(arrays[1], sums, _load(builder, at(features, here), _I32)))
    lookups = [_load(builder, at(table, number(4 * LANES * row)), _INTS) for row in range(12)]
    with cgutils.for_range(builder, builder.sdiv(rows, number(LANES)), intp=_I64) as loop:
        offset = builder.mul(loop.index, number(4 * LANES))
        bits = []
        for slot in range(7):
            below = builder.fcmp_ordered("<", _load(builder, at(inputs[slot], offset), _FLOATS), cuts[slot])
            level = (0, 1, 1, 2, 2, 2, 2)[slot]
            bits.append(builder.select(below, _ints(1 << level), _ints(0)))
        middles = [builder.or_(bits[0], bits[1]), builder.or_(bits[0], bits[2])]
        groups = [builder.or_(middles[group // 2], bits[3 + group]) for group in range(4)]
        shares: dict[int, ir.Value] = {}
        for row in range(12):
            value = _permute(builder, lookups[row], groups[row % 4])
            slot = _SLOT_OF[row]
            shares[slot] = builder.add(shares[slot], value) if slot in shares else value
        for slot in range(7):
            # One after another: two splits of a tree may be about the same feature.
            address = at(outputs[slot], offset)
            total = builder.add(_load(builder, address, _INTS), shares[slot])
            builder.store(total, builder.bitcast(address, _INTS.as_pointer())).align = 4
    return context.get_dummy_value()


def _add_tree_typed(
    typing_context: BaseContext,
    stage: types.Type,
    sums: types.Type,
    columns: types.Type,
    thresholds: types.Type,
    targets: types.Type,
    tables: types.Type,
    tree: types.Type,
    rows: types.Type,
) -> tuple[Signature, Emitter]:
    """Give numba the types and the emitter; it reads the names of these arguments."""
    signature = types.void(stage, sums, columns, thresholds, targets, tables, types.intp, types.intp)
    return signature, _emit_tree


_AddTree = Callable[[Floats, Ints, Ints, Floats, Ints, Ints, int, int], None]
_add_tree = cast("_AddTree", intrinsic(_add_tree_typed))  # called from compiled code only


def _explain_rows(
    x: Floats,
    start: int,
    stop: int,
    fill_feature: Ints,
    fill_value: Floats,
    columns: Ints,
    thresholds: Floats,
    targets: Ints,
    tables: Ints,
    scale: float,
    base_units: int,
    contributions: NDArray[np.float64],
    margin: NDArray[np.float64],
) -> None:
    """Explain rows [start, stop): `x` and `contributions` are (k, n), `margin` is (n,)."""
    width = contributions.shape[0]
    block = min(BLOCK, (stop - start + LANES - 1) // LANES * LANES)
    stage = np.zeros((fill_feature.shape[0], block), np.float32)
    sums = np.empty((width + 1, block), np.int32)  # the last row takes what belongs to no split
    totals = np.empty(block, np.int64)
    for first in range(start, stop, block):
        rows = min(block, stop - first)
        padded = (rows + LANES - 1) // LANES * LANES
        for column in range(fill_feature.shape[0]):
            feature, fill = fill_feature[column], fill_value[column]
            for i in range(rows):
                value = x[feature, first + i]
                stage[column, i] = fill if np.isnan(value) else value
        sums[:, :padded] = 0
        for tree in range(columns.shape[0]):
            _add_tree(stage, sums, columns, thresholds, targets, tables, tree, padded)
        for i in range(rows):
            totals[i] = base_units
        for feature in range(width):
            for i in range(rows):
                contributions[feature, first + i] = sums[feature, i] * scale
                totals[i] += sums[feature, i]
        for i in range(rows):
            margin[first + i] = totals[i] * scale


explain_rows = compiled(_explain_rows)
