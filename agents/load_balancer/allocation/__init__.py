"""What a plan is made from: demands, limits and what was decided before, as plain values.

No I/O, no clock, no bus. A plan is quality, not safety: it keeps every constraint it was given, but what may reach a
charger, and when, is decided by the safety layer.
"""
