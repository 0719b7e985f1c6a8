"""The doctor on a real Mosquitto: a healthy site gives nothing, each thing broken is found, nothing is left behind."""

import asyncio
import contextlib
import json
import math
import time
from collections import defaultdict

import aiomqtt
import pytest

from agents.cli.doctor.edge import BURST
from agents.cli.doctor.examination import examine
from agents.cli.exits import CliError, ExitCode
from agents.runtime.mqtt.options import MqttOptions
from bus_schema import MAX_MESSAGE_BYTES, Role, topics
from bus_schema.examples import examples_of
from bus_schema.generate.acl import device_user, mosquitto_acl, person_users, process_user
from tests.brokers import free_port, start_broker
from tests.bus_schema.mosquitto import mosquitto
from tests.waiting import eventually

SITE = "garage"
LISTEN_S = 0.6
PRINCIPALS = [
    *(device_user(Role.CHARGER, name) for name in ("c1", "c2")),
    *(process_user(role) for role in (Role.LEDGER, Role.CONSOLE, Role.LOAD_BALANCER)),
    *person_users("anna"),
    *person_users("technician"),
]
USERS = [user.name for user in PRINCIPALS]
ACL = mosquitto_acl(SITE, PRINCIPALS)


@pytest.fixture(scope="module")
def healthy_broker(tmp_path_factory):
    """A broker as it is deployed."""
    folder = tmp_path_factory.mktemp("good")
    with mosquitto(folder, acl=ACL, users=USERS, as_deployed=True) as running:
        yield running


def client(broker, user):
    """Return a client of this user; None is a stranger."""
    return aiomqtt.Client("127.0.0.1", broker.port, username=user, password=user)


def look(broker, user="technician", **more):
    """Examine this broker's site."""
    return examine(logins(broker, user), SITE, LISTEN_S, settings_file=broker.config, **more)


def logins(broker, user="technician"):
    """Return two logins of a person."""
    users = (user, f"{user}-2")
    return [MqttOptions("127.0.0.1", broker.port, client_id="", username=name, password=name) for name in users]


def payload(topic, **changes):
    """Return an example's payload, sent now."""
    (example, *_) = examples_of(topic)
    return topic.encode(example.model_copy(update={"ts": time.time_ns() // 1_000_000, **changes}))


async def talk(broker, user, *sayings, said_all, every_s=0.1):
    """Publish as ``user`` again and again: ``(topic, payload, retain)``; set ``said_all`` after the first round."""
    async with client(broker, user) as connection:
        while True:
            for topic, make, retain in sayings:
                # With a time limit aiomqtt waits by wait_for, which forgets that it was cancelled (Python 3.11) when
                # the answer comes in the same moment: this would talk for ever.
                await connection.publish(topic, make(), qos=1, retain=retain, timeout=math.inf)
            said_all.set()
            await asyncio.sleep(every_s)


def of_charger(charger="c1", **changes):
    """Return what a healthy charger keeps saying."""
    rows = (topics.CHARGER_ONLINE, topics.CHARGER_META, topics.CHARGER_STATE)
    return [(row.format(SITE, charger=charger), lambda row=row: payload(row, **changes), True) for row in rows]


def of_agent(agent="ledger"):
    """Return what a healthy agent keeps saying."""
    return [(topics.AGENT_HEALTH.format(SITE, agent=agent), lambda: payload(topics.AGENT_HEALTH), True)]


@contextlib.asynccontextmanager
async def site(broker, *talkers):
    """Let these talk while the block runs, then remove what they have retained."""
    said = defaultdict(list)  # Each user has one connection.
    for user, sayings in (("c1", of_charger()), ("ledger", of_agent()), *talkers):
        said[user] += sayings
    everybody = list(said.items())
    rounds = [asyncio.Event() for _ in everybody]
    tasks = [
        asyncio.create_task(talk(broker, user, *sayings, said_all=first_round))
        for (user, sayings), first_round in zip(everybody, rounds, strict=True)
    ]
    try:
        # What is looked at while somebody has yet to connect would not be this site.
        await eventually(lambda: all(each.is_set() for each in rounds) or any(task.done() for task in tasks), 20)
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for user, sayings in everybody:
            async with client(broker, user) as connection:
                for topic, _, retain in sayings:
                    if retain:
                        await connection.publish(topic, b"", qos=1, retain=True)


def briefly(findings):
    """Return the findings as pairs for comparison."""
    return {(finding.check, finding.where) for finding in findings}


async def test_a_healthy_site_has_nothing_wrong(healthy_broker):
    async with site(healthy_broker):
        assert await look(healthy_broker) == []


async def test_what_a_charger_does_wrong_is_found(healthy_broker):
    address = topics.CHARGER_TELEMETRY.format(SITE, charger="c1")
    wrong = [
        (address, lambda: b'{"ts": NaN}', False),
        (topics.CHARGER_EVENT.format(SITE, charger="c1"), lambda: payload(topics.CHARGER_EVENT), True),
    ]
    late = of_charger("c2", ts=time.time_ns() // 1_000_000 - 60_000)
    async with site(healthy_broker, ("c1", wrong), ("c2", late)):
        found = await look(healthy_broker, probe=False)
    event = topics.CHARGER_EVENT.format(SITE, charger="c1")
    assert briefly(found) == {("schema", address), ("retained", event), ("clock", "c2")}


async def test_probing_disturbs_nobody_and_leaves_nothing_behind(healthy_broker):
    heard = []

    async def listen():
        async with client(healthy_broker, "console") as console:
            await console.subscribe(f"ev/v1/{SITE}/#", qos=1)
            async for message in console.messages:
                heard.append(str(message.topic))

    async with site(healthy_broker):
        listener = asyncio.create_task(listen())
        assert await look(healthy_broker) == []
        listener.cancel()
    assert heard and not [topic for topic in heard if "doctor" in topic]
    async with client(healthy_broker, "technician") as after:
        await after.subscribe([(f"ev/v1/{SITE}/#", 1), ("$SYS/broker/version", 0)])
        async with asyncio.timeout(5):
            message = await anext(after.messages)
    assert str(message.topic) == "$SYS/broker/version"  # nothing is retained


async def test_only_expired_commands_for_no_charger_are_published(healthy_broker):
    commands = []

    async def listen():
        async with client(healthy_broker, "anna") as technician:
            await technician.subscribe(f"ev/v1/{SITE}/charger/+/command/from/+", qos=1)
            async for message in technician.messages:
                commands.append((str(message.topic), json.loads(message.payload)))

    async with site(healthy_broker):
        listener = asyncio.create_task(listen())
        await look(healthy_broker)
        await eventually(lambda: len(commands) > BURST, 30, "all of them have come")
        listener.cancel()
    assert {topic for topic, _ in commands} == {f"ev/v1/{SITE}/charger/doctor-probe/command/from/technician"}
    assert all(command["deadline_ts"] == 1 for _, command in commands)


async def test_a_broker_with_its_defaults_and_without_a_list_is_found(tmp_path):
    with mosquitto(tmp_path, users=USERS, anonymous=True) as broker:
        async with site(broker):
            found = await look(broker)
        checks = briefly(found)
        assert {
            ("broker", "max_queued_messages"),
            ("broker", "max_inflight_messages"),
            ("broker", "persistence"),
            ("acl", "allow_anonymous"),
            ("acl", "acl_file"),
            ("acl", "anonymous"),
            ("acl", f"ev/v1/{SITE}/charger/doctor-probe/state"),
            ("acl", f"ev/v1/{SITE}/charger/doctor-probe/event/ack"),
            ("acl", f"ev/v1/{SITE}/agent/doctor-probe/health"),
        } <= checks
        burst = [finding for finding in found if "was away" in finding.what]
        assert len(burst) == 1 and "kept 1000:" in burst[0].what
        writers = {finding.what.split(" ")[0] for finding in found if "can write this topic" in finding.what}
        assert writers == {"technician", "anonymous"}


async def test_the_embedded_broker_is_examined_too(tmp_path):
    """It has no access list and no counters: what is found says so, and nothing goes wrong."""
    broker = start_broker("embedded", tmp_path)
    try:
        async with site(broker):
            options = MqttOptions("127.0.0.1", broker.port, client_id="", username="technician")
            found = await examine([options, options], SITE, LISTEN_S)
    finally:
        broker.stop()
    assert ("acl", "anonymous") in briefly(found)
    assert ("acl", f"ev/v1/{SITE}/charger/doctor-probe/state") in briefly(found)
    assert not {finding.check for finding in found} - {"acl", "broker"}


async def test_strangers_who_may_come_in_but_do_nothing(tmp_path):
    # Who has no user name is not let in where it becomes the client id.
    lines = ["use_username_as_clientid false"]
    with mosquitto(tmp_path, acl=ACL, users=USERS, as_deployed=True, anonymous=True, lines=lines) as broker:
        async with site(broker):
            found = briefly(await look(broker))
    assert found == {("acl", "allow_anonymous"), ("acl", "anonymous"), ("identity", "client id")}


async def test_one_topic_too_many_in_the_list_is_found(tmp_path):
    rights = f"topic write ev/v1/{SITE}/charger/+/event/ack\ntopic read ev/v1/{SITE}/session/#\n"
    hole = f"\nuser technician\n{rights}\nuser technician-2\n{rights}"
    record = [(topics.SESSION.format(SITE, session="s1"), lambda: payload(topics.SESSION), False)]
    with mosquitto(tmp_path, acl=ACL + hole, users=USERS, as_deployed=True) as broker:
        async with site(broker, ("ledger", record)):
            found = briefly(await look(broker))
    assert found == {
        ("acl", f"ev/v1/{SITE}/charger/doctor-probe/event/ack"),
        ("acl", f"ev/v1/{SITE}/session/s1"),
    }


async def test_a_broker_that_loses_messages_is_found(tmp_path):
    """A subscriber with a session is away, and its queue is full: the broker counts what it drops."""
    lines = ["sys_interval 1", "max_queued_messages 5"]
    with mosquitto(tmp_path, acl=ACL, users=USERS, lines=lines) as broker:
        away = aiomqtt.Client(
            "127.0.0.1", broker.port, username="console", password="console", identifier="away", clean_session=False
        )
        async with away:
            await away.subscribe(f"ev/v1/{SITE}/#", qos=1)
        async with site(broker):
            found = await examine(logins(broker), SITE, 2.5, probe=False)
    counters = ["$SYS/broker/publish/messages/dropped", "$SYS/broker/clients/disconnected"]
    assert [finding.where for finding in found] == counters
    assert "is losing messages" in found[0].what
    assert "for 1 client that nobody here knows" in found[1].what


async def test_a_user_who_is_not_the_technician_is_told_what_was_not_tested(healthy_broker):
    async with site(healthy_broker):
        found = await look(healthy_broker, user="console")
    assert {finding.check for finding in found} == {"untested", "broker"}  # and it may not read the broker's counters
    assert all(finding.severity == "info" for finding in found)


async def test_without_probing_nothing_is_published(healthy_broker):
    async with site(healthy_broker):
        heard = []

        async def listen():
            async with client(healthy_broker, "anna") as technician:
                await technician.subscribe(f"ev/v1/{SITE}/#", qos=1)
                async for message in technician.messages:
                    heard.append(str(message.topic))

        listener = asyncio.create_task(listen())
        assert await look(healthy_broker, probe=False) == []
        listener.cancel()
    assert heard and not [topic for topic in heard if "doctor-probe" in topic]


async def test_a_broker_that_is_not_there(tmp_path):
    options = MqttOptions("127.0.0.1", free_port(), client_id="", username="technician")
    with pytest.raises(CliError, match="nothing listens there") as caught:
        await examine([options], SITE, 0.1)
    assert caught.value.code is ExitCode.UNREACHABLE


async def test_a_password_that_is_wrong(healthy_broker):
    options = MqttOptions("127.0.0.1", healthy_broker.port, client_id="", username="technician", password="secret!")
    with pytest.raises(CliError, match="password") as caught:
        await examine([options], SITE, 0.1)
    assert caught.value.code is ExitCode.UNREACHABLE and "secret!" not in str(caught.value)


async def test_settings_that_cannot_be_read(healthy_broker, tmp_path):
    options = MqttOptions("127.0.0.1", healthy_broker.port, client_id="", username="technician", password="technician")
    with pytest.raises(CliError) as caught:
        await examine([options], SITE, 0.1, settings_file=tmp_path / "none.conf")
    assert caught.value.code is ExitCode.CONFIGURATION


async def test_a_flood_of_nonsense_does_not_stop_the_doctor(healthy_broker):
    address = topics.CHARGER_TELEMETRY.format(SITE, charger="c1")
    flood = [(address, lambda: b"\xff" * (MAX_MESSAGE_BYTES + 1), False)] * 50
    async with site(healthy_broker, ("c1", flood)):
        found = await look(healthy_broker, probe=False)
    assert briefly(found) == {("schema", address)}
