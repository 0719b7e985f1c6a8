"""Local Auth List Management (OCPP 1.6, 5.10 and 5.15)."""

from typing import TYPE_CHECKING

from ocpp.v16 import call, call_result, datatypes

from agents.ocpp_bridge.v16.id_tags import TagInfo, fold, tag_info
from agents.ocpp_bridge.v16.keys import MAX_LOCAL_LIST, MAX_SEND_LOCAL_LIST
from agents.runtime.ocpp import Handler

if TYPE_CHECKING:
    from agents.ocpp_bridge.v16.charge_point import ChargePoint

NO_LIST = -1
"""listVersion that says that there is no local list (5.10)."""


def read_entries(entries: list[datatypes.AuthorizationData], *, full: bool) -> dict[str, TagInfo | None] | None:
    """Return the changes by folded idTag, None for what is removed; None in all if the list contradicts itself.

    A tag may stand in it once, and a full list has nothing to remove (5.15).
    """
    changes: dict[str, TagInfo | None] = {}
    for entry in entries:
        tag = fold(entry.id_tag)
        if tag in changes or (full and entry.id_tag_info is None):
            return None
        changes[tag] = None if entry.id_tag_info is None else tag_info(entry.id_tag_info)
    return changes


class LocalList:
    """Answers for one charge point."""

    def __init__(self, charge_point: "ChargePoint") -> None:
        """Answer for ``charge_point``."""
        self._charge_point = charge_point

    def handlers(self) -> dict[str, Handler]:
        """Return the handlers by action."""
        return {"GetLocalListVersion": self.get_version, "SendLocalList": self.send}

    async def get_version(self, _request: call.GetLocalListVersion) -> call_result.GetLocalListVersion:
        """Return the version of the list; 0 for an empty one, -1 while it is switched off."""
        enabled = self._charge_point.configuration.flag("LocalAuthListEnabled")
        return call_result.GetLocalListVersion(self._charge_point.id_tags.version if enabled else NO_LIST)

    async def send(self, request: call.SendLocalList) -> call_result.SendLocalList:
        """Replace the list, or change it: all of it or nothing."""
        return call_result.SendLocalList(await self._send(request))

    async def _send(self, request: call.SendLocalList) -> str:
        tags = self._charge_point.id_tags
        if not self._charge_point.configuration.flag("LocalAuthListEnabled"):
            return "NotSupported"
        full = request.update_type == "Full"
        changes = read_entries(request.local_authorization_list or [], full=full)
        if changes is None or request.list_version <= 0 or len(changes) > MAX_SEND_LOCAL_LIST:
            return "Failed"
        if full:
            if len(changes) > MAX_LOCAL_LIST:
                return "Failed"
            await tags.replace_local(request.list_version, {tag: info for tag, info in changes.items() if info})
            return "Accepted"
        if request.list_version <= tags.version:
            return "VersionMismatch"
        added = sum(info is not None and tag not in tags.local for tag, info in changes.items())
        removed = sum(info is None and tag in tags.local for tag, info in changes.items())
        if len(tags.local) + added - removed > MAX_LOCAL_LIST:
            return "Failed"
        await tags.change_local(request.list_version, changes)
        return "Accepted"
