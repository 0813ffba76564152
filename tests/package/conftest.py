"""Build the tarball once and install it, offline, for each supported end of ansible-core."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
# The locked ansible-core, and the lowest that meta/runtime.yml promises.
CORES = {"locked": Path(sys.prefix), "2.17": ROOT / ".lab/core-2.17"}


@dataclass(frozen=True)
class Ansible:
    """An ansible-core that sees one collections path and nothing of this machine's settings."""

    prefix: Path
    home: Path
    collections: Path

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        environment = {
            "PATH": f"{self.prefix / 'bin'}{os.pathsep}{os.defpath}",
            "HOME": str(self.home),
            "LANG": "C.UTF-8",
            "LC_ALL": "C.UTF-8",
            "ANSIBLE_HOME": str(self.home / ".ansible"),
            "ANSIBLE_CONFIG": str(self.home / "ansible.cfg"),
            "ANSIBLE_COLLECTIONS_PATH": str(self.collections),
            "ANSIBLE_NOCOLOR": "1",
            # Compiled files would be content that was not published.
            "PYTHONDONTWRITEBYTECODE": "1",
            "ANSIBLE_DEPRECATION_WARNINGS": "0",
        }
        return subprocess.run(
            (str(self.prefix / "bin" / command[0]), *command[1:]),
            cwd=self.home,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    def succeed(self, *command: str) -> str:
        result = self.run(*command)
        assert result.returncode == 0, f"{' '.join(command)}\n{result.stdout}\n{result.stderr}"
        return result.stdout


@pytest.fixture(scope="session")
def tarball(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The collection as it would be published, left in build/ for who wants it."""
    home = tmp_path_factory.mktemp("build")
    (home / "ansible.cfg").write_text("")
    build = ROOT / "build"
    builder = Ansible(CORES["locked"], home, home / "none")
    builder.succeed("ansible-galaxy", "collection", "build", str(ROOT), "--output-path", str(build), "--force")
    return max(build.glob("runbook-postgres-*.tar.gz"), key=lambda path: path.stat().st_mtime)


@pytest.fixture(scope="session", params=sorted(CORES))
def ansible(request: pytest.FixtureRequest, tarball: Path, tmp_path_factory: pytest.TempPathFactory) -> Ansible:
    """An ansible-core for which the tarball was installed into an empty path."""
    home = tmp_path_factory.mktemp(f"core-{request.param}")
    (home / "ansible.cfg").write_text("")
    installed = Ansible(CORES[request.param], home, home / "collections")
    installed.succeed(
        *("ansible-galaxy", "collection", "install", str(tarball)),
        *("--offline", "--no-deps", "-p", str(installed.collections)),
    )
    bring_dependencies(installed.collections / "ansible_collections")
    return installed


def bring_dependencies(collections: Path) -> None:
    """Those of galaxy.yml."""
    for name in yaml.safe_load((ROOT / "galaxy.yml").read_text(encoding="utf-8"))["dependencies"]:
        bring(collections, name)


def bring(collections: Path, name: str) -> None:
    """A collection as the virtualenv has it: nothing is fetched here."""
    here = next(Path(sys.prefix).glob("lib/python*/site-packages/ansible_collections"))
    namespace, _, collection = name.partition(".")
    (collections / namespace).mkdir(exist_ok=True)
    (collections / namespace / collection).symlink_to(here / namespace / collection)


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port of this machine on which nobody listens, kept from others meanwhile."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]
