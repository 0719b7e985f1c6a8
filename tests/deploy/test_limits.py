"""deploy/nftables/limits.nft on a network of its own: a device that floods is held back, and nobody else."""

import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.deploy.site import ROOT
from tests.networks import DEVICES, SITE, Networks, check_networks

RULES = str(ROOT / "deploy/nftables/limits.nft")
SECONDS = 2.0
SINK = """
import selectors, socket, sys
poll = selectors.DefaultSelector()
door = socket.create_server((sys.argv[1], 8883), backlog=200)
poll.register(door, selectors.EVENT_READ)
print("listening", flush=True)
while True:
    for key, _ in poll.select():
        if key.fileobj is door:
            poll.register(door.accept()[0], selectors.EVENT_READ)
        elif not key.fileobj.recv(1 << 16):
            poll.unregister(key.fileobj)
"""
"""Takes whatever comes."""
FLOOD = """
import socket, sys, time
line = socket.create_connection((sys.argv[1], 8883), 10, (sys.argv[2], 0))
line.setblocking(False)
sent, end = 0, time.monotonic() + float(sys.argv[3])
while time.monotonic() < end:
    try:
        sent += line.send(bytes(1 << 14))
    except BlockingIOError:
        time.sleep(0.001)
print(sent)
"""
"""Sends for a while, and says how many bytes."""
CALLS = """
import selectors, socket, sys, time
poll, calls = selectors.DefaultSelector(), []
for _ in range(100):
    call = socket.socket()
    call.bind((sys.argv[2], 0))
    call.setblocking(False)
    call.connect_ex((sys.argv[1], 8883))
    poll.register(call, selectors.EVENT_WRITE)
answered, end = 0, time.monotonic() + 0.9
while time.monotonic() < end:
    for key, _ in poll.select(0.05):
        answered += not key.fileobj.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        poll.unregister(key.fileobj)
print(answered)
"""
"""Makes a hundred connections at once, and says how many came about within a second."""


@pytest.fixture(scope="module")
def networks() -> Iterator[Networks]:
    """A site that listens at the broker's port, with the limits."""
    check_networks()
    with Networks() as networks:
        subprocess.run(networks.at_site("nft", "-f", RULES), check=True, timeout=10)
        command = networks.at_site(sys.executable, "-c", SINK, SITE)
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as sink:
            assert sink.stdout is not None and sink.stdout.readline() == "listening\n"
            yield networks
            sink.kill()


def at_devices(networks: Networks, program: str, *arguments: str) -> int:
    command = networks.at_devices(sys.executable, "-c", program, SITE, *arguments)
    return int(subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout)


def test_a_device_that_floods_is_held_back(networks: Networks) -> None:
    in_socket_buffers = 4_000_000
    sent = at_devices(networks, FLOOD, DEVICES[0], str(SECONDS))
    assert sent < 64_000 + SECONDS * 20_000 + in_socket_buffers
    assert at_devices(networks, FLOOD, DEVICES[1], "0.01") > 0, "another is not"


def test_a_device_that_calls_again_and_again_is_held_back(networks: Networks) -> None:
    assert 20 <= at_devices(networks, CALLS, DEVICES[2]) <= 25
    assert at_devices(networks, FLOOD, DEVICES[1], "0.01") > 0, "another is not"


def test_who_is_named_is_not_held_back(networks: Networks) -> None:
    name = f"add element inet chargebus unlimited_v4 {{ {DEVICES[3]} }}"
    subprocess.run(networks.at_site("nft", name), check=True, timeout=10)
    assert at_devices(networks, FLOOD, DEVICES[3], str(SECONDS)) > 20_000_000
    assert at_devices(networks, CALLS, DEVICES[3]) == 100


def test_the_rules_can_be_loaded_again(networks: Networks) -> None:
    subprocess.run(networks.at_site("nft", "-f", RULES), check=True, timeout=10)
    rules = subprocess.run(
        networks.at_site("nft", "list", "ruleset"), capture_output=True, text=True, timeout=10
    ).stdout
    assert rules.count("chain from_devices") == 1
