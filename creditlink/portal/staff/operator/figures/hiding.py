"""Hiding small numbers in a table whose totals are shown, so that none of them follows from the others. Pure.

Leaving a small cell out is not enough: its row's total less the rest of the row gives it back. So further cells are
left out, until whoever knows all that is shown can place each small cell only within a range as wide as the smallest
number that is published.

Source: Hundepool et al., Handbook on Statistical Disclosure Control, 2nd edition (2024), section 4: secondary
suppression with a protection interval.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

OTHER = "other"
"""The line into which lines go that are of too few firms as a whole."""

Cell = tuple[int, int]


@dataclass(frozen=True)
class SafeTable:
    """A table that may be published: None where a number is hidden; without totals where even they would tell."""

    rows: tuple[str, ...]
    columns: tuple[str, ...]
    cells: tuple[tuple[int | None, ...], ...]
    row_totals: tuple[int | None, ...]
    column_totals: tuple[int | None, ...]
    total: int


def safe_table(counts: Mapping[tuple[str, str], int], *, least: int) -> SafeTable | None:
    """Return the table that may be published of counts by row and column; None: there are fewer than `least` in all.

    Parameters
    ----------
    counts : (row, column) -> firms, each firm in one cell
    least : the smallest number above zero that is published
    """
    merged = _merged(_merged(counts, least, axis=0), least, axis=1)
    rows, columns = _names(merged, 0), _names(merged, 1)
    values = [[merged.get((row, column), 0) for column in columns] for row in rows]
    total = sum(map(sum, values))
    if total < least:
        return None
    hidden = _hidden(values, least)
    tight = any(_is_narrow(values, hidden, cell, least) for cell in _small(values, least))
    shown = tuple(
        tuple(None if (r, c) in hidden else value for c, value in enumerate(line)) for r, line in enumerate(values)
    )
    if tight:  # hiding every cell did not do: the totals alone would tell
        return SafeTable(rows, columns, shown, (None,) * len(rows), (None,) * len(columns), total)
    down = tuple(sum(line[c] for line in values) for c in range(len(columns)))
    return SafeTable(rows, columns, shown, tuple(map(sum, values)), down, total)


def _merged(counts: Mapping[tuple[str, str], int], least: int, *, axis: int) -> dict[tuple[str, str], int]:
    """Put the lines with fewer than `least` together, and the smallest other line to them while that is too few."""
    totals: dict[str, int] = {}
    for key, count in counts.items():
        totals[key[axis]] = totals.get(key[axis], 0) + count
    few = {name for name, total in totals.items() if 0 < total < least or name == OTHER}
    left = sorted((total, name) for name, total in totals.items() if name not in few and total)
    while few and left and sum(totals[name] for name in few) < least:
        few.add(left.pop(0)[1])
    found: dict[tuple[str, str], int] = {}
    for (row, column), count in counts.items():
        name = (row, column)[axis]
        if totals[name]:
            to = OTHER if name in few else name
            key = (to, column) if axis == 0 else (row, to)
            found[key] = found.get(key, 0) + count
    return found


def _names(counts: Mapping[tuple[str, str], int], axis: int) -> tuple[str, ...]:
    return tuple(sorted({key[axis] for key in counts}, key=lambda name: (name == OTHER, name)))


def _small(values: Sequence[Sequence[int]], least: int) -> Iterator[Cell]:
    return ((r, c) for r, line in enumerate(values) for c, value in enumerate(line) if 0 < value < least)


def _hidden(values: Sequence[Sequence[int]], least: int) -> set[Cell]:
    """Return the small cells, and those that are left out so that the small ones do not follow from totals."""
    small = [*_small(values, least)]
    hidden = set(small)
    for cell in small:
        while _is_narrow(values, hidden, cell, least):
            more = _cover(values, hidden, cell, least)
            if not more:  # nothing left to hide beside it: hide all, and let the caller see
                return {(r, c) for r, line in enumerate(values) for c, _ in enumerate(line)}
            hidden |= more
    return hidden


def _cover(values: Sequence[Sequence[int]], hidden: set[Cell], cell: Cell, least: int) -> set[Cell]:
    """Return the cells that, hidden too, widen what can be said of a cell, at the smallest loss of shown firms.

    Three further corners of a rectangle let a firm be moved around it without a change of any total.
    """
    r, c = cell
    best: tuple[bool, int, set[Cell]] | None = None
    for other_r, line in enumerate(values):
        for other_c, _ in enumerate(line):
            if other_r == r or other_c == c:
                continue
            corners = {(r, other_c), (other_r, c), (other_r, other_c)}
            more = corners - hidden
            if not more or any(values[i][k] == 0 for i, k in corners):  # a zero that everybody expects covers nothing
                continue
            lost = sum(values[i][k] for i, k in more)
            offer = (_is_narrow(values, hidden | more, cell, least), lost, more)
            if best is None or offer[:2] < best[:2]:
                best = offer
    return set() if best is None else best[2]


def _is_narrow(values: Sequence[Sequence[int]], hidden: set[Cell], cell: Cell, least: int) -> bool:
    """Whether all that is shown places a cell within fewer than `least` numbers."""
    up = _movable(values, hidden, cell, least, upwards=True)
    down = min(values[cell[0]][cell[1]], _movable(values, hidden, cell, least, upwards=False))
    return up + down < least


def _movable(values: Sequence[Sequence[int]], hidden: set[Cell], cell: Cell, least: int, *, upwards: bool) -> int:
    """Return by how much a cell could be larger (or smaller) with every total the same, `least` at most.

    The greatest flow from its row to its column through the other hidden cells: a row gives by lowering a cell as far
    as it goes, and a column takes by raising one without end (the other way round where the cell is to be smaller).
    """
    source, sink = ("row", cell[0]), ("column", cell[1])
    room: dict[tuple[str, int], dict[tuple[str, int], int]] = {}
    for r, c in hidden - {cell}:
        value = values[r][c]
        row, column = ("row", r), ("column", c)
        room.setdefault(row, {})[column] = value if upwards else least
        room.setdefault(column, {})[row] = least if upwards else value
    moved = 0
    while moved < least:
        path = _path(room, source, sink)
        if path is None:
            break
        step = min(least - moved, *(room[one][to] for one, to in path))
        for one, to in path:
            room[one][to] -= step
            room[to][one] = room[to].get(one, 0) + step
        moved += step
    return moved


def _path(
    room: Mapping[tuple[str, int], Mapping[tuple[str, int], int]], source: tuple[str, int], sink: tuple[str, int]
) -> list[tuple[tuple[str, int], tuple[str, int]]] | None:
    came: dict[tuple[str, int], tuple[str, int]] = {source: source}
    waiting = deque([source])
    while waiting and sink not in came:
        one = waiting.popleft()
        for to, left in room.get(one, {}).items():
            if left > 0 and to not in came:
                came[to] = one
                waiting.append(to)
    if sink not in came:
        return None
    path, at = [], sink
    while at != source:
        path.append((came[at], at))
        at = came[at]
    return path
