"""The one table of topics (design, "The bus").

Every topic that anyone may use stands here once, with who writes it, who reads it, its quality of service, whether
it is retained, and the message it carries. Agents, the command line, the ACL, the AsyncAPI document and the
firmware's constants all come from this table; nobody writes a topic by hand.

An agent has the rights that its code uses and no others (``tests/runtime/test_rights.py``): a right is added together
with the code that needs it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from bus_schema.balancing import CircuitLoad, Decision, GridTelemetry, ShadowComparison, ShadowDecision, Wish
from bus_schema.charger_messages import Meta, Online, State, Telemetry
from bus_schema.command import Command, CommandReply
from bus_schema.event import Event, EventAck, SessionRecord
from bus_schema.ids import is_id
from bus_schema.message import ContractError
from bus_schema.site_messages import (
    AccessReply,
    AccessRequest,
    AgentClaim,
    AgentHealth,
    Alarm,
    BackendListAnswer,
    BackendListNotice,
    BrokerStatus,
    OcppCallAnswer,
    OcppTraffic,
    Query,
    QueryAnswer,
    Rejected,
    WhyAnswer,
)
from bus_schema.topic import AGENT_ROLES, ROOT, Role, Topic

_STATIONS = (Role.CHARGER, Role.CSMS)


CHARGER_ONLINE: Topic[Online] = Topic(
    "charger_online",
    "charger/{charger}/online",
    Online,
    1,
    True,
    _STATIONS,
    (
        Role.CONSOLE,
        Role.INFLUX_LOGGER,
        Role.LOAD_BALANCER,
        Role.LOAD_BALANCER_SHADOW,
        Role.OCPP_BRIDGE,
        Role.TECHNICIAN,
    ),
    "Whether the charger is connected; also its will.",
    measurement="online",
    own_level="charger",
)
CHARGER_META: Topic[Meta] = Topic(
    "charger_meta",
    "charger/{charger}/meta",
    Meta,
    1,
    True,
    _STATIONS,
    (
        Role.LEDGER,
        Role.ACCESS,
        Role.CONSOLE,
        Role.LOAD_BALANCER,
        Role.LOAD_BALANCER_SHADOW,
        Role.OCPP_BRIDGE,
        Role.TECHNICIAN,
    ),
    "What kind of charger this is.",
    own_level="charger",
)
CHARGER_STATE: Topic[State] = Topic(
    "charger_state",
    "charger/{charger}/state",
    State,
    1,
    True,
    _STATIONS,
    (
        Role.LEDGER,
        Role.ACCESS,
        Role.CONSOLE,
        Role.INFLUX_LOGGER,
        Role.LOAD_BALANCER,
        Role.LOAD_BALANCER_SHADOW,
        Role.OCPP_BRIDGE,
        Role.TECHNICIAN,
    ),
    "Everything one must know about a charger now; on change and at least every 10 s.",
    measurement="state",
    own_level="charger",
)
CHARGER_TELEMETRY: Topic[Telemetry] = Topic(
    "charger_telemetry",
    "charger/{charger}/telemetry",
    Telemetry,
    0,
    False,
    _STATIONS,
    (
        Role.CONSOLE,
        Role.INFLUX_LOGGER,
        Role.LOAD_BALANCER,
        Role.LOAD_BALANCER_SHADOW,
        Role.OCPP_BRIDGE,
        Role.TECHNICIAN,
    ),
    "Measured values, 1 Hz while charging.",
    measurement="telemetry",
    own_level="charger",
)
CHARGER_EVENT: Topic[Event] = Topic(
    "charger_event",
    "charger/{charger}/event",
    Event,
    1,
    False,
    _STATIONS,
    (Role.LEDGER, Role.ACCESS, Role.INFLUX_LOGGER, Role.OCPP_BRIDGE, Role.TECHNICIAN),
    "Journalled events, numbered within a boot.",
    measurement="event",
    own_level="charger",
)
CHARGER_EVENT_ACK: Topic[EventAck] = Topic(
    "charger_event_ack",
    "charger/{charger}/event/ack",
    EventAck,
    1,
    False,
    (Role.LEDGER,),
    (Role.CHARGER, Role.CSMS, Role.TECHNICIAN),
    "The ledger's receipt for events.",
)
CHARGER_COMMAND: Topic[Command] = Topic(
    "charger_command",
    "charger/{charger}/command/from/{sender}",
    Command,
    1,
    False,
    (Role.ACCESS, Role.OCPP_BRIDGE, Role.LOAD_BALANCER, Role.TECHNICIAN),
    # The balancer hears them to see whether another one is at work (invariant 2).
    (Role.CHARGER, Role.CSMS, Role.LOAD_BALANCER, Role.TECHNICIAN),
    "One operation for a charger, under the name of whoever sends it. Never retained: retained ones are ignored.",
    own_level="sender",
)
CHARGER_COMMAND_REPLY: Topic[CommandReply] = Topic(
    "charger_command_reply",
    "charger/{charger}/command/reply",
    CommandReply,
    1,
    False,
    _STATIONS,
    (Role.ACCESS, Role.LOAD_BALANCER, Role.LOAD_BALANCER_SHADOW, Role.OCPP_BRIDGE, Role.TECHNICIAN),
    "The charger's answer to a command.",
    own_level="charger",
)
CHARGER_DECISION: Topic[Decision] = Topic(
    "charger_decision",
    "charger/{charger}/decision",
    Decision,
    1,
    True,
    (Role.LOAD_BALANCER,),
    (Role.INFLUX_LOGGER, Role.LOAD_BALANCER_SHADOW, Role.TECHNICIAN),
    "What the load balancer grants, and why.",
    measurement="decision",
)
CHARGER_WISH: Topic[Wish] = Topic(
    "charger_wish",
    "charger/{charger}/wish",
    Wish,
    1,
    True,
    (Role.TECHNICIAN,),
    (Role.LOAD_BALANCER, Role.LOAD_BALANCER_SHADOW, Role.TECHNICIAN),
    "What the driver wants; cleared with the session.",
    clearable=True,
)
CHARGER_BACKEND_LIST: Topic[BackendListNotice] = Topic(
    "charger_backend_list",
    "charger/{charger}/backend_list",
    BackendListNotice,
    1,
    True,
    (Role.OCPP_BRIDGE,),
    # The bridge hears its own: one that is left from another life is put right.
    (Role.ACCESS, Role.OCPP_BRIDGE, Role.TECHNICIAN),
    "Which cards the OCPP backend has listed for the charger.",
)
GRID_TELEMETRY: Topic[GridTelemetry] = Topic(
    "grid_telemetry",
    "grid/{meter}/telemetry",
    GridTelemetry,
    0,
    False,
    (Role.METER, Role.GRID_METER),
    (Role.INFLUX_LOGGER, Role.LOAD_BALANCER, Role.LOAD_BALANCER_SHADOW, Role.TECHNICIAN),
    "What a meter of the site's supply reads.",
    measurement="grid",
    own_level="meter",
)
CIRCUIT_LOAD: Topic[CircuitLoad] = Topic(
    "circuit_load",
    "circuit/{circuit}/load",
    CircuitLoad,
    1,
    True,
    (Role.LOAD_BALANCER,),
    (Role.INFLUX_LOGGER, Role.TECHNICIAN),
    "How full a circuit of the site is.",
    measurement="circuit",
)
SHADOW_DECISION: Topic[ShadowDecision] = Topic(
    "shadow_decision",
    "shadow/{agent}/decision/{charger}",
    ShadowDecision,
    1,
    True,
    (Role.LOAD_BALANCER_SHADOW,),
    (Role.INFLUX_LOGGER, Role.TECHNICIAN),
    "What a balancer in shadow mode would grant.",
    measurement="shadow_decision",
    own_level="agent",
)
SHADOW_COMPARISON: Topic[ShadowComparison] = Topic(
    "shadow_comparison",
    "shadow/{agent}/comparison",
    ShadowComparison,
    1,
    True,
    (Role.LOAD_BALANCER_SHADOW,),
    (Role.INFLUX_LOGGER, Role.TECHNICIAN),
    "What a balancer in shadow mode would have done, beside what happened.",
    measurement="shadow_comparison",
    own_level="agent",
)
ACCESS_REQUEST: Topic[AccessRequest] = Topic(
    "access_request",
    "access/request",
    AccessRequest,
    1,
    False,
    (Role.ACCESS,),
    (Role.ACCESS, Role.OCPP_BRIDGE),
    "May this token charge there?",
)
ACCESS_REPLY: Topic[AccessReply] = Topic(
    "access_reply",
    "access/reply/{agent}",
    AccessReply,
    1,
    False,
    (Role.ACCESS, Role.OCPP_BRIDGE),
    (Role.ACCESS,),
    "The answer, under the name of the agent that was asked.",
    own_level="agent",
)
SESSION: Topic[SessionRecord] = Topic(
    "session",
    "session/{session}",
    SessionRecord,
    1,
    False,
    (Role.LEDGER,),
    (Role.LOAD_BALANCER, Role.OCPP_BRIDGE),
    "A session as the ledger has recorded it.",
)
ALARM: Topic[Alarm] = Topic(
    "alarm",
    "alarm/{alarm}",
    Alarm,
    1,
    True,
    AGENT_ROLES,
    (Role.CONSOLE, Role.INFLUX_LOGGER, Role.LOAD_BALANCER, Role.LOAD_BALANCER_SHADOW, Role.TECHNICIAN),
    "Something that a person should know of; retained while it stands.",
    measurement="alarm",
    clearable=True,
)
AGENT_HEALTH: Topic[AgentHealth] = Topic(
    "agent_health",
    "agent/{agent}/health",
    AgentHealth,
    1,
    True,
    AGENT_ROLES,
    (Role.CONSOLE, Role.INFLUX_LOGGER, Role.TECHNICIAN),
    "Whether an agent lives; also its will.",
    measurement="agent",
    own_level="agent",
)
BROKER_STATUS: Topic[BrokerStatus] = Topic(
    "broker_status",
    "broker/status",
    BrokerStatus,
    1,
    True,
    (Role.INFLUX_LOGGER,),
    (Role.INFLUX_LOGGER, Role.TECHNICIAN),
    "What the broker counts about itself, where it does.",
    measurement="broker",
)
AGENT_CLAIM: Topic[AgentClaim] = Topic(
    "agent_claim",
    "agent/{agent}/claim",
    AgentClaim,
    1,
    True,
    (Role.LOAD_BALANCER,),
    (Role.LOAD_BALANCER, Role.LOAD_BALANCER_SHADOW, Role.TECHNICIAN),
    "Which process may act for an agent of which there must be one only.",
    own_level="agent",
)
AGENT_REJECTED: Topic[Rejected] = Topic(
    "agent_rejected",
    "agent/{agent}/rejected",
    Rejected,
    1,
    False,
    AGENT_ROLES,
    (Role.INFLUX_LOGGER, Role.TECHNICIAN),
    "What an agent could not read, and why.",
    measurement="rejected",
    own_level="agent",
)
AGENT_OCPP: Topic[OcppTraffic] = Topic(
    "agent_ocpp",
    "agent/{agent}/ocpp/{backend}",
    OcppTraffic,
    0,
    False,
    (Role.OCPP_BRIDGE, Role.CSMS),
    (Role.INFLUX_LOGGER, Role.TECHNICIAN),
    "OCPP messages exchanged with a backend, every 10 s.",
    measurement="ocpp",
    own_level="agent",
)
AGENT_QUERY: Topic[Query] = Topic(
    "agent_query",
    "agent/{agent}/query",
    Query,
    1,
    False,
    (Role.ACCESS, Role.CONSOLE, Role.LOAD_BALANCER, Role.OCPP_BRIDGE, Role.TECHNICIAN),
    (Role.LEDGER, Role.CONSOLE, Role.LOAD_BALANCER, Role.OCPP_BRIDGE, Role.CSMS),
    "A question to an agent.",
    own_read_level="agent",
)
AGENT_ANSWER: Topic[QueryAnswer] = Topic(
    "agent_answer",
    "agent/{agent}/answer/{asker}",
    QueryAnswer,
    1,
    False,
    (Role.LEDGER, Role.CONSOLE),
    (Role.LOAD_BALANCER, Role.OCPP_BRIDGE, Role.TECHNICIAN),
    "An agent's answer to whoever asked.",
    own_level="agent",
    own_read_level="asker",
)

AGENT_STORY: Topic[WhyAnswer] = Topic(
    "agent_story",
    "agent/{agent}/story/{asker}",
    WhyAnswer,
    1,
    False,
    (Role.LOAD_BALANCER,),
    (Role.TECHNICIAN,),
    "The load balancer's answer to whoever asked why.",
    own_level="agent",
    own_read_level="asker",
)

AGENT_STATION_ANSWER: Topic[OcppCallAnswer] = Topic(
    "agent_station_answer",
    "agent/{agent}/station/{asker}",
    OcppCallAnswer,
    1,
    False,
    (Role.CSMS,),
    (Role.TECHNICIAN,),
    "The central system's answer to whoever asked a station.",
    own_level="agent",
    own_read_level="asker",
)

AGENT_BACKEND_LIST: Topic[BackendListAnswer] = Topic(
    "agent_backend_list",
    "agent/{agent}/backend_list/{asker}",
    BackendListAnswer,
    1,
    False,
    (Role.OCPP_BRIDGE,),
    (Role.ACCESS, Role.TECHNICIAN),
    "The bridge's answer to whoever asked which cards the backend has listed.",
    own_level="agent",
    own_read_level="asker",
)

TOPICS: tuple[Topic[Any], ...] = (
    CHARGER_ONLINE,
    CHARGER_META,
    CHARGER_STATE,
    CHARGER_TELEMETRY,
    CHARGER_EVENT,
    CHARGER_EVENT_ACK,
    CHARGER_COMMAND,
    CHARGER_COMMAND_REPLY,
    CHARGER_DECISION,
    CHARGER_WISH,
    CHARGER_BACKEND_LIST,
    GRID_TELEMETRY,
    CIRCUIT_LOAD,
    SHADOW_DECISION,
    SHADOW_COMPARISON,
    ACCESS_REQUEST,
    ACCESS_REPLY,
    SESSION,
    ALARM,
    AGENT_HEALTH,
    BROKER_STATUS,
    AGENT_CLAIM,
    AGENT_REJECTED,
    AGENT_OCPP,
    AGENT_QUERY,
    AGENT_ANSWER,
    AGENT_STORY,
    AGENT_STATION_ANSWER,
    AGENT_BACKEND_LIST,
)
"""The table."""


@dataclass(frozen=True)
class Address:
    """A topic that has been parsed: which row of the table, at which site, with which ids."""

    topic: Topic[Any]
    site: str
    ids: dict[str, str]


def _tree() -> dict[str, Any]:
    root: dict[str, Any] = {}
    for topic in TOPICS:
        node = root
        for level in topic.levels:
            node = node.setdefault("+" if level[0] == "{" else level, {})
        node[""] = topic
    return root


_TREE = _tree()
_MARKS = ("", "+")
"""The tree's own keys, where a row ends and where an id stands: they must not be reached from outside."""
_PREFIX = f"{ROOT}/"


def parse_topic(topic: str) -> Address:
    """Return what ``topic`` addresses.

    Raises :class:`ContractError` (``unknown_topic``) if it is not in the table or a level is not an id.
    """
    levels = topic.split("/")
    if len(levels) < 4 or not topic.startswith(_PREFIX):
        raise ContractError("unknown_topic", f"topic {topic[:200]!r} does not start with {ROOT}/{{site}}/")
    if not is_id(levels[2]):
        raise ContractError("unknown_topic", f"topic {topic[:200]!r}: the site is not an id")
    node, values = _TREE, []
    for level in levels[3:]:
        if level in node and level not in _MARKS:
            node = node[level]
        elif "+" in node and is_id(level):
            values.append(level)
            node = node["+"]
        else:
            raise ContractError("unknown_topic", f"topic {topic[:200]!r}: level {level[:40]!r} is not in the contract")
    row = node.get("")
    if row is None:
        raise ContractError("unknown_topic", f"topic {topic[:200]!r} is not in the contract")
    return Address(row, levels[2], dict(zip(row.parameters, values, strict=True)))


def topics_written_by(role: Role) -> Iterator[Topic[Any]]:
    """Yield the rows that ``role`` may write."""
    return (topic for topic in TOPICS if role in topic.writers)


def topics_read_by(role: Role) -> Iterator[Topic[Any]]:
    """Yield the rows that ``role`` may read."""
    return (topic for topic in TOPICS if role in topic.readers)


def topic_named(name: str) -> Topic[Any]:
    """Return the row called ``name``. Raises :class:`KeyError` with the known names."""
    for topic in TOPICS:
        if topic.name == name:
            return topic
    raise KeyError(f"no topic {name!r}; the table has {', '.join(t.name for t in TOPICS)}")
