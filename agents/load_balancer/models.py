"""The balancer's tables. Their names carry the agent's, because agents may share one PostgreSQL database."""

from sqlalchemy import BigInteger, Float, Index, Integer, String, Text, text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    """Base of the load balancer's tables."""

    type_annotation_map = {int: BigInteger, str: Text, float: Float}


class InstanceRow(Base):
    """Which balancer this database belongs to, and how often it was started. One row."""

    __tablename__ = "load_balancer_instance"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    instance: Mapped[str] = mapped_column(String(12))
    epoch: Mapped[int]
    """Grows with every start: a process whose epoch is not this one may grant nothing any more."""
    written: Mapped[int]
    """Grows with every write of what may be outstanding: a copy that was restored has fewer than claims tell."""


class OutstandingRow(Base):
    """A current that a charger may have been granted, and its end: never less than what is on the bus (invariant 2).

    Times count from the last moment of the process that wrote them (:mod:`agents.load_balancer.granting.outstanding`).
    """

    __tablename__ = "load_balancer_outstanding"

    charger: Mapped[str] = mapped_column(String(32), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    """A charger may hold a high current for a short time and a lower one for longer."""
    current_a: Mapped[float]
    executable_s: Mapped[float]
    """For how long an order of it may still be executed."""
    life_s: Mapped[float]
    """For how long it may be drawn."""
    circuits: Mapped[str]
    """The circuit that it hangs on and those above, ``wing,main``; empty when nobody knows."""
    phases: Mapped[str] = mapped_column(String(16))
    """Phases of the site at its terminals: ``L1,L2,L3``."""
    voltage_v: Mapped[float]


class MetaRow(Base):
    """What a charger has last said about itself, in case the broker forgets."""

    __tablename__ = "load_balancer_meta"

    charger: Mapped[str] = mapped_column(String(32), primary_key=True)
    fallback_a: Mapped[float]
    rated_a: Mapped[float]
    obeys: Mapped[bool]
    phases: Mapped[str] = mapped_column(String(16))
    """Supply phases at its terminals: ``L1,L2,L3``."""


class GrantRow(Base):
    """A stretch of time with one grant and one reason."""

    __tablename__ = "load_balancer_grant"
    __table_args__ = (
        Index("load_balancer_grant_charger", "charger", "from_ms"),
        # The stretch that goes on is looked for at every write, in a history of days.
        Index(
            "load_balancer_grant_open",
            "charger",
            sqlite_where=text("to_ms IS NULL"),
            postgresql_where=text("to_ms IS NULL"),
        ),
    )

    id: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True)
    charger: Mapped[str] = mapped_column(String(32))
    from_ms: Mapped[int]
    to_ms: Mapped[int | None]
    """Null while it goes on."""
    current_a: Mapped[float]
    constraint: Mapped[str] = mapped_column(String(100))
    explanation: Mapped[str] = mapped_column(String(400))


class LearningRow(Base):
    """How past sessions are kept. One row."""

    __tablename__ = "load_balancer_learning"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    card_key: Mapped[str] = mapped_column(String(64))
    """Key of the hashes that stand for cards, hexadecimal."""
    complete: Mapped[int]
    """1 once all that the ledger had was read."""


class PastSessionRow(Base):
    """A session that has ended, as it is learned from."""

    __tablename__ = "load_balancer_past_session"
    __table_args__ = (Index("load_balancer_past_session_arrived", "arrived_ms"),)

    session_id: Mapped[str] = mapped_column(String(32), primary_key=True)
    card: Mapped[str] = mapped_column(String(32))
    """Keyed hash of the card; empty if nobody knows it."""
    charger: Mapped[str] = mapped_column(String(32))
    arrived_ms: Mapped[int]
    stay_s: Mapped[float]
    energy_wh: Mapped[float | None]
