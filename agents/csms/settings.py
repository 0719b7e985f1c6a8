"""What a site may choose about its stations: the section ``[csms]`` of ``site.toml``."""

import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from agents.runtime.configuration.site_config import AgentSettings, FilePath, Port, SettingError, Settings
from bus_schema import Id, is_id
from bus_schema.message import Source
from bus_schema.units import NOMINAL_VOLTAGE_V, CurrentA, DurationS, NominalVoltageV
from bus_schema.words import Phase

_IDENTITY = re.compile(r"^[\x21-\x2e\x30-\x7e]{1,48}$")
_TAG = re.compile(r"^[\x20-\x7e]{1,20}$")


class IdTag(Settings):
    """What is known here of an idTag, without asking anybody."""

    status: Literal["Accepted", "Blocked", "Expired", "Invalid"] = "Accepted"
    """What a station is answered."""
    parent: Annotated[str, Field(max_length=20)] = ""
    """Group: another idTag of it may stop the transaction."""


class Station(Settings):
    """An OCPP station of any make. Each of its connectors is a charger ``<station>-<n>`` on the bus."""

    identity: str = ""
    """Last part of the URL that the station connects to; without it the table's own name."""
    on_bus: bool = True
    """Whether its connectors are chargers on the bus. Set false for a charge point that is on the bus already, such as
    one of the site's own OCPP bridge."""
    connectors: Annotated[int, Field(ge=1, le=8)] = 1
    """How many connectors it has."""
    phases: Annotated[int, Field(ge=1, le=3)] = 3
    """Phases of each connector."""
    phase_rotation: Annotated[list[Annotated[Phase, Field(strict=False)]], Field(max_length=3)] = []
    """Which supply phase L1, L2, L3 of the station are wired to; empty for the order of their names."""
    rated_current_a: Annotated[CurrentA, Field(ge=6, le=500)] = 32.0
    """Largest current that a connector can draw, per phase. A."""
    fallback_current_a: Annotated[CurrentA, Field(ge=0, le=500)] = 6.0
    """What a required source counts as while it has no valid lease. Below 6 A the station pauses. A."""
    required_sources: Annotated[list[Source], Field(max_length=4)] = []
    """Sources that must hold a lease for more than the fallback current, usually ``["load_balancer"]``."""
    nominal_voltage_v: NominalVoltageV = NOMINAL_VOLTAGE_V
    """Voltage between phase and neutral, or between the two poles of a station of one phase without a neutral (208 V,
    240 V). Watts become amperes by it, for stations that take limits in watts and for who limits them in watts. V."""
    limits: Literal["tx_default", "tx_profile", "charge_point_max", "none"] = "tx_default"
    """Which charging profile carries a limit: ``tx_default`` (TxDefaultProfile), ``tx_profile`` for stations that heed
    a TxDefaultProfile only when a transaction begins, ``charge_point_max`` for stations of one connector that know no
    other, ``none`` for stations without smart charging: they count with their rated current."""
    rate_unit: Literal["A", "W"] = "A"
    """Unit that the station takes limits in."""
    schedule_periods: Annotated[int, Field(ge=1, le=100)] = 10
    """Most periods of a schedule that the station takes (its key ChargingScheduleMaxPeriods). With 1, a limit above
    the fallback current cannot be given: nothing would lower it if this program died."""
    password_file: FilePath | None = None
    """File whose first line is the station's password (security profiles 1 and 2, Basic), instead of the common
    ``password_file`` of ``[csms]``."""
    without_password: bool = False
    """Set true for a station that cannot show a password: whoever reaches the port may then speak in its name."""
    configuration: dict[str, str] = {}
    """Configuration keys that are set after each boot of the station, for example ``MeterValuesSampledData``."""

    @field_validator("identity")
    @classmethod
    def _one_level(cls, value: str) -> str:
        if value and not _IDENTITY.match(value):
            raise SettingError("is one part of a URL: 1 to 48 printable characters without spaces and /")
        return value

    @model_validator(mode="after")
    def _consistent(self) -> "Station":
        if self.limits == "charge_point_max" and self.connectors > 1:
            raise SettingError("limits: charge_point_max limits the whole station; it may have one connector only")
        if self.phase_rotation and len(self.phase_rotation) != self.phases:
            raise SettingError("phase_rotation: name one supply phase for each of the phases")
        if self.fallback_current_a > self.rated_current_a:
            raise SettingError("fallback_current_a is more than rated_current_a")
        if self.password_file is not None and self.without_password:
            raise SettingError("without_password: there is a password_file; remove one of the two")
        return self


class CsmsSettings(AgentSettings):
    """The embedded OCPP 1.6J central system, for stations of any make. Without ``port`` it does nothing."""

    port: Port | None = None
    """TCP port for the stations; without it nothing is served."""
    host: str = "127.0.0.1"
    """Address to listen on; ``0.0.0.0`` for all networks."""
    cert_file: FilePath | None = None
    """Certificate of this server (PEM): setting it switches TLS on (security profile 2 with passwords)."""
    key_file: FilePath | None = None
    """Private key of ``cert_file`` (PEM)."""
    password_file: FilePath | None = None
    """File with a station's password in its first line, such as ``secrets/stations/{station}.password``:
    ``{station}`` is the name of its table. Each station needs one, or ``without_password = true``."""
    stations: dict[Id, Station] = {}
    """The stations: one table ``[csms.stations.<station>]`` each."""
    accept_unknown: bool = False
    """Whether stations without a table may connect, without a password. They are not brought onto the bus and are
    forgotten when they go."""
    heartbeat_interval_s: Annotated[DurationS, Field(ge=10, le=86_400)] = 300
    """Heartbeat interval that stations are told. s."""
    sample_interval_s: Annotated[DurationS, Field(ge=1, le=3600)] = 10
    """Interval of meter values that stations on the bus are told (MeterValueSampleInterval). s."""
    call_timeout_s: Annotated[DurationS, Field(ge=1, le=300)] = 30
    """How long a station may take to answer. s."""
    answer_timeout_s: Annotated[DurationS, Field(ge=1, le=60)] = 8
    """How long the answer to a presented card may take: stations give up after about 30 s. s."""
    id_tags: dict[str, IdTag] = {}
    """idTags that are decided here, without asking: one table ``[csms.id_tags.<tag>]`` each."""
    accept_unknown_tags: bool = False
    """Whether stations that are not on the bus may charge for any idTag."""
    api_port: Port | None = None
    """TCP port of the REST API; without it there is none."""
    api_host: str = "127.0.0.1"
    """Address of the REST API."""
    api_token_file: FilePath | None = None
    """File whose first line must come as ``Authorization: Bearer …``; without it anybody who reaches it may read."""

    @field_validator("key_file")
    @classmethod
    def _key_with_certificate(cls, value: object, info: object) -> object:
        if value is not None and getattr(info, "data", {}).get("cert_file") is None:
            raise SettingError("needs cert_file beside it")
        return value

    @field_validator("stations")
    @classmethod
    def _tell_apart(cls, value: dict[str, Station]) -> dict[str, Station]:
        identities: dict[str, str] = {}
        for name, station in value.items():
            identity = station.identity or name
            if identity in identities:
                raise SettingError(f"{name} and {identities[identity]} have the same identity")
            if identity in value and identity != name:
                raise SettingError(
                    f"{name} has the identity {identity}, and so has the table of that name: rename one of the two"
                )
            identities[identity] = name
            if not is_id(f"{name}-{station.connectors}"):
                raise SettingError(f"{name[:40]} is too long: its chargers are called <station>-<n>, 32 characters")
        return value

    @model_validator(mode="after")
    def _locked(self) -> "CsmsSettings":
        for name, station in self.stations.items():
            if self.password_file is None and station.password_file is None and not station.without_password:
                raise SettingError(
                    f"stations: {name} has no password: set password_file for it or in [csms], "
                    "or without_password = true if it cannot show one"
                )
        return self

    def password_file_of(self, name: str) -> Path | None:
        """Return the file with the password of the station whose table is ``name``; None for one without."""
        station = self.stations[name]
        if station.without_password:
            return None
        file = station.password_file or self.password_file
        return None if file is None else Path(str(file).replace("{station}", name))

    @field_validator("id_tags")
    @classmethod
    def _tags(cls, value: dict[str, IdTag]) -> dict[str, IdTag]:
        for tag in value:
            if not _TAG.match(tag):
                raise SettingError("an idTag has 1 to 20 printable characters (OCPP 1.6 IdToken)")
        return {tag.upper(): entry for tag, entry in value.items()}
