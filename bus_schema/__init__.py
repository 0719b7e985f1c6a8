"""The contract between the parts of a charging site: topics, messages, and what is generated from them.

``bus_schema.topics`` holds the one table of topics. ``Topic.format`` and ``parse_topic`` turn ids into topics and
back; ``Topic.encode`` and ``Topic.decode`` turn messages into payloads and back. ``python -m bus_schema`` writes
everything that is generated from it. This package imports nothing of the rest of chargebus.
"""

from bus_schema.ids import ID_PATTERN, Id, InvalidId, check_id, is_id
from bus_schema.message import MAX_MESSAGE_BYTES, SCHEMA_VERSION, ContractError, IdToken, Message, Struct
from bus_schema.topic import ROOT, Role, Topic
from bus_schema.topics import TOPICS, Address, parse_topic

__all__ = [
    "ID_PATTERN",
    "MAX_MESSAGE_BYTES",
    "ROOT",
    "SCHEMA_VERSION",
    "TOPICS",
    "Address",
    "ContractError",
    "Id",
    "IdToken",
    "InvalidId",
    "Message",
    "Role",
    "Struct",
    "Topic",
    "check_id",
    "is_id",
    "parse_topic",
]
