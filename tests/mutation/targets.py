"""Which modules are mutated, and the tests that must notice."""

TARGETS: dict[str, tuple[str, ...]] = {
    "agents/load_balancer/orders.py": ("tests/load_balancer/test_safety.py",),
    "firmware/app/leases.py": ("tests/bus_schema/test_lease_rule.py", "tests/firmware/app/test_limits.py"),
    "firmware/app/limits.py": ("tests/bus_schema/test_lease_rule.py", "tests/firmware/app/test_limits.py"),
}
"""Module → pytest's arguments. Tests marked ``slow`` are left out: what only they notice, nobody notices in time."""
