"""A buzzer that sounds while it is switched on: short patterns for what a person should hear."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .pins import Output

WORDS = {
    "authorized": (120,),
    "refused": (120, 120, 120, 120, 400),
    "waiting": (60,),
    "fault": (800,),
    "identify": (300, 300, 300, 300, 300, 300, 300),
}
"""On, off, on… in ms."""


class Buzzer:
    """Sounds one pattern at a time; a new one replaces it."""

    def __init__(self, output: "Output") -> None:
        self._output = output
        self._pattern: tuple[int, ...] = ()
        self._from_ms = 0
        self._sounds = False
        output.set(False)

    def indicate(self, word: str, now_ms: int) -> None:
        """Begin the pattern of a word; nothing happens for a word without one."""
        pattern = WORDS.get(word)
        if pattern is not None:
            self._pattern = pattern
            self._from_ms = now_ms

    def poll(self, now_ms: int) -> None:
        """Switch on or off."""
        passed_ms, sounds = now_ms - self._from_ms, False
        for index, duration_ms in enumerate(self._pattern):
            if passed_ms < duration_ms:
                sounds = index % 2 == 0
                break
            passed_ms -= duration_ms
        if sounds != self._sounds:
            self._sounds = sounds
            self._output.set(sounds)
