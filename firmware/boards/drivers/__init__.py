"""Drivers: one file per device. Each gets its bus or pins handed in, and the time with every call; none ever waits."""
