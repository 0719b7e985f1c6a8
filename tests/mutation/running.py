"""Runs tests over mutants, a forked process each.

What the module under test does not need to be changed for, third-party packages and most of the contract, is imported
once, before the fork: hundreds of mutants take minutes. A mutant is killed by a failing test, or by the time it takes.
"""

import contextlib
import importlib
import importlib.util
import io
import os
import pickle
import resource
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

from tests.mutation.mutants import Mutant, mutants

MORE = 4.0
"""A mutant may take so many times the processor time of the module as it is."""

PATIENCE_S = 30.0
"""And it may wait for so much longer, on a machine that has other things to do."""


@dataclass(frozen=True)
class Verdict:
    """What became of a mutant."""

    mutant: Mutant
    survived: bool
    why: str
    """Which test has failed, or that it took too long."""


class Substitute(MetaPathFinder, Loader):
    """Hands out another code for one module; ``seen`` is called before that is executed."""

    def __init__(self, module: str, path: Path, code: CodeType, seen: Callable[[], None] = lambda: None) -> None:
        self._module, self._path, self._code, self._seen = module, path, code, seen

    def find_spec(self, fullname: str, path: Any, target: ModuleType | None = None) -> ModuleSpec | None:
        if fullname != self._module:
            return None
        return importlib.util.spec_from_loader(fullname, self, origin=str(self._path))

    def create_module(self, spec: ModuleSpec) -> None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        self._seen()
        module.__file__ = str(self._path)
        exec(self._code, module.__dict__)


def judged(path: Path, tests: Sequence[str], processes: int = 1) -> Iterator[Verdict]:
    """Try each mutant of a module. Raises :class:`RuntimeError` when the tests fail without any."""
    source = path.read_text(encoding="utf-8")
    module = ".".join(path.with_suffix("").parts)
    original = compile(source, str(path), "exec", dont_inherit=True)
    needed = _forked(lambda: _needs(module, path, original, tests), 600.0, 600)
    if not isinstance(needed, list):
        raise RuntimeError(f"the tests are of no use without a mutant: {needed}")
    for name in needed:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    began_s = time.monotonic()
    used_s = _forked(lambda: _used_s(lambda: _tested(module, path, original, tests)), 600.0, 600)
    if not isinstance(used_s, float):
        raise RuntimeError(f"the tests fail already without a mutant: {used_s}")
    cpu_s = int(used_s * MORE) + 5
    wall_s = (time.monotonic() - began_s) * MORE + PATIENCE_S

    def trial(mutant: Mutant) -> Callable[[], Any]:
        code = compile(mutant.tree, str(path), "exec", dont_inherit=True)
        return lambda: _tested(module, path, code, tests)

    for mutant, result in _side_by_side(mutants(source), trial, wall_s, cpu_s, processes):
        yield Verdict(mutant, result == "", "" if result == "" else str(result))


def _side_by_side(
    todo: list[Mutant], trial: Callable[[Mutant], Callable[[], Any]], wall_s: float, cpu_s: int, processes: int
) -> Iterator[tuple[Mutant, Any]]:
    running: list[tuple[Mutant, int, int]] = []
    for mutant in todo:
        if len(running) == processes:
            first, child, end = running.pop(0)
            yield first, _result(child, end)
        running.append((mutant, *_fork(trial(mutant), wall_s, cpu_s)))
    for mutant, child, end in running:
        yield mutant, _result(child, end)


def _forked(work: Callable[[], Any], wall_s: float, cpu_s: int) -> Any:
    return _result(*_fork(work, wall_s, cpu_s))


def _fork(work: Callable[[], Any], wall_s: float, cpu_s: int) -> tuple[int, int]:
    """Begin work in a child; return it and where its result can be read."""
    read_end, write_end = os.pipe()
    child = os.fork()
    if child:
        os.close(write_end)
        return child, read_end
    os.close(read_end)
    status = 1
    try:
        # Whatever the mutant does, the child ends.
        signal.setitimer(signal.ITIMER_REAL, wall_s)
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        resource.setrlimit(resource.RLIMIT_CPU, (cpu_s, cpu_s))
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            result = work()
        with os.fdopen(write_end, "wb") as pipe:  # Waits for its reader when that is more than a pipe holds.
            pickle.dump(result, pipe)
        status = 0
    finally:
        os._exit(status)


def _result(child: int, read_end: int) -> Any:
    with os.fdopen(read_end, "rb") as pipe:
        data = pipe.read()
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        return "took too long" if os.WTERMSIG(status) in (signal.SIGALRM, signal.SIGXCPU, signal.SIGKILL) else "died"
    return pickle.loads(data) if data else "died"


def _needs(module: str, path: Path, code: CodeType, tests: Sequence[str]) -> Any:
    """Return what was imported, to its end, before the module: it does not depend on it."""
    before: list[str] = []

    def seen() -> None:
        for name, each in list(sys.modules.items()):
            spec = getattr(each, "__spec__", None)
            if spec is not None and not getattr(spec, "_initializing", False) and not name.startswith("tests"):
                before.append(name)

    failed = _tested(module, path, code, tests, seen)
    return failed or before or f"{module} is not imported by them"


def _tested(
    module: str, path: Path, code: CodeType, tests: Sequence[str], seen: Callable[[], None] = lambda: None
) -> str:
    """Run the tests in this process; return the first that fails, empty if none does."""
    import pytest
    from hypothesis import settings

    settings.register_profile("mutation", database=None, deadline=None)
    settings.load_profile("mutation")
    sys.meta_path.insert(0, Substitute(module, path, code, seen))
    watched = _Watched()
    status = pytest.main(
        [
            "-x",
            "-q",
            "-p",
            "no:cacheprovider",
            "-n",
            "0",
            "-o",
            "timeout=0",
            "-m",
            "not slow",
            "--hypothesis-seed=1",
            *tests,
        ],
        plugins=[watched],
    )
    if status in (0, pytest.ExitCode.NO_TESTS_COLLECTED) and not watched.failed:
        return ""
    return watched.failed or f"pytest ended with {status!s}"


class _Watched:
    """A pytest plugin that remembers the first failure."""

    failed = ""

    def pytest_runtest_logreport(self, report: Any) -> None:
        if report.failed and not self.failed:
            self.failed = report.nodeid

    def pytest_collectreport(self, report: Any) -> None:
        if report.failed and not self.failed:
            self.failed = f"collecting {report.nodeid}"


def _used_s(work: Callable[[], str]) -> float | str:
    began_s = time.process_time()
    failed = work()
    return failed or time.process_time() - began_s
