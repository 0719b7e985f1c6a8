"""Thinning, as arithmetic: points fold into a row that stands for all of them. Pure.

A row of a thinned table is a :class:`Row`; a point is the row of itself. Folding is associative, so that a minute is
the same whether it was made of points or of stretches of 10 s, and what comes late is folded into what is there.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from agents.runtime.history.tables import is_gauge
from bus_schema.influx import FieldValue, Measurement

Cell = tuple[FieldValue | None, ...]
"""A field: last value, count, and for a gauge sum, least and greatest. The last is None where the count is 0."""


@dataclass(frozen=True, slots=True)
class Row:
    """All points of a stretch of time."""

    time_ns: int
    """Its beginning; of a point its time."""
    until_ns: int
    """Time of its newest point."""
    points: int
    cells: tuple[Cell, ...]
    """In the order of the measurement's fields."""


def row_of_point(shape: Measurement, time_ns: int, values: Sequence[FieldValue | None]) -> Row:
    """Return a point as the row of itself."""
    cells: list[Cell] = []
    for field, value in zip(shape.fields, values, strict=True):
        if is_gauge(shape, field):
            cells.append((None, 0, None, None, None) if value is None else (value, 1, value, value, value))
        else:
            cells.append((value, 0 if value is None else 1))
    return Row(time_ns, time_ns, 1, tuple(cells))


def fold(rows: Iterable[Row], step_ns: int) -> list[Row]:
    """Return a row for each stretch of ``step_ns`` in which there is one, in the order of time."""
    found: dict[int, Row] = {}
    for row in rows:
        begin_ns = row.time_ns // step_ns * step_ns
        there = found.get(begin_ns)
        if there is None:
            found[begin_ns] = Row(begin_ns, row.until_ns, row.points, row.cells)
        else:
            found[begin_ns] = merged(there, row)
    return [found[begin_ns] for begin_ns in sorted(found)]


def merged(one: Row, other: Row) -> Row:
    """Return both as one row, which begins where ``one`` does."""
    older, newer = (one, other) if one.until_ns <= other.until_ns else (other, one)
    cells = tuple(_merged(old, new) for old, new in zip(older.cells, newer.cells, strict=True))
    return Row(one.time_ns, newer.until_ns, one.points + other.points, cells)


def _merged(old: Cell, new: Cell) -> Cell:
    if not new[1]:
        return old
    if not old[1]:
        return new
    count = old[1] + new[1]  # type: ignore[operator]
    if len(old) == 2:
        return new[0], count
    return new[0], count, old[2] + new[2], min(old[3], new[3]), max(old[4], new[4])  # type: ignore[operator, type-var]
