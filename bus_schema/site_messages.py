"""What agents say to each other and about themselves: access, alarms, health, rejections, queries."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, StringConstraints

from bus_schema.command import Caps, LocalListEntry
from bus_schema.event import SessionRecord
from bus_schema.ids import Id
from bus_schema.message import Count, IdToken, Key, ListVersion, Message, Source, Struct, Text
from bus_schema.units import CurrentA, DelayMs, DurationS, TimestampMs
from bus_schema.words import Severity, Verdict


class AccessRequest(Message):
    """May this token charge there? Asked of one agent, which answers under its own name."""

    id: Key
    """Chosen by whoever asks; the answer repeats it."""
    to: Id
    """Agent that is asked."""
    source: Source
    """Who asks."""
    charger: Id
    """Where."""
    id_token: IdToken
    """Who wants to charge."""
    deadline_ts: TimestampMs
    """An answer after this moment is of no use."""


class AccessReply(Message):
    """The answer to an access request."""

    id: Key
    """Id of the request."""
    charger: Id
    """Where."""
    verdict: Verdict
    """Accepted, refused, or not known here."""
    reason: Text
    """Why, in words for a driver (invariant 8)."""
    caps: Caps = Caps()
    """Where the session must end."""
    parent_id_token: IdToken | None = None
    """Group of the token: its members may stop each other's sessions."""
    expires_ts: TimestampMs | None = None
    """Until when the verdict may be remembered; null for this once."""


class Alarm(Message):
    """Something that a person should know of. Retained while it stands, cleared when it is over."""

    severity: Severity
    """How bad."""
    source: Source
    """Agent that raised it."""
    since_ts: TimestampMs
    """Since when it stands."""
    text: Text
    """What is wrong, and where."""
    remedy: Text
    """What to do about it."""
    charger: Id | None = None
    """Charger concerned, if it is one."""


MAX_REFUSED_SENDERS = 5
"""Senders that a health message names; all of them fit a message together with the longest problems."""


class RefusedSender(Struct):
    """A sender that has lately asked more of an agent than its quota allows."""

    sender: Annotated[str, StringConstraints(max_length=64)]
    """Charger, station or address."""
    quota: Annotated[str, StringConstraints(pattern=r"^[a-z_]{1,40}$")]
    """Which quota it exceeds, for example ``new_boots``."""
    count: Annotated[Count, Field(ge=1)]
    """How often it was refused since it was last quiet."""


class AgentHealth(Message):
    """Whether an agent lives. Retained; ``online: false`` is its will."""

    online: bool
    """False in the will and after a graceful stop."""
    version: Annotated[str, StringConstraints(max_length=40)]
    """Version of chargebus."""
    started_ts: TimestampMs
    """Start of the process."""
    problems: Annotated[list[Text], Field(max_length=5)] = []
    """What keeps it from its work, in words; empty when all is well."""
    received: Count = 0
    """Messages received since the start."""
    rejected: Count = 0
    """Messages that could not be read."""
    dropped: Count = 0
    """QoS 0 messages dropped because a queue was full."""
    queued: Count = 0
    """Messages that wait for a handler."""
    waiting: Count | None = None
    """What the agent keeps on disk until somebody else takes it (points for a database); null if it keeps none."""
    waiting_oldest_s: DurationS | None = None
    """How long the oldest of it has waited, 0 when there is none."""
    behind_s: DurationS | None = None
    """How long the message has waited that has waited longest for its handler, 0 when none waits; null: not told."""
    refused: Count = 0
    """What senders were refused since the start because it exceeded their quota."""
    refused_senders: Annotated[list[RefusedSender], Field(max_length=MAX_REFUSED_SENDERS)] = []
    """Who was refused most often lately, the worst first; empty when all is well."""


class BrokerStatus(Message):
    """What the broker counts about itself (Mosquitto's ``$SYS``), told by the logger. Null: it does not say."""

    clients_connected: Count | None = None
    """Clients that are connected."""
    clients_total: Count | None = None
    """Those, and the persistent sessions of clients that are away."""
    subscriptions: Count | None = None
    """Filters that are subscribed to."""
    messages_received: Count | None = None
    """Publications that clients have sent since the broker's start."""
    messages_sent: Count | None = None
    """Publications that it has sent to clients since its start."""
    messages_dropped: Count | None = None
    """Publications that were lost since its start because a client's queue was full."""
    messages_stored: Count | None = None
    """Messages that it holds: retained ones, and those that wait for a client."""
    stored_bytes: Count | None = None
    """Their payloads."""
    heap_bytes: Count | None = None
    """Memory that it uses."""
    heap_max_bytes: Count | None = None
    """Most memory that it has used."""


class AgentClaim(Message):
    """Which process may act for an agent of which there must be one only. Retained; the first to claim goes on.

    Whoever sees no claim of another before the broker's echo of its own, and goes on claiming, acts. The order in
    which the broker takes claims is the same for all who hear them.
    """

    instance: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{12}$")]
    """Drawn at random with the agent's database: two processes on one database are told apart there."""
    epoch: Count
    """Starts of that instance so far; a higher one replaces a lower one."""
    seq: Count
    """Number of the claim within the epoch."""
    complete: bool = False
    """Whether the sender's database holds all that it and others may have ordered and that may still be in force: a
    later life on that database that finds this claim last on the bus need not fear what somebody else has ordered."""
    written: Count = 0
    """How often that database has taken down what may be in force. A later life whose database has done so less often
    has an older copy of it, restored from a backup, and knows nothing."""


class Rejected(Message):
    """A message that an agent could not read or handle. Never contains the payload."""

    topic: Annotated[str, StringConstraints(max_length=256)]
    """Where it came from, cut at 256 characters."""
    code: Annotated[str, StringConstraints(pattern=r"^[a-z_]{1,40}$")]
    """``malformed``, ``too_large``, ``wrong_type``, ``unknown_topic``, ``retained`` or ``handler_failed``."""
    reason: Text
    """Which field was wrong and what was expected."""
    size_bytes: Count
    """Length of the payload."""
    count: Annotated[Count, Field(ge=1)] = 1
    """How many like it since the last report: a flood is reported once a second."""


class OcppTraffic(Message):
    """What an agent and its OCPP peers have said to each other: one message for each backend.

    The ``backend`` of the topic is the agent's name for it; a central system is one itself and speaks of its stations
    under its own name. Counters begin with the agent's start.
    """

    charge_points: Count
    """Charge points that are known."""
    connected: Count
    """How many of them have a connection now."""
    calls_sent: Count
    """CALLs from this agent."""
    calls_received: Count
    """CALLs from the other side."""
    call_errors_sent: Count
    """CALLERRORs from this agent."""
    call_errors_received: Count
    """CALLERRORs from the other side."""
    timeouts: Count
    """CALLs of this agent that were not answered in time."""
    outbox_messages: Count | None = None
    """Messages that are kept until the backend has answered them; null for a central system, which keeps none."""
    outbox_oldest_s: DurationS | None = None
    """How long the oldest of them has waited, 0 when there is none; null for a central system."""
    round_trip_p50_ms: DelayMs | None = None
    """CALL to answer, median of this agent's CALLs since the last such message; null when there was none."""
    round_trip_p99_ms: DelayMs | None = None
    """The same, 99th percentile."""


ListDigest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
"""SHA-256 of a list of cards: equal lists have equal ones, whichever charger they are for."""


class BackendListNotice(Message):
    """Which cards the OCPP backend has listed for a charger (SendLocalList), as the bridge holds them. Retained.

    Whoever sends chargers their lists asks for the cards when the digest is new to it: :class:`BackendListQuery`.
    """

    version: ListVersion
    """listVersion that the backend has given; 0 while there is none."""
    count: Annotated[int, Field(ge=0, le=100_000)]
    """How many cards there are; 0 also while the backend has switched its list off (LocalAuthListEnabled)."""
    digest: ListDigest
    """Digest of the cards."""


class QueryBase(Message):
    """What every question to an agent carries."""

    id: Key
    """Chosen by whoever asks; the answer repeats it."""
    source: Source
    """Who asks; the answer goes to ``agent/{agent}/answer/{source}``."""
    deadline_ts: TimestampMs
    """An answer after this moment is of no use."""


SESSIONS_ON_A_PAGE = 5
"""So many of the largest sessions fit a message."""


class SessionsQuery(QueryBase):
    """Which sessions were there? Newest first, a page at a time."""

    op: Literal["sessions"] = "sessions"
    charger: Id | None = None
    """Only this charger."""
    session_id: Id | None = None
    """Only this session."""
    active: bool | None = None
    """Only those going on (true) or ended (false)."""
    since_ts: TimestampMs | None = None
    """Only those that began at this moment or later."""
    limit: Annotated[int, Field(ge=1, le=6)] = 6
    """Most sessions on a page, which holds :data:`SESSIONS_ON_A_PAGE` at most."""
    cursor: Key | None = None
    """Where the last page ended; null for the first page."""


class WhyQuery(QueryBase):
    """Why did the load balancer give this charger what it gave? Oldest first, a page at a time."""

    op: Literal["why"] = "why"
    charger: Id
    """Which charger."""
    since_ts: TimestampMs | None = None
    """Beginning of the story; null for an hour ago."""
    cursor: Key | None = None
    """Where the last page ended; null for the first page."""


class OcppCallQuery(QueryBase):
    """Ask an OCPP station something that the bus has no command for: configuration keys, a vendor's own data."""

    op: Literal["ocpp_call"] = "ocpp_call"
    station: Key
    """Name of the station in its URL, or a charger that it is."""
    action: Annotated[str, StringConstraints(pattern=r"^[A-Za-z]{1,50}$")]
    """Action of the station's version of OCPP, for example ``GetConfiguration``."""
    payload: Annotated[str, StringConstraints(max_length=3000)] = "{}"
    """Its request, as JSON."""


class SettleQuery(QueryBase):
    """Tell the ledger that something will never come from a charger, because its board or its flash is gone.

    With ``session_id``: the end of this session. Without: the events that are missing; those that come after them
    are acknowledged then.
    """

    op: Literal["settle"] = "settle"
    charger: Id
    """Which charger."""
    session_id: Id | None = None
    """Which session; null for the charger's missing events."""
    because: Annotated[str, Field(min_length=1, max_length=100)]
    """Why it will not come; kept with the record."""


class BackendListQuery(QueryBase):
    """Which cards has the backend listed for this charger? By UID, a page at a time."""

    op: Literal["backend_list"] = "backend_list"
    charger: Id
    """Which charger."""
    digest: ListDigest
    """The list that is meant, as :class:`BackendListNotice` tells it: pages of two lists are never mixed."""
    cursor: Key | None = None
    """Where the last page ended; null for the first page."""


def _about_sessions(value: Any) -> Any:
    """A question without ``op`` is of before there was a second kind."""
    return {"op": "sessions", **value} if isinstance(value, dict) else value


Query = Annotated[
    SessionsQuery | WhyQuery | OcppCallQuery | SettleQuery | BackendListQuery,
    Field(discriminator="op"),
    BeforeValidator(_about_sessions),
]
"""Any question to an agent, told apart by ``op``."""


class GrantRecord(Struct):
    """A stretch of time in which a charger's grant and the reason for it stayed the same."""

    from_ts: TimestampMs
    """Its beginning."""
    to_ts: TimestampMs | None = None
    """Its end; null while it goes on."""
    current_a: CurrentA
    """What was granted, per phase."""
    constraint: Annotated[str, Field(max_length=100)]
    """What bound, for programs."""
    explanation: Text
    """What bound, for people."""


class QueryAnswer(Message):
    """An agent's answer to a question."""

    id: Key
    """Id of the question."""
    ok: bool
    """False when it could not be answered; ``reason`` says why."""
    reason: Text = ""
    """Why not, in words."""
    sessions: Annotated[list[SessionRecord], Field(max_length=SESSIONS_ON_A_PAGE)] = []
    """Answer to :class:`SessionsQuery`; for :class:`SettleQuery` the session as it is now."""
    cursor: Key | None = None
    """Give it with the next question for the next page; null on the last page."""


class WhyAnswer(Message):
    """The load balancer's answer to :class:`WhyQuery`: what it granted, and why, oldest first."""

    id: Key
    """Id of the question."""
    ok: bool
    """False when it could not be answered; ``reason`` says why."""
    reason: Text = ""
    """Why not, in words."""
    grants: Annotated[list[GrantRecord], Field(max_length=5)] = []
    """Stretches of time with one grant each; five of the largest fit a message."""
    cursor: Key | None = None
    """Give it with the next question for the next page; null on the last page."""


class OcppCallAnswer(Message):
    """The central system's answer to :class:`OcppCallQuery`."""

    id: Key
    """Id of the question."""
    ok: bool
    """False when the station was not asked, or refused; ``reason`` says why."""
    reason: Text = ""
    """Why not, in words."""
    payload: Annotated[str, StringConstraints(max_length=3000)] = ""
    """The station's answer, as JSON."""


BACKEND_LIST_PAGE = 10
"""Most cards on a page of :class:`BackendListAnswer`; ten of the largest fit a message."""


class BackendCard(LocalListEntry):
    """A card that an OCPP backend has listed."""

    not_known: bool = False
    """True when the backend says that it does not know the card (Invalid): another policy may accept it, and where
    there is none it counts as blocked."""


class BackendListAnswer(Message):
    """The bridge's answer to :class:`BackendListQuery`."""

    id: Key
    """Id of the question."""
    ok: bool
    """False when the list is not there (any more); ``reason`` says why."""
    reason: Text = ""
    """Why not, in words."""
    cards: Annotated[list[BackendCard], Field(max_length=BACKEND_LIST_PAGE)] = []
    """Cards that a charger's reader can tell, their UIDs in capitals and in order."""
    cursor: Key | None = None
    """Give it with the next question for the next page; null on the last page."""
