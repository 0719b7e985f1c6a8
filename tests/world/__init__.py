"""The deterministic world: a site in virtual time whose run is decided by one seed.

Chargers run the firmware's own app, agents are the real ones in their real hosts, cars, drivers, the broker and
everything that goes wrong are made here. ``python -m tests.world --seed N`` replays one run.
"""
