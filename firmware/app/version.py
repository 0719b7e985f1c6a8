"""Version of the application."""

FIRMWARE = "0.1.0"
