"""A module's run on the node itself, as Ansible runs it there: that system's Python, driver and programs."""

from __future__ import annotations

import contextlib
import io
import json
import subprocess
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import ansible

from lab.nodes import Node
from lab.waiting import wait_until

ROOT = Path(__file__).resolve().parents[2]
PLACE = "/opt/inside"
HELD = "/tmp/inside-held"
BOUND = 120.0


@dataclass(frozen=True)
class Interrupt:
    """Right before the so-many-th call of any of these functions; `.x` is a module of ours, see inside_run.py.

    Calls that are made within those of `uncounted` do not count, as where the clock decides how many there are.
    """

    at: tuple[str, ...]
    call: int = 1
    uncounted: tuple[str, ...] = ()


@dataclass(frozen=True)
class Ended:
    """How a run ended: by itself with a result, or killed."""

    code: int
    result: Mapping[str, Any]
    text: str

    @property
    def killed(self) -> bool:
        return self.code in (137, -9)

    @property
    def kilobytes(self) -> int:
        """The most memory it had."""
        return int(self.text.rsplit("maxrss ", 1)[1].split()[0])

    @property
    def calls(self) -> int:
        """How often what was to be interrupted was called until it ended by itself."""
        return int(self.text.rsplit("calls ", 1)[1].split()[0])

    @property
    def archived(self) -> Mapping[str, Any]:
        """The one archive of a run that must have succeeded."""
        assert self.code == 0, self.text
        [archive] = self.result["tables"][0]["archives"]
        return dict(archive)

    @property
    def failure(self) -> str:
        assert self.result.get("failed"), f"it did not fail: {self.text}"
        return str(self.result["msg"])


def install(node: Node) -> None:
    """The collection and what it needs of ansible, onto the node."""
    held = io.BytesIO()
    library = Path(ansible.__file__).parent
    collection = "ansible_collections/runbook/postgres"
    with tarfile.open(fileobj=held, mode="w") as tar:
        for name in ("__init__.py", "release.py", "module_utils", "_vendor", "_internal/__init__.py"):
            if (library / name).exists():
                tar.add(library / name, f"ansible/{name}", filter=_source)
        for name in ("modules", "module_utils"):
            tar.add(ROOT / "plugins" / name, f"{collection}/plugins/{name}", filter=_source)
        tar.add(Path(__file__).with_name("inside_run.py"), "run.py")
    node.exec(["install", "-d", "-m", "0755", PLACE])
    subprocess.run(
        ["docker", "cp", "-", f"{node.container}:{PLACE}"], input=held.getvalue(), check=True, capture_output=True
    )


def _source(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
    return None if "__pycache__" in member.name else member


def run(
    node: Node,
    module: str,
    arguments: Mapping[str, Any],
    *,
    check: bool = False,
    die: Interrupt | None = None,
    user: str = "postgres",
    path: str | None = None,
) -> Ended:
    """One run as that user, with that search path for programs, killed where `die` says."""
    text = request(module, arguments, check=check, die=die)
    done = node.exec(command(path), user=user, input=text, check=False, timeout=BOUND)
    return ended(done.returncode, done.stdout, done.stderr)


def request(
    module: str,
    arguments: Mapping[str, Any],
    *,
    check: bool = False,
    die: Interrupt | None = None,
    hold: Interrupt | None = None,
) -> str:
    given = {"_ansible_check_mode": check, "_ansible_diff": True, "_ansible_remote_tmp": "/tmp", **arguments}
    told = {name: asdict(each) for name, each in (("die", die), ("hold", hold)) if each is not None}
    return json.dumps({"module": module, "arguments": given, **told})


@contextlib.contextmanager
def held(
    node: Node, module: str, arguments: Mapping[str, Any], at: Interrupt, user: str = "postgres"
) -> Iterator[Held]:
    """A run that stands still there while the test does something, and goes on afterwards."""
    argv = ["docker", "exec", "--interactive", f"--user={user}", node.container, *command(None)]
    with subprocess.Popen(
        argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as run:
        assert run.stdin is not None
        run.stdin.write(request(module, arguments, hold=at))
        run.stdin.close()
        run.stdin = None
        going = Held(node, run)
        try:
            wait_until("the run is held", going.waits_or_ended, bound=BOUND)
            assert run.poll() is None, f"it was never held: {run.communicate(timeout=BOUND)}"
            yield going
        finally:
            going.release()
            going.finish()


@dataclass
class Held:
    node: Node
    process: subprocess.Popen[str]
    result: Ended | None = None

    def waits_or_ended(self) -> bool:
        there = self.node.exec(["test", "-e", HELD], check=False).returncode == 0
        return there or self.process.poll() is not None

    def release(self) -> None:
        self.node.exec(["rm", "-f", HELD])

    def finish(self) -> Ended:
        if self.result is None:
            self.release()
            out, err = self.process.communicate(timeout=BOUND)
            self.result = ended(self.process.returncode, out, err)
        return self.result


def command(path: str | None) -> list[str]:
    programs = [] if path is None else [f"PATH={path}"]
    return ["env", "--chdir=/tmp", f"PYTHONPATH={PLACE}", *programs, "/usr/bin/python3", f"{PLACE}/run.py"]


def ended(code: int, out: str, err: str) -> Ended:
    if not out.strip():
        assert code in (137, -9), f"no result, exit code {code}: {err}"
        return Ended(code, {}, err)
    return Ended(code, json.loads(out), out + err)
