"""The logger's tables: what waits, what the database refuses, and what was dropped."""

from sqlalchemy import Index, LargeBinary, Text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    """Base of the logger's tables."""

    type_annotation_map = {str: Text, bytes: LargeBinary}


class BlockRow(Base):
    """Lines that came together, and wait together."""

    __tablename__ = "influx_logger_block"
    __table_args__ = (Index("influx_logger_block_lasting", "lasting", "id"), {"sqlite_autoincrement": True})

    id: Mapped[int] = mapped_column(primary_key=True)
    lasting: Mapped[int]
    """0 for telemetry, which goes first when there is no room; 1 for everything else."""
    created_ms: Mapped[int]
    lines: Mapped[int]
    """How many."""
    size_bytes: Mapped[int]
    body: Mapped[bytes]
    """The lines, UTF-8, with a line break between them."""


class DeadLetterRow(Base):
    """A line that the database has refused for what it says, with the reason that it gave."""

    __tablename__ = "influx_logger_dead_letter"

    id: Mapped[int] = mapped_column(primary_key=True)
    refused_ms: Mapped[int]
    line: Mapped[str]
    reason: Mapped[str]


class CountRow(Base):
    """A count that outlives the process."""

    __tablename__ = "influx_logger_count"

    name: Mapped[str] = mapped_column(primary_key=True)
    """``dropped``, ``refused`` or ``expired``: lines that are in no database."""
    lines: Mapped[int]
    changed_ms: Mapped[int]
    """When it last grew."""
    acknowledged: Mapped[int] = mapped_column(default=0, server_default="0")
    """How many of them somebody has been told of and has said so."""


class TroubleRow(Base):
    """Why nothing left the spool when that was last so."""

    __tablename__ = "influx_logger_trouble"

    id: Mapped[int] = mapped_column(primary_key=True)
    """Always 1."""
    reason: Mapped[str]
    began_ms: Mapped[int]
    ended_ms: Mapped[int | None]
    """None while it is so."""
