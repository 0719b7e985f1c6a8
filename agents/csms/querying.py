"""Questions to the central system: what a technician asks of a station that the bus has no command for."""

import json
from collections.abc import Callable, Mapping

from agents.csms.stations import KnownStation
from bus_schema.json_text import NotJson, read_json
from bus_schema.site_messages import OcppCallAnswer, OcppCallQuery, Query

MOST_TEXT = 3000
"""Longest answer that fits a message beside the rest."""

ALLOWED = frozenset(
    {
        "ChangeConfiguration",
        "ClearCache",
        "DataTransfer",
        "ExtendedTriggerMessage",
        "GetCompositeSchedule",
        "GetConfiguration",
        "GetInstalledCertificateIds",
        "GetLocalListVersion",
        "SendLocalList",
        "TriggerMessage",
    }
)
"""Calls that change neither a current nor a transaction: those go through commands, which are limited and recorded."""


async def answer_query(
    question: Query, stations: Mapping[str, KnownStation], now_ms: Callable[[], int]
) -> OcppCallAnswer:
    """Return the answer to any question."""

    def answer(ok: bool, reason: str = "", payload: str = "") -> OcppCallAnswer:
        return OcppCallAnswer(ts=now_ms(), id=question.id, ok=ok, reason=reason[:400], payload=payload)

    if not isinstance(question, OcppCallQuery):
        return answer(False, "The csms answers ocpp_call only: for sessions ask the ledger.")
    if now_ms() > question.deadline_ts:
        return answer(False, "too late")
    station = stations.get(question.station) or next(
        (each for each in stations.values() if any(c.charger == question.station for c in each.connectors)), None
    )
    if station is None:
        names = ", ".join(sorted(stations)[:20]) or "none at all"
        return answer(False, f"no station {question.station!r}; known: {names}")
    if station.settings.on_bus and question.action not in ALLOWED:
        allowed = ", ".join(sorted(ALLOWED))
        return answer(False, f"{question.action}: use the command of the bus for it; here go {allowed}")
    if station.link is None:
        return answer(False, f"station {station.identity} is not connected")
    try:
        payload = read_json(question.payload)
    except NotJson:
        payload = None
    if not isinstance(payload, dict):
        return answer(False, "payload: a JSON object is needed")
    outcome, response = await station.link.ask(question.action, payload)
    text = json.dumps(response, ensure_ascii=False)
    if len(text.encode()) > MOST_TEXT:
        return answer(False, "the station's answer is too long for a message: ask for less, for example for some keys")
    return answer(outcome.accepted, "" if outcome.accepted else outcome.words, text)
