"""What is in the tarball: all that users need, and nothing of our workshop."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
# Written by the build itself.
OF_THE_BUILD = {"MANIFEST.json", "FILES.json"}
FOR_USERS = (
    "plugins/",
    "playbooks/",
    "roles/",
    "meta/",
    "docs/",
    "inventories/example/",
    "README.md",
    "LICENSE",
)


@pytest.fixture(scope="module")
def shipped(tarball: Path) -> set[str]:
    with tarfile.open(tarball) as archive:
        return {member.name for member in archive.getmembers() if member.isfile()} - OF_THE_BUILD


@pytest.fixture(scope="module")
def known_to_git() -> set[str]:
    command = ("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return {name for name in listed.split("\0") if name and (ROOT / name).is_file()}


def test_all_that_users_need_is_in_it(shipped: set[str], known_to_git: set[str]) -> None:
    assert {name for name in known_to_git if name.startswith(FOR_USERS)} - shipped == set()


def test_nothing_is_in_it_that_git_does_not_know(shipped: set[str], known_to_git: set[str]) -> None:
    assert shipped - known_to_git == set()


def test_nothing_of_build_ignore_is_in_it(shipped: set[str]) -> None:
    ignored = yaml.safe_load((ROOT / "galaxy.yml").read_text(encoding="utf-8"))["build_ignore"]
    leaked = {name for name in shipped for entry in ignored if name == entry or name.startswith(f"{entry}/")}
    assert leaked == set()


def test_every_directory_is_either_for_users_or_ignored(shipped: set[str]) -> None:
    """A new directory of the workshop has to be decided about, not shipped by accident."""
    top = {name.split("/")[0] for name in shipped if "/" in name}
    assert top <= {"changelogs", "docs", "inventories", "meta", "playbooks", "plugins", "roles"}


def test_what_somebody_made_of_the_example_stays_at_home(tmp_path: Path, known_to_git: set[str]) -> None:
    """It holds addresses, and may hold secrets."""
    for name in known_to_git:
        (tmp_path / "tree" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / "tree" / name)
    for mine in ("production", "eu-west", "staging.yml"):
        secret = tmp_path / "tree/inventories" / mine / "secrets.yml"
        secret.parent.mkdir()
        secret.write_text("password: geheim\n", encoding="utf-8")
    build = ("ansible-galaxy", "collection", "build", "--output-path", str(tmp_path), str(tmp_path / "tree"))
    subprocess.run((f"{sys.prefix}/bin/{build[0]}", *build[1:]), check=True, capture_output=True)
    (built,) = tmp_path.glob("*.tar.gz")
    with tarfile.open(built) as archive:
        inventories = {name.split("/")[1] for name in archive.getnames() if name.startswith("inventories/")}
    assert inventories == {"example"}
