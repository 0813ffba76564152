"""Boots the servers side by side and hands each test the one it asks for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.integration import inside
from tests.integration.archive_tables import DATABASE
from tests.integration.archives import Stage
from tests.integration.partitions import Partitions, database
from tests.integration.runner import Health
from tests.integration.servers import Server, build

RELEASES = "11,12,13"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--releases", default=RELEASES, help=f"Debian releases to test on, by comma (default: {RELEASES})")
    parser.addoption("--long", action="store_true", help="also the long tests of partitions (make integration-long)")


# Sweeps of kills, traffic and faults take longer than all the rest together.
LONG = (
    "test_archive_faults",
    "test_archive_here",
    "test_archive_refusals",
    "test_convert_interrupted",
    "test_convert_waits",
    "test_copy",
    "test_partition_default",
    "test_partition_interrupted",
    "test_partition_playbook",
    "test_partition_traits",
    "test_partition_waits",
    "test_row_expiry_faults",
    "test_row_expiry_playbook",
)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    return True if collection_path.stem in LONG and not config.getoption("--long") else None


def releases(config: pytest.Config) -> list[int]:
    return [int(word) for word in str(config.getoption("--releases")).split(",")]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "server" in metafunc.fixturenames:
        numbers = releases(metafunc.config)
        ids = [f"debian{number}" for number in numbers]
        metafunc.parametrize("server", numbers, ids=ids, indirect=True, scope="session")


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


@pytest.fixture
def stage(installed: Server) -> Stage:
    """A partitioned table with two partitions, the first of which is past its time."""
    stage = Stage(installed.node, installed.primary)
    stage.clear()
    return stage
