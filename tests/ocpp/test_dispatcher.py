"""The dispatcher: every message of the peer is answered as the protocol says, and nothing ends the connection."""

import asyncio
import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ocpp.v16 import call, call_result

from agents.runtime.database.store import StoreUnavailable
from agents.runtime.ocpp import (
    Answered,
    CallRefused,
    CallTimeout,
    ConnectionLost,
    InvalidPayload,
    NoAnswer,
    Refusal,
    Violation,
)
from tests.ledger.harness import turns

HEARTBEAT = {"currentTime": "2026-01-01T00:00:00Z"}


async def reset(_request):
    return call_result.Reset("Accepted")


async def test_a_call_gets_its_answer(serve):
    served, peer = serve()
    asking = asyncio.create_task(served.call(call.Heartbeat()))
    kind, id, action, payload = await peer.next()
    assert (kind, action, payload) == (2, "Heartbeat", {}) and len(id) <= 36
    await peer.send([3, id, HEARTBEAT])
    assert await asking == call_result.Heartbeat("2026-01-01T00:00:00Z")


async def test_one_call_is_outstanding_at_a_time_and_in_order(serve):
    served, peer = serve()
    asking = [asyncio.create_task(served.call(call.Authorize(f"TAG{n}"))) for n in range(3)]
    for n in range(3):
        _, id, _, payload = await peer.next()
        assert payload == {"idTag": f"TAG{n}"}
        await turns()
        assert len(peer.end.other.sent) == n + 1
        await peer.send([3, id, {"idTagInfo": {"status": "Accepted"}}])
    assert [answer.id_tag_info.status for answer in await asyncio.gather(*asking)] == ["Accepted"] * 3


async def test_the_same_bytes_are_sent_again_under_another_id(serve):
    served, peer = serve()
    kept = served.encode(call.StartTransaction(1, "CÄRD", 5, "2026-01-01T00:00:00.000Z"))
    sent = []
    for _ in range(2):
        asking = asyncio.create_task(served.call_encoded("StartTransaction", kept))
        text = await peer.end.receive()
        sent.append(text)
        await peer.send([3, json.loads(text)[1], {"transactionId": 1, "idTagInfo": {"status": "Accepted"}}])
        assert (await asking).transaction_id == 1
    ids = [json.loads(text)[1] for text in sent]
    assert ids[0] != ids[1]
    assert sent[0].replace(ids[0], "") == sent[1].replace(ids[1], "")


async def test_an_error_answer_is_raised(serve):
    served, peer = serve()
    asking = asyncio.create_task(served.call(call.Heartbeat()))
    id = (await peer.next())[1]
    await peer.send([4, id, "InternalError", "database away", {}])
    with pytest.raises(CallRefused, match="Heartbeat was refused: InternalError: database away"):
        await asking


@pytest.mark.parametrize("answer", [{}, {"currentTime": 5}, 17, "x"])
async def test_an_answer_that_is_none_is_raised_at_once(serve, answer):
    served, peer = serve()
    asking = asyncio.create_task(served.call(call.Heartbeat()))
    id = (await peer.next())[1]
    await peer.send([3, id, answer])
    with pytest.raises(CallRefused) as raised:
        await asking
    assert not raised.value.valid
    assert await peer.call("Reset", {"type": "Soft"})


async def test_silence_is_raised_and_the_late_answer_is_counted(serve, clock):
    served, peer = serve()
    asking = asyncio.create_task(served.call(call.Heartbeat(), timeout_s=10))
    id = (await peer.next())[1]
    await clock.advance(9.9)
    assert not asking.done()
    await clock.advance(0.2)
    with pytest.raises(CallTimeout, match="within 10 s"):
        await asking
    again = asyncio.create_task(served.call(call.Heartbeat()))
    second = (await peer.next())[1]
    await peer.send([3, id, {"currentTime": "1999-01-01T00:00:00Z"}])
    await turns()
    assert not again.done() and served.counts.late == 1
    await peer.send([3, second, HEARTBEAT])
    assert (await again).current_time == HEARTBEAT["currentTime"]


@pytest.mark.parametrize("answer", [[3, "none", {}], [4, "none", "x", "", {}], [3, "", {}], [4, 5], [3]])
async def test_answers_to_nothing_are_counted_and_not_answered(serve, answer):
    served, peer = serve({"Reset": reset})
    await peer.send(answer)
    assert (await peer.call("Reset", {"type": "Soft"}))[0] == 3
    assert served.counts.unmatched + served.counts.malformed == 1


async def test_an_invalid_request_of_our_own_is_not_sent(serve):
    served, peer = serve()
    with pytest.raises(InvalidPayload, match="Authorize: idTag: breaks the rule maxLength"):
        await served.call(call.Authorize("X" * 21))
    assert peer.end.other.sent == []


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("garbage", [4, "-1", "FormationViolation"]),
        ("[]", [4, "-1", "FormationViolation"]),
        ('{"a":1}', [4, "-1", "FormationViolation"]),
        ('[2,"7","Reset",17]', [4, "7", "FormationViolation"]),
        ('[2,"7",17,{}]', [4, "7", "FormationViolation"]),
        ('[2,"7"]', [4, "7", "FormationViolation"]),
        ('[2,"7","Reset",{},1]', [4, "7", "FormationViolation"]),
        ('[2,17,"Reset",{}]', [4, "-1", "FormationViolation"]),
        ('[2,"7","Nonsense",{}]', [4, "7", "NotImplemented"]),
        ('[2,"7","ClearCache",{}]', [4, "7", "NotSupported"]),
        ('[2,"7","Reset"]', [4, "7", "OccurenceConstraintViolation"]),
        ('[2,"7","Reset",{"type":null}]', [4, "7", "OccurenceConstraintViolation"]),
        ('[2,"7","Reset",{"type":1}]', [4, "7", "TypeConstraintViolation"]),
        ('[2,"7","Reset",{"type":"Warm"}]', [4, "7", "PropertyConstraintViolation"]),
        ('[2,"7","Reset",{"type":"Soft"}]', [3, "7", {"status": "Accepted"}]),
    ],
)
async def test_malformed_messages_are_answered(serve, text, answer):
    _served, peer = serve({"Reset": reset})
    await peer.send(text)
    assert (await peer.next())[:3] == answer
    assert (await peer.call("Reset", {"type": "Soft"}))[0] == 3


async def test_binary_and_too_long_messages_are_refused_and_the_connection_lives(serve):
    served, peer = serve({"Reset": reset}, max_frame_bytes=1000)
    peer.end.other.put(b'[2,"7","Reset",{"type":"Soft"}]')
    assert (await peer.next())[:3] == [4, "-1", "FormationViolation"]
    await peer.send("[" + " " * 1000)
    assert (await peer.next())[:3] == [4, "-1", "FormationViolation"]
    assert (await peer.call("Reset", {"type": "Soft"}))[0] == 3
    assert served.counts.malformed == 2


async def test_an_unknown_message_type_is_ignored(serve):
    _served, peer = serve({"Reset": reset})
    await peer.send([7, "1", "Reset", {"type": "Soft"}])
    assert (await peer.call("Reset", {"type": "Soft"}))[1] == "peer-1"


async def test_nulls_for_what_is_left_out_are_accepted(serve):
    got = []

    async def start(request):
        got.append(request)
        return call_result.RemoteStartTransaction("Accepted")

    _, peer = serve({"RemoteStartTransaction": start})
    await peer.call("RemoteStartTransaction", {"idTag": "A", "connectorId": None, "chargingProfile": None})
    assert got == [call.RemoteStartTransaction("A")]


async def test_a_failing_handler_is_answered_without_its_words(serve):
    async def broken(request):
        raise KeyError(request.id_tag)

    _, peer = serve({"RemoteStartTransaction": broken})
    answer = await peer.call("RemoteStartTransaction", {"idTag": "SECRET"})
    assert answer[2] == "InternalError" and "SECRET" not in json.dumps(answer) and answer[4] == {}


async def test_a_handler_whose_database_is_away_is_no_defect(serve):
    async def away(_request):
        raise StoreUnavailable("disk full: /var/lib/secret")

    served, peer = serve({"RemoteStartTransaction": away})
    answer = await peer.call("RemoteStartTransaction", {"idTag": "A"})
    assert answer[2] == "InternalError" and "secret" not in answer[3]
    assert served.counts.failures == 0 and served.counts.errors_sent == 1


async def test_a_handler_that_returns_nonsense_is_an_internal_error(serve):
    async def nonsense(_request):
        return call_result.Reset("Perhaps")

    async def nothing(_request):
        return None

    _, peer = serve({"Reset": nonsense, "ClearCache": nothing})
    assert (await peer.call("Reset", {"type": "Soft"}))[2] == "InternalError"
    assert (await peer.call("ClearCache", {}))[2] == "InternalError"


async def test_a_handler_may_refuse_in_its_own_words_or_stay_silent(serve):
    async def refusing(_request):
        raise Refusal(Violation.SECURITY, "not before the certificate")

    async def silent(_request):
        raise NoAnswer

    _, peer = serve({"Reset": refusing, "ClearCache": silent})
    await peer.send([2, "a", "ClearCache", {}])
    assert (await peer.call("Reset", {"type": "Soft"}))[2:4] == ["SecurityError", "not before the certificate"]


async def test_what_follows_an_answer_comes_after_it_and_may_fail(serve):
    order = []

    async def answering(_request):
        def then():
            order.append(list(peer.end.other.sent))
            raise ValueError("nobody's business")

        return Answered(call_result.Reset("Accepted"), then)

    _served, peer = serve({"Reset": answering})
    await peer.call("Reset", {"type": "Soft"})
    assert len(order) == 1 and len(order[0]) == 1
    assert (await peer.call("Reset", {"type": "Soft"}))[0] == 3


async def test_calls_of_the_peer_are_handled_in_order_also_if_it_does_not_wait(serve):
    done, gate = [], asyncio.Event()

    async def unlocking(request):
        if request.connector_id == 0:
            await gate.wait()
        done.append(request.connector_id)
        return call_result.UnlockConnector("Unlocked")

    _, peer = serve({"UnlockConnector": unlocking})
    for n in range(5):
        await peer.send([2, str(n), "UnlockConnector", {"connectorId": n}])
    await turns()
    assert done == []
    gate.set()
    assert [(await peer.next())[1] for _ in range(5)] == ["0", "1", "2", "3", "4"]
    assert done == [0, 1, 2, 3, 4]


async def test_no_deadlock_when_a_handler_calls_a_peer_that_wants_its_own_answer_first(serve):
    served = None

    async def triggering(_request):
        await served.call(call.Heartbeat())
        return call_result.TriggerMessage("Accepted")

    served, peer = serve({"TriggerMessage": triggering, "Reset": reset})
    await peer.send([2, "outer", "TriggerMessage", {"requestedMessage": "Heartbeat"}])
    beat = await peer.next()
    assert beat[2] == "Heartbeat"
    assert (await peer.call("Reset", {"type": "Soft"}))[0] == 3
    await peer.send([3, beat[1], HEARTBEAT])
    assert (await peer.next())[:2] == [3, "outer"]


async def test_two_dispatchers_call_each_other_from_their_handlers(serve, clock):
    from tests.ocpp.pipe import dispatcher, pipe

    one, other = pipe()
    ends = []

    async def transfer(request):
        if int(request.data) > 0:
            mine = ends[int(request.data) % 2]
            answer = await mine.call(call.DataTransfer("v", data=str(int(request.data) - 1)))
            return call_result.DataTransfer("Accepted", data=answer.data + ".")
        return call_result.DataTransfer("Accepted", data="end")

    ends += [dispatcher(one, clock, {"DataTransfer": transfer}), dispatcher(other, clock, {"DataTransfer": transfer})]
    running = [asyncio.create_task(end.run()) for end in ends]
    answer = await asyncio.wait_for(ends[0].call(call.DataTransfer("v", data="1")), 5)
    assert answer.data == "end."
    for task in running:
        task.cancel()


async def test_a_call_that_comes_again_is_answered_again_and_executed_once(serve):
    count = 0

    async def counting(_request):
        nonlocal count
        count += 1
        return call_result.Reset("Accepted")

    served, peer = serve({"Reset": counting})
    for _ in range(3):
        await peer.send([2, "same", "Reset", {"type": "Soft"}])
        assert await peer.next() == [3, "same", {"status": "Accepted"}]
    await peer.send([2, "same", "Reset", {"type": "Hard"}])
    assert (await peer.next())[:3] == [4, "same", "ProtocolError"]
    assert count == 1 and served.counts.duplicates == 3


async def test_a_flood_of_calls_is_bounded(serve):
    gate = asyncio.Event()

    async def waiting(_request):
        await gate.wait()
        return call_result.ClearCache("Accepted")

    _, peer = serve({"ClearCache": waiting})
    for n in range(100):
        await peer.send([2, f"n{n}", "ClearCache", {}])
    refused = [await peer.next() for _ in range(36)]
    assert {answer[2] for answer in refused} == {"GenericError"}
    gate.set()
    assert [(await peer.next())[1] for _ in range(64)] == [f"n{n}" for n in range(64)]


async def test_a_lost_connection_ends_every_call(serve):
    served, peer = serve()
    asking = [asyncio.create_task(served.call(call.Heartbeat())) for _ in range(3)]
    await peer.next()
    await peer.end.close(1001, "going away")
    for task in asking:
        with pytest.raises(ConnectionLost, match="going away"):
            await task
    with pytest.raises(ConnectionLost):
        await served.call(call.Heartbeat())


async def test_a_cancelled_call_leaves_the_next_one_its_turn(serve):
    served, peer = serve()
    first = asyncio.create_task(served.call(call.Heartbeat()))
    id = (await peer.next())[1]
    second = asyncio.create_task(served.call(call.Heartbeat()))
    await turns()
    first.cancel()
    other = (await peer.next())[1]
    await peer.send([3, id, HEARTBEAT])
    await peer.send([3, other, HEARTBEAT])
    assert await second == call_result.Heartbeat(HEARTBEAT["currentTime"])
    assert served.counts.late == 1


def test_a_handler_for_no_action_is_a_defect(clock):
    from tests.ocpp.pipe import dispatcher, pipe

    with pytest.raises(ValueError, match="no action Reboot"):
        dispatcher(pipe()[0], clock, {"Reboot": reset})


LIKELY = st.sampled_from(
    [
        2,
        3,
        4,
        5,
        "1",
        "2",
        "x" * 40,
        "Reset",
        "ClearCache",
        "Nonsense",
        {},
        [],
        None,
        {"type": "Soft"},
        {"type": 7},
        2.0,
    ]
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.lists(LIKELY, max_size=5).map(json.dumps) | st.text() | st.binary(), max_size=12))
async def test_no_sequence_of_messages_ends_the_connection(clock, frames):
    from tests.ocpp.pipe import Peer, dispatcher, pipe

    mine, others = pipe()
    served, peer = dispatcher(mine, clock, {"Reset": reset}), Peer(others)
    running = asyncio.create_task(served.run())
    for frame in frames:
        mine.put(frame)
    await peer.send([2, "last", "Reset", {"type": "Soft"}])
    while (answer := await peer.next())[1] != "last":
        # Whatever was answered is an answer to something that was asked, in the protocol's own words.
        assert answer[0] in (3, 4)
    assert answer == [3, "last", {"status": "Accepted"}] and not running.done()
    running.cancel()
