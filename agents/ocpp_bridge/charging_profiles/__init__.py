"""Smart charging: which charging profiles a backend has installed, and what they allow at a moment.

Pure values and functions, the same for every dialect of OCPP: ``model`` what a profile is, ``installing`` which are
kept, ``resolving`` what they allow now and when that changes, ``composing`` the schedule of the hours to come.

The numbers in comments are sections of OCPP 1.6 edition 2.
"""

from agents.ocpp_bridge.charging_profiles.composing import CompositePeriod, compose
from agents.ocpp_bridge.charging_profiles.installing import (
    Installed,
    InstallLimits,
    ProfileRefused,
    Profiles,
    check_for_remote_start,
    clear,
    end_transaction,
    install,
)
from agents.ocpp_bridge.charging_profiles.model import (
    ChargingProfile,
    ChargingSchedule,
    Kind,
    Period,
    Purpose,
    RateUnit,
    Recurrence,
)
from agents.ocpp_bridge.charging_profiles.resolving import Allowed, Supply, Transaction, resolve

__all__ = [
    "Allowed",
    "ChargingProfile",
    "ChargingSchedule",
    "CompositePeriod",
    "InstallLimits",
    "Installed",
    "Kind",
    "Period",
    "ProfileRefused",
    "Profiles",
    "Purpose",
    "RateUnit",
    "Recurrence",
    "Supply",
    "Transaction",
    "check_for_remote_start",
    "clear",
    "compose",
    "end_transaction",
    "install",
    "resolve",
]
