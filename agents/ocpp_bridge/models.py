"""The bridge's tables. Their names carry the agent's, because agents may share one PostgreSQL database."""

from sqlalchemy import BigInteger, Boolean, Index, Integer, String, Text, text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

RowId = BigInteger().with_variant(Integer, "sqlite")
"""Row numbers; SQLite counts only a column of type INTEGER by itself."""

_GOING_ON = text("ended_ms IS NULL")


class Base(DeclarativeBase):
    """Base of the bridge's tables."""

    type_annotation_map = {int: BigInteger, str: Text, bool: Boolean}


class TransactionRow(Base):
    """A session as a transaction of one backend. Kept, so that an event which comes again adds nothing."""

    __tablename__ = "ocpp_bridge_transaction"
    __table_args__ = (
        Index("ocpp_bridge_transaction_key", "charger", "backend", "session_id", unique=True),
        Index("ocpp_bridge_transaction_id", "charger", "backend", "transaction_id"),
        Index("ocpp_bridge_transaction_going_on", "charger", sqlite_where=_GOING_ON, postgresql_where=_GOING_ON),
        Index("ocpp_bridge_transaction_ended", "ended_ms"),
    )

    id: Mapped[int] = mapped_column(RowId, primary_key=True, autoincrement=True)
    charger: Mapped[str] = mapped_column(String(32))
    backend: Mapped[str] = mapped_column(String(32))
    session_id: Mapped[str] = mapped_column(String(32))
    id_tag: Mapped[str] = mapped_column(String(20))
    started_ms: Mapped[int]
    start_wh: Mapped[int]
    transaction_id: Mapped[int | None]
    """The backend's number; null while it has given none."""
    given_up: Mapped[bool] = mapped_column(default=False)
    """True if the backend has refused StartTransaction for good: there never was a transaction id."""
    status: Mapped[str | None] = mapped_column(String(20))
    """AuthorizationStatus that the backend answered; null while it has not."""
    parent_id_tag: Mapped[str | None] = mapped_column(String(20))
    ended_ms: Mapped[int | None]
    end_wh: Mapped[int | None]
    acted: Mapped[bool] = mapped_column(default=False)
    """True once a withdrawn authorisation has been carried out."""
    sampled_ms: Mapped[int | None]
    """Time of the newest meter values that were queued."""
    sample_boot: Mapped[str | None] = mapped_column(String(12))
    sample_seq: Mapped[int | None]
    """The newest ``session_sampled`` that was seen."""
    stop_answered_ms: Mapped[int | None]
    """When the backend acknowledged StopTransaction."""
    doubt: Mapped[str | None]
    """Why the backend has probably discarded the transaction, in words."""


class OutboxRow(Base):
    """A message that a backend must get. Deleted once it has been answered."""

    __tablename__ = "ocpp_bridge_outbox"
    __table_args__ = (Index("ocpp_bridge_outbox_next", "charger", "backend", "lane", "id"),)

    id: Mapped[int] = mapped_column(RowId, primary_key=True, autoincrement=True)
    charger: Mapped[str] = mapped_column(String(32))
    backend: Mapped[str] = mapped_column(String(32))
    lane: Mapped[str] = mapped_column(String(16))
    """``transaction``, whose order is kept, or ``security``."""
    action: Mapped[str] = mapped_column(String(50))
    session_id: Mapped[str | None] = mapped_column(String(32))
    """Session whose transaction id is put in when it is sent; null for what has none."""
    payload: Mapped[str]
    """JSON as it is sent, without the transaction id."""
    queued_ms: Mapped[int]
    failures: Mapped[int] = mapped_column(default=0)
    """How often the backend has answered with an error."""
    not_before_ms: Mapped[int] = mapped_column(default=0)
    """Not sent again earlier."""


class MeterValueRow(Base):
    """Meter values that go into the StopTransaction of a session."""

    __tablename__ = "ocpp_bridge_meter_value"
    __table_args__ = (Index("ocpp_bridge_meter_value_session", "charger", "session_id", "id"),)

    id: Mapped[int] = mapped_column(RowId, primary_key=True, autoincrement=True)
    charger: Mapped[str] = mapped_column(String(32))
    session_id: Mapped[str] = mapped_column(String(32))
    body: Mapped[str]
    """One MeterValue as JSON."""


class SettingRow(Base):
    """Something that a charge point remembers: a configuration key, the version of its local list."""

    __tablename__ = "ocpp_bridge_setting"

    charger: Mapped[str] = mapped_column(String(32), primary_key=True)
    kind: Mapped[str] = mapped_column(String(16), primary_key=True)
    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    value: Mapped[str]


class IdTagRow(Base):
    """An idTag of the local list or of the cache."""

    __tablename__ = "ocpp_bridge_id_tag"

    charger: Mapped[str] = mapped_column(String(32), primary_key=True)
    list: Mapped[str] = mapped_column(String(8), primary_key=True)
    """``local`` or ``cache``."""
    id_tag: Mapped[str] = mapped_column(String(40), primary_key=True)
    """Folded: compared without case."""
    status: Mapped[str] = mapped_column(String(20))
    parent_id_tag: Mapped[str | None] = mapped_column(String(20))
    expires_ms: Mapped[int | None]
    changed_ms: Mapped[int]


class ProfileRow(Base):
    """A charging profile that a backend has installed."""

    __tablename__ = "ocpp_bridge_profile"

    charger: Mapped[str] = mapped_column(String(32), primary_key=True)
    profile_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    connector_id: Mapped[int]
    session_id: Mapped[str | None] = mapped_column(String(32))
    """Session that a TxProfile is for."""
    installed_ms: Mapped[int]
    body: Mapped[str]
    """The profile as JSON, in the dialect's words."""


class CertificateRow(Base):
    """A certificate that a backend has installed, or the charge point's own."""

    __tablename__ = "ocpp_bridge_certificate"

    charger: Mapped[str] = mapped_column(String(32), primary_key=True)
    use: Mapped[str] = mapped_column(String(40), primary_key=True)
    """CertificateUse of the security whitepaper, or ``ChargePointCertificate``."""
    fingerprint: Mapped[str] = mapped_column(String(64), primary_key=True)
    """SHA-256 of the certificate, hexadecimal; empty for the charge point's own that is not signed yet."""
    pem: Mapped[str]
    key_pem: Mapped[str | None]
    """Private key of the charge point's own certificate."""
    installed_ms: Mapped[int]
