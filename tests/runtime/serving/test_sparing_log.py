"""Lines that a stranger causes do not fill the disk."""

from typing import Any

from agents.runtime.serving.sparing_log import MOST, PERIOD_S, SparingLog


class Lines:
    def __init__(self) -> None:
        self.lines: list[dict[str, Any]] = []

    def warning(self, event: str, **fields: Any) -> None:
        self.lines.append({"event": event, **fields})


def test_a_flood_is_a_few_lines_a_minute_and_a_number() -> None:
    now_s, lines = 0.0, Lines()
    log = SparingLog(lines, lambda: now_s)  # type: ignore[arg-type]
    for _ in range(1000):
        log.warning("refused", peer="10.0.0.9")
    log.warning("another", peer="10.0.0.9")
    assert [line["event"] for line in lines.lines] == ["refused"] * MOST + ["another"]
    now_s = PERIOD_S
    log.warning("refused", peer="10.0.0.9")
    assert lines.lines[-1] == {"event": "refused", "peer": "10.0.0.9", "left_out": 1000 - MOST}
