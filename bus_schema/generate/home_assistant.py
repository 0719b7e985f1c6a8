"""Home Assistant's MQTT discovery for a charger, made from its ``meta``.

Every value of ``state`` and ``telemetry`` that a household would look at becomes one entity. Units and classes come
from the fields' types; a charger with one phase gets no sensors for L2 and L3. All entities are read-only: a command
needs an id, a deadline and a sender, which Home Assistant's switches cannot give.
"""

import json
from enum import StrEnum
from typing import Any

from bus_schema.charger_messages import Meta, State, Telemetry
from bus_schema.examples import examples_of
from bus_schema.fields import Field, fields
from bus_schema.generate.json_schema import text
from bus_schema.ids import check_id
from bus_schema.topic import Topic
from bus_schema.topics import CHARGER_META, CHARGER_ONLINE, CHARGER_STATE, CHARGER_TELEMETRY

PREFIX = "homeassistant"
"""Home Assistant's discovery prefix; its own default."""

_STATE_FIELDS = (
    "status",
    "cp_state",
    "contactor_closed",
    "offered_current_a",
    "limited_by",
    "limit_reason",
    "energy_wh",
    "available",
    "paused",
)
_TELEMETRY_ELSEWHERE = ("energy_wh", "offered_current_a", "session_id", "ts", "uptime_ms", "boot_id")
"""Fields of ``telemetry`` that ``state`` brings too, also while nothing charges, or that are no reading."""

_DIAGNOSTIC = ("cp_state", "cp_high_v", "cp_low_v", "duty_percent", "temperature_mcu_c", "limited_by")
_UNIT_SUFFIXES = ("a", "v", "w", "wh", "c", "percent")
_SHORT = {"cp": "CP", "mcu": "MCU", "l1": "L1", "l2": "L2", "l3": "L3"}


def discovery(site: str, charger: str, meta: Meta, telemetry_interval_s: int = 1) -> list[tuple[str, dict[str, Any]]]:
    """Return what to publish, retained, so that Home Assistant shows the charger: topics and their JSON objects.

    ``telemetry_interval_s`` is the charger's setting: a reading three times as old (at least 30 s) counts as unknown.
    An entity is removed by an empty retained message on its topic. Raises :class:`bus_schema.InvalidId` for bad ids.
    """
    node = f"chargebus_{check_id('site', site)}_{check_id('charger', charger)}"
    common = _common(site, charger, node, meta)
    stale_after_s = max(30, 3 * telemetry_interval_s)
    entities = [_online(site, charger), _faults(site, charger), _session_energy(site, charger)]
    for field in fields(State):
        if field.name in _STATE_FIELDS:
            entities.append(_entity(field, CHARGER_STATE, site, charger))
    for field in fields(Telemetry):
        if field.name not in _TELEMETRY_ELSEWHERE and _has_phase(field.name, meta.phases):
            component, key, config = _entity(field, CHARGER_TELEMETRY, site, charger)
            entities.append((component, key, {**config, "expire_after": stale_after_s}))
    return [
        (f"{PREFIX}/{component}/{node}/{key}/config", {**common, **config, "unique_id": f"{node}_{key}"})
        for component, key, config in entities
    ]


def payload(config: dict[str, Any]) -> bytes:
    """Return the bytes of one discovery message."""
    return json.dumps(config, ensure_ascii=False, separators=(",", ":")).encode()


def example() -> str:
    """Return the text of the discovery of the example charger, to look at."""
    (meta,) = examples_of(CHARGER_META)
    assert isinstance(meta, Meta)
    return text(dict(discovery("garage", "c1", meta)))


def _common(site: str, charger: str, node: str, meta: Meta) -> dict[str, Any]:
    return {
        "availability": [
            {
                "topic": CHARGER_ONLINE.format(site, charger=charger),
                "value_template": "{{ 'online' if value_json.online else 'offline' }}",
            }
        ],
        "device": {
            "identifiers": [node],
            "name": f"Charger {charger}",
            "manufacturer": "chargebus",
            "model": meta.hardware,
            "sw_version": meta.firmware,
            "suggested_area": site,
        },
        "origin": {"name": "chargebus", "sw_version": meta.schema_version},
        "qos": 1,
    }


def _entity(field: Field, topic: Topic[Any], site: str, charger: str) -> tuple[str, str, dict[str, Any]]:
    config: dict[str, Any] = {
        "name": _words(field.name),
        "state_topic": topic.format(site, charger=charger),
        "value_template": f"{{{{ value_json.{field.name} }}}}",
        "qos": topic.qos,
    }
    if field.name in _DIAGNOSTIC:
        config["entity_category"] = "diagnostic"
    if field.type is bool:
        config["value_template"] = f"{{{{ 'ON' if value_json.{field.name} else 'OFF' }}}}"
        return "binary_sensor", field.name, config
    if field.unit is not None:
        config["unit_of_measurement"] = field.unit.symbol
        config["state_class"] = field.unit.state_class
        if field.unit.device_class:
            config["device_class"] = field.unit.device_class
    elif isinstance(field.type, type) and issubclass(field.type, StrEnum):
        config["device_class"] = "enum"
        config["options"] = [str(word) for word in field.type]
    else:
        config["value_template"] = f"{{{{ value_json.{field.name}[:255] }}}}"  # Home Assistant's longest state
    return "sensor", field.name, config


def _online(site: str, charger: str) -> tuple[str, str, dict[str, Any]]:
    return (
        "binary_sensor",
        "online",
        {
            "name": "Online",
            "state_topic": CHARGER_ONLINE.format(site, charger=charger),
            "value_template": "{{ 'ON' if value_json.online else 'OFF' }}",
            "device_class": "connectivity",
            "entity_category": "diagnostic",
            "availability": [],  # it must be able to say "off"
        },
    )


def _faults(site: str, charger: str) -> tuple[str, str, dict[str, Any]]:
    topic = CHARGER_STATE.format(site, charger=charger)
    return (
        "binary_sensor",
        "faults",
        {
            "name": "Faults",
            "state_topic": topic,
            "value_template": "{{ 'ON' if value_json.faults else 'OFF' }}",
            "device_class": "problem",
            "json_attributes_topic": topic,
            "json_attributes_template": "{{ {'faults': value_json.faults} | tojson }}",
        },
    )


def _session_energy(site: str, charger: str) -> tuple[str, str, dict[str, Any]]:
    return (
        "sensor",
        "session_energy_wh",
        {
            "name": "Session energy",
            "state_topic": CHARGER_STATE.format(site, charger=charger),
            "value_template": "{{ value_json.session.energy_wh if value_json.session else None }}",
            "unit_of_measurement": "Wh",
            "device_class": "energy",
            "state_class": "total_increasing",
        },
    )


def _has_phase(name: str, phases: int) -> bool:
    return not any(f"_l{absent}_" in name for absent in range(phases + 1, 4))


def _words(name: str) -> str:
    """Turn a field's name into a label: ``current_l1_a`` → ``Current L1``."""
    words = name.split("_")
    if words[-1] in _UNIT_SUFFIXES:
        words = words[:-1]
    label = " ".join(_SHORT.get(word, word) for word in words)
    return label[0].upper() + label[1:]
