"""Memory of the console while a program fetches its page again and again, without ever connecting its socket.

``python -m tests.bench.page_memory`` fetches 10,000 times and prints the memory as a ratio of what it was after the
first 1,000; ``--gets 1500 --settle 500`` is over in a minute. Ends with 1 if the ratio is more than 1.1.
"""

import argparse
import asyncio
import http.client
import sys
import time
from urllib.parse import urlsplit

from agents.console.site_view import Heard, SiteView
from agents.runtime.process import ease_collector
from tests.bench.child import Child
from tests.bench.ocpp_charge_points import resident_kib
from tests.console.messages import meta, state

MOST = 1.1
"""Ratio that is promised."""

CHARGERS = 6
"""Chargers on the page."""


async def serve() -> None:
    """Serve the page of a site and print its address; for each line that comes, print the memory in KiB."""
    from agents.console.page import Page

    view = SiteView("garage")
    for number in range(CHARGERS):
        view.meta(f"c{number}", meta())
        view.state(f"c{number}", state(), Heard(0, 0))
    page = Page("Garage", lambda: view.snapshot(0), "127.0.0.1", 0)
    print(await page.start(), flush=True)
    ease_collector()
    while await asyncio.to_thread(sys.stdin.readline):
        print(resident_kib(), flush=True)
    await page.stop()


async def measure(gets: int, settle: int) -> float:
    """Return the memory after ``gets`` as a ratio of that after ``settle``."""
    with Child("tests.bench.page_memory", "--serve") as child:
        address = urlsplit(await child.line())

        async def memory_kib() -> int:
            child.go_on()
            return int(await child.line())

        connection = http.client.HTTPConnection(address.hostname or "", address.port or 0, timeout=60)
        began, first_kib, most_kib = time.monotonic(), 0, 0
        for count in range(1, gets + 1):
            connection.request("GET", "/")
            answer = connection.getresponse()
            assert answer.status == 200 and answer.read()
            if count == settle:
                first_kib = await memory_kib()
            elif count > settle and count % 250 == 0:
                most_kib = max(most_kib, await memory_kib())
        last_kib, seconds = await memory_kib(), time.monotonic() - began
        ratio = max(most_kib, last_kib) / first_kib
        print(
            f"page: {first_kib / 1024:.1f} MiB after {settle} GETs, at most {ratio:.3f} times that until {gets}, "
            f"{last_kib / first_kib:.3f} times at the end; {gets / seconds:.0f} GETs a second"
        )
        return ratio


def main() -> int:
    """Measure, or serve what is measured."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--gets", type=int, default=10_000)
    parser.add_argument("--settle", type=int, default=1_000, help="GETs after which memory counts as 1")
    asked = parser.parse_args()
    if asked.serve:
        asyncio.run(serve())
        return 0
    return int(asyncio.run(measure(asked.gets, asked.settle)) > MOST)


if __name__ == "__main__":
    sys.exit(main())
