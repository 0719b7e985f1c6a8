"""Agents: who lives, what they drop, what waits."""

from bus_schema.topics import AGENT_REJECTED
from dashboards.boards.common import AGENTS, ALL_AGENTS, BROKER, HEALTH, SITE, peaks
from dashboards.dashboard import Dashboard
from dashboards.influxql import Column, From, newest, over_time, per_second, rows
from dashboards.panels import RED, YELLOW, Panel

DASHBOARD = Dashboard(
    uid=AGENTS,
    title="Agents and broker",
    description="The processes of the site and its broker: alive or not, how busy, what is lost.",
    variables=(SITE, ALL_AGENTS),
    refresh="30s",
    panels=(
        Panel(
            "Agents",
            "table",
            (
                newest(
                    HEALTH,
                    Column("online"), Column("version"), Column("problems_count"), Column("received"),
                    Column("rejected"), Column("dropped"), Column("queued"), Column("started_ts"),
                    by=("agent",), within="30d",
                ),
            ),
            "Every agent as it last told of itself; the broker says offline for one that dies.",
            width=24, colours={"true": "green", "false": RED},
        ),
        Panel(
            "Online",
            "state-timeline",
            (over_time(HEALTH, "online", "last", by=("agent",), alias="$tag_agent"),),
            "An agent that is away stops no car; what it would have done waits at the broker.",
            width=24, height=6, colours={"true": "green", "false": RED},
        ),
        Panel(
            "Messages received",
            "timeseries",
            (per_second(HEALTH, "received", by=("agent",), alias="$tag_agent"),),
            "Messages a second that each agent has taken from the broker.",
            lowest=0,
        ),
        peaks(
            "Messages that wait", HEALTH, "queued", "agent",
            "Queued for a handler. Growing: the agent, its database or its disk is too slow.",
            lowest=0, decimals=0, steps=((1000, YELLOW), (9000, RED)),
        ),
        peaks(
            "Dropped telemetry", HEALTH, "dropped", "agent",
            "QoS 0 messages that were dropped since the agent's start because its queue was full.",
            lowest=0, decimals=0, steps=((1, RED),),
        ),
        peaks(
            "Problems", HEALTH, "problems_count", "agent",
            "How many things keep an agent from its work; 'chargebus status' says them in words.",
            lowest=0, decimals=0,
        ),
        peaks(
            "Spool", HEALTH, "waiting", "agent",
            "Kept on disk until a database takes it. Growing: 'chargebus spool' says why.",
            lowest=0, decimals=0,
        ),
        peaks(
            "Lag", HEALTH, "waiting_oldest_s", "agent",
            "How long the oldest of it has waited. From a quarter of spool_max_age_days on there is an alarm.",
            lowest=0, steps=((600, YELLOW), (86_400, RED)),
        ),
        Panel(
            "Dropped by the broker",
            "timeseries",
            (over_time(BROKER, "messages_dropped", "max", alias="dropped since its start"),),
            "Messages that were lost because a client's queue at the broker was full.",
            lowest=0, decimals=0, steps=((1, RED),),
        ),
        Panel(
            "Through the broker",
            "timeseries",
            (
                per_second(BROKER, "messages_received", alias="from clients"),
                per_second(BROKER, "messages_sent", alias="to clients"),
            ),
            "Messages a second.",
            lowest=0,
        ),
        Panel(
            "Clients",
            "timeseries",
            (
                over_time(BROKER, "clients_connected", "last", alias="connected"),
                over_time(BROKER, "clients_total", "last", alias="with those that are away"),
            ),
            "Every charger and agent is one. What is away has its messages kept.",
            lowest=0, decimals=0,
        ),
        Panel(
            "Kept by the broker",
            "timeseries",
            (over_time(BROKER, "messages_stored", "max", alias="messages"),),
            "Retained messages, and those that wait for a client that is away or slow. Growing: look who is away.",
            lowest=0, decimals=0,
        ),
        Panel(
            "Memory of the broker",
            "timeseries",
            (
                over_time(BROKER, "heap_bytes", "max", alias="heap, bytes"),
                over_time(BROKER, "stored_bytes", "max", alias="payloads, bytes"),
            ),
            "Heap, and the payloads that it keeps.",
            lowest=0,
        ),
        Panel(
            "Rejected messages",
            "table",
            (rows(From(AGENT_REJECTED, variables=("site", "agent")), "topic", "code", "reason", "count", "size_bytes",
                  limit=200),),
            "Messages that could not be read, and why. Whoever sends them breaks the contract.",
            width=24,
        ),
    ),
)  # fmt: skip
