"""`python3 -m tests.images`: provide `eclipse-mosquitto:2` to a running Docker engine, for testcontainers.

Where images can be pulled, that is the official one. Elsewhere it is made. An image that exists is left alone.
"""

import subprocess
import sys

from tests.images import mosquitto
from tests.images.build import CannotMake, make

IMAGE = "eclipse-mosquitto:2"


def provide() -> str:
    """Return where the image comes from. Raises :class:`CannotMake`."""
    if subprocess.run(["docker", "image", "inspect", IMAGE], capture_output=True).returncode == 0:
        return "already there"
    pull = ["timeout", "60", "docker", "pull", "--quiet", IMAGE]
    if subprocess.run(pull, capture_output=True).returncode == 0:
        return "pulled"
    make(mosquitto.fill, IMAGE)
    return "made from the installed Mosquitto"


try:
    print(f"image {IMAGE}: {provide()}")
except CannotMake as error:
    sys.exit(f"image {IMAGE} cannot be pulled, and not be made: {error}")
