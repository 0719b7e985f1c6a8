"""Commands to a charger, one message per operation, and its replies (invariant 7)."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from bus_schema.charger_settings import ChargerSettingsPatch
from bus_schema.ids import Id
from bus_schema.message import (
    CUT_SHORT_LIST,
    ChargerMessage,
    IdToken,
    Key,
    ListVersion,
    Message,
    ReservationId,
    Source,
    Struct,
    Text,
)
from bus_schema.topic import AGENT_ROLES, Role
from bus_schema.units import CurrentA, DurationS, EnergyWh, TimestampMs
from bus_schema.words import ReplyCode, ReplyStage

Url = Annotated[str, StringConstraints(max_length=512, pattern=r"^(https?|ftps?|mqtt)://[^\s\x1c-\x1f]+$")]
"""Where a charger fetches or puts a file. Readers disagree whether 0x1c to 0x1f are white space: none may occur."""

MAX_LOCAL_LIST = 500
"""Cards that a charger's local list has room for (OCPP 1.6 LocalAuthListMaxLength)."""

AGENTS = tuple(str(role) for role in AGENT_ROLES)
"""Senders that are agents: each speaks for itself only."""

PEOPLE_SOURCE = str(Role.TECHNICIAN)
"""The source under which people command, whatever their own user names are: what one has limited, another may
release."""


def may_speak_as(sender: str, source: str) -> bool:
    """Tell whether ``source`` may stand in a command that came on ``command/from/{sender}``.

    A sender is the user that the broker's access list lets write there. An agent's source is its own name. Anyone else
    is a person, who commands as :data:`PEOPLE_SOURCE`, or a program of the site's own, which uses its own name.
    Chargers apply the same rule (``firmware/app/commands.py``).
    """
    return source == sender or (source == PEOPLE_SOURCE and sender not in AGENTS)


def person_behind(sender: str, source: str, on_behalf_of: str | None) -> str | None:
    """Return who stands behind a command that :func:`may_speak_as` allows, or None if no person is known.

    Only an agent is believed when it says for whom it acts; a person's own user name is in the topic.
    """
    if sender in AGENTS:
        return on_behalf_of
    return None if sender == source else sender


class CommandBase(Message):
    """What every command carries."""

    ts: TimestampMs
    """When it was issued, by the sender's clock. A command issued before the charger's boot is not executed."""
    id: Key
    """Chosen by the sender, never reused. A second message with the same id is answered again, not executed again."""
    source: Source
    """Who asks. Leases, authorisations and explanations are kept under this name. It must fit the topic's sender
    (:func:`may_speak_as`), else the charger rejects the command with ``not_allowed``."""
    deadline_ts: TimestampMs
    """After this moment the charger answers ``expired`` and does nothing."""
    on_behalf_of: Id | None = None
    """User name of the person for whom an agent acts; null when it acts by itself. Ignored from anyone else."""


class SetLimit(CommandBase):
    """Give the charger a lease: offer at most ``current_a`` for ``valid_for_s``, then fall back (invariant 3)."""

    op: Literal["set_limit"] = "set_limit"
    current_a: CurrentA
    """Limit per phase; below 6 A the charger pauses."""
    valid_for_s: Annotated[DurationS, Field(ge=1, le=86_400)]
    """Life of the lease from the moment the charger executes it."""
    reason: Text = ""
    """Why, in words; shown as the charger's ``limit_reason`` while it binds."""


class ReleaseLimit(CommandBase):
    """Take this source's lease away. A required source falls to ``fallback_current_a`` by it."""

    op: Literal["release_limit"] = "release_limit"


class Caps(Struct):
    """Ends that the charger enforces by itself, also with the bus gone."""

    energy_wh: Annotated[EnergyWh, Field(ge=1)] | None = None
    """Most energy of the session."""
    duration_min: Annotated[int, Field(ge=1, le=44_640)] | None = None
    """Longest session in minutes, at most 31 days."""


class Authorize(CommandBase):
    """Let this token charge: at once if a car is there, else when one comes within the connection timeout."""

    op: Literal["authorize"] = "authorize"
    id_token: IdToken
    """Who."""
    caps: Caps = Caps()
    """Where it must end."""
    connection_timeout_s: Annotated[DurationS, Field(ge=1, le=86_400)] | None = None
    """How long to wait for a car; null for the charger's own setting."""
    parent_id_token: IdToken | None = None
    """Group of the token: another member of it may stop the session, also while the charger is not connected."""


class Refuse(CommandBase):
    """Tell the person at the charger that the card just presented is not accepted, and why."""

    op: Literal["refuse"] = "refuse"
    id_token: IdToken
    """The card."""
    reason: Text
    """Why, in words for a driver."""


class Stop(CommandBase):
    """End the session. The car stays plugged in until somebody unplugs it."""

    op: Literal["stop"] = "stop"
    session_id: Id | None = None
    """Only this session; null for whichever is going on."""
    reason: Text = ""
    """Why, in words."""
    de_authorized: bool = False
    """True when the backend has withdrawn the authorisation: the session ends as DeAuthorized, not Remote."""


class Pause(CommandBase):
    """Offer nothing until ``resume``; the session goes on."""

    op: Literal["pause"] = "pause"
    reason: Text = ""
    """Why, in words."""


class Resume(CommandBase):
    """End a pause."""

    op: Literal["resume"] = "resume"


class Unlock(CommandBase):
    """Open the connector's lock; a session that is going on ends first."""

    op: Literal["unlock"] = "unlock"


class Reset(CommandBase):
    """Restart the charger. Soft ends the session first; hard restarts at once and ends it after boot."""

    op: Literal["reset"] = "reset"
    kind: Literal["soft", "hard"]
    """Which of the two."""


class SetAvailability(CommandBase):
    """Take the charger out of service or back. During a session it takes effect at its end (OCPP: Scheduled)."""

    op: Literal["set_availability"] = "set_availability"
    available: bool
    """True for Operative, false for Inoperative."""


class Reserve(CommandBase):
    """Keep the charger for one token. The same reservation_id replaces the reservation."""

    op: Literal["reserve"] = "reserve"
    reservation_id: ReservationId
    """Number of the reservation."""
    id_token: IdToken
    """For whom."""
    parent_id_token: IdToken | None = None
    """Group whose members may use it too."""
    expires_ts: TimestampMs
    """End of the reservation."""


class CancelReservation(CommandBase):
    """End a reservation early."""

    op: Literal["cancel_reservation"] = "cancel_reservation"
    reservation_id: ReservationId
    """Number of the reservation."""


class Trigger(CommandBase):
    """Publish a message now."""

    op: Literal["trigger"] = "trigger"
    message: Literal["meta", "state", "telemetry", "events"]
    """Which one; ``events`` publishes again whatever the ledger has not acknowledged."""


class Configure(CommandBase):
    """Change settings of the charger; all of them or none."""

    op: Literal["configure"] = "configure"
    settings: ChargerSettingsPatch
    """The settings to change."""


class LocalListEntry(Struct):
    """A card of the local list."""

    id_token: IdToken
    """The card."""
    parent_id_token: IdToken | None = None
    """Its group."""
    expires_ts: TimestampMs | None = None
    """From when on it may not start a session any more; null for never. While the charger's clock is unset no card
    counts as expired."""
    blocked: bool = False
    """True for a card that is refused although it is known."""


class UpdateLocalList(CommandBase):
    """Change the charger's list of cards, in pieces (OCPP 1.6 SendLocalList).

    A piece has 20 entries and 20 removals at most; with long tokens fewer fit a message.

    Each piece leads from ``base_version`` to ``version``. A charger that has another version rejects it with
    ``version_mismatch``; one that has ``version`` already answers ``done`` and changes nothing.
    """

    op: Literal["update_local_list"] = "update_local_list"
    version: Annotated[int, Field(ge=0, le=CUT_SHORT_LIST - 1)]
    """Version of the list from now on."""
    base_version: ListVersion | None = None
    """Version that the charger must have; null to begin anew: what it has is dropped."""
    entries: Annotated[list[LocalListEntry], Field(max_length=20)] = []
    """Cards to add, or to replace."""
    removals: Annotated[list[IdToken], Field(max_length=20)] = []
    """Cards to remove; those that are not there are no error."""


class UpdateFirmware(CommandBase):
    """Fetch a signed image, install it when no car is charging, confirm it after self-test and connection."""

    op: Literal["update_firmware"] = "update_firmware"
    url: Url
    """Where the image is (format: :mod:`bus_schema.firmware_image`)."""
    version: Key | None = None
    """Version that it must carry; null for whichever it does."""
    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")] | None = None
    """Digest of the file; null to go by the image's own, which its signature covers."""
    signature: Annotated[str, StringConstraints(max_length=1024)] = ""
    """Signature that the image's header must carry, base64; empty for any by a key that the charger trusts."""
    not_before_ts: TimestampMs | None = None
    """Do not install earlier; null for as soon as idle."""


class RenewCertificate(CommandBase):
    """Log in with a new certificate for the charger's own key: people only.

    The charger tries it once it is not in use, and keeps it when the broker has let it in; until then, and if the
    broker does not, it has the old one.
    """

    op: Literal["renew_certificate"] = "renew_certificate"
    certificate_pem: Annotated[str, StringConstraints(min_length=1, max_length=1500)]
    """One certificate as PEM, of the subject and for the key of the one in use. Nothing in it is secret."""


class GetLog(CommandBase):
    """Put the charger's log somewhere."""

    op: Literal["get_log"] = "get_log"
    url: Url
    """Where to."""
    from_ts: TimestampMs | None = None
    """Oldest entry; null for the beginning."""
    to_ts: TimestampMs | None = None
    """Newest entry; null for now."""


class Identify(CommandBase):
    """Make the charger blink, so that a technician finds it."""

    op: Literal["identify"] = "identify"
    duration_s: Annotated[DurationS, Field(ge=1, le=3600)] = 30
    """For how long."""


Command = Annotated[
    SetLimit
    | ReleaseLimit
    | Authorize
    | Refuse
    | Stop
    | Pause
    | Resume
    | Unlock
    | Reset
    | SetAvailability
    | Reserve
    | CancelReservation
    | Trigger
    | Configure
    | UpdateLocalList
    | UpdateFirmware
    | RenewCertificate
    | GetLog
    | Identify,
    Field(discriminator="op"),
]
"""Any command, told apart by ``op``."""


class CommandReply(ChargerMessage):
    """The charger's answer. Every command gets at least one."""

    id: Key | None
    """Id of the command; null if it could not be read."""
    op: Annotated[str, StringConstraints(max_length=32)] | None
    """Operation of the command; null if it could not be read."""
    stage: ReplyStage
    """How far it is."""
    code: ReplyCode
    """Why, for programs; ``ok`` when accepted or done."""
    reason: Text = ""
    """Why, in words; says what to do when refused."""
