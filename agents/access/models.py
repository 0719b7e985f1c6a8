"""The access agent's tables. Their names carry the agent's, because agents may share one PostgreSQL database."""

from sqlalchemy import BigInteger, Index, String, Text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    """Base of the access agent's tables."""

    type_annotation_map = {int: BigInteger, str: Text}


class CardRow(Base):
    """A card of the last good ``cards_file``, in case the file is broken when the agent starts."""

    __tablename__ = "access_card"

    uid: Mapped[str] = mapped_column(String(20), primary_key=True)
    body: Mapped[str]
    """The card as JSON."""


class DecisionRow(Base):
    """A command that was decided, noted before it is sent, so that no event leads to a second one (invariant 5)."""

    __tablename__ = "access_decision"
    __table_args__ = (Index("access_decision_charger", "charger", "decided_ms"),)

    charger: Mapped[str] = mapped_column(String(32), primary_key=True)
    command_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    """Derived from what led to it: boot and number of the event, or boot and uptime of the state."""
    decided_ms: Mapped[int]
    op: Mapped[str] = mapped_column(String(32))
    boot_id: Mapped[str] = mapped_column(String(12))
    uptime_ms: Mapped[int]
    """Of the event or state that led to it."""
    deadline_ts: Mapped[int]
    command: Mapped[str]
    """The command as JSON: sent again, it is the same."""
    parent: Mapped[str | None]
    """Group of the token, as JSON."""
    policy: Mapped[str] = mapped_column(String(32))
    stage: Mapped[str | None] = mapped_column(String(16))
    """The charger's final answer; null while there is none."""
    code: Mapped[str | None] = mapped_column(String(32))
    reply_uptime_ms: Mapped[int | None]


class BackendListRow(Base):
    """Cards that the OCPP backend has listed, kept for a time when the bridge does not answer."""

    __tablename__ = "access_backend_list"

    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    """Digest of the cards, as the bridge tells it."""
    body: Mapped[str]
    """The cards as JSON."""


class BackendListOfRow(Base):
    """Which of these lists a charger has."""

    __tablename__ = "access_backend_list_of"

    charger: Mapped[str] = mapped_column(String(32), primary_key=True)
    digest: Mapped[str] = mapped_column(String(64))
