"""The modelled broker and network behave as a broker and a network do."""

from random import Random

from tests.world.broker import Broker, Keep, Packet, matches
from tests.world.link import BusClient, LinkFaults
from tests.world.loop import VirtualLoop

CALM = LinkFaults(delay_ms=5)


class Site:
    """A loop, a broker and clients that note what they get."""

    def __init__(self) -> None:
        self.loop, self.broker = VirtualLoop(), Broker()

    def client(
        self,
        name: str,
        *filters: str,
        clean: bool = True,
        faults: LinkFaults = CALM,
        acknowledge: bool = True,
        resend: bool = False,
        seed: int = 1,
    ) -> tuple[BusClient, list[Packet]]:
        got: list[Packet] = []

        def receive(packet: Packet, ack: object) -> None:
            got.append(packet)
            if acknowledge:
                ack()

        client = BusClient(
            self.loop, self.broker, Random(seed), faults, user=name, client_id=name, clean=clean,
            will=lambda: Packet(f"{name}/online", b"no", 1, True), subscriptions=lambda: [(f, 1) for f in filters],
            on_message=receive, on_up=lambda: None, on_down=lambda: None, resend=resend,
        )  # fmt: skip
        client.start()
        self.loop.run_until(self.loop.now_ms + 100)
        return client, got

    def run(self, ms: int) -> None:
        self.loop.run_until(self.loop.now_ms + ms)


def test_filters() -> None:
    assert matches("a/+/c", "a/b/c") and matches("a/#", "a/b/c") and matches("#", "a") and matches("a/b", "a/b")
    assert not matches("a/+", "a/b/c") and not matches("a/+/c", "a/b") and not matches("a/b/c", "a/b")


def test_retained_arrives_marked_and_live_does_not() -> None:
    site = Site()
    sender, _ = site.client("s")
    sender.publish("t", b"old", 1, True)
    site.run(100)
    _, got = site.client("r", "t")
    sender.publish("t", b"new", 1, True)
    site.run(100)
    assert [(p.payload, p.retained) for p in got] == [(b"old", True), (b"new", False)]
    sender.publish("t", b"", 1, True)
    site.run(100)
    assert not site.broker.retained.get("t")


def test_persistent_session_keeps_qos_1_only() -> None:
    site = Site()
    sender, _ = site.client("s")
    reader, got = site.client("r", "t", clean=False)
    reader.stop()
    site.run(100)
    sender.publish("t", b"0", 0, False)
    sender.publish("t", b"1", 1, False)
    site.run(100)
    reader.start()
    site.run(100)
    assert [p.payload for p in got] == [b"1"]


def test_unacknowledged_comes_again_with_dup_and_the_window_holds() -> None:
    site = Site()
    sender, _ = site.client("s")
    reader, got = site.client("r", "t", clean=False, acknowledge=False)
    for number in range(30):
        sender.publish("t", b"%d" % number, 1, False)
    site.run(200)
    assert [p.payload for p in got] == [b"%d" % n for n in range(20)]
    reader.drop()
    site.run(5000)
    assert [p.payload for p in got[20:]] == [b"%d" % n for n in range(20)]
    assert all(p.duplicate for p in got[20:])


def test_wills_on_kill_and_takeover_but_not_after_good_bye() -> None:
    site = Site()
    _, seen = site.client("watcher", "+/online")
    polite, _ = site.client("polite")
    polite.stop()
    rude, _ = site.client("rude")
    rude.die(power=False)
    site.run(1000)
    powerless, _ = site.client("powerless")
    powerless.die(power=True)
    site.run(1000)
    assert [p.topic for p in seen] == ["rude/online"]
    site.run(CALM.keep_alive_ms * 2)
    assert [p.topic for p in seen] == ["rude/online", "powerless/online"]


def test_partition_stalls_then_breaks() -> None:
    site = Site()
    sender, _ = site.client("s")
    _, got = site.client("r", "+/online", "t")
    confirmed: list[bool] = []
    sender.partition()
    sender.publish("t", b"short", 1, False, confirmed.append)
    site.run(1000)
    assert not got
    sender.heal()
    site.run(100)
    assert [p.payload for p in got] == [b"short"] and confirmed == [True]
    sender.partition()
    sender.publish("t", b"long", 1, False, confirmed.append)
    site.run(60_000)
    assert confirmed == [True, False] and got[-1].topic == "s/online"
    sender.heal()
    site.run(10_000)
    assert sender.connected


def test_killed_broker_loses_what_it_had_acknowledged() -> None:
    for keep, expected in ((Keep.ALL, [b"1"]), (Keep.NOTHING, []), (Keep.SNAPSHOT, [])):
        site = Site()
        sender, _ = site.client("s")
        reader, got = site.client("r", "t", clean=False)
        site.broker.autosave()
        reader.stop()
        site.run(100)
        confirmed: list[bool] = []
        sender.publish("t", b"1", 1, False, confirmed.append)
        site.run(100)
        site.broker.stop(keep)
        site.run(100)
        site.broker.start()
        reader.start()
        site.run(10_000)
        assert confirmed == [True] and [p.payload for p in got] == expected, keep


def test_sender_that_resends_loses_nothing_on_a_broken_line() -> None:
    site = Site()
    sender, _ = site.client("s", faults=LinkFaults(delay_ms=50), resend=True)
    _, got = site.client("r", "t")
    for number in range(5):
        sender.publish("t", b"%d" % number, 1, False)
        sender.drop()
        site.run(4000)
    assert {p.payload for p in got} == {b"%d" % n for n in range(5)}


def test_order_of_one_publisher_holds_unless_hostile() -> None:
    for hostile in (False, True):
        site = Site()
        sender, _ = site.client("s", faults=LinkFaults(delay_ms=50, slow=0.2, slow_ms=500, hostile=hostile))
        _, got = site.client("r", "t")
        for number in range(50):
            sender.publish("t", b"%d" % number, 1, False)
            site.run(10)
        site.run(3000)
        order = [int(p.payload) for p in got]
        assert sorted(order) == list(range(50))
        assert (order == sorted(order)) is not hostile
