"""Somebody new to the collection, who types what a page tells: on a terminal, with an Ansible of their own."""

from __future__ import annotations

import codecs
import os
import pty
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from lab.checkout import ROOT
from lab.nodes import Node
from tests.package.conftest import CORES, Ansible, bring, bring_dependencies


@dataclass(frozen=True)
class Newcomer:
    """Somebody with a home directory, an Ansible, and hosts; `passwords` answers what is asked for by its prompt."""

    ansible: Ansible
    nodes: dict[str, Node]
    passwords: Mapping[str, str]

    @property
    def home(self) -> Path:
        return self.ansible.home

    def types(self, line: str) -> str:
        """A line read by a shell at home, which has to succeed; what was said."""
        terminal, their_end = pty.openpty()
        process = subprocess.Popen(
            ["bash", "-c", line],
            cwd=self.home,
            env={
                "PATH": os.pathsep.join([str(self.home / "bin"), str(self.ansible.prefix / "bin"), os.environ["PATH"]]),
                "HOME": str(self.home),
                "EDITOR": "editor",
                "TERM": "dumb",
                "LANG": "C.UTF-8",
                "LC_ALL": "C.UTF-8",
                "ANSIBLE_NOCOLOR": "1",
                "PYTHONDONTWRITEBYTECODE": "1",
            },
            stdin=their_end,
            stdout=their_end,
            stderr=their_end,
            start_new_session=True,
        )
        os.close(their_end)
        said = ""
        for piece in pieces(terminal):
            said += piece
            for prompt, password in self.passwords.items():
                if said.lower().endswith(prompt):
                    os.write(terminal, f"{password}\n".encode())
        # A terminal that goes while its program is still ending hangs it up.
        code = process.wait()
        os.close(terminal)
        assert code == 0, f"{line}\n{said}"
        return said


def pieces(terminal: int) -> Iterator[str]:
    """What is shown on a terminal, until whoever writes to it is gone."""
    reader = codecs.getincrementaldecoder("utf-8")()
    while True:
        try:
            yield reader.decode(os.read(terminal, 65536)).replace("\r\n", "\n")
        except OSError:
            return


def installed(home: Path) -> Ansible:
    """The oldest core that is promised, and the collection from its tarball; nothing of this machine's settings."""
    subprocess.run([str(ROOT / "tools/oldest-core")], check=True)
    ansible = Ansible(CORES["2.17"], home, home / ".ansible/collections")
    (home / "ansible.cfg").touch()
    ansible.succeed("ansible-galaxy", "collection", "build", str(ROOT), "--output-path", str(home))
    tarball = next(home.glob("runbook-postgres-*.tar.gz"))
    place = ("-p", str(ansible.collections))
    ansible.succeed("ansible-galaxy", "collection", "install", str(tarball), "--offline", "--no-deps", *place)
    # From here on the settings are those that a page has written.
    (home / "ansible.cfg").unlink()
    bring_dependencies(ansible.collections / "ansible_collections")
    # How hosts of the lab are entered.
    for name in ("community.docker", "community.library_inventory_filtering_v1"):
        bring(ansible.collections / "ansible_collections", name)
    return ansible


def enterable(nodes: Mapping[str, Node], login: str) -> None:
    """By somebody who is not root and may become it."""
    for node in nodes.values():
        node.exec(["useradd", "--create-home", "--shell", "/bin/bash", login])
        node.write(f"/etc/sudoers.d/{login}", f"{login} ALL=(ALL:ALL) NOPASSWD: ALL\n", mode="0440")
