"""One connection of an OCPP 1.6 station: what it says, and what it is answered."""

import json
from collections.abc import Awaitable, Callable
from typing import Any

from ocpp.v16 import call, call_result, datatypes
from sqlalchemy.orm import Session as Database
from structlog.typing import FilteringBoundLogger

from agents.csms.id_tags import same, token_of
from agents.csms.journal import Change
from agents.csms.messages import Measured
from agents.csms.models import StationRow
from agents.csms.pace import Pace
from agents.csms.settings import CsmsSettings
from agents.csms.state import ConnectorState
from agents.csms.stations import Authorizing, Judgement, KnownStation, Port, asked_at
from agents.csms.transactions import DISCARDED, StartKey, find, find_start, insert_start
from agents.csms.transitions import ended, ending, measured, moment, started, status_changed
from agents.csms.v16.meter_values import read_meter_values
from agents.csms.v16.statuses import fault_detail, fault_of, status_of, stop_reason_of
from agents.runtime.agent import Clock
from agents.runtime.database.store import Store
from agents.runtime.ocpp import Answered, Handler, format_time, parse_time
from agents.runtime.ocpp.times import InvalidTime
from bus_schema.words import StopReason

OLD_MS = 300_000
"""A start longer ago than this was decided by the station while it was offline: asking comes too late. ms."""

_ENDS = {
    "Installed": True,
    "InstallationFailed": False,
    "DownloadFailed": False,
    "Uploaded": True,
    "UploadFailed": False,
}
"""Status of a transfer → whether it ended well."""


class V16Session:
    """Handlers of one station's calls. They answer when what they were told has been committed."""

    def __init__(
        self,
        station: KnownStation,
        settings: CsmsSettings,
        store: Store,
        clock: Clock,
        authorizing: Authorizing,
        log: FilteringBoundLogger,
        *,
        pace: Pace,
        session_ids: Callable[[], str],
        booted: Callable[[], None],
        measured: Callable[[Port, Measured], None],
        transferred: Callable[[Port, str, bool, str], None],
    ) -> None:
        """``pace`` slows it down, ``session_ids`` draws ids for sessions.

        ``booted`` is told after a BootNotification was answered, ``measured`` of readings, ``transferred`` of the end
        of an upload or an installation.
        """
        self._station = station
        self._settings = settings
        self._store = store
        self._clock = clock
        self._authorizing = authorizing
        self._log = log
        self._pace = pace
        self._session_ids = session_ids
        self._booted = booted
        self._measured = measured
        self._transferred = transferred

    def handlers(self) -> dict[str, Handler]:
        """Return the handlers by action."""
        found: dict[str, Callable[[Any], Awaitable[Any]]] = {
            "BootNotification": self._boot,
            "Heartbeat": self._heartbeat,
            "StatusNotification": self._status,
            "Authorize": self._authorize,
            "StartTransaction": self._start,
            "StopTransaction": self._stop,
            "MeterValues": self._meter_values,
            "DataTransfer": self._data_transfer,
            "FirmwareStatusNotification": self._firmware_status,
            "SignedFirmwareStatusNotification": self._signed_firmware_status,
            "DiagnosticsStatusNotification": self._diagnostics_status,
            "LogStatusNotification": self._log_status,
            "SecurityEventNotification": self._security_event,
            "SignCertificate": self._sign_certificate,
        }
        return found

    # Core

    async def _boot(self, request: call.BootNotification) -> Answered:
        about = {
            "vendor": request.charge_point_vendor,
            "model": request.charge_point_model,
            "serial": request.charge_point_serial_number or request.charge_box_serial_number,
            "firmware": request.firmware_version,
        }
        now_ms, identity = self._clock.now_ms(), self._station.identity

        def work(db: Database) -> None:
            db.merge(StationRow(identity=identity, about=json.dumps(about), booted_ms=now_ms))

        if self._station.known:
            await self._store.run(work)
        self._station.about = f"{request.charge_point_vendor} {request.charge_point_model}"
        self._station.firmware = request.firmware_version or ""
        self._log.info("station_booted", station=identity, **about)
        answer = call_result.BootNotification(
            current_time=format_time(self._clock.now_ms()),
            interval=self._settings.heartbeat_interval_s,
            status="Accepted",
        )
        return Answered(answer, self._booted)

    async def _heartbeat(self, request: call.Heartbeat) -> call_result.Heartbeat:
        return call_result.Heartbeat(current_time=format_time(self._clock.now_ms()))

    async def _status(self, request: call.StatusNotification) -> call_result.StatusNotification:
        port = self._port(request.connector_id, "StatusNotification")
        if port is not None:
            ts = moment(_time(request.timestamp), self._clock.now_ms())
            status = status_of(request.status)
            fault = fault_of(request.status, request.error_code)
            detail = fault_detail(request.error_code, request.info, request.vendor_error_code)
            await port.connector.change(lambda state: status_changed(state, status, fault, detail, ts))
        return call_result.StatusNotification()

    async def _authorize(self, request: call.Authorize) -> call_result.Authorize:
        known = self._authorizing.known(self._station, None, request.id_tag)
        judgement = await self._judged(known, asked_at(self._station), request.id_tag)
        return call_result.Authorize(id_tag_info=_info(judgement.status, judgement.parent))

    # Transactions

    async def _start(self, request: call.StartTransaction) -> call_result.StartTransaction:
        key = StartKey(
            self._station.identity, request.connector_id, request.id_tag, request.timestamp, request.meter_start
        )
        known = await self._store.run(lambda db: find_start(db, key))
        if known is not None:
            return _started(known.id, known.status, known.parent)
        now_ms = self._clock.now_ms()
        ts = moment(_time(request.timestamp), now_ms)
        port = self._port(request.connector_id, "StartTransaction")
        if port is None:
            row = await self._store.run(
                lambda db: insert_start(db, key, ts, "Invalid", "", now_ms=now_ms, discarded=True)
            )
            return _started(row.id, "Invalid", "")
        judgement = await self._judged_at_start(port, request.id_tag, ts, now_ms)
        session_id = self._session_ids()

        def begin(db: Database, state: ConnectorState) -> tuple[Change, int]:
            # Another connection of the station may have brought the same while somebody was asked.
            before = find_start(db, key)
            if before is not None:
                return Change(state), before.id
            row = insert_start(db, key, ts, judgement.status, judgement.parent, now_ms=now_ms)
            change = started(
                state,
                session_id=session_id,
                transaction_id=row.id,
                id_tag=request.id_tag,
                id_token=token_of(request.id_tag),
                meter_start_wh=request.meter_start,
                ts=ts,
                reservation_id=request.reservation_id,
                vouched=judgement.vouched,
            )
            _close_lost(db, key.identity, state, ts)
            if not judgement.accepted:
                refused = ending(change.state, StopReason.DE_AUTHORIZED, "nobody has authorised this card")
                change = Change(refused.state, change.events)
            row.session_id = None if change.state.session is None else change.state.session.session_id
            return change, row.id

        transaction_id = await port.connector.change_with(begin)
        return _started(transaction_id, judgement.status, judgement.parent)

    async def _judged_at_start(self, port: Port, id_tag: str, ts: int, now_ms: int) -> Judgement:
        known = self._authorizing.known(self._station, port, id_tag)
        if known is None and ts < now_ms - OLD_MS:
            return Judgement("Accepted")
        if known is None and port.connector.state.session is not None:
            # Whoever is asked must not take the card for one that is to end the session which the station has lost.
            lost = "the station began another transaction without ending this one"
            identity = self._station.identity

            def close(db: Database, state: ConnectorState) -> tuple[Change, None]:
                _close_lost(db, identity, state, ts)
                return ended(state, None, ts, StopReason.OTHER, lost, None), None

            await port.connector.change_with(close)
        return await self._judged(known, port, id_tag)

    async def _judged(self, known: Judgement | None, port: Port | None, id_tag: str) -> Judgement:
        """Return what is said of a card: what is known already, or what the bus says; slowly after many refusals."""
        identity = self._station.identity
        if known is not None and known.accepted:
            return known
        if not await self._pace.may_try_card(identity):
            return known or Judgement("Invalid")
        judgement = known
        if judgement is None:
            judgement = Judgement("Invalid") if port is None else await self._authorizing.ask(port, id_tag)
        if not judgement.accepted:
            self._pace.card_refused(identity)
        return judgement

    async def _stop(self, request: call.StopTransaction) -> call_result.StopTransaction:
        identity, now_ms = self._station.identity, self._clock.now_ms()
        ts = moment(_time(request.timestamp), now_ms)
        row = await self._store.run(lambda db: find(db, identity, request.transaction_id))
        if row is None:
            await self._discard(request, ts)
        elif row.stopped_ms is None:
            port = self._station.ports.get(row.connector)
            token = None
            if request.id_tag:
                token = token_of(request.id_tag)
            reason = stop_reason_of(request.reason)

            def end(db: Database, state: ConnectorState) -> tuple[Change, None]:
                _close(db, identity, request.transaction_id, ts, request.meter_stop, request.reason or "Local")
                if state.session is None or state.session.transaction_id != request.transaction_id:
                    return Change(state), None
                return ended(state, request.meter_stop, ts, reason, request.reason or "", token), None

            if port is None:
                await self._store.run(
                    lambda db: _close(
                        db, identity, request.transaction_id, ts, request.meter_stop, request.reason or "Local"
                    )
                )
            else:
                await port.connector.change_with(end)
        info = None if not request.id_tag else _info(self._stopper(row, request.id_tag), "")
        return call_result.StopTransaction(id_tag_info=info)

    def _stopper(self, row: Any, id_tag: str) -> str:
        """What is said of the card that ended a transaction: it has ended it."""
        if row is not None and same(row.id_tag, id_tag):
            return "Accepted"
        found = self._authorizing.by_settings(id_tag, self._clock.now_ms())
        return "Accepted" if found is None else found.status

    async def _discard(self, request: call.StopTransaction, ts: int) -> None:
        """Keep the end of a transaction that never began here: an operator wants to see it."""
        self._log.warning(
            "unknown_transaction_stopped", station=self._station.identity, transaction=request.transaction_id
        )
        now_ms = self._clock.now_ms()
        key = StartKey(self._station.identity, 0, request.id_tag or "", request.timestamp, request.meter_stop)

        def work(db: Database) -> None:
            if find_start(db, key) is None:
                row = insert_start(db, key, ts, DISCARDED, "", now_ms=now_ms, discarded=True)
                row.stopped_ms, row.meter_stop_wh = ts, request.meter_stop
                row.reason = f"unknown transaction {request.transaction_id}"[:40]

        await self._store.run(work)

    async def _meter_values(self, request: call.MeterValues) -> call_result.MeterValues:
        port = self._port(request.connector_id, "MeterValues")
        if port is not None:
            readings = read_meter_values(request.meter_value)
            wh = readings.register_wh
            if wh is not None:
                ts = moment(readings.ts, self._clock.now_ms())
                await port.connector.change(lambda state: measured(state, wh, ts, request.transaction_id))
            self._measured(
                port, Measured(readings.current_a, readings.voltage_v, readings.power_w, readings.temperature_c)
            )
        return call_result.MeterValues()

    # The rest

    async def _data_transfer(self, request: call.DataTransfer) -> call_result.DataTransfer:
        self._log.info("data_transfer_refused", station=self._station.identity, vendor=request.vendor_id[:60])
        return call_result.DataTransfer(status="UnknownVendorId")

    async def _firmware_status(self, request: call.FirmwareStatusNotification) -> Any:
        self._transfer("firmware", request.status)
        return call_result.FirmwareStatusNotification()

    async def _signed_firmware_status(self, request: call.SignedFirmwareStatusNotification) -> Any:
        self._transfer("firmware", request.status)
        return call_result.SignedFirmwareStatusNotification()

    async def _diagnostics_status(self, request: call.DiagnosticsStatusNotification) -> Any:
        self._transfer("log", request.status)
        return call_result.DiagnosticsStatusNotification()

    async def _log_status(self, request: call.LogStatusNotification) -> Any:
        self._transfer("log", request.status)
        return call_result.LogStatusNotification()

    async def _security_event(self, request: call.SecurityEventNotification) -> Any:
        self._log.warning("station_security_event", station=self._station.identity, type=request.type)
        return call_result.SecurityEventNotification()

    async def _sign_certificate(self, request: call.SignCertificate) -> call_result.SignCertificate:
        return call_result.SignCertificate(status="Rejected")

    def _transfer(self, what: str, status: str) -> None:
        ended_well = _ENDS.get(status)
        if ended_well is not None:
            for port in self._station.ports.values():
                self._transferred(port, what, ended_well, status)

    def _port(self, connector: int, action: str) -> Port | None:
        """Return a connector, or None for the station itself (0) and for one that it does not have."""
        port = self._station.ports.get(connector)
        if port is None and connector != 0:
            has = len(self._station.ports)
            self._log.warning(
                "no_such_connector", station=self._station.identity, action=action, connector=connector, has=has
            )
        return port


def _close(db: Database, identity: str, transaction_id: int, ts: int, meter_wh: int | None, reason: str) -> None:
    row = find(db, identity, transaction_id)
    if row is not None and row.stopped_ms is None:
        row.stopped_ms, row.meter_stop_wh, row.reason = ts, meter_wh, reason[:40]


def _close_lost(db: Database, identity: str, state: ConnectorState, ts: int) -> None:
    if state.session is not None:
        _close(db, identity, state.session.transaction_id, ts, None, "lost by the station")


def _started(transaction_id: int, status: str, parent: str) -> call_result.StartTransaction:
    return call_result.StartTransaction(transaction_id=transaction_id, id_tag_info=_info(status, parent))


def _info(status: str, parent: str) -> datatypes.IdTagInfo:
    return datatypes.IdTagInfo(status=status, parent_id_tag=parent or None)


def _time(text: str | None) -> int | None:
    if text is None:
        return None
    try:
        return parse_time(text)
    except InvalidTime:
        return None
