"""Snapshots → JSON: all of it for a page that has just been opened, afterwards only what has changed."""

from dataclasses import asdict, fields
from typing import Any

from agents.console.cards import ChargerCard, Snapshot

Json = dict[str, Any]
"""An object of JSON values."""


def whole(snapshot: Snapshot) -> Json:
    """Return everything."""
    return {
        "summary": asdict(snapshot.summary),
        "order": [card.charger for card in snapshot.chargers],
        "chargers": [asdict(card) for card in snapshot.chargers],
        "agents": [asdict(agent) for agent in snapshot.agents],
        "alarms": [asdict(alarm) for alarm in snapshot.alarms],
    }


def changes(before: Snapshot, after: Snapshot) -> Json:
    """Return what a page that shows ``before`` must be told to show ``after``; empty if nothing has changed.

    Of a charger it holds the id and the changed fields, so that a site of 100 charging cars sends a few numbers a
    second for each of them. ``order`` stands there when chargers have come or gone.
    """
    found: Json = {}
    if before.summary != after.summary:
        found["summary"] = asdict(after.summary)
    if before.agents != after.agents:
        found["agents"] = [asdict(agent) for agent in after.agents]
    if before.alarms != after.alarms:
        found["alarms"] = [asdict(alarm) for alarm in after.alarms]
    known = {card.charger: card for card in before.chargers}
    order = [card.charger for card in after.chargers]
    if list(known) != order:
        found["order"] = order
    patches = [
        patch
        for card in after.chargers
        if known.get(card.charger) is not card and (patch := _patch(known.get(card.charger), card))
    ]
    if patches:
        found["chargers"] = patches
    return found


def _patch(before: ChargerCard | None, after: ChargerCard) -> Json:
    if before is None:
        return asdict(after)
    patch = {
        field.name: _plain(new)
        for field in fields(ChargerCard)
        if (new := getattr(after, field.name)) != getattr(before, field.name)
    }
    return {"charger": after.charger, **patch} if patch else {}


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_plain(each) for each in value]
    if hasattr(value, "__dataclass_fields__"):
        return asdict(value)
    return value
