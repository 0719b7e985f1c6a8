"""Events of chargers, short to write."""

from typing import Any

from bus_schema.event import CardPresented, SessionEnded, SessionSampled, SessionStarted
from bus_schema.message import IdToken
from bus_schema.words import ChargerStatus, IdTokenType, StopReason

BOOT = "0123456789ab"
LATER_BOOT = "ba9876543210"
SESSION = f"{BOOT}-1"
T0 = 1_767_225_600_000
CARD = IdToken(type=IdTokenType.RFID, value="04A2B3C4D5E680")


def numbered(seq: int, boot: str = BOOT, oldest: int = 1, ts: int | None = -1, **fields: Any) -> dict[str, Any]:
    """Return what all events carry; a second passes between two numbers."""
    return {
        "ts": T0 + seq * 1000 if ts == -1 else ts,
        "uptime_ms": min(60_000 + seq * 1000, 2**53 - 1),
        "boot_id": boot,
        "seq": seq,
        "oldest_seq": oldest,
        **fields,
    }


def started(seq: int, wh: int, session: str = SESSION, **fields: Any) -> SessionStarted:
    fields = {"id_token": CARD, "authorized_by": "access", **fields}
    return SessionStarted(**numbered(seq, **fields), session_id=session, energy_wh=wh)


def sampled(seq: int, wh: int, session: str = SESSION, **fields: Any) -> SessionSampled:
    fields = {"status": ChargerStatus.CHARGING, **fields}
    return SessionSampled(**numbered(seq, **fields), session_id=session, energy_wh=wh)


def ended(seq: int, start_wh: int, wh: int, session: str = SESSION, **fields: Any) -> SessionEnded:
    fields = {"reason": StopReason.EV_DISCONNECTED, **fields}
    return SessionEnded(**numbered(seq, **fields), session_id=session, start_energy_wh=start_wh, energy_wh=wh)


def card(seq: int, token: IdToken = CARD, **fields: Any) -> CardPresented:
    return CardPresented(**numbered(seq, **fields), id_token=token)
