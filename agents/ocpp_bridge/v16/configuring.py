"""Changing a configuration key: what is checked, what is kept, what follows (OCPP 1.6, 5.3 and chapter 9)."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from sqlalchemy.orm import Session as Database

from agents.ocpp_bridge import memory
from agents.ocpp_bridge.memory import CONFIGURATION
from agents.ocpp_bridge.v16.charger_settings import SETTING_OF
from agents.ocpp_bridge.v16.keys import find_key

if TYPE_CHECKING:
    from agents.ocpp_bridge.v16.backend_session import BackendSession
    from agents.ocpp_bridge.v16.charge_point import ChargePoint

KEY_BYTES = range(16, 41)
"""Length of an AuthorizationKey (security whitepaper, 3.1: 16 to 20; longer ones are taken up to HTTP's custom)."""


def authorization_key(text: str, is_hex: bool = True) -> bytes | None:
    """Return the password of an AuthorizationKey, None if it is none: hexadecimal digits of it, or the text itself."""
    if is_hex and len(text) % 2 == 0 and all(char in "0123456789abcdefABCDEF" for char in text):
        decoded = bytes.fromhex(text)
        return decoded if len(decoded) in KEY_BYTES else None
    encoded = text.encode()
    return encoded if len(encoded) in KEY_BYTES else None


async def change(
    charge_point: "ChargePoint", session: "BackendSession", name: str, value: str
) -> tuple[str, Callable[[], None] | None]:
    """Change a key; return ConfigurationStatus, and what to do once that has been answered."""
    key = find_key(name)
    if key is None:
        return "NotSupported", None
    if key.read_only or not key.allows(value):
        return "Rejected", None
    if key.name == "AuthorizationKey":
        if authorization_key(value, session.peculiarities.authorization_key_is_hex) is None:
            return "Rejected", None
    elif key.name == "SecurityProfile":
        problem = await _why_not_profile(charge_point, session, int(value))
        if problem is not None:
            charge_point.log.warning("security_profile_refused", reason=problem)
            return "Rejected", None

    def keep(db: Database) -> None:
        memory.set_setting(db, charge_point.name, CONFIGURATION, key.name, value)
        charge_point.charger_settings.note(db, key.name)

    await charge_point.store.run(keep)
    charge_point.configuration.set(key.name, value)
    charge_point.charger_settings.changed(key.name)
    charge_point.log.info("configuration_changed", key=key.name, by=session.backend.name)
    return "Accepted", _consequence(charge_point, session, key.name)


async def _why_not_profile(charge_point: "ChargePoint", session: "BackendSession", wanted: int) -> str | None:
    """Return why the security profile cannot become ``wanted``: it may only rise, and needs its credentials first."""
    if wanted <= charge_point.credentials.security_profile(session.backend):
        return "a security profile is never lowered"
    if wanted in (1, 2) and await charge_point.credentials.password(session.backend) is None:
        return "it needs an AuthorizationKey first"
    if wanted >= 2 and not await charge_point.credentials.has_root_certificate(session.backend):
        return "it needs a CentralSystemRootCertificate first"
    if wanted == 3 and not await charge_point.credentials.has_own_certificate(session.backend):
        return "it needs a certificate of the charge point first"
    return None


def _consequence(charge_point: "ChargePoint", session: "BackendSession", name: str) -> Callable[[], None] | None:
    def reconnecting() -> None:
        charge_point.tasks.start(session.reconnect(f"{name} was changed"), "reconnect")

    match name:
        case "HeartbeatInterval":
            return charge_point.heartbeat_changed
        case "MinimumStatusDuration":
            return charge_point.see_statuses
        case "WebSocketPingInterval" | "AuthorizationKey" | "SecurityProfile":
            return reconnecting
        case _ if name in SETTING_OF:
            return charge_point.charger_settings.tick
        case "ClockAlignedDataInterval":
            return charge_point.metering.realign
    return None
