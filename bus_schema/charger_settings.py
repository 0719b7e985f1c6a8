"""Settings of a charger that ``configure`` changes. The firmware's table of them is generated from here."""

from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BeforeValidator, Field, ValidationError
from pydantic_core import PydanticCustomError

from bus_schema.message import Source, Struct
from bus_schema.units import NOMINAL_VOLTAGE_V, CurrentA, DurationS, NominalVoltageV

if TYPE_CHECKING:
    from pydantic import GetJsonSchemaHandler
    from pydantic.json_schema import JsonSchemaValue
    from pydantic_core import CoreSchema


class ChargerSettings(Struct):
    """Everything about a charger's behaviour that a site may choose, with the defaults of a new charger."""

    max_current_a: Annotated[CurrentA, Field(ge=6, le=80)] = 32.0
    """Limit set by the installer for cable and fuse; the hardware's own rating still binds. A."""
    fallback_current_a: Annotated[CurrentA, Field(ge=0, le=80)] = 6.0
    """What a required source counts as while it has no valid lease. Below 6 A the charger pauses then. A."""
    required_sources: Annotated[list[Source], Field(max_length=4)] = []
    """Sources that must hold a lease for more than the fallback current, usually ``["load_balancer"]``."""
    connection_timeout_s: Annotated[DurationS, Field(ge=1, le=86_400)] = 60
    """How long an authorisation waits for a car (OCPP 1.6 ConnectionTimeOut). s."""
    sample_interval_s: Annotated[DurationS, Field(ge=10, le=86_400)] = 900
    """Distance of ``session_sampled`` events. Each is a flash write: 900 s is 96 writes a day. s."""
    telemetry_interval_s: Annotated[DurationS, Field(ge=1, le=3600)] = 1
    """Distance of telemetry while charging. s."""
    idle_end_s: Annotated[DurationS, Field(ge=0, le=604_800)] = 0
    """A session that draws nothing for so long ends itself; 0 for never. s."""
    stop_by_same_card: bool = True
    """Whether presenting the card that started the session ends it."""
    start_delay_max_s: Annotated[DurationS, Field(ge=0, le=1800)] = 0
    """Largest random delay before charging begins, so that a street does not start at once; 0 for none. s."""
    nominal_voltage_v: NominalVoltageV = NOMINAL_VOLTAGE_V
    """Voltage of the supply: between phase and neutral, or between the two poles of a charger of one phase without a
    neutral (208 V, 240 V). It is told in ``meta``, and whoever limits in watts uses it. ``over_voltage`` and
    ``under_voltage`` begin 10 % above and below it. V."""
    wake_sleepy_cars: bool = True
    """Whether a car that has not asked for energy 90 s after it was offered some is woken by taking the pilot away."""
    resume_after_power_loss: bool = False
    """Whether a session that a power loss has cut goes on, instead of ending as PowerLoss, when the power is back.

    It goes on as the same ``session_id``, without an end and a second start; its energy stays a difference of
    registers. Nothing flows before the charger knows the time, and only if a car has been plugged in ever since the
    boot, by a cable of the same rating, and the newest event before the outage is at most an hour old. Else it ends as
    PowerLoss. A car that was exchanged during the outage cannot be told from the one before: hence off by default."""
    residual_current_retries: Annotated[int, Field(ge=0, le=6)] = 0
    """How often, after a residual current, charging is tried again by itself, 5 min apart; then it waits for the plug
    to be pulled. Leave it at 0 in Denmark, the United Kingdom, France and Switzerland, where that is not allowed."""
    local_pre_authorize: bool = False
    """Whether a card of the local list starts a session at once, without asking (OCPP 1.6 LocalPreAuthorize)."""
    local_authorize_offline: bool = True
    """Whether the local list decides while the charger is not connected (OCPP 1.6 LocalAuthorizeOffline)."""
    allow_offline_tx_for_unknown_id: bool = False
    """Whether a card that is not on the list may charge while the charger is not connected (OCPP 1.6
    AllowOfflineTxForUnknownId)."""


SettingValue = bool | int | float | list[str]
"""What the value of a setting may be."""


def _only_known_settings(patch: Any) -> Any:
    """Check names and values, each setting for itself, so that the error names the setting and not its value.

    A value takes the type of its setting: 16 A is 16.0 however it was written.
    """
    if not isinstance(patch, dict):
        return patch
    checked = {}
    for name, value in patch.items():
        if name not in ChargerSettings.model_fields:
            known = ", ".join(sorted(ChargerSettings.model_fields))
            raise PydanticCustomError("unknown_setting", f"unknown setting; a charger has: {known}")
        try:
            checked[name] = getattr(ChargerSettings.model_validate({name: value}), name)
        except ValidationError as error:
            problem = error.errors(include_url=False, include_input=False)[0]
            raise PydanticCustomError("setting", f"{name}: {problem['msg']}") from None
    return checked


class _OnlyKnownSettings:
    """Makes the JSON Schema of a patch when somebody asks for it: making it takes longer than importing this."""

    def __get_pydantic_json_schema__(self, _core: "CoreSchema", _handler: "GetJsonSchemaHandler") -> "JsonSchemaValue":
        return {
            "type": "object",
            "minProperties": 1,
            "additionalProperties": False,
            "properties": ChargerSettings.model_json_schema()["properties"],
        }


ChargerSettingsPatch = Annotated[
    dict[str, SettingValue],
    Field(min_length=1),
    BeforeValidator(_only_known_settings),
    _OnlyKnownSettings(),
]
"""Some of the settings, each with the type and range of :class:`ChargerSettings`: only those named change."""
