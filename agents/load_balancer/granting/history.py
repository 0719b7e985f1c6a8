"""The balancer's records: whose database it is, the most that may be outstanding, and why what was granted.

Functions of a database session; the agent runs them in its store.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any, cast

from sqlalchemy import Connection, Table, bindparam, case, delete, insert, or_, select, update
from sqlalchemy.orm import Session as Database

from agents.load_balancer.granting.outstanding import Place, Step
from agents.load_balancer.models import GrantRow, InstanceRow, MetaRow, OutstandingRow
from bus_schema import MAX_MESSAGE_BYTES
from bus_schema.site_messages import GrantRecord, WhyAnswer, WhyQuery

PAGE = 5
"""Stretches on a page of the story."""

HOUR_MS = 3_600_000


_ROWS = (InstanceRow, OutstandingRow, MetaRow, GrantRow)
_INSTANCE, _OUTSTANDING, _META, _GRANT = (cast(Table, row.__table__) for row in _ROWS)
# A write stands between a decision and the bus: tables, not objects, and a statement per kind, not per charger.
_EPOCH = select(_INSTANCE.c.epoch).with_for_update()
_NEXT_EPOCH = update(_INSTANCE).values(epoch=_INSTANCE.c.epoch + 1)
_WRITTEN = update(_INSTANCE).values(written=_INSTANCE.c.written + 1).returning(_INSTANCE.c.written)
_DELETE = {table.name: delete(table).where(table.c.charger == bindparam("of")) for table in (_OUTSTANDING, _META)}
_INSERT = {table.name: insert(table) for table in (_INSTANCE, _OUTSTANDING, _META, _GRANT)}
_END = (
    update(_GRANT)
    .where(_GRANT.c.charger == bindparam("of"), _GRANT.c.to_ms.is_(None))
    .values(to_ms=case((_GRANT.c.from_ms > bindparam("at_ms"), _GRANT.c.from_ms), else_=bindparam("at_ms")))
)


class Replaced(Exception):
    """A newer process uses this database: nothing was written."""


@dataclass(frozen=True, slots=True)
class Known:
    """What a charger has said about itself."""

    fallback_a: float
    rated_a: float
    obeys: bool
    phases: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Remembered:
    """What an earlier life of the balancer has left."""

    instance: str
    epoch: int
    outstanding: dict[str, tuple[Step, ...]]
    """What may have been granted, from the last moment of the last life on."""
    known: dict[str, Known]
    written: int
    """How often the database has taken down what may be outstanding."""


@dataclass(frozen=True, slots=True)
class Told:
    """A grant and its reason, as they are to be told."""

    charger: str
    from_ms: int
    current_a: float
    constraint: str
    explanation: str


@dataclass(slots=True)
class Changes:
    """What has to be written."""

    outstanding: dict[str, tuple[Step, ...]] = field(default_factory=dict)
    """All that is to be stored of a charger."""
    known: dict[str, Known] = field(default_factory=dict)
    told: list[Told] = field(default_factory=list)

    def __bool__(self) -> bool:
        """Tell whether there is anything to write."""
        return bool(self.outstanding or self.known or self.told)


def begin(db: Database, random: Random) -> Remembered:
    """Begin a life on this database: every earlier process on it can write nothing from now on."""
    connection = db.connection()
    # The update locks the row before anything is read: an earlier process has written, or writes nothing any more.
    if not connection.execute(_NEXT_EPOCH).rowcount:
        row = {"id": 1, "instance": _drawn(random), "epoch": 1, "written": 0}
        connection.execute(_INSERT[_INSTANCE.name], row)
    of = _INSTANCE.c
    instance, epoch, written = connection.execute(select(of.instance, of.epoch, of.written)).one()
    outstanding: dict[str, tuple[Step, ...]] = {}
    ordered = select(_OUTSTANDING).order_by(_OUTSTANDING.c.charger, _OUTSTANDING.c.number)
    for charger, _, current_a, executable_s, life_s, circuits, phases, voltage_v in connection.execute(ordered):
        place = Place(_listed(circuits), _listed(phases), voltage_v)
        outstanding[charger] = (*outstanding.get(charger, ()), Step(current_a, executable_s, life_s, place))
    known = {
        charger: Known(fallback_a, rated_a, obeys, _listed(phases))
        for charger, fallback_a, rated_a, obeys, phases in connection.execute(select(_META))
    }
    return Remembered(instance, epoch, outstanding, known, written)


def rename(db: Database, epoch: int, random: Random) -> str:
    """Draw another instance for a database that is an older copy, and return it. Raises :class:`Replaced`."""
    connection = db.connection()
    if connection.scalar(_EPOCH) != epoch:
        raise Replaced
    before = instance = connection.scalar(select(_INSTANCE.c.instance))
    while instance == before:
        instance = _drawn(random)
    connection.execute(update(_INSTANCE).values(instance=instance))
    return str(instance)


def _drawn(random: Random) -> str:
    return f"{random.getrandbits(48):012x}"


def _listed(text: str) -> tuple[str, ...]:
    return tuple(filter(None, text.split(",")))


def write(db: Database, epoch: int, changes: Changes) -> int | None:
    """Write changes, all or none; return how often what may be outstanding was written, None if it was not now.

    Raises :class:`Replaced`.
    """
    connection = db.connection()
    if connection.scalar(_EPOCH) != epoch:
        raise Replaced
    _replace(
        connection,
        _OUTSTANDING,
        list(changes.outstanding),
        [
            {
                "charger": name,
                "number": number,
                "current_a": step.current_a,
                "executable_s": step.executable_s,
                "life_s": step.life_s,
                "circuits": ",".join(step.place.circuits),
                "phases": ",".join(step.place.phases),
                "voltage_v": step.place.voltage_v,
            }
            for name, steps in changes.outstanding.items()
            for number, step in enumerate(steps)
        ],
    )
    _replace(
        connection,
        _META,
        list(changes.known),
        [
            {
                "charger": name,
                "fallback_a": known.fallback_a,
                "rated_a": known.rated_a,
                "obeys": known.obeys,
                "phases": ",".join(known.phases),
            }
            for name, known in changes.known.items()
        ],
    )
    _tell(connection, changes.told)
    return connection.scalar(_WRITTEN) if changes.outstanding else None


def _replace(connection: Connection, table: Table, chargers: list[str], rows: list[dict[str, Any]]) -> None:
    """Put rows in the place of all that these chargers have, in SQL that every database knows."""
    if chargers:
        connection.execute(_DELETE[table.name], [{"of": charger} for charger in chargers])
    if rows:
        connection.execute(_INSERT[table.name], rows)


def _tell(connection: Connection, told: Sequence[Told]) -> None:
    """End the open stretch of each charger where its next begins, and begin that."""
    if not told:
        return
    begins: dict[str, int] = {}
    rows: list[dict[str, Any]] = []
    open_row: dict[str, dict[str, Any]] = {}
    for each in told:
        begins.setdefault(each.charger, each.from_ms)
        if each.charger in open_row:
            before = open_row[each.charger]
            before["to_ms"] = max(before["from_ms"], each.from_ms)
        row = {
            "charger": each.charger,
            "from_ms": each.from_ms,
            "to_ms": None,
            "current_a": each.current_a,
            "constraint": each.constraint[:100],
            "explanation": each.explanation[:400],
        }
        rows.append(row)
        open_row[each.charger] = row
    connection.execute(_END, [{"of": charger, "at_ms": at_ms} for charger, at_ms in begins.items()])
    connection.execute(_INSERT[_GRANT.name], rows)


def forget_before(db: Database, before_ms: int) -> None:
    """Delete what was over earlier."""
    db.execute(delete(GrantRow).where(GrantRow.to_ms < before_ms))


def story(db: Database, query: WhyQuery, known: Sequence[str], now_ms: int) -> WhyAnswer:
    """Return the page of the story that ``query`` asks for."""
    if query.charger not in known:
        reason = f"charger {query.charger} is not among those that the balancer is configured for"
        return WhyAnswer(ts=now_ms, id=query.id, ok=False, reason=reason)
    if query.cursor is not None and not (query.cursor.isdigit() and len(query.cursor) < 19):
        return WhyAnswer(ts=now_ms, id=query.id, ok=False, reason="cursor: give back the one of the last answer")
    since_ms = now_ms - HOUR_MS if query.since_ts is None else query.since_ts
    wanted = (
        select(GrantRow)
        .where(GrantRow.charger == query.charger, or_(GrantRow.to_ms.is_(None), GrantRow.to_ms >= since_ms))
        .order_by(GrantRow.id)
    )
    if query.cursor is not None:
        wanted = wanted.where(GrantRow.id > int(query.cursor))
    rows = list(db.scalars(wanted.limit(PAGE + 1)))
    shown = rows[:PAGE]
    while True:
        page = WhyAnswer(
            ts=now_ms,
            id=query.id,
            ok=True,
            grants=[
                GrantRecord(
                    from_ts=row.from_ms,
                    to_ts=row.to_ms,
                    current_a=row.current_a,
                    constraint=row.constraint,
                    explanation=row.explanation,
                )
                for row in shown
            ],
            cursor=str(shown[-1].id) if len(shown) < len(rows) else None,
        )
        if len(page.model_dump_json().encode()) <= MAX_MESSAGE_BYTES:
            return page
        shown = shown[:-1]
