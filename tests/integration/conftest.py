"""Boots the servers side by side and hands each test the one it asks for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from tests.integration.runner import Health
from tests.integration.servers import Server, build

RELEASES = "11,12,13"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--releases", default=RELEASES, help=f"Debian releases to test on, by comma (default: {RELEASES})")


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
