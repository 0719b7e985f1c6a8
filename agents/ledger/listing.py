"""Pages of sessions, newest first. A page never tears: sessions that come in between change no later page."""

import re

from sqlalchemy import Select, and_, or_, select
from sqlalchemy.orm import Session as Database

from agents.ledger.models import IS_ACTIVE, SessionRow
from agents.ledger.session import record
from agents.ledger.session_rows import load_session
from bus_schema import MAX_MESSAGE_BYTES
from bus_schema.site_messages import SESSIONS_ON_A_PAGE, QueryAnswer, SessionsQuery

_CURSOR = re.compile(r"([0-9]{1,13})\.([0-9]{1,18})")
"""Place of a session in the list: milliseconds and row number."""


def answer(db: Database, query: SessionsQuery, now_ms: int) -> QueryAnswer:
    """Return the page that ``query`` asks for: at most ``limit`` sessions and at most 4 KiB.

    The cursor of the answer names the last session on it; it is None when nothing follows.
    """
    place = None
    if query.cursor is not None:
        place = _CURSOR.fullmatch(query.cursor)
        if place is None:
            return QueryAnswer(ts=now_ms, id=query.id, ok=False, reason="cursor: give back the one of the last answer")
    wanted = _matching(query)
    if place is not None:
        listed_ms, row_id = int(place[1]), int(place[2])
        older = and_(SessionRow.listed_ms == listed_ms, SessionRow.id < row_id)
        wanted = wanted.where(or_(SessionRow.listed_ms < listed_ms, older))
    most = min(query.limit, SESSIONS_ON_A_PAGE)
    rows = list(db.scalars(wanted.limit(most + 1)))
    shown = rows[:most]
    # The largest sessions may not fit together: the page gets shorter, and its cursor says where it goes on.
    while True:
        more = len(shown) < len(rows)
        page = QueryAnswer(
            ts=now_ms,
            id=query.id,
            ok=True,
            sessions=[record(load_session(row), now_ms) for row in shown],
            cursor=f"{shown[-1].listed_ms}.{shown[-1].id}" if more else None,
        )
        if len(page.model_dump_json().encode()) <= MAX_MESSAGE_BYTES:
            return page
        shown = shown[:-1]


def _matching(query: SessionsQuery) -> Select[SessionRow]:
    wanted = select(SessionRow).order_by(SessionRow.listed_ms.desc(), SessionRow.id.desc())
    if query.charger is not None:
        wanted = wanted.where(SessionRow.charger == query.charger)
    if query.session_id is not None:
        wanted = wanted.where(SessionRow.session_id == query.session_id)
    if query.since_ts is not None:
        wanted = wanted.where(SessionRow.listed_ms >= query.since_ts)
    if query.active is not None:
        wanted = wanted.where(IS_ACTIVE if query.active else ~IS_ACTIVE)
    return wanted
