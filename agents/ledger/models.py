"""The ledger's tables. Their names carry the agent's, because agents may share one PostgreSQL database."""

from typing import cast

from sqlalchemy import BigInteger, Boolean, Index, Integer, LargeBinary, String, Table, Text, and_, literal_column, text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

RowId = BigInteger().with_variant(Integer, "sqlite")
"""Row numbers; SQLite counts only a column of type INTEGER by itself."""

_DIRTY = text("dirty")
_ACTIVE = text("end_seq IS NULL AND settled_ms IS NULL")
_GAP = text("gap_since_ms IS NOT NULL")
_MISSING = text("settled_by IS NULL AND missing > 0")
_FLAGGED = text("flagged_ms IS NOT NULL")


class Base(DeclarativeBase):
    """Base of the ledger's tables."""

    type_annotation_map = {int: BigInteger, str: Text, bool: Boolean, bytes: LargeBinary}


class EventRow(Base):
    """An event as it came, one row per ``(charger, boot_id, seq)`` for ever (invariant 5)."""

    __tablename__ = "ledger_event"
    __table_args__ = (
        Index("ledger_event_session", "session_id", "charger"),
        # Without row numbers of its own SQLite writes one tree instead of two.
        {"sqlite_with_rowid": False},
    )

    charger: Mapped[str] = mapped_column(String(32), primary_key=True)
    boot_id: Mapped[str] = mapped_column(String(12), primary_key=True)
    seq: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    type: Mapped[str] = mapped_column(String(32))
    session_id: Mapped[str | None] = mapped_column(String(32))
    ts: Mapped[int | None]
    energy_wh: Mapped[int | None]
    received_ms: Mapped[int]
    body: Mapped[str]
    """The whole event as JSON, without ``oldest_seq``, which is different each time it is sent."""


class ConflictRow(Base):
    """An event that came under a number that another event already has. Kept beside it, never instead of it."""

    __tablename__ = "ledger_conflict"
    __table_args__ = (Index("ledger_conflict_charger", "charger", "received_ms"),)

    charger: Mapped[str] = mapped_column(String(32), primary_key=True)
    boot_id: Mapped[str] = mapped_column(String(12), primary_key=True)
    seq: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    """SHA-256 of the body, so that sending it again adds no row."""
    received_ms: Mapped[int]
    body: Mapped[str]


class BootRow(Base):
    """How far the events of one boot of a charger have come."""

    __tablename__ = "ledger_boot"
    __table_args__ = (
        # A batch asks for its boots by their ids alone: as many statements as chargers would cost more.
        Index("ledger_boot_id", "boot_id"),
        Index("ledger_boot_gap", "charger", "gap_since_ms", sqlite_where=_GAP, postgresql_where=_GAP),
    )

    charger: Mapped[str] = mapped_column(String(32), primary_key=True)
    boot_id: Mapped[str] = mapped_column(String(12), primary_key=True)
    contiguous: Mapped[int]
    highest: Mapped[int]
    gap_since_ms: Mapped[int | None]


class LostRow(Base):
    """Numbers that the charger no longer keeps although not all of them were here then."""

    __tablename__ = "ledger_lost"
    __table_args__ = (
        Index("ledger_lost_missing", "charger", "noticed_ms", sqlite_where=_MISSING, postgresql_where=_MISSING),
    )

    charger: Mapped[str] = mapped_column(String(32), primary_key=True)
    boot_id: Mapped[str] = mapped_column(String(12), primary_key=True)
    first_seq: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    last_seq: Mapped[int]
    missing: Mapped[int]
    """How many of them are still not here; kept beside them, so that nothing has to be counted to know it."""
    noticed_ms: Mapped[int]
    settled_by: Mapped[str | None] = mapped_column(String(32))
    """Who has said that they will not come; no alarm tells of them then."""
    settled_because: Mapped[str | None]


class SessionRow(Base):
    """A session, derived from its events: what :mod:`agents.ledger.session_rows` makes of it.

    The key has the charger in it, so that no charger can write into another's session by using its id.
    """

    __tablename__ = "ledger_session"
    __table_args__ = (
        Index("ledger_session_key", "session_id", "charger", unique=True),
        Index("ledger_session_listed", "listed_ms", "id"),
        Index("ledger_session_charger", "charger", "listed_ms", "id"),
        Index("ledger_session_flagged", "charger", "flagged_ms", sqlite_where=_FLAGGED, postgresql_where=_FLAGGED),
        Index("ledger_session_dirty", "id", sqlite_where=_DIRTY, postgresql_where=_DIRTY),
        Index("ledger_session_active", "listed_ms", "id", sqlite_where=_ACTIVE, postgresql_where=_ACTIVE),
    )

    id: Mapped[int] = mapped_column(RowId, primary_key=True, autoincrement=True)
    listed_ms: Mapped[int]
    """Place in lists, newest first: when its first event happened. Never changes, so that pages stay apart."""
    revision: Mapped[int]
    """Counts its changes."""
    dirty: Mapped[bool]
    """True until the newest revision is known to have been published."""
    flagged_ms: Mapped[int | None]
    """When a contradiction was last found in it."""

    charger: Mapped[str] = mapped_column(String(32))
    session_id: Mapped[str] = mapped_column(String(32))
    start_boot_id: Mapped[str | None] = mapped_column(String(12))
    start_seq: Mapped[int | None]
    start_ts: Mapped[int | None]
    start_uptime_ms: Mapped[int | None]
    start_wh: Mapped[int | None]
    id_token: Mapped[str | None]
    """As JSON."""
    authorized_by: Mapped[str | None] = mapped_column(String(32))
    reservation_id: Mapped[int | None]
    end_boot_id: Mapped[str | None] = mapped_column(String(12))
    end_seq: Mapped[int | None]
    end_ts: Mapped[int | None]
    end_uptime_ms: Mapped[int | None]
    end_wh: Mapped[int | None]
    end_start_wh: Mapped[int | None]
    """Register at the start, as the end repeats it."""
    reason: Mapped[str | None] = mapped_column(String(32))
    last_boot_id: Mapped[str | None] = mapped_column(String(12))
    last_seq: Mapped[int | None]
    last_ts: Mapped[int | None]
    last_wh: Mapped[int | None]
    went_back: Mapped[bool]
    ambiguous: Mapped[bool]
    rating_w: Mapped[int | None]
    """Most that its charger can deliver, as far as that was known when its end came."""
    end_received_ms: Mapped[int | None]
    settled_ms: Mapped[int | None]
    """When somebody said that its end will not come; by whom and why stand beside it."""
    settled_by: Mapped[str | None] = mapped_column(String(32))
    settled_because: Mapped[str | None]


class UnreadableRow(Base):
    """An event that could not be read, kept byte for byte for a technician, so that those after it can go on."""

    __tablename__ = "ledger_unreadable"
    __table_args__ = (
        Index("ledger_unreadable_number", "charger", "boot_id", "seq"),
        Index("ledger_unreadable_received", "charger", "received_ms"),
    )

    charger: Mapped[str] = mapped_column(String(32), primary_key=True)
    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    """SHA-256 of the payload, so that sending it again adds no row."""
    boot_id: Mapped[str | None] = mapped_column(String(12))
    """As far as it could be made out, like ``seq``."""
    seq: Mapped[int | None]
    received_ms: Mapped[int]
    reason: Mapped[str]
    """Which field is wrong and what was expected."""
    payload: Mapped[bytes]
    """May hold a card's number: not for logs."""


class RatingRow(Base):
    """What a charger can deliver at most, as it last told."""

    __tablename__ = "ledger_rating"

    charger: Mapped[str] = mapped_column(String(32), primary_key=True)
    rating_w: Mapped[int]


class AlarmRow(Base):
    """An alarm that may be retained on the bus, noted before it is published, so that a restart can clear it."""

    __tablename__ = "ledger_alarm"

    name: Mapped[str] = mapped_column(String(32), primary_key=True)


IS_ACTIVE = and_(SessionRow.end_seq.is_(None), SessionRow.settled_ms.is_(None))
"""Of a session: neither its end nor a settlement is on record."""

IS_MISSING = and_(LostRow.settled_by.is_(None), LostRow.missing > literal_column("0"))
"""Of a lost span: an alarm is due. A bound 0 would keep SQLite from using the index."""

EVENTS = cast(Table, EventRow.__table__)
"""The table itself: writing rows to it costs half of what writing them through the class does."""

SESSIONS = cast(Table, SessionRow.__table__)
"""The same for sessions."""
