"""The plugin, named with `-p`: it finds the connector and its golden files; docs/connectors.md has the command."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from creditlink.conformance.bench import Bench
from creditlink.conformance.cases import HOLDING_FACTS, CaseFault, GoldenCase, read_cases
from creditlink.conformance.mutations import MOST
from creditlink.kit.settings import SettingError
from creditlink.records.offices.factory import ConnectorFactory
from creditlink.records.offices.installed import factories

_CASES = pytest.StashKey[list[GoldenCase]]()
_FACTORY = pytest.StashKey[ConnectorFactory]()
# These log what they were asked for, addresses included, and are silenced where the product runs.
_LIBRARIES = ("httpx", "httpcore", "asyncio")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the kit's options."""
    group = parser.getgroup("creditlink", "conformance of a connector")
    group.addoption("--connector", help="name of the connector, built in or of an installed package")
    group.addoption("--wire", type=Path, help="folder of its golden wire files")
    group.addoption(
        "--hard-values", type=int, metavar="N", default=MOST,
        help=f"how many values of its answers to replace by hard ones, drawn with a fixed seed (default {MOST})",
    )  # fmt: skip


def pytest_configure(config: pytest.Config) -> None:
    """Find the connector and read its golden files, before anything runs."""
    name, folder = config.getoption("--connector"), config.getoption("--wire")
    if config.getoption("--hard-values") < 1:
        raise pytest.UsageError("--hard-values N must be 1 or more")
    if name is None or folder is None:
        raise pytest.UsageError("--connector NAME and --wire DIR are required")
    try:
        found = factories()
        config.stash[_CASES] = read_cases(folder)
    except (SettingError, CaseFault) as error:
        raise pytest.UsageError(str(error)) from None
    if name not in found:
        raise pytest.UsageError(f"no connector {name!r} is installed; there are {', '.join(sorted(found))}")
    config.stash[_FACTORY] = found[name]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a check once for each golden file it is about: all, or those that hold facts."""
    cases = metafunc.config.stash[_CASES]
    if "case" in metafunc.fixturenames:
        metafunc.parametrize("case", cases, ids=[case.name for case in cases])
    if "whole" in metafunc.fixturenames:
        holding = [case for case in cases if case.kind in HOLDING_FACTS]
        metafunc.parametrize("whole", holding, ids=[case.name for case in holding])


@pytest.fixture
def cases(request: pytest.FixtureRequest) -> dict[str, list[GoldenCase]]:
    """Return the golden files by kind."""
    found: dict[str, list[GoldenCase]] = {}
    for case in request.config.stash[_CASES]:
        found.setdefault(case.kind, []).append(case)
    return found


@pytest.fixture
def most_hard_values(request: pytest.FixtureRequest) -> int:
    """Return how many values are replaced by hard ones."""
    return int(request.config.getoption("--hard-values"))


@pytest.fixture
def factory(request: pytest.FixtureRequest) -> ConnectorFactory:
    """Return the connector's factory."""
    return request.config.stash[_FACTORY]


@pytest.fixture
def bench(
    factory: ConnectorFactory,
    request: pytest.FixtureRequest,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> Iterator[Bench]:
    """Return the connector's bench; after each check nothing that was said may hold a secret or a firm's code."""
    caplog.set_level(logging.INFO)
    made = Bench(factory)
    yield made
    logged = [one.getMessage() for one in caplog.records if not one.name.startswith(_LIBRARIES)]
    firms = sorted({case.uscc for case in request.config.stash[_CASES]})
    leaked = made.leaks([*logged, *capfd.readouterr()], firms)
    if leaked:
        pytest.fail(f"errors, rejects or logs show {', '.join(leaked)}")
