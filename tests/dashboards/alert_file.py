"""What Grafana takes as a file of alert rules, as a strict model.

After ``pkg/services/provisioning/alerting/rules_types.go`` of Grafana's source, whose documentation of the format is
https://grafana.com/docs/grafana/latest/alerting/set-up/provision-alerting-resources/file-provisioning/. Grafana passes
over what it does not know, as a YAML reader does; a misspelt key is found only here.
"""

import re
from operator import attrgetter
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator
from pydantic.alias_generators import to_camel

EXPRESSIONS = "__expr__"
"""Uid that stands for Grafana's own expressions."""

_PARTS = "".join(rf"(\d+{unit})?" for unit in ("y", "w", "d", "h", "m", "s", "ms"))
Duration = Annotated[str, StringConstraints(pattern=rf"^(0|{_PARTS})$", min_length=1)]
"""As ``ParseDuration`` of Prometheus takes it."""

Uid = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,40}$")]
Text = Annotated[str, StringConstraints(min_length=1, max_length=190)]

UNIT_S = {"y": 31_536_000, "w": 604_800, "d": 86_400, "h": 3600, "m": 60, "s": 1}
SCHEDULER_S = 10
"""Rules are evaluated at multiples of it (``unified_alerting.min_interval``)."""


class Strict(BaseModel):
    """Knows every key."""

    model_config = ConfigDict(extra="forbid", strict=True, alias_generator=to_camel)


class TimeRange(Strict):
    """Seconds before now."""

    from_: Annotated[int, Field(alias="from", ge=1)]
    to: Annotated[int, Field(ge=0)]


class Query(Strict):
    """``QueryV1``."""

    ref_id: Annotated[str, StringConstraints(pattern=r"^[A-Z]$")]
    query_type: str = ""
    relative_time_range: TimeRange
    datasource_uid: Uid
    model: dict[str, Any]

    @model_validator(mode="after")
    def _is_itself(self) -> Self:
        if self.model.get("refId") != self.ref_id:
            raise ValueError(f"the model of {self.ref_id} is called {self.model.get('ref_id')}")
        return self


class AlertRule(Strict):
    """``AlertRuleV1``, of those keys that are not for recording rules and not obsolete."""

    uid: Uid
    title: Text
    condition: str
    data: Annotated[list[Query], Field(min_length=1)]
    dashboard_uid: Uid | None = None
    panel_id: int | None = None
    no_data_state: Literal["Alerting", "NoData", "OK", "KeepLast"]
    exec_err_state: Literal["Alerting", "Error", "OK", "KeepLast"]
    for_: Annotated[Duration, Field(alias="for")]
    keep_firing_for: Duration | None = None
    annotations: dict[str, str]
    labels: dict[str, str]
    is_paused: bool = False

    @model_validator(mode="after")
    def _holds_together(self) -> Self:
        names = [query.ref_id for query in self.data]
        if len(set(names)) != len(names) or self.condition not in names:
            raise ValueError(f"{self.uid}: the condition {self.condition} is none of {names}, or a name stands twice")
        for number, query in enumerate(self.data):
            used = query.model.get("expression")
            if query.datasource_uid == EXPRESSIONS and used not in names[:number]:
                raise ValueError(f"{self.uid}: {query.ref_id} is about {used}, which does not come before it")
        # Every $ of a label is a variable of Grafana's environment when it reads the file.
        if any("$" in value for value in (self.title, *self.labels.values())):
            raise ValueError(f"{self.uid}: a variable in a title or label")
        # In annotations ${NAME} is, and $labels is the template's.
        if any(re.search(r"\$\{", value) for value in self.annotations.values()):
            raise ValueError(f"{self.uid}: a variable in an annotation")
        return self


_uid, _title = attrgetter("uid"), attrgetter("title")


class Group(Strict):
    """``AlertRuleGroupV1``."""

    org_id: Annotated[int, Field(ge=1)]
    name: Text
    folder: Text
    interval: Duration
    rules: Annotated[list[AlertRule], Field(min_length=1)]

    @model_validator(mode="after")
    def _is_evaluated(self) -> Self:
        if seconds(self.interval) % SCHEDULER_S or not seconds(self.interval):
            raise ValueError(f"{self.name}: rules are evaluated at multiples of {SCHEDULER_S} s")
        if len({rule.uid for rule in self.rules}) != len(self.rules) or len({r.title for r in self.rules}) != len(
            self.rules
        ):
            raise ValueError(f"{self.name}: two rules have one uid or title")
        return self


class AlertFile(Strict):
    """A file below ``provisioning/alerting``."""

    api_version: Literal[1]
    groups: list[Group]


def seconds(duration: str) -> int:
    """Return a duration in seconds."""
    return sum(int(number) * UNIT_S[unit] for number, unit in re.findall(r"(\d+)([ywdhms])(?!s)", duration))
