"""Home Assistant's discovery: classes, units and templates that Home Assistant accepts, phases that exist."""

import json
import re

import pytest

from bus_schema import InvalidId, parse_topic
from bus_schema.examples import examples_of
from bus_schema.fields import fields
from bus_schema.generate.home_assistant import discovery, payload
from bus_schema.topics import CHARGER_META

(META,) = examples_of(CHARGER_META)
# Home Assistant, "Sensor entity: available device classes": what it takes beside each class.
UNITS = {"current": "A", "voltage": "V", "power": "W", "energy": "Wh", "temperature": "°C"}
STATE_CLASSES = {"measurement", "total_increasing"}


def entities(phases=3):
    """Return the discovery of a charger with so many phases, by entity."""
    meta = META.model_copy(update={"phases": phases})
    return {topic.split("/")[3]: (topic, config) for topic, config in discovery("garage", "c1", meta)}


def test_topics_are_home_assistants_and_unique():
    found = discovery("garage", "c1", META)
    assert len({topic for topic, _ in found}) == len({config["unique_id"] for _, config in found}) == len(found)
    for topic, _ in found:
        assert re.fullmatch(r"homeassistant/(sensor|binary_sensor)/chargebus_garage_c1/[a-z0-9_]+/config", topic)


def test_units_and_classes_belong_together():
    for key, (topic, config) in entities().items():
        kind = config.get("device_class")
        if kind in UNITS:
            assert config["unit_of_measurement"] == UNITS[kind], key
        if "unit_of_measurement" in config:
            assert config["state_class"] in STATE_CLASSES and "/sensor/" in topic
            assert config["state_class"] != "total_increasing" or kind == "energy"
        if kind == "enum":
            assert "state_class" not in config
            assert "Charging" in config["options"] or "unknown" in config["options"]
        if "/binary_sensor/" in topic:
            assert kind in (None, "connectivity", "problem")


def test_the_register_and_the_power_are_what_the_energy_dashboard_wants():
    _, register = entities()["energy_wh"]
    assert (register["device_class"], register["state_class"], register["unit_of_measurement"]) == (
        "energy", "total_increasing", "Wh",
    )  # fmt: skip
    assert register["state_topic"].endswith("/state")
    _, power = entities()["power_w"]
    assert (power["device_class"], power["state_class"], power["unit_of_measurement"]) == ("power", "measurement", "W")


def test_every_state_topic_carries_the_field_that_the_template_reads():
    for key, (_, config) in entities().items():
        address = parse_topic(config["state_topic"])
        assert (address.site, address.ids) == ("garage", {"charger": "c1"})
        (name,) = set(re.findall(r"value_json\.([a-z0-9_]+)", config["value_template"]))
        assert name in {field.name for field in fields(address.topic.message)}, key
        assert config["qos"] == address.topic.qos


def test_availability_is_what_the_charger_and_its_will_say():
    for key, (_, config) in entities().items():
        if key == "online":
            assert config["availability"] == []
        else:
            (available,) = config["availability"]
            assert available["topic"] == "ev/v1/garage/charger/c1/online"
            assert "'online' if value_json.online else 'offline'" in available["value_template"]


@pytest.mark.parametrize(("phases", "absent"), [(1, ("l2", "l3")), (2, ("l3",)), (3, ())])
def test_phases_that_are_not_there_get_no_sensor(phases, absent):
    found = entities(phases)
    for phase in ("l1", "l2", "l3"):
        for name in (f"current_{phase}_a", f"voltage_{phase}_v"):
            assert (name in found) == (phase not in absent)


def test_readings_run_out_but_not_sooner_than_they_come():
    for interval, expected in ((1, 30), (60, 180)):
        configs = dict(discovery("garage", "c1", META, telemetry_interval_s=interval))
        power = next(config for topic, config in configs.items() if "/power_w/" in topic)
        assert power["expire_after"] == expected


def test_a_payload_is_json_and_names_the_device():
    for _, config in discovery("garage", "c1", META):
        read = json.loads(payload(config))
        assert read["device"]["identifiers"] == ["chargebus_garage_c1"]
        assert read["device"]["model"] == META.hardware and read["name"]


def test_hostile_ids_are_refused():
    for site, charger in (("+", "c1"), ("garage", "#"), ("garage", "a/b")):
        with pytest.raises(InvalidId):
            discovery(site, charger, META)
