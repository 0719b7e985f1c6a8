"""Patches sent to open pages: applied one after the other they give the whole."""

import json
import random
from typing import Any

from agents.console.changes import changes, whole
from agents.console.site_view import Heard, SiteView
from bus_schema.words import ChargerStatus
from tests.console.messages import meta, online, session, state, telemetry


def apply(shown: dict[str, Any], found: dict[str, Any]) -> None:
    """Do what the page does (static/site_board.js)."""
    cards = {card["charger"]: card for card in shown["chargers"]}
    for patch in found.get("chargers", []):
        cards.setdefault(patch["charger"], {}).update(patch)
    shown.update({part: found[part] for part in ("summary", "order", "agents", "alarms") if part in found})
    shown["chargers"] = [cards[charger] for charger in shown["order"]]


def test_only_changed_fields_of_changed_chargers_are_sent() -> None:
    view = SiteView("garage")
    for charger in ("c1", "c2"):
        view.state(charger, state(session=session()), Heard(0, 0))
    before = view.snapshot(0)
    view.state("c2", state(session=session(), offered_current_a=9.0, limit_reason="9 A: full"), Heard(1, 1000))
    assert changes(before, view.snapshot(1)) == {
        "chargers": [{"charger": "c2", "offered_current_a": 9.0, "limit_reason": "9 A: full"}]
    }


def test_nothing_new_is_an_empty_patch() -> None:
    view = SiteView("garage")
    view.state("c1", state(), Heard(0, 0))
    before = view.snapshot(0)
    view.state("c1", state(), Heard(5, 5000))
    assert changes(before, view.snapshot(6)) == {}


def test_patches_add_up_to_the_whole() -> None:
    rng = random.Random(7)
    view = SiteView("garage")
    before = view.snapshot(0)
    shown = whole(before)
    for now_s in range(600):
        charger = f"c{rng.randrange(12)}"
        match rng.randrange(6):
            case 0:
                view.online(charger, online(rng.random() < 0.7), Heard(now_s, now_s * 1000))
            case 1:
                view.meta(charger, meta(rated_current_a=float(rng.choice([16, 32]))))
            case 2 | 3:
                active = session(energy_wh=now_s) if rng.random() < 0.5 else None
                view.state(charger, state(rng.choice(list(ChargerStatus)), session=active), Heard(now_s, now_s * 1000))
            case 4:
                view.telemetry(charger, telemetry(current_l1_a=rng.random()), Heard(now_s, now_s * 1000))
            case _:
                view.forget(charger)
        after = view.snapshot(now_s)
        apply(shown, json.loads(json.dumps(changes(before, after))))
        before = after
        assert shown == json.loads(json.dumps(whole(after))), now_s
