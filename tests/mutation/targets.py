"""Which modules are mutated, and the tests that must notice."""

_BALANCER = "tests/load_balancer"
_SAFETY = tuple(f"{_BALANCER}/test_{name}.py" for name in ("orders", "approving", "safety", "due"))
_QUICK = ("-k", "not without_one and not without_hearing and not no_order_of_events")
"""What searches for long is left out: a mutant must be noticed by a test that says what is wrong."""

_LEASES = ("tests/bus_schema/test_lease_rule.py", "tests/firmware/app/test_limits.py")

TARGETS: dict[str, tuple[str, ...]] = {
    f"agents/load_balancer/{module}.py": tests
    for module, tests in {
        "due": (f"{_BALANCER}/test_due.py",),
        "outstanding": (f"{_BALANCER}/test_outstanding.py", f"{_BALANCER}/test_records.py"),
        "orders": (*_SAFETY, *_QUICK),
        "safety": (*_SAFETY, *_QUICK),
        "records": (f"{_BALANCER}/test_records.py",),
        "history": (f"{_BALANCER}/test_records.py", f"{_BALANCER}/test_history.py"),
        "claim": (f"{_BALANCER}/test_claim.py", "-k", "not without_one"),
    }.items()
} | {"firmware/app/leases.py": _LEASES, "firmware/app/limits.py": _LEASES}
"""Module → pytest's arguments. Tests marked ``slow`` are left out: what only they notice, nobody notices in time."""
