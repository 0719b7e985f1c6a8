"""The access list on a real Mosquitto, by loopback: what arrives, not what the broker acknowledges."""

import asyncio
import itertools
from collections import defaultdict

import aiomqtt
import pytest

from bus_schema import TOPICS, Role, Topic
from bus_schema.generate.acl import (
    DEVICES,
    HEALTH_CHECK,
    User,
    device_user,
    mosquitto_acl,
    person_users,
    process_user,
    reserved_users,
)
from bus_schema.ids import InvalidId
from bus_schema.topics import CHARGER_COMMAND
from tests.bus_schema.mosquitto import mosquitto

DEADLINE_S = 20
SITE = "garage"
PRINCIPALS = {
    user.name: user
    for user in (
        *(process_user(role) for role in Role if role not in (*DEVICES, Role.TECHNICIAN)),
        process_user(Role.INFLUX_LOGGER, 2),
        *person_users("anna"),
        device_user(Role.CHARGER, "c1"),
        device_user(Role.CHARGER, "c2"),
        device_user(Role.METER, "m1"),
    )
}
USERS = tuple(PRINCIPALS)
STATIONS = ("s-1", "s-2")
READ_METERS = ("main",)
LEVELS = {
    "charger": ("c1", "c2", *STATIONS),
    "meter": ("m1", "c2", *READ_METERS),
    "agent": ("ledger", "access", "influx_logger", "influx_logger-2"),
    "asker": ("ledger", "anna", "anna-2"),
    "sender": ("load_balancer", "access", "anna", "anna-2", "c1"),
}
OBSERVER = "observer"
FOR_THE_TEST = f"""
pattern readwrite sentinel/%u
user {OBSERVER}
topic readwrite #
"""

ADDRESSES: list[tuple[Topic, dict[str, str], str]] = [
    (topic, ids, topic.format(SITE, **ids))
    for topic in TOPICS
    for levels in itertools.product(*(LEVELS.get(name, ("x1",)) for name in topic.parameters))
    for ids in [dict(zip(topic.parameters, levels, strict=True))]
]


def may_write(name: str, topic: Topic, ids: dict[str, str]) -> bool:
    """Say what the table says, without a look at the generated list."""
    user, own = PRINCIPALS[name], topic.own_level
    if user.role is Role.CSMS and own == "charger":
        return Role.CSMS in topic.writers and ids["charger"] in STATIONS
    if user.role is Role.GRID_METER and own == "meter":
        return Role.GRID_METER in topic.writers and ids["meter"] in READ_METERS
    return user.role in topic.writers and (not own or ids[own] == user.speaks_as)


def may_read(name: str, topic: Topic, ids: dict[str, str]) -> bool:
    """Say what the table says, without a look at the generated list."""
    user = PRINCIPALS[name]
    if user.role is Role.CSMS and Role.CHARGER in topic.readers:
        return Role.CSMS in topic.readers and ids["charger"] in STATIONS
    own = str(user.role) if user.role in DEVICES else topic.own_read_level
    return user.role in topic.readers and (not own or ids[own] == user.speaks_as)


@pytest.fixture(scope="module")
def broker(tmp_path_factory):
    """A broker with the generated list, and an observer who may do everything."""
    acl = mosquitto_acl(SITE, PRINCIPALS.values(), STATIONS, READ_METERS) + FOR_THE_TEST
    users = [*USERS, HEALTH_CHECK, OBSERVER, "+", "#", "c1/#"]
    with mosquitto(tmp_path_factory.mktemp("acl"), acl=acl, users=users) as running:
        yield running


def connect(broker, user):
    """Return a client of this user."""
    return aiomqtt.Client("127.0.0.1", broker.port, username=user, password=user, identifier=f"test-{user}")


async def heard(client, sentinels):
    """Return what arrives, as (topic, payload), until so many sentinels have come."""
    got = []
    async with asyncio.timeout(DEADLINE_S):
        async for message in client.messages:
            if str(message.topic).startswith("sentinel/"):
                sentinels -= 1
                if sentinels == 0:
                    return got
            else:
                got.append((str(message.topic), message.payload.decode()))
    raise AssertionError("the connection ended")


async def test_everybody_writes_what_the_table_says_and_nothing_else(broker):
    async def write(user):
        async with connect(broker, user) as client:
            for _, _, address in ADDRESSES:
                await client.publish(address, user, qos=0)
            await client.publish(f"sentinel/{user}", user, qos=0)

    async with connect(broker, OBSERVER) as observer:
        await observer.subscribe("#", qos=1)
        await asyncio.gather(*map(write, USERS))
        arrived = defaultdict(set)
        for address, user in await heard(observer, len(USERS)):
            arrived[user].add(address)
    for user in USERS:
        assert arrived[user] == {address for topic, ids, address in ADDRESSES if may_write(user, topic, ids)}, user


async def test_nobody_commands_under_another_name(broker):
    """Fault X6 on the broker itself: everyone tries every sender at ``c1``, and only its own name gets through."""
    senders = [*USERS, "ben"]

    async def forge(user):
        async with connect(broker, user) as client:
            for sender in senders:
                await client.publish(CHARGER_COMMAND.format(SITE, charger="c1", sender=sender), user, qos=0)
            await client.publish(f"sentinel/{user}", user, qos=0)

    async with connect(broker, OBSERVER) as observer:
        await observer.subscribe("#", qos=1)
        await asyncio.gather(*map(forge, USERS))
        got = await heard(observer, len(USERS))
    assert {(topic.rpartition("/")[2], user) for topic, user in got} == {
        (user.speaks_as, user.name) for user in PRINCIPALS.values() if user.role in CHARGER_COMMAND.writers
    }


async def test_everybody_reads_what_the_table_says_and_nothing_else(broker):
    listening = asyncio.Barrier(len(USERS) + 1)

    async def read(user):
        async with connect(broker, user) as client:
            await client.subscribe([(f"ev/v1/{SITE}/#", 1), (f"sentinel/{user}", 1), ("#", 1)])
            await listening.wait()
            return {address for address, _ in await heard(client, 1)}

    async def write():
        async with connect(broker, OBSERVER) as client:
            await listening.wait()
            for _, _, address in ADDRESSES:
                await client.publish(address, "x", qos=0)
            for user in USERS:
                await client.publish(f"sentinel/{user}", "x", qos=0)

    *sets, _ = await asyncio.gather(*map(read, USERS), write())
    for user, got in zip(USERS, sets, strict=True):
        assert got == {address for topic, ids, address in ADDRESSES if may_read(user, topic, ids)}, user


async def test_retained_messages_are_denied_to_whoever_may_not_read_them(broker):
    """A retained message is sent when somebody subscribes: another path through the broker than a live one."""
    kept = f"ev/v1/{SITE}/charger/c2/state"
    async with connect(broker, OBSERVER) as observer, connect(broker, "c1") as charger:
        await observer.publish(kept, "x", qos=1, retain=True)
        await charger.subscribe([("ev/v1/#", 1), ("sentinel/c1", 1)])
        await charger.publish("sentinel/c1", "x", qos=1)
        assert await heard(charger, 1) == []
        await observer.publish(kept, b"", qos=1, retain=True)


@pytest.mark.parametrize("user", ["+", "#", "c1/#"])
async def test_a_wildcard_as_user_name_opens_nothing(broker, user):
    """``pattern … %u`` would turn into a wildcard if the broker took such names."""
    async with connect(broker, OBSERVER) as observer:
        await observer.subscribe("ev/v1/#", qos=1)
        try:
            async with connect(broker, user) as client:
                await client.publish(f"ev/v1/{SITE}/charger/c1/state", "x", qos=1)
        except aiomqtt.MqttError:
            pass  # refused at the door or thrown out: just as well
        await observer.subscribe("sentinel/observer")
        await observer.publish("sentinel/observer", "x", qos=1)
        assert await heard(observer, 1) == []


@pytest.mark.parametrize(("user", "password"), [(None, None), ("nobody", "nobody"), ("ledger", "wrong")])
async def test_strangers_are_not_let_in(broker, user, password):
    with pytest.raises(aiomqtt.MqttError, match=r"(?i)not authori"):
        async with aiomqtt.Client("127.0.0.1", broker.port, username=user, password=password):
            pass


async def test_a_technician_sees_the_broker_lose_messages(broker):
    async with connect(broker, "anna") as technician:
        await technician.subscribe("$SYS/broker/publish/messages/dropped")
        async with asyncio.timeout(DEADLINE_S):
            message = await anext(technician.messages)
    assert message.payload.isdigit()


async def test_the_health_check_may_read_one_thing_and_write_nothing(broker):
    async with connect(broker, OBSERVER) as observer, connect(broker, HEALTH_CHECK) as checking:
        await observer.subscribe([("ev/#", 1), ("sentinel/#", 1)])
        await checking.publish(f"ev/v1/{SITE}/charger/c1/state", "x", qos=1)
        await observer.publish("sentinel/observer", "x", qos=1)
        assert await heard(observer, 1) == []
        await checking.subscribe([("$SYS/#", 0), ("#", 1)])
        async with asyncio.timeout(DEADLINE_S):
            assert str((await anext(checking.messages)).topic) == "$SYS/broker/uptime"


async def test_csms_writes_as_its_own_stations_and_as_no_other_charger(broker):
    """Its password once forged the end of a session of 500 kWh at another's charger."""
    async with connect(broker, OBSERVER) as observer, connect(broker, "csms") as csms:
        await observer.subscribe([("ev/#", 1), ("sentinel/#", 1)])
        for charger in ("c2", "s-3", "s-1"):
            await csms.publish(f"ev/v1/{SITE}/charger/{charger}/event", "x", qos=1)
        await observer.publish("sentinel/observer", "x", qos=1)
        assert [topic for topic, _ in await heard(observer, 1)] == [f"ev/v1/{SITE}/charger/s-1/event"]


async def test_other_sites_are_closed(tmp_path):
    acl = mosquitto_acl(SITE, PRINCIPALS.values()) + FOR_THE_TEST
    with mosquitto(tmp_path, acl=acl, users=["ledger", "c1", OBSERVER]) as running:
        async with (
            connect(running, OBSERVER) as observer,
            connect(running, "ledger") as ledger,
            connect(running, "c1") as charger,
        ):
            await observer.subscribe([("ev/#", 1), ("sentinel/#", 1)])
            await ledger.publish("ev/v1/roof/agent/ledger/health", "x", qos=1)
            await charger.publish("ev/v1/roof/charger/c1/state", "x", qos=1)
            await charger.publish("sentinel/c1", "x", qos=1)
            assert await heard(observer, 1) == []


def test_names_of_roles_are_reserved():
    """A charger called ``ledger`` would be the ledger."""
    assert reserved_users() >= {"ledger", "technician", "technician-2", "influx_logger-4", "healthcheck"}


def test_two_users_of_one_name_are_refused():
    with pytest.raises(ValueError, match="two users of the broker are called 'anna-2'"):
        mosquitto_acl(SITE, [*person_users("anna"), *person_users("anna-2")])


@pytest.mark.parametrize("hostile", ["+", "#", "a/b", "", "A", "x\ntopic readwrite #"])
def test_a_name_that_is_no_id_never_gets_into_the_list(hostile):
    with pytest.raises(InvalidId):
        mosquitto_acl(hostile, [])
    with pytest.raises(InvalidId):
        mosquitto_acl(SITE, [User(hostile, Role.CHARGER, hostile)])
    with pytest.raises(InvalidId):
        mosquitto_acl(SITE, [], [hostile])
