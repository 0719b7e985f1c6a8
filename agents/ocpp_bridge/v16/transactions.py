"""Session events become the transaction messages of OCPP 1.6, queued for every backend of the charger.

Everything here runs inside one database transaction, which is committed before the event is acknowledged. An event
that comes again finds its transaction and adds nothing (invariant 5).
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ocpp.v16 import call, datatypes
from sqlalchemy import delete, select
from sqlalchemy.orm import Session as Database

from agents.ocpp_bridge.models import MeterValueRow, TransactionRow
from agents.ocpp_bridge.outbox import append, transaction
from agents.ocpp_bridge.v16.id_tags import id_tag_of
from agents.ocpp_bridge.v16.keys import Configuration
from agents.ocpp_bridge.v16.measurands import (
    Measured,
    drop_middle,
    meter_value,
    parse_measurands,
    register_value,
)
from agents.ocpp_bridge.v16.statuses import CONNECTOR
from agents.runtime.ocpp import format_time
from agents.runtime.ocpp.frames import write_payload
from agents.runtime.ocpp.shapes import to_wire
from agents.runtime.ocpp.v16 import V16
from bus_schema.event import SessionEnded, SessionRecord, SessionSampled, SessionStarted
from bus_schema.words import StopReason

MAX_TRANSACTION_DATA = 200
"""Most meter values in a StopTransaction: about 250 KiB with every measurand on three phases."""

_REASONS: Mapping[StopReason, str] = {
    StopReason.ENERGY_CAP: "Other",
    StopReason.TIME_CAP: "Other",
    StopReason.IDLE: "Other",
}
"""Our own words → Reason (7.37); the others are OCPP's already."""


@dataclass(frozen=True, slots=True)
class Recorder:
    """What is needed to write the messages of one charger."""

    charger: str
    backends: Sequence[str]
    configuration: Configuration
    free_id_tag: str
    celsius: Mapping[str, str]
    """How each backend spells the unit of temperatures."""


def started(db: Database, recorder: Recorder, event: SessionStarted, received_ms: int) -> None:
    """Queue StartTransaction."""
    at_ms = received_ms if event.ts is None else event.ts
    id_tag = id_tag_of(event.id_token, recorder.free_id_tag)
    for backend in recorder.backends:
        _start(db, recorder, backend, event.session_id, id_tag, at_ms, event.energy_wh, event.reservation_id)


def _start(
    db: Database,
    recorder: Recorder,
    backend: str,
    session_id: str,
    id_tag: str,
    at_ms: int,
    energy_wh: int,
    reservation_id: int | None,
) -> None:
    if transaction(db, recorder.charger, backend, session_id) is not None:
        return
    db.add(
        TransactionRow(
            charger=recorder.charger,
            backend=backend,
            session_id=session_id,
            id_tag=id_tag,
            started_ms=at_ms,
            start_wh=energy_wh,
            given_up=False,
            acted=False,
        )
    )
    request = call.StartTransaction(CONNECTOR, id_tag, energy_wh, format_time(at_ms), reservation_id)
    append(
        db,
        recorder.charger,
        backend,
        "StartTransaction",
        V16.encode(request),
        at_ms,
        session_id=session_id,
    )


def sampled(db: Database, recorder: Recorder, event: SessionSampled, received_ms: int) -> None:
    """Queue the register of a journalled sample, unless the bridge has measured itself at that time."""
    interval_ms = recorder.configuration.number("MeterValueSampleInterval") * 1000
    at_ms = received_ms if event.ts is None else event.ts
    for backend in recorder.backends:
        row = transaction(db, recorder.charger, backend, event.session_id)
        if row is None or row.ended_ms is not None:
            continue
        if row.sample_boot == event.boot_id and row.sample_seq is not None and event.seq <= row.sample_seq:
            continue
        row.sample_boot, row.sample_seq = event.boot_id, event.seq
        if not interval_ms or at_ms - (row.sampled_ms or row.started_ms) < interval_ms:
            continue
        row.sampled_ms = at_ms
        value = register_value(at_ms, event.energy_wh, "Sample.Periodic")
        _queue_values(db, recorder.charger, backend, event.session_id, [value], received_ms)


def measured(db: Database, recorder: Recorder, session_id: str, found: Measured, context: str) -> bool:
    """Queue what was measured during a session; ``context`` tells sampled from clock-aligned values.

    Returns whether anything was queued. Values for the StopTransaction are kept beside it.
    """
    aligned = context == "Sample.Clock"
    keys = recorder.configuration
    wanted = parse_measurands(keys["MeterValuesAlignedData" if aligned else "MeterValuesSampledData"])
    queued = False
    for backend in recorder.backends:
        row = transaction(db, recorder.charger, backend, session_id)
        if row is None or row.ended_ms is not None:
            continue
        if not aligned:
            row.sampled_ms = found.at_ms
        value = meter_value(found, wanted, context, recorder.celsius.get(backend, "Celsius"))
        if value is not None:
            _queue_values(db, recorder.charger, backend, session_id, [value], found.at_ms)
            queued = True
    of_stop = parse_measurands(keys["StopTxnAlignedData" if aligned else "StopTxnSampledData"])
    kept = meter_value(found, of_stop, context)
    if kept is not None:
        db.add(MeterValueRow(charger=recorder.charger, session_id=session_id, body=write_payload(to_wire(kept))))
    return queued


def _queue_values(
    db: Database, charger: str, backend: str, session_id: str, values: list[datatypes.MeterValue], now_ms: int
) -> None:
    payload = V16.encode(call.MeterValues(CONNECTOR, values))
    append(db, charger, backend, "MeterValues", payload, now_ms, session_id=session_id)


def ended(db: Database, recorder: Recorder, event: SessionEnded, received_ms: int) -> bool:
    """Queue StopTransaction; False if the start of the session was never seen here."""
    at_ms = received_ms if event.ts is None else event.ts
    id_tag = None if event.id_token is None else id_tag_of(event.id_token, recorder.free_id_tag)
    seen = False
    for backend in recorder.backends:
        row = transaction(db, recorder.charger, backend, event.session_id)
        if row is not None:
            seen = True
            _stop(db, recorder, row, at_ms, event.energy_wh, event.reason, id_tag)
    _forget_values(db, recorder.charger, event.session_id)
    return seen


def _stop(
    db: Database,
    recorder: Recorder,
    row: TransactionRow,
    at_ms: int,
    energy_wh: int,
    reason: StopReason,
    id_tag: str | None,
) -> None:
    if row.ended_ms is not None:
        return
    # A clock that was set back in between must not end a session before it began.
    row.ended_ms, row.end_wh = max(at_ms, row.started_ms), energy_wh
    request = call.StopTransaction(
        meter_stop=energy_wh,
        timestamp=format_time(row.ended_ms),
        transaction_id=0,
        reason=_REASONS.get(reason, reason.value),
        id_tag=id_tag,
        transaction_data=_transaction_data(db, row),
    )
    payload = V16.payload(request)
    del payload["transactionId"]  # Known when it is sent.
    append(
        db,
        recorder.charger,
        row.backend,
        "StopTransaction",
        write_payload(payload),
        at_ms,
        session_id=row.session_id,
    )


def _transaction_data(db: Database, row: TransactionRow) -> list[Any]:
    """Return the register at the beginning and the end, and between them what the keys StopTxn…Data have collected."""
    bodies = list(
        db.scalars(
            select(MeterValueRow.body)
            .where(MeterValueRow.charger == row.charger, MeterValueRow.session_id == row.session_id)
            .order_by(MeterValueRow.id)
        )
    )
    begin = to_wire(register_value(row.started_ms, row.start_wh, "Transaction.Begin"))
    end = to_wire(register_value(row.ended_ms or 0, row.end_wh or 0, "Transaction.End"))
    values: list[Any] = [begin, *(json.loads(body) for body in bodies), end]
    return [values[place] for place in drop_middle(len(values), MAX_TRANSACTION_DATA)]


def _forget_values(db: Database, charger: str, session_id: str) -> None:
    db.execute(delete(MeterValueRow).where(MeterValueRow.charger == charger, MeterValueRow.session_id == session_id))


def repaired(db: Database, recorder: Recorder, record: SessionRecord, received_ms: int) -> bool:
    """Queue what the ledger has of a session and the bridge has never seen; return whether there was anything.

    Events reach ledger and bridge on separate ways: what a broker has dropped on one of them, or has brought in the
    wrong order, is not lost by it. Moments that the charger did not know (its clock was unset) are ``received_ms``, as
    for its events.
    """
    if record.start_energy_wh is None or record.id_token is None:
        return False
    end_wh, reason = record.end_energy_wh, record.reason
    if not record.active and (end_wh is None or reason is None):
        return False
    ended_ms = received_ms if record.ended_ts is None else record.ended_ts
    started_ms = min(ended_ms, received_ms) if record.started_ts is None else record.started_ts
    id_tag, needed = id_tag_of(record.id_token, recorder.free_id_tag), False
    for backend in recorder.backends:
        row = transaction(db, recorder.charger, backend, record.session_id)
        if row is None:
            _start(
                db,
                recorder,
                backend,
                record.session_id,
                id_tag,
                started_ms,
                record.start_energy_wh,
                record.reservation_id,
            )
            db.flush()
            row = transaction(db, recorder.charger, backend, record.session_id)
            needed = True
        if not record.active and row is not None and row.ended_ms is None and end_wh is not None and reason is not None:
            _stop(db, recorder, row, ended_ms, end_wh, reason, None)
            needed = True
    if needed and not record.active:
        _forget_values(db, recorder.charger, record.session_id)
    return needed
