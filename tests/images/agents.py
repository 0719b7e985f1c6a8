"""The agents' image, by `deploy/Dockerfile` itself: pip and apt get what they get for everybody."""

from tests.images import debian
from tests.images.build import ROOT, make, run

BASE = "chargebus-local/python"
"""Stands for the official Python image, which cannot be pulled here: this machine's Debian and its Python."""


def build(name: str) -> None:
    """Build the image. Raises :class:`tests.images.build.CannotMake`."""
    make(debian.fill, BASE)
    # The machine's own network: where the kernel has no packet filter, Docker's leads nowhere.
    run("docker", "build", "-q", "--network", "host", "--build-arg", f"PYTHON={BASE}",
        "-f", str(ROOT / "deploy/Dockerfile"), "-t", name, str(ROOT), within_s=800)  # fmt: skip
