"""Board profiles, drivers and the assembly that makes a charger of an ESP32.

Everything but ``__main__`` and ``tables`` runs on MicroPython too; ``machine``, ``network`` and ``esp32`` are imported
where they are used, so that everything also imports on a host.
"""
