"""What a site may choose about its ledger: the section ``[ledger]`` of ``site.toml``."""

from typing import Annotated

from pydantic import Field

from agents.runtime.configuration.site_config import AgentSettings


class LedgerSettings(AgentSettings):
    """The ledger. It keeps events and sessions for ever: nothing here deletes them."""

    gap_alarm_after_s: Annotated[int, Field(ge=0, le=86_400)] = 120
    """How long an event may be missing before an alarm is raised. A charger sends again after 30 s. s."""
    stuck_alarm_after_s: Annotated[int, Field(ge=0, le=86_400)] = 600
    """How long a charger may contradict a session that is recorded as active before an alarm is raised. s."""
    events_per_s: Annotated[float, Field(gt=0, le=10_000)] = 20.0
    """How many events a second a charger may send in the long run; a whole journal (some 400) may come at once."""
    evidence_alarm_days: Annotated[int, Field(ge=1, le=365)] = 7
    """How long the alarm about a finding that nobody can undo (a register that went back) stays. Days."""
