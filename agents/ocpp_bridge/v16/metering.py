"""When a charge point measures what, and what goes out at once (OCPP 1.6, 3.16 and 4.7)."""

from typing import TYPE_CHECKING

from ocpp.v16 import call

from agents.ocpp_bridge.v16.measurands import Measured, meter_value, next_aligned_ms, parse_measurands
from agents.ocpp_bridge.v16.statuses import CHARGE_POINT, CONNECTOR
from bus_schema.charger_messages import Telemetry

if TYPE_CHECKING:
    from agents.ocpp_bridge.v16.backend_session import BackendSession
    from agents.ocpp_bridge.v16.charge_point import ChargePoint

FRESH_MS = 15_000
"""How old telemetry may be to count as measured now. ms."""

STATE_FRESH_MS = 30_000
"""How old a state may be; chargers say it every 10 s. ms."""

MISSED_MS = 10_000
"""A clock-aligned instant that was missed by more is not made up for. ms."""


class Metering:
    """The measurements of one charge point."""

    def __init__(self, charge_point: "ChargePoint") -> None:
        """Belong to ``charge_point``."""
        self._charge_point = charge_point
        self._telemetry: tuple[Telemetry, int] | None = None
        self._next_aligned_ms: int | None = None

    def on_telemetry(self, telemetry: Telemetry) -> None:
        """Take what the charger measures."""
        self._telemetry = (telemetry, self._charge_point.clock.now_ms())

    def forget(self) -> None:
        """Forget what was measured: the charger has rebooted."""
        self._telemetry = None

    def measured(self, at_ms: int) -> Measured | None:
        """Return what is known now; None while the charger is silent."""
        charge_point = self._charge_point
        now_ms, state = charge_point.clock.now_ms(), charge_point.state
        if self._telemetry is not None and now_ms - self._telemetry[1] <= FRESH_MS:
            telemetry = self._telemetry[0]
            energy_wh = telemetry.energy_wh
            if energy_wh is None and state is not None:
                energy_wh = state.energy_wh
            return Measured(at_ms, energy_wh, telemetry)
        if state is not None and state.energy_wh is not None and now_ms - charge_point.state_ms <= STATE_FRESH_MS:
            return Measured(at_ms, state.energy_wh)
        return None

    def realign(self) -> None:
        """Let clock-aligned values follow a new interval."""
        self._next_aligned_ms = None

    def due(self) -> list[tuple[str | None, Measured, str]]:
        """Return what is due to be sent now: session (None outside of one), values, context."""
        charge_point, active = self._charge_point, self._charge_point.active
        now_ms, due = charge_point.clock.now_ms(), []
        aligned_ms = self._due_aligned(now_ms)
        session_id = None if active is None else active.session_id
        if aligned_ms is not None:
            found = self.measured(aligned_ms)
            if found is not None:
                due.append((session_id, found, "Sample.Clock"))
        interval_ms = charge_point.configuration.number("MeterValueSampleInterval") * 1000
        if active is not None and interval_ms:
            last_ms = active.started_ms if active.sampled_ms is None else active.sampled_ms
            if now_ms - last_ms >= interval_ms:
                found = self.measured(now_ms)
                if found is not None:
                    # In step with the start as long as nothing is missed.
                    active.sampled_ms = now_ms - (now_ms - last_ms) % interval_ms
                    due.append((session_id, found, "Sample.Periodic"))
        return due

    def _due_aligned(self, now_ms: int) -> int | None:
        interval_s = self._charge_point.configuration.number("ClockAlignedDataInterval")
        if not interval_s:
            self._next_aligned_ms = None
            return None
        at_ms = self._next_aligned_ms
        if at_ms is None or now_ms >= at_ms:
            self._next_aligned_ms = next_aligned_ms(now_ms, interval_s)
        return at_ms if at_ms is not None and 0 <= now_ms - at_ms < MISSED_MS else None

    async def send(self, found: Measured, context: str) -> None:
        """Send values outside of a transaction to whoever is connected."""
        for session in self._charge_point.sessions:
            if session.online:
                await self._send(session, found, context, CONNECTOR)

    async def _send(self, session: "BackendSession", found: Measured, context: str, connector_id: int) -> None:
        charge_point = self._charge_point
        key = "MeterValuesAlignedData" if context == "Sample.Clock" else "MeterValuesSampledData"
        wanted = parse_measurands(charge_point.configuration[key])
        value = meter_value(found, wanted, context, session.peculiarities.celsius)
        if value is None:
            return
        # Connector 0 has no transaction (6.31).
        active = charge_point.active if connector_id == CONNECTOR and session.primary else None
        number = None if active is None else active.transaction_id
        await session.try_call(call.MeterValues(connector_id, [value], number))

    async def triggered(self, session: "BackendSession", connector_id: int | None) -> None:
        """Send the values of now because the backend has asked."""
        found = self.measured(self._charge_point.clock.now_ms())
        if found is not None:
            for each in (CHARGE_POINT, CONNECTOR) if connector_id is None else (connector_id,):
                await self._send(session, found, "Trigger", each)
