"""Smart Charging (OCPP 1.6, 5.5, 5.7, 5.16): profiles are kept, resolved, and become a lease of the bridge."""

import json
from typing import TYPE_CHECKING, Any

from ocpp.v16 import call, call_result
from sqlalchemy import delete, select
from sqlalchemy.orm import Session as Database

from agents.ocpp_bridge import memory
from agents.ocpp_bridge.charging_profiles import (
    Allowed,
    ChargingProfile,
    Installed,
    InstallLimits,
    ProfileRefused,
    Profiles,
    Purpose,
    RateUnit,
    Supply,
    Transaction,
    check_for_remote_start,
    clear,
    compose,
    end_transaction,
    install,
    resolve,
)
from agents.ocpp_bridge.memory import OWN
from agents.ocpp_bridge.models import ProfileRow
from agents.ocpp_bridge.v16.charging_profile_payloads import read_profile, write_composite, write_profile
from agents.ocpp_bridge.v16.keys import MAX_PERIODS, MAX_PROFILES, MAX_STACK_LEVEL
from agents.ocpp_bridge.v16.statuses import CHARGE_POINT, CONNECTOR
from agents.runtime.ocpp import Handler
from agents.runtime.ocpp.frames import write_payload
from agents.runtime.ocpp.shapes import to_wire
from bus_schema.command import ReleaseLimit, SetLimit
from bus_schema.units import MAX_NOMINAL_VOLTAGE_V
from bus_schema.words import ReplyCode, ReplyStage

if TYPE_CHECKING:
    from agents.ocpp_bridge.v16.charge_point import ChargePoint

LIMITS = InstallLimits(max_stack_level=MAX_STACK_LEVEL, max_periods=MAX_PERIODS, max_installed=MAX_PROFILES)

LEASE_S = 300
"""Life of a lease. It is renewed after a third of it, so that two renewals may be lost. s."""

MAX_COMPOSITE_S = 7 * 86_400
"""Longest composite schedule. s."""

_EXPECTED = "expected_profile"

UNLIMITED_A = 80.0
"""What the composite schedule says before the charger has told its rating."""


class SmartCharging:
    """The profiles of one charge point and the lease that follows from them."""

    def __init__(self, charge_point: "ChargePoint") -> None:
        """Belong to ``charge_point``; :meth:`load` fills it."""
        self._charge_point = charge_point
        self._profiles: Profiles = ()
        self._expected: ChargingProfile | None = None
        """Profile of a remote start whose session has not begun."""
        self._lease: tuple[float, int] | None = None
        """What the charger was last told: the limit, and when to tell it again."""
        self._held = True
        """Whether the charger may hold a lease of ours; unknown after a restart, so that it is released once."""
        self._telling = False
        self._changes = 0

    def load(self, db: Database) -> None:
        """Recall the profiles; one that cannot be read any more is left out and logged."""
        rows = db.scalars(
            select(ProfileRow)
            .where(ProfileRow.charger == self._charge_point.name)
            .order_by(ProfileRow.installed_ms, ProfileRow.profile_id)
        )
        found = []
        active = self._charge_point.active
        for row in rows:
            if row.session_id is not None and (active is None or active.session_id != row.session_id):
                continue  # Its transaction ended while this was not running.
            try:
                found.append(Installed(row.connector_id, read_profile(json.loads(row.body)), row.installed_ms))
            except (ValueError, KeyError) as error:
                self._charge_point.log.error("profile_unreadable", profile=row.profile_id, reason=str(error))
        self._profiles = tuple(found)
        text = memory.settings(db, self._charge_point.name, OWN).get(_EXPECTED)
        self._expected = None if text is None else read_profile(json.loads(text))

    def handlers(self) -> dict[str, Handler]:
        """Return the handlers by action."""
        return {
            "SetChargingProfile": self.set_profile,
            "ClearChargingProfile": self.clear_profile,
            "GetCompositeSchedule": self.composite,
        }

    async def set_profile(self, request: call.SetChargingProfile) -> call_result.SetChargingProfile:
        """Install a profile."""
        charge_point = self._charge_point
        if request.connector_id not in (CHARGE_POINT, CONNECTOR):
            return call_result.SetChargingProfile("Rejected")
        active = charge_point.active
        try:
            profile = read_profile(to_wire(request.cs_charging_profiles))
            profiles = install(
                self._profiles,
                request.connector_id,
                profile,
                charge_point.clock.now_ms(),
                LIMITS,
                None if active is None else active.number,
            )
        except ProfileRefused as refused:
            charge_point.log.info("profile_refused", reason=str(refused))
            return call_result.SetChargingProfile("Rejected")
        await self._keep(profiles)
        return call_result.SetChargingProfile("Accepted")

    async def clear_profile(self, request: call.ClearChargingProfile) -> call_result.ClearChargingProfile:
        """Clear what matches."""
        purpose = request.charging_profile_purpose
        left, count = clear(
            self._profiles,
            profile_id=request.id,
            connector_id=request.connector_id,
            purpose=None if purpose is None else Purpose(str(purpose)),
            stack_level=request.stack_level,
        )
        if count:
            await self._keep(left)
        return call_result.ClearChargingProfile("Accepted" if count else "Unknown")

    async def composite(self, request: call.GetCompositeSchedule) -> call_result.GetCompositeSchedule:
        """Tell what will be allowed, by the same resolver that limits the charger."""
        charge_point = self._charge_point
        if request.connector_id not in (CHARGE_POINT, CONNECTOR) or request.duration <= 0:
            return call_result.GetCompositeSchedule("Rejected")
        begin_ms = charge_point.clock.now_ms()
        unit = RateUnit(str(request.charging_rate_unit or "A"))
        supply = self._supply()
        meta = charge_point.meta
        most_a = UNLIMITED_A if meta is None else meta.rated_current_a
        duration_s = min(request.duration, MAX_COMPOSITE_S)
        periods, covered_s = compose(
            self._profiles, request.connector_id, begin_ms, duration_s, supply, most_a, self._transaction()
        )
        schedule = write_composite(periods, begin_ms, covered_s, unit, supply)
        return call_result.GetCompositeSchedule(
            "Accepted",
            request.connector_id,
            schedule["startSchedule"],
            schedule,
        )

    def profile_of_remote_start(self, payload: Any) -> ChargingProfile:
        """Return the profile of a RemoteStartTransaction. Raises :class:`ProfileRefused`."""
        profile = read_profile(to_wire(payload))
        check_for_remote_start(profile, LIMITS)
        return profile

    async def expect(self, profile: ChargingProfile | None) -> None:
        """Keep the profile of a remote start until its session begins."""
        if profile == self._expected:
            return
        name = self._charge_point.name
        text = None if profile is None else write_payload(write_profile(profile))
        await self._charge_point.store.run(lambda db: memory.set_setting(db, name, OWN, _EXPECTED, text))
        self._expected = profile

    async def session_started(self) -> None:
        """Install the profile that was expected. May be done again if the database was away."""
        profile, active = self._expected, self._charge_point.active
        if profile is not None and active is not None:
            # What belonged to the last transaction is over, also if its end could not be kept.
            profiles = end_transaction(self._profiles, CONNECTOR)
            try:
                now_ms = self._charge_point.clock.now_ms()
                profiles = install(profiles, CONNECTOR, profile, now_ms, LIMITS, active.number)
            except ProfileRefused as refused:
                self._charge_point.log.warning("profile_refused", reason=str(refused))
            await self._keep(profiles)
            await self.expect(None)
        self.changed()

    async def session_ended(self) -> None:
        """Drop the profiles of the transaction that has ended."""
        left = end_transaction(self._profiles, CONNECTOR)
        if left != self._profiles:
            await self._keep(left)

    async def _keep(self, profiles: Profiles) -> None:
        name, active = self._charge_point.name, self._charge_point.active
        session_id = None if active is None else active.session_id

        def keep(db: Database) -> None:
            db.execute(delete(ProfileRow).where(ProfileRow.charger == name))
            for installed in profiles:
                db.add(
                    ProfileRow(
                        charger=name,
                        profile_id=installed.profile.profile_id,
                        connector_id=installed.connector_id,
                        session_id=session_id if installed.profile.purpose is Purpose.TX else None,
                        installed_ms=installed.installed_ms,
                        body=write_payload(write_profile(installed.profile)),
                    )
                )

        await self._charge_point.store.run(keep)
        self._profiles = profiles
        self.changed()

    # The lease

    def changed(self) -> None:
        """Let the next :meth:`tick` tell the charger at once."""
        self._changes += 1
        self._lease = None
        self.tick()

    def allowed(self) -> Allowed | None:
        """Return what the profiles allow now."""
        now_ms = self._charge_point.clock.now_ms()
        return resolve(self._profiles, CONNECTOR, now_ms, self._supply(), self._transaction())

    def tick(self) -> None:
        """Tell the charger its limit when it is due."""
        charge_point = self._charge_point
        if self._telling or not charge_point.present:
            return
        now_ms = charge_point.clock.now_ms()
        if self._lease is not None and now_ms < self._lease[1]:
            return
        allowed = self.allowed()
        if allowed is None and not self._held:
            return
        self._telling = True
        charge_point.tasks.start(self._tell(allowed, now_ms), "lease")

    async def _tell(self, allowed: Allowed | None, now_ms: int) -> None:
        try:
            if allowed is None:
                await self._release()
            else:
                await self._grant(allowed, now_ms)
        finally:
            self._telling = False

    async def _grant(self, allowed: Allowed, now_ms: int) -> None:
        until_ms = now_ms + LEASE_S * 1000 if allowed.until_ms is None else allowed.until_ms
        # It must not outlive what it stands for, and the next one must be there before it ends.
        life_s = max(1, min(LEASE_S, -(-(until_ms - now_ms) // 1000)))
        profile, changes = allowed.profile.profile, self._changes
        reply = await self._charge_point.limit(
            SetLimit,
            current_a=min(1000.0, allowed.current_a),
            valid_for_s=life_s,
            reason=f"{allowed.current_a:g} A: {profile.purpose.value} {profile.profile_id} of the backend",
        )
        if reply is not None and reply.stage is ReplyStage.DONE:
            self._held = True
            again_ms = min(now_ms + LEASE_S * 1000 // 3, until_ms)
            if changes == self._changes:
                self._lease = (allowed.current_a, max(again_ms, now_ms + 1000))

    async def _release(self) -> None:
        reply = await self._charge_point.limit(ReleaseLimit)
        if reply is not None and (reply.stage is ReplyStage.DONE or reply.code is ReplyCode.NO_LEASE):
            self._held = False
            self._lease = None

    def rebooted(self) -> None:
        """Say that the charger has rebooted: its lease may be gone."""
        self._held = True
        self._lease = None

    def _supply(self) -> Supply:
        meta = self._charge_point.meta
        if meta is None:
            # Whatever it turns out to be, a limit in watts was not exceeded.
            return Supply(phases=3, voltage_v=MAX_NOMINAL_VOLTAGE_V)
        return Supply(meta.phases, meta.nominal_voltage_v)

    def _transaction(self) -> Transaction | None:
        active = self._charge_point.active
        return None if active is None else Transaction(active.started_ms, active.transaction_id)
