"""What is generated from the contract, and where it is kept.

Each module makes one kind of document out of :data:`bus_schema.TOPICS` and the messages. None of them reads or
writes files: :func:`artefacts` returns everything as text, and ``python -m bus_schema`` writes it.
"""

from bus_schema.generate.artefacts import Artefact, artefacts, stale, write

__all__ = ["Artefact", "artefacts", "stale", "write"]
