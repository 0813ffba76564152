"""Boots the servers side by side and hands each test the one it asks for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from lab.nodes import Node
from tests.integration import backups, inside, recoveries, standbys
from tests.integration.archive_tables import DATABASE
from tests.integration.archives import Stage
from tests.integration.backups import Backups
from tests.integration.partitions import Partitions, database
from tests.integration.recoveries import Backed
from tests.integration.runner import Health
from tests.integration.selection import LONG, RELEASES, of_the_long_run
from tests.integration.servers import Server, build
from tests.integration.standbys import Trio


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--releases", default=RELEASES, help=f"Debian releases to test on, by comma (default: {RELEASES})")
    parser.addoption(
        "--long", action="store_true", help="also the long tests: kills, traffic, faults (make integration-long)"
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--long"):
        return
    long = of_the_long_run(items, str(config.getoption("--releases")))
    config.hook.pytest_deselected(items=long)
    items[:] = [each for each in items if each not in long]


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    return True if collection_path.stem in LONG and not config.getoption("--long") else None


def releases(config: pytest.Config) -> list[int]:
    return [int(word) for word in str(config.getoption("--releases")).split(",")]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    numbers = releases(metafunc.config)
    ids = [f"debian{number}" for number in numbers]
    for name in ("server", "trio", "turns", "backed"):
        if name in metafunc.fixturenames:
            metafunc.parametrize(name, numbers, ids=ids, indirect=True, scope="session")


@pytest.fixture(scope="session")
def booting(request: pytest.FixtureRequest) -> Iterator[Mapping[int, Future[Server]]]:
    """Every release's server, being built at the same time."""
    numbers = releases(request.config)
    with ThreadPoolExecutor(max_workers=len(numbers)) as pool:
        futures = {number: pool.submit(build, number) for number in numbers}
        yield futures
    for future in futures.values():
        if not future.exception():
            future.result().node.stop()


@pytest.fixture(scope="session")
def server(request: pytest.FixtureRequest, booting: Mapping[int, Future[Server]]) -> Server:
    return booting[request.param].result()


@pytest.fixture(scope="session")
def servers(booting: Mapping[int, Future[Server]]) -> list[Server]:
    """All of them, for what must be alike everywhere."""
    return [future.result() for future in booting.values()]


@pytest.fixture
def health(server: Server) -> Health:
    return Health(server)


@pytest.fixture
def partitions(server: Server) -> Iterator[Partitions]:
    """pg_partition on a database of its own."""
    with database(server) as calls:
        yield calls


@pytest.fixture(scope="session")
def installed(server: Server) -> Server:
    """The collection on the node itself, and a database for what is archived there."""
    inside.install(server.node)
    server.run(f"CREATE DATABASE {DATABASE}", database="postgres")
    return server


@pytest.fixture(scope="session")
def filled(server: Server) -> Server:
    """The collection on the node itself, and a database to back up."""
    inside.install(server.node)
    backups.fill(server)
    return server


@pytest.fixture
def kept(filled: Server) -> Backups:
    """Logical backups, none of which is there yet."""
    made = Backups(filled)
    made.clear()
    return made


@pytest.fixture(scope="session")
def trio(request: pytest.FixtureRequest) -> Iterator[Trio]:
    """A primary and two hosts beside it for standbys."""
    with standbys.trio(request.param) as built:
        yield built


@pytest.fixture
def fresh(trio: Trio) -> Trio:
    """The same with nothing on the two hosts, and with slots for both."""
    for name in ("second", "third"):
        trio.clear(name)
        trio.slots(name)
    return trio


@pytest.fixture
def stage(installed: Server) -> Stage:
    """A partitioned table with two partitions, the first of which is past its time."""
    stage = Stage(installed.node, installed.primary)
    stage.clear()
    return stage


@pytest.fixture(scope="session")
def backed(request: pytest.FixtureRequest) -> Iterator[Backed]:
    """A host for a cluster with a repository of backups."""
    with recoveries.backed(request.param) as built:
        yield built


@pytest.fixture
def ledger(backed: Backed) -> Backed:
    """A new cluster on it, and a new repository without a backup."""
    backed.build()
    return backed


@pytest.fixture(scope="session")
def scratch(backed: Backed) -> Iterator[Node]:
    """Another host of the same release, with nothing on it."""
    with recoveries.scratch(backed.node.release) as node:
        yield node
