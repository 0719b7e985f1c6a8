"""What the broker says of itself, put together and judged."""

from agents.influx_logger.broker_status import FIELDS, STANDS_MS, BrokerWatch

NOW_MS = 1_760_000_000_000
DROPPED = "$SYS/broker/publish/messages/dropped"


def test_it_tells_what_it_has_heard_and_nothing_else() -> None:
    watch = BrokerWatch()
    assert watch.status(NOW_MS) is None, "a broker without $SYS"
    for number, name in enumerate(FIELDS):
        watch.hear(f"$SYS/broker/{name}", str(number).encode())
    watch.hear("$SYS/broker/version", b"mosquitto version 2.0.11")
    watch.hear("$SYS/broker/heap/current", b"-1")
    watch.hear("$SYS/broker/heap/current", b"9" * 400)
    status = watch.status(NOW_MS)
    assert status is not None
    assert [getattr(status, field) for field in FIELDS.values()] == list(range(len(FIELDS)))
    assert watch.status(NOW_MS) is None, "nothing new"


def test_the_alarm_stands_ten_minutes_after_the_last_loss() -> None:
    watch = BrokerWatch()
    for at_ms, dropped, alarmed in (
        (0, 40, False),  # of before this process
        (10_000, 40, False),
        (20_000, 43, True),
        (30_000, 44, True),
        (30_000 + STANDS_MS - 1, 44, True),
        (30_000 + STANDS_MS, 44, False),
        (40_000 + STANDS_MS, 0, False),  # the broker has restarted
        (50_000 + STANDS_MS, 1, True),
    ):
        watch.hear(DROPPED, str(dropped).encode())
        watch.status(NOW_MS + at_ms)
        alarm = watch.alarm(NOW_MS + at_ms, NOW_MS)
        assert (alarm is not None) == alarmed, at_ms
        if at_ms == 30_000:
            assert alarm is not None and "dropped 4 messages" in alarm.text
