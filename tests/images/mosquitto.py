"""The broker's image: the installed Mosquitto, with the user and the folders of the official image."""

from collections.abc import Iterable
from pathlib import Path

from tests.images.build import copy, copy_libraries, owned, program, user

USER = 1883
"""The official image's id of its user."""


def fill(root: Path) -> Iterable[str]:
    """Put broker, and the client that a health check uses, where the official image has them."""
    for name, target in (("mosquitto", "/usr/sbin/mosquitto"), ("mosquitto_sub", "/usr/bin/mosquitto_sub")):
        copy(root, program(name), target)
        copy_libraries(root, program(name))
    user(root, "mosquitto", USER)
    owned(root, USER, *(f"mosquitto/{name}" for name in ("config", "data", "log")))
    (root / "mosquitto/config/mosquitto.conf").write_text("listener 1883\nallow_anonymous true\n")
    return (
        "EXPOSE 1883",
        'VOLUME ["/mosquitto/data", "/mosquitto/log"]',
        'CMD ["/usr/sbin/mosquitto", "-c", "/mosquitto/config/mosquitto.conf"]',
    )
