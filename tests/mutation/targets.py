"""Which modules are mutated, and the tests that must notice."""

TARGETS: dict[str, tuple[str, ...]] = {
    "agents/load_balancer/orders.py": ("tests/load_balancer/test_safety.py",),
}
"""Module → pytest's arguments. Tests marked ``slow`` are left out: what only they notice, nobody notices in time."""
