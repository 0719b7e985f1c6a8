"""Agents: who lives, what they drop, what waits."""

from bus_schema.topics import AGENT_REJECTED
from dashboards.boards.common import AGENTS, ALL_AGENTS, HEALTH, SITE
from dashboards.dashboard import Dashboard
from dashboards.influxql import Column, From, Query, newest, over_time, rows
from dashboards.panels import RED, YELLOW, Panel


def _per_second(field: str) -> Query:
    inner = Column(field, "non_negative_derivative.max")
    HEALTH.unit(field)
    text = inner.text.replace(f'max("{field}"))', f'max("{field}"), 1s)')
    select = f'SELECT {text} FROM "{HEALTH.name}" WHERE {HEALTH.condition()}'
    return Query(f'{select} GROUP BY time($__interval), "agent" fill(none)', alias="$tag_agent", columns=(field,),
                 tags=("agent",))  # fmt: skip


DASHBOARD = Dashboard(
    uid=AGENTS,
    title="Agents and bus",
    description="The processes of the site: alive or not, how busy, what they could not read.",
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
            (_per_second("received"),),
            "Messages a second that each agent has taken from the broker.",
            lowest=0,
        ),
        Panel(
            "Messages that wait",
            "timeseries",
            (over_time(HEALTH, "queued", "max", by=("agent",), alias="$tag_agent"),),
            "Queued for a handler. Growing: the agent, its database or its disk is too slow.",
            lowest=0, decimals=0, steps=((1000, YELLOW), (9000, RED)),
        ),
        Panel(
            "Dropped telemetry",
            "timeseries",
            (over_time(HEALTH, "dropped", "max", by=("agent",), alias="$tag_agent"),),
            "QoS 0 messages that were dropped since the agent's start because its queue was full.",
            lowest=0, decimals=0, steps=((1, RED),),
        ),
        Panel(
            "Problems",
            "timeseries",
            (over_time(HEALTH, "problems_count", "max", by=("agent",), alias="$tag_agent"),),
            "How many things keep an agent from its work; 'chargebus status' says them in words.",
            lowest=0, decimals=0,
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
