"""Which profiles are kept: installing, replacing, clearing, and the end of a transaction (5.16, 5.5)."""

from dataclasses import dataclass

from agents.ocpp_bridge.charging_profiles.model import ChargingProfile, Purpose, contradiction


@dataclass(frozen=True, slots=True)
class Installed:
    """A profile that is kept."""

    connector_id: int
    """0 for the whole charge point."""
    profile: ChargingProfile
    installed_ms: int
    """When it came: the beginning of a relative charge-point maximum, which belongs to no transaction."""


Profiles = tuple[Installed, ...]
"""Everything that one charge point keeps, in the order of coming."""


@dataclass(frozen=True, slots=True)
class InstallLimits:
    """What a charge point can keep; each has a configuration key of the same meaning (9.4)."""

    max_stack_level: int = 100
    """ChargeProfileMaxStackLevel."""
    max_periods: int = 100
    """ChargingScheduleMaxPeriods."""
    max_installed: int = 30
    """MaxChargingProfilesInstalled."""


class ProfileRefused(ValueError):
    """A profile cannot be kept; the text says why."""


def install(
    profiles: Profiles,
    connector_id: int,
    profile: ChargingProfile,
    now_ms: int,
    limits: InstallLimits,
    transaction_id: int | None = None,
) -> Profiles:
    """Return the profiles with ``profile`` among them.

    It replaces the one with its id, and the one of its connector, purpose and stack level (3.13.2). ``transaction_id``
    is that of the connector's transaction; a local one will do while the backend has not given its own. Raises
    :class:`ProfileRefused`.
    """
    problem = contradiction(profile) or _beyond(profile, limits)
    if problem is None and profile.purpose is Purpose.CHARGE_POINT_MAX and connector_id != 0:
        problem = f"a ChargePointMaxProfile is for connector 0, not {connector_id}"
    if problem is None and profile.purpose is Purpose.TX:
        problem = _no_transaction(profile, connector_id, transaction_id)
    if problem is not None:
        raise ProfileRefused(problem)
    kept = tuple(other for other in profiles if not _replaces(connector_id, profile, other))
    if len(kept) >= limits.max_installed:
        raise ProfileRefused(f"{len(kept)} profiles are installed already, as many as can be kept")
    return (*kept, Installed(connector_id, profile, now_ms))


def check_for_remote_start(profile: ChargingProfile, limits: InstallLimits) -> None:
    """Check the profile of a RemoteStartTransaction (5.11). Raises :class:`ProfileRefused`."""
    problem = contradiction(profile) or _beyond(profile, limits)
    if problem is None and profile.purpose is not Purpose.TX:
        problem = f"the profile of a RemoteStartTransaction is a TxProfile, not a {profile.purpose}"
    if problem is None and profile.transaction_id is not None:
        problem = "the transaction has not begun: its profile has no transactionId"
    if problem is not None:
        raise ProfileRefused(problem)


def clear(
    profiles: Profiles,
    *,
    profile_id: int | None = None,
    connector_id: int | None = None,
    purpose: Purpose | None = None,
    stack_level: int | None = None,
) -> tuple[Profiles, int]:
    """Return what is left, and how many were cleared (6.9).

    An id alone decides, whatever else is given; the other filters must all match; without any, everything goes.
    """

    def meant(installed: Installed) -> bool:
        profile = installed.profile
        if profile_id is not None:
            return profile.profile_id == profile_id
        return (
            connector_id in (None, installed.connector_id)
            and purpose in (None, profile.purpose)
            and stack_level in (None, profile.stack_level)
        )

    left = tuple(installed for installed in profiles if not meant(installed))
    return left, len(profiles) - len(left)


def end_transaction(profiles: Profiles, connector_id: int) -> Profiles:
    """Return the profiles without those of the connector's transaction, which has ended."""
    return tuple(
        installed
        for installed in profiles
        if installed.profile.purpose is not Purpose.TX or installed.connector_id != connector_id
    )


def _beyond(profile: ChargingProfile, limits: InstallLimits) -> str | None:
    if profile.stack_level > limits.max_stack_level:
        return f"stack level {profile.stack_level}; the highest is {limits.max_stack_level}"
    if len(profile.schedule.periods) > limits.max_periods:
        return f"{len(profile.schedule.periods)} periods; at most {limits.max_periods} can be kept"
    return None


def _no_transaction(profile: ChargingProfile, connector_id: int, transaction_id: int | None) -> str | None:
    if connector_id == 0:
        return "a TxProfile is for the connector of its transaction, not for connector 0"
    if transaction_id is None:
        return f"no transaction is going on at connector {connector_id}"
    if profile.transaction_id not in (None, transaction_id):
        return f"the transaction at connector {connector_id} is {transaction_id}, not {profile.transaction_id}"
    return None


def _replaces(connector_id: int, profile: ChargingProfile, other: Installed) -> bool:
    return other.profile.profile_id == profile.profile_id or (
        other.connector_id == connector_id
        and other.profile.purpose is profile.purpose
        and other.profile.stack_level == profile.stack_level
    )
