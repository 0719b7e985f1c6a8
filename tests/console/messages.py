"""Messages as a charger sends them, with what a test does not care about filled in."""

from typing import Any

from bus_schema.charger_messages import ActiveSession, Meta, Online, State, Telemetry
from bus_schema.words import ChargerStatus, CpState, Phase

BOOT = "0123456789ab"


def online(value: bool = True, **fields: Any) -> Online:
    return Online(**{"ts": None, "uptime_ms": 0, "boot_id": BOOT, "online": value, **fields})


def meta(**fields: Any) -> Meta:
    return Meta(
        **{
            "ts": None,
            "uptime_ms": 0,
            "boot_id": BOOT,
            "hardware": "virtual",
            "firmware": "0.1.0",
            "schema_version": "1.0",
            "phases": 3,
            "phase_rotation": [Phase.L1, Phase.L2, Phase.L3],
            "rated_current_a": 32.0,
            "fallback_current_a": 6.0,
            **fields,
        }
    )


def state(status: ChargerStatus = ChargerStatus.CHARGING, **fields: Any) -> State:
    charging = status is ChargerStatus.CHARGING
    return State(
        **{
            "ts": None,
            "uptime_ms": 0,
            "boot_id": BOOT,
            "cp_state": CpState.C if charging else CpState.A,
            "status": status,
            "contactor_closed": charging,
            "offered_current_a": 16.0 if charging else 0.0,
            "limited_by": "cable",
            "limit_reason": "16 A: the cable is rated for 16 A",
            "energy_wh": 5000,
            **fields,
        }
    )


def session(**fields: Any) -> ActiveSession:
    return ActiveSession(
        **{
            "session_id": f"{BOOT}-1",
            "started_ts": 1_000_000,
            "start_energy_wh": 4000,
            "energy_wh": 1000,
            "authorized_by": "access",
            **fields,
        }
    )


def telemetry(**fields: Any) -> Telemetry:
    return Telemetry(**{"ts": None, "uptime_ms": 0, "boot_id": BOOT, "offered_current_a": 16.0, **fields})
