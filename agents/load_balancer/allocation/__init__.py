"""Who charges at how many amperes: a pure function of demands, limits and what was decided before.

No I/O, no clock, no bus. It is quality, not safety: every plan keeps every constraint it was given, but what may reach
a charger, and when, is decided by the safety layer.

``model``         the values that go in and come out
``planning.plan`` the function
"""
