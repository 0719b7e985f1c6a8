"""The linear program over the hours ahead: how much current each group of cars should get in each step.

A variable is the current of one group in one step. What now is worth is split into pieces, so that minimum currents
come first, cars that charge keep on, and equal cars share. ``|sum| ≤ limit`` with angles becomes tangents of its
circle; the plan itself is checked against the circle.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import highspy
import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from agents.load_balancer.allocation.network import Floats, alike

TANGENT_RAD = np.pi / 15
"""At most this between two tangents: 0.55 % outside the circle between them."""
SHARING = 0.004
"""How much more each third of a current is worth than the next: equal cars share."""

HOLDING = 0.03
"""How much more current that is offered already is worth than other current: it is not moved about for little."""


class SolverFailed(Exception):
    """There is no solution to use; the text says why."""


@dataclass(frozen=True, slots=True)
class Program:
    """``maximise cost·x`` with ``rows·x ≤ upper`` (of equality where ``lower`` says so) and ``0 ≤ x ≤ bounds``."""

    cost: Floats
    bounds: Floats
    rows: sparse.csc_matrix
    lower: Floats
    upper: Floats


Solve = Callable[[Program, float], Floats]
"""Solves a program within seconds of time; raises :class:`SolverFailed`."""


@dataclass(frozen=True, slots=True)
class Groups:
    """What the program is about; arrays have a row per group."""

    matrix: NDArray[np.complex128]
    """Constraint × group."""
    limits: Floats
    """Constraint × step."""
    most_a: Floats
    """Group × step: the highest current, presence considered."""
    value: Floats
    """Group × step: what one Wh is worth then."""
    watts_per_a: Floats
    wanted_wh: Floats
    floor_a: Floats
    """How much of the first step's current is minimum currents, and …"""
    floor_value: Floats
    """… what a Wh of it is worth."""
    held_a: Floats
    """How much of it is current that is offered already, above the minimum."""
    step_h: Floats


def highs(program: Program, seconds: float) -> Floats:
    """Solve with HiGHS on one thread."""
    if seconds <= 0:
        raise SolverFailed("no time was left for the solver")
    solver = highspy.Highs()  # type: ignore[no-untyped-call]
    solver.setOptionValue("output_flag", False)
    solver.setOptionValue("threads", 1)
    solver.setOptionValue("time_limit", float(seconds))
    model = highspy.HighsLp()
    rows = program.rows
    model.num_col_, model.num_row_ = rows.shape[1], rows.shape[0]
    model.col_cost_, model.col_lower_, model.col_upper_ = -program.cost, np.zeros(rows.shape[1]), program.bounds
    model.row_lower_, model.row_upper_ = program.lower, program.upper
    model.a_matrix_.format_ = highspy.MatrixFormat.kColwise
    model.a_matrix_.start_, model.a_matrix_.index_, model.a_matrix_.value_ = rows.indptr, rows.indices, rows.data
    if solver.passModel(model) == highspy.HighsStatus.kError:
        raise SolverFailed("the solver refused the program")
    solver.run()
    status = solver.getModelStatus()
    if status != highspy.HighsModelStatus.kOptimal:
        raise SolverFailed(f"the solver stopped: {solver.modelStatusToString(status)}")
    return np.asarray(solver.getSolution().col_value)


def build(groups: Groups) -> tuple[Program, NDArray[np.intp]]:
    """Return the program, and for each of its variables of the first step the group that it belongs to."""
    count, steps = groups.most_a.shape
    now_value = groups.value[:, 0]
    above_a = np.maximum(0.0, groups.most_a[:, 0] - groups.floor_a)
    held_a = np.minimum(groups.held_a, above_a)
    rest_a = above_a - held_a
    energy = groups.watts_per_a[:, None] * groups.step_h
    pieces = [
        (np.minimum(groups.floor_a, groups.most_a[:, 0]), groups.floor_value),
        (held_a, now_value * (1 + HOLDING)),
        *((rest_a / 3, now_value * (1 + SHARING * (2 - third))) for third in range(3)),
    ]
    group_of = [np.arange(count)] * len(pieces)
    step_of = [np.zeros(count, dtype=int)] * len(pieces)
    bounds = [most for most, _ in pieces]
    cost = [value * energy[:, 0] for _, value in pieces]
    for step in range(1, steps):
        there = np.flatnonzero(groups.most_a[:, step] > 0.01)
        group_of.append(there)
        step_of.append(np.full(there.size, step))
        bounds.append(groups.most_a[there, step])
        cost.append(groups.value[there, step] * energy[there, step])
    group, at_step = np.concatenate(group_of), np.concatenate(step_of)
    bound = np.concatenate(bounds)
    network = _network_rows(groups, group, at_step, bound)
    size, sums = group.size, network.lower.size - network.limits.size
    # A current counts in its group's energy and in its class's sum; a sum in itself and in every tangent of its step.
    own = np.arange(size)
    entries = np.concatenate([energy[group, at_step], np.ones(size), np.full(sums, -1.0), network.entries])
    row = np.concatenate([group, count + network.cell, count + np.arange(sums), count + sums + network.row])
    column = np.concatenate([own, own, size + np.arange(sums), size + network.column])
    program = Program(
        np.concatenate([*cost, np.zeros(sums)]),
        np.concatenate([bound, np.full(sums, np.inf)]),
        _by_columns(entries, row, column, (count + sums + network.limits.size, size + sums)),
        np.concatenate([np.full(count, -np.inf), network.lower]),
        np.concatenate([groups.wanted_wh, np.zeros(sums), network.limits]),
    )
    return program, group[: count * len(pieces)]


@dataclass(frozen=True, slots=True)
class _NetworkRows:
    """The rows of the network: one sum per class of like columns and step, and tangents over the sums."""

    cell: NDArray[np.intp]
    """Per current, the sum that it counts in."""
    entries: Floats
    row: NDArray[np.intp]
    """Per entry, its tangent."""
    column: NDArray[np.intp]
    """Per entry, its sum."""
    limits: Floats
    """Per tangent."""
    lower: Floats
    """Of the sums, which are equal to 0, and of the tangents, which have no lower bound."""


def _network_rows(groups: Groups, group: NDArray[np.intp], step: NDArray[np.intp], bound: Floats) -> _NetworkRows:
    steps = groups.limits.shape[1]
    first, class_of = alike(groups.matrix)
    classes = groups.matrix[:, first]
    count = classes.shape[1]
    cell = class_of[group] * steps + step
    most = np.bincount(cell, weights=bound, minlength=count * steps).reshape(count, steps)
    normals, constraint_of = tangents(classes)
    at_most = np.maximum(normals, 0.0) @ most
    limit = groups.limits[constraint_of]
    tangent, at_step = np.nonzero(at_most > limit + 1e-9)
    of, column = np.nonzero(normals[tangent])
    return _NetworkRows(
        cell,
        normals[tangent[of], column],
        of,
        column * steps + at_step[of],
        limit[tangent, at_step],
        np.concatenate([np.zeros(count * steps), np.full(tangent.size, -np.inf)]),
    )


def _by_columns(
    entries: Floats, row: NDArray[np.intp], column: NDArray[np.intp], shape: tuple[int, int]
) -> sparse.csc_matrix:
    """Return the matrix of these entries, of which no two are at the same place."""
    order = np.argsort(column, kind="stable")
    begins = np.zeros(shape[1] + 1, dtype=np.int32)
    np.cumsum(np.bincount(column, minlength=shape[1]), out=begins[1:])
    return sparse.csc_matrix((entries[order], row[order].astype(np.int32), begins), shape=shape)


def tangents(matrix: NDArray[np.complex128]) -> tuple[Floats, NDArray[np.intp]]:
    """Return real rows such that all of them being ≤ limit is ``|matrix·x| ≤ limit``, or slightly more, for x ≥ 0.

    Only directions that a sum can have matter: between the first and the last of its columns' angles.
    """
    rows: list[Floats] = []
    constraint_of: list[int] = []
    for index, coefficients in enumerate(matrix):
        for angle in _directions(coefficients[coefficients != 0]):
            rows.append((coefficients * np.exp(-1j * angle)).real)
            constraint_of.append(index)
    width = matrix.shape[1]
    return np.array(rows).reshape(-1, width), np.array(constraint_of, dtype=np.intp)


def _directions(coefficients: NDArray[np.complex128]) -> Sequence[float]:
    if not coefficients.size:
        return []
    angles = np.unique(np.round(np.angle(coefficients), 9))
    if angles.size == 1:
        return [float(angles[0])]
    gaps = np.diff(np.concatenate([angles, angles[:1] + 2 * np.pi]))
    widest = int(np.argmax(gaps))
    if np.isclose(gaps[widest], np.pi) and angles.size == 2:
        return [float(angle) for angle in angles]  # one line, both directions
    first = angles[(widest + 1) % angles.size]
    # Columns on all sides can add up to any direction.
    span = 2 * np.pi - gaps[widest] if gaps[widest] >= np.pi else 2 * np.pi
    count = int(np.ceil(span / TANGENT_RAD)) + 1
    return [float(first + span * k / (count - 1)) for k in range(count)]
