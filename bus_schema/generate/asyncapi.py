"""The AsyncAPI 3.0 document of the whole bus: ``bus_schema/generated/asyncapi.json``.

One channel per row of the table, one message per member of a union, and one operation per role and row: what that
role sends and receives, with QoS and retain in the MQTT binding.
"""

from typing import Any

from pydantic.json_schema import models_json_schema

from bus_schema.examples import EXAMPLES
from bus_schema.fields import discriminator, tag, variants
from bus_schema.generate.json_schema import plain, text
from bus_schema.ids import ID_PATTERN
from bus_schema.message import MAX_MESSAGE_BYTES, MAX_NESTING, SCHEMA_VERSION
from bus_schema.topic import ROOT, Role, Topic
from bus_schema.topics import TOPICS

_ID_WORDS = {
    "site": "The charging site.",
    "charger": "The charger; also its user name at the broker.",
    "meter": "The grid meter; also its user name at the broker.",
    "circuit": "The circuit, as the site's configuration calls it.",
    "agent": "The agent; also its user name at the broker.",
    "asker": "Whoever asked: an agent or technician.",
    "sender": "Who commands: the sender's user name at the broker.",
    "backend": "The OCPP backend, as the agent's configuration calls it.",
    "session": "The session, minted by the charger.",
    "alarm": "Name of the alarm.",
}
_ID_EXAMPLES = {
    "site": "garage",
    "charger": "c1",
    "meter": "main",
    "circuit": "garage",
    "agent": "ledger",
    "asker": "technician",
    "sender": "load_balancer",
    "backend": "steve",
    "session": "0123456789ab-3",
    "alarm": "meter-silent",
}


def document() -> str:
    """Return the text of the AsyncAPI document."""
    return text(specification())


def specification() -> dict[str, Any]:
    """Return the AsyncAPI document as an object."""
    return {
        "asyncapi": "3.0.0",
        "id": "urn:chargebus:bus",
        "info": {
            "title": "chargebus",
            "version": SCHEMA_VERSION,
            "description": (
                f"The MQTT bus of a charging site. JSON in UTF-8, at most {MAX_MESSAGE_BYTES} bytes a message, objects "
                f"and lists at most {MAX_NESTING} deep; ids "
                f"match `{ID_PATTERN}`; unknown fields are ignored. Operations are named after who performs them."
            ),
        },
        "defaultContentType": "application/json",
        "servers": {
            "site": {
                "host": "{host}:1883",
                "protocol": "mqtt",
                "protocolVersion": "3.1.1",
                "description": "The broker of the site.",
                "variables": {"host": {"default": "localhost", "description": "Where the broker runs."}},
            }
        },
        "channels": {topic.name: _channel(topic) for topic in TOPICS},
        "operations": {
            f"{role}_{verb}_{topic.name}": _operation(role, action, topic)
            for role in Role
            for verb, action, roles in (("sends", "send", "writers"), ("receives", "receive", "readers"))
            for topic in TOPICS
            if role in getattr(topic, roles)
        },
        "components": {"messages": _messages(), "schemas": _schemas()},
    }


def message_names(topic: Topic[Any]) -> dict[str, type]:
    """Return the messages of a topic by name: the topic's own name, or ``<topic>.<tag>`` for members of a union."""
    field = discriminator(topic)
    if field is None:
        (model,) = variants(topic.message)
        return {topic.name: model}
    return {f"{topic.name}.{tag(model, field)}": model for model in variants(topic.message)}


def _channel(topic: Topic[Any]) -> dict[str, Any]:
    return {
        "address": f"{ROOT}/{{site}}/{topic.pattern}",
        "description": topic.description,
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in message_names(topic)},
        "parameters": {
            name: {"description": f"{_ID_WORDS[name]} Matches {ID_PATTERN}.", "examples": [_ID_EXAMPLES[name]]}
            for name in ("site", *topic.parameters)
        },
        "x-clearable": topic.clearable,
    }


def _operation(role: Role, action: str, topic: Topic[Any]) -> dict[str, Any]:
    own = topic.own_level if action == "send" else topic.own_read_level
    return {
        "action": action,
        "channel": {"$ref": f"#/channels/{topic.name}"},
        "summary": f"{role} {'writes' if action == 'send' else 'reads'} {topic.pattern}",
        "tags": [{"name": str(role)}],
        "bindings": {"mqtt": {"qos": topic.qos, "retain": topic.retained, "bindingVersion": "0.2.0"}},
        **({"x-own-level": own} if own else {}),
    }


def _messages() -> dict[str, Any]:
    examples = {(topic.name, type(example)): example for topic, example in EXAMPLES}
    return {
        name: {
            "name": name,
            "summary": (model.__doc__ or topic.description).strip().split("\n")[0],
            "payload": {"$ref": f"#/components/schemas/{model.__name__}"},
            "examples": [{"name": "example", "payload": examples[topic.name, model].model_dump(mode="json")}],
        }
        for topic in TOPICS
        for name, model in message_names(topic).items()
    }


def _schemas() -> dict[str, Any]:
    models = {model: None for topic in TOPICS for model in variants(topic.message)}
    _, definitions = models_json_schema(
        [(model, "validation") for model in models], ref_template="#/components/schemas/{model}"
    )
    return dict(sorted(_with_extensions(plain(definitions["$defs"])).items()))


def _with_extensions(node: Any) -> Any:
    """Mark our own keyword ``unit`` as an extension, as AsyncAPI wants it; a field may well be called ``unit``."""
    if isinstance(node, dict):
        return {
            ("x-unit" if key == "unit" and isinstance(value, str) else key): _with_extensions(value)
            for key, value in node.items()
        }
    if isinstance(node, list):
        return [_with_extensions(item) for item in node]
    return node
