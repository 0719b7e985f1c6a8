"""What a site may choose about who charges: the section ``[access]`` of ``site.toml``."""

from typing import Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, field_validator

from agents.access.cards import Card, by_uid
from agents.runtime.configuration.site_config import AgentSettings, FilePath, SettingError
from bus_schema import Id

PolicyName = Literal["local_list", "free", "backend", "payment"]
"""``local_list``: the site's own cards; ``free``: everyone, without a card too; ``backend`` asks the OCPP backend
and ``payment`` the payment agent.

The cards of ``local_list``, and with ``backend`` those that the backend lists (SendLocalList), also go to the chargers,
which decide by them while the bus is dead; a card of both counts as the policy that comes first has it."""

ASKED_AGENT: dict[str, str] = {"backend": "ocpp_bridge", "payment": "payment"}
"""Which agent answers for a policy that is not decided here."""


class AccessSettings(AgentSettings):
    """Who may charge. The policies are asked in order; the first that knows the card decides."""

    policies: Annotated[list[PolicyName], Field(min_length=1)] = ["local_list"]
    """Which policies count here and in which order: ``local_list``, ``free``, ``backend``, ``payment``."""
    cards: list[Card] = []
    """The local list: one table ``[[access.cards]]`` per card with its ``uid`` and, as wanted, ``name``, ``group``,
    ``expires`` (2027-01-31), ``chargers`` (["c1"]), ``hours`` ("06:00-22:00") and ``blocked`` (true).

    More can stand in ``cards_file``; a card in both counts as it stands here.
    """
    cards_file: FilePath | None = None
    """A CSV file with more cards, read again whenever it changes."""
    free_chargers: Literal["all"] | list[Id] = "all"
    """Chargers that the policy ``free`` is for."""
    timezone: str = "UTC"
    """Time zone of expiry dates and hours, for example ``Europe/Berlin``."""
    ask_timeout_s: Annotated[int, Field(ge=1, le=25)] = 5
    """How long an asked agent has for its answer while the driver waits. s."""
    command_valid_s: Annotated[int, Field(ge=1, le=60)] = 10
    """How long a charger may take to get an ``authorize`` or ``refuse``. s."""

    @property
    def own_cards_first(self) -> bool:
        """Whether the site's own cards are asked about before the backend is."""
        decide = [policy for policy in self.policies if policy in ("local_list", "backend")]
        return decide[:1] == ["local_list"]

    @field_validator("policies")
    @classmethod
    def _each_once(cls, value: list[PolicyName]) -> list[PolicyName]:
        if len(set(value)) != len(value):
            raise SettingError("names a policy twice")
        return value

    @field_validator("cards")
    @classmethod
    def _no_card_twice(cls, value: list[Card]) -> list[Card]:
        try:
            by_uid(value)
        except ValueError as error:
            raise SettingError(str(error)) from None
        return value

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise SettingError("is not a time zone; use a name like Europe/Berlin") from None
        return value
