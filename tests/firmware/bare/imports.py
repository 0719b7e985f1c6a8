"""Imports what is named, and says what cannot be imported."""

import sys

for name in sys.argv[1:]:
    try:
        __import__(name)
        print(name)
    except Exception as error:  # noqa: BLE001 - whatever a module does on its way
        print(name, repr(error))
