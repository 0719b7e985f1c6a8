"""The central system's tables."""

from sqlalchemy import BigInteger, Boolean, Index, Integer, String, Text, UniqueConstraint
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

_NUMBER = BigInteger().with_variant(Integer, "sqlite")


class Base(DeclarativeBase):
    """Base of the tables."""

    type_annotation_map = {int: BigInteger, str: Text}


class StationRow(Base):
    """A station as it last introduced itself."""

    __tablename__ = "csms_station"

    identity: Mapped[str] = mapped_column(String(48), primary_key=True)
    about: Mapped[str]
    """BootNotification as JSON."""
    booted_ms: Mapped[int]


class ConnectorRow(Base):
    """A connector, with everything that must outlive a restart, as JSON."""

    __tablename__ = "csms_connector"

    charger: Mapped[str] = mapped_column(String(64), primary_key=True)
    body: Mapped[str]


class EventRow(Base):
    """An event that the ledger has not acknowledged."""

    __tablename__ = "csms_event"
    # Without it SQLite uses a number again when the last event has been acknowledged.
    __table_args__ = (UniqueConstraint("charger", "boot_id", "seq"), {"sqlite_autoincrement": True})

    id: Mapped[int] = mapped_column(_NUMBER, primary_key=True, autoincrement=True)
    charger: Mapped[str] = mapped_column(String(64))
    boot_id: Mapped[str] = mapped_column(String(12))
    seq: Mapped[int]
    body: Mapped[str]


class CommandRow(Base):
    """A command that has come, noted before it is executed, so that it is executed once (invariant 7)."""

    __tablename__ = "csms_command"

    charger: Mapped[str] = mapped_column(String(32), primary_key=True)
    command_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    op: Mapped[str] = mapped_column(String(32))
    sender: Mapped[str | None] = mapped_column(String(64))
    """Who sent it, by its topic; null where an older version has noted it."""
    deadline_ts: Mapped[int]
    stage: Mapped[str | None] = mapped_column(String(16))
    """The last answer; null while there is none."""
    code: Mapped[str | None] = mapped_column(String(32))
    reason: Mapped[str | None]


class TransactionRow(Base):
    """A transaction. A station that repeats its StartTransaction gets the same one."""

    __tablename__ = "csms_transaction"
    __table_args__ = (
        UniqueConstraint("identity", "connector", "id_tag", "started", "meter_start_wh"),
        Index("csms_transaction_started", "started_ms"),
    )

    id: Mapped[int] = mapped_column(_NUMBER, primary_key=True, autoincrement=True)
    """transactionId."""
    identity: Mapped[str] = mapped_column(String(48))
    connector: Mapped[int]
    id_tag: Mapped[str] = mapped_column(String(20))
    started: Mapped[str]
    """The start's timestamp as the station wrote it."""
    started_ms: Mapped[int]
    meter_start_wh: Mapped[int]
    session_id: Mapped[str | None] = mapped_column(String(32))
    status: Mapped[str] = mapped_column(String(20))
    """What the station was answered about the idTag."""
    parent: Mapped[str] = mapped_column(String(20))
    stopped_ms: Mapped[int | None]
    meter_stop_wh: Mapped[int | None]
    reason: Mapped[str | None] = mapped_column(String(40))
    discarded: Mapped[bool] = mapped_column(Boolean)
    """True if the station's word did not count: a connector that it does not have."""
