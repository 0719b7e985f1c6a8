"""The dashboards and alert rules on a Grafana server: what is to be there, what is, and how it gets there."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import niquests
from grafana_client.api import GrafanaApi
from grafana_client.client import GrafanaClientError, GrafanaException

from dashboards.alerts import FOLDER, rule_groups
from dashboards.boards import DASHBOARDS
from dashboards.dashboard import SOURCE

TIMEOUT_S = 15.0

FOLDER_UID = "chargebus"
"""Of the folder, if this is what makes it; one with the right title is taken as it is."""

_OURS_TO_CHANGE = ("id", "version")
"""What a server counts by itself in a dashboard."""


class GrafanaFailed(Exception):
    """The server cannot do what it was asked; the text says what and why."""


@dataclass(frozen=True)
class Found:
    """How one thing on the server compares with what is to be there."""

    what: str
    state: str
    """``same``, ``different`` or ``missing``."""


class Grafana:
    """One server. Every method raises :class:`GrafanaFailed`."""

    def __init__(self, url: str, token: str) -> None:
        """Prepare; nothing is asked yet. ``token`` is a service account's, with the role Admin or Editor."""
        self._url = url
        with self._understood("be reached"):
            # The slash parts Grafana's own path, where it has one, from the API's.
            self._api = GrafanaApi.from_url(f"{url.rstrip('/')}/", credential=token, timeout=TIMEOUT_S)

    def push(self) -> Iterator[str]:
        """Bring everything to the server, whatever was there; yield a line for each thing."""
        self._check_source()
        folder = self._folder_uid() or self._make_folder()
        for board in DASHBOARDS:
            with self._understood(f"take the dashboard {board.title!r}"):
                self._api.dashboard.update_dashboard(
                    {"dashboard": board.model(), "folderUid": folder, "overwrite": True, "message": "chargebus"}
                )
            yield f"dashboard {board.title}"
        for group in rule_groups()["groups"]:
            with self._understood(f"take the alert rules {group['name']!r}"):
                self._api.alertingprovisioning.update_rule_group(
                    folder, group["name"], pushed_group(group, folder), disable_provenance=True
                )
            yield f"{len(group['rules'])} alert rules {group['name']}"

    def compare(self) -> Iterator[Found]:
        """Yield how each dashboard and each alert rule on the server compares with ours; change nothing."""
        self._check_source()
        for board in DASHBOARDS:
            there = self._or_none(lambda uid=board.uid: self._api.dashboard.get_dashboard(uid))
            yield _found(f"dashboard {board.title}", board.model(), there and there["dashboard"])
        for group in rule_groups()["groups"]:
            for rule in group["rules"]:
                there = self._or_none(lambda uid=rule["uid"]: self._api.alertingprovisioning.get_alertrule(uid))
                yield _found(f"alert rule {rule['title']}", rule, there)

    def _check_source(self) -> None:
        uid = SOURCE["uid"]
        there = self._or_none(lambda: self._api.datasource.get_datasource_by_uid(uid))
        if there is None:
            raise GrafanaFailed(
                f"{self._url} has no data source with the uid {uid}, which every dashboard names: make an InfluxDB "
                "data source (query language InfluxQL) with this uid first; deploy/grafana/datasources.yaml shows one"
            )
        if there.get("type") != SOURCE["type"]:
            raise GrafanaFailed(f"the data source {uid} is of the type {there.get('type')!r}, not {SOURCE['type']}")

    def _folder_uid(self) -> str | None:
        with self._understood("list its folders"):
            folders = self._api.folder.get_all_folders()
            return next((str(folder["uid"]) for folder in folders if folder["title"] == FOLDER), None)

    def _make_folder(self) -> str:
        with self._understood(f"make the folder {FOLDER!r}"):
            return str(self._api.folder.create_folder(FOLDER, FOLDER_UID)["uid"])

    def _or_none(self, ask: Any) -> Any:
        with self._understood("answer"):
            try:
                answer = ask()
            except GrafanaClientError as error:
                if error.status_code == 404:
                    return None
                raise
            if not isinstance(answer, dict):
                raise TypeError("no object")
            return answer

    @contextmanager
    def _understood(self, doing: str) -> Iterator[None]:
        try:
            yield
        except GrafanaClientError as error:
            hint = (
                ": does the token belong to it, with the role Admin or Editor?"
                if error.status_code in (401, 403)
                else ""
            )
            raise GrafanaFailed(f"{self._url} will not {doing}: {error.message}{hint}") from None
        except (KeyError, TypeError, niquests.exceptions.JSONDecodeError) as error:
            raise GrafanaFailed(f"{self._url} answers like no Grafana: {type(error).__name__}: {error}") from None
        except (GrafanaException, niquests.exceptions.RequestException, OSError) as error:
            raise GrafanaFailed(f"{self._url} cannot {doing}: {error}") from None


def pushed_group(group: dict[str, Any], folder: str) -> dict[str, Any]:
    """Return a group of the file format as the provisioning API takes it: seconds, and the folder by its uid."""
    own = {"orgID": group["orgId"], "folderUID": folder, "ruleGroup": group["name"]}
    return {
        "title": group["name"],
        "folderUid": folder,
        "interval": _seconds(group["interval"]),
        "rules": [rule | own for rule in group["rules"]],
    }


def _seconds(duration: str) -> int:
    return int(duration[:-1]) * {"s": 1, "m": 60, "h": 3600}[duration[-1]]


def _found(what: str, ours: Any, theirs: Any) -> Found:
    if theirs is None:
        return Found(what, "missing")
    mine = {key: value for key, value in ours.items() if key not in _OURS_TO_CHANGE}
    return Found(what, "same" if _holds(theirs, mine) else "different")


def _holds(theirs: Any, ours: Any) -> bool:
    """Tell whether all that we say stands there too: a server adds defaults of its own."""
    if isinstance(ours, dict):
        return isinstance(theirs, dict) and all(key in theirs and _holds(theirs[key], ours[key]) for key in ours)
    if isinstance(ours, list):
        return isinstance(theirs, list) and len(theirs) == len(ours) and all(map(_holds, theirs, ours))
    return bool(theirs == ours)
