"""What a site may choose about its OCPP backends: the section ``[ocpp_bridge]`` of ``site.toml``."""

import re
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator

from agents.ocpp_bridge.peculiarities import BackendKind
from agents.ocpp_bridge.v16.keys import KEYS
from agents.runtime.configuration.site_config import AgentSettings, FilePath, SettingError, Settings
from bus_schema import Id

_IDENTITY = re.compile(r"^[A-Za-z0-9*_=:+|@.{}-]{1,80}$")


class Backend(Settings):
    """An OCPP central system, and which chargers are charge points of it."""

    name: Id
    """Short name, for logs, alarms and records; never change it while messages wait for this backend."""
    url: str
    """Where charge points connect, without their own name: ``ws://steve:8180/steve/websocket/CentralSystemService``."""
    role: Literal["primary", "listener"] = "primary"
    """``primary`` decides (starts, stops, configures, authorises); a ``listener`` is only told."""
    chargers: Literal["all"] | list[Id] = "all"
    """Which chargers are charge points of this backend."""
    kind: BackendKind = "any"
    """Which product it is, if it has peculiarities that are known here."""
    identity: str = "{charger}"
    """Name of a charge point towards this backend; ``{site}`` and ``{charger}`` are filled in."""
    security_profile: Annotated[int, Field(ge=0, le=3)] = 0
    """OCPP's security profile: 0 none, 1 password, 2 password and TLS, 3 TLS with a certificate of the charge point.

    A backend may raise it (ChangeConfiguration SecurityProfile), never lower it.
    """
    password_file: FilePath | None = None
    """File whose first line is the password (profiles 1 and 2); ``{charger}`` is filled in.

    A key that the backend sets (ChangeConfiguration AuthorizationKey) counts instead.
    """
    ca_file: FilePath | None = None
    """Certificates (PEM) that the backend's own is checked with, beside those it installs; else the system's."""
    cert_file: FilePath | None = None
    """Certificate (PEM) of the charge point for profile 3; ``{charger}`` is filled in.

    One that the backend signs (CertificateSigned) counts instead.
    """
    key_file: FilePath | None = None
    """Private key (PEM) of ``cert_file``."""

    @field_validator("url")
    @classmethod
    def _usable(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme not in ("ws", "wss") or not parts.hostname:
            raise SettingError("is no WebSocket URL; use ws://host:port/path or wss://host/path")
        if parts.username or parts.password:
            raise SettingError(
                "contains a user or password; put the password into a file and name that as password_file"
            )
        return value

    @field_validator("identity")
    @classmethod
    def _tells_chargers_apart(cls, value: str) -> str:
        if "{charger}" not in value:
            raise SettingError("needs {charger}: every charger is a charge point of its own")
        if not _IDENTITY.match(value) or "/" in value:
            raise SettingError("may contain letters, digits, * _ = : + | @ . - and {site}, {charger}")
        return value


class OcppBridgeSettings(AgentSettings):
    """The OCPP bridge: every charger is a charge point of the backends listed as ``[[ocpp_bridge.backends]]``."""

    backends: list[Backend] = []
    """The backends: one table ``[[ocpp_bridge.backends]]`` each."""
    vendor: Annotated[str, Field(min_length=1, max_length=20)] = "chargebus"
    """chargePointVendor of the BootNotification."""
    free_id_tag: Annotated[str, Field(min_length=1, max_length=20)] = "free"
    """idTag of sessions that nobody was asked for (free charging)."""
    drain_per_s: Annotated[float, Field(gt=0, le=10_000)] = 200.0
    """Most transaction messages a second of all charge points together: a backend that comes back is not flooded."""
    reconnect_max_s: Annotated[int, Field(ge=1, le=3600)] = 60
    """Longest delay before a lost connection is tried again; each is drawn at random. s."""
    call_timeout_s: Annotated[int, Field(ge=1, le=300)] = 30
    """How long an answer of a backend is waited for. s."""
    offline_after_s: Annotated[int, Field(ge=1, le=3600)] = 60
    """A charger that is not on the bus for so long is reported as Unavailable. s."""
    configuration: dict[str, str] = {}
    """OCPP configuration keys with defaults of the site's own, for example ``MeterValueSampleInterval = "30"``."""

    @field_validator("backends")
    @classmethod
    def _one_primary(cls, value: list[Backend]) -> list[Backend]:
        names = [backend.name for backend in value]
        if len(set(names)) != len(names):
            raise SettingError("names a backend twice")
        primaries = [backend for backend in value if backend.role == "primary"]
        served: set[str] = set()
        for backend in primaries:
            chargers = {"all"} if backend.chargers == "all" else set(backend.chargers)
            if served & chargers or (served and "all" in (served | chargers)):
                raise SettingError(f"gives a charger two primaries, one of them {backend.name}; make one a listener")
            served |= chargers
        return value

    @field_validator("configuration")
    @classmethod
    def _known_keys(cls, value: dict[str, str]) -> dict[str, str]:
        for name, text in value.items():
            key = KEYS.get(name)
            if key is None or key.read_only:
                raise SettingError(f"{name} is no configuration key that can be set")
            if not key.allows(text):
                raise SettingError(f"{name}: {key.rule}")
        return value
