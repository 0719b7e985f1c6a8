"""The charger's application, in the subset of Python that MicroPython and CPython both run.

``charger.Charger`` is the whole behaviour of a charger without any input or output of its own: it is handed a clock,
a link to the broker, storage, random bytes and the hardware (``seam`` says what each must offer). ``main`` runs one on
real ones. ``contract`` is generated from ``bus_schema``; nothing else here repeats the contract.
"""
