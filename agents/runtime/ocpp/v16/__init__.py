"""OCPP 1.6J as a dialect: all 39 actions, its error words, its schemas.

The messages' classes and schemas are those of the ``ocpp`` package.
"""

from agents.runtime.ocpp.v16.dialect import V16

__all__ = ["V16"]
