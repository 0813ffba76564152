"""A node: one Debian container with systemd as PID 1, reachable from this host by its address."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from . import images
from .checkout import LAB_ID, LABEL
from .docker import Completed, docker
from .errors import LabError
from .waiting import wait_until

BOOT_BOUND = 400.0  # seconds; an idle machine needs two, one with much else to do a hundred times as many

# What systemd needs from Docker short of --privileged.
BOOT_OPTIONS = (
    "--cap-add=SYS_ADMIN",
    "--cap-add=NET_ADMIN",
    "--security-opt=seccomp=unconfined",
    "--security-opt=apparmor=unconfined",
    "--cgroupns=private",
    "--tmpfs=/run",
    "--tmpfs=/run/lock",
)


def container_name(name: str) -> str:
    """The name Docker knows a node by; it carries the lab id so that clones never clash."""
    return f"runbook-{LAB_ID}-{name}"


@dataclass(frozen=True)
class Node:
    """A running node. `name` is short ("pg1") and is also its host name."""

    name: str
    release: int

    @property
    def container(self) -> str:
        return container_name(self.name)

    @property
    def postgresql(self) -> int:
        """The major version of PostgreSQL that is installed."""
        return images.release(self.release).postgresql

    @classmethod
    def start(
        cls,
        name: str,
        release: int,
        *,
        tmpfs: Mapping[str, str] | None = None,
        shm_size: str = "256m",
        network: str | None = None,
        ip: str | None = None,
        boot_bound: float = BOOT_BOUND,
        bare: bool = False,
    ) -> Node:
        """Boot a node and wait until systemd is done; a `bare` one has no database installed.

        `tmpfs` maps directories to mount options, e.g. {"/small": "size=16m"} for a
        disk that fills up. `network` is one made by `docker network create`; `ip` an
        address in it. A node of that name that is left over is replaced.
        """
        node = cls(name, release)
        image = images.ensure(release, bare=bare)
        node.stop()
        options = [*BOOT_OPTIONS, f"--shm-size={shm_size}"]
        options += [f"--tmpfs={path}:{how}".rstrip(":") for path, how in (tmpfs or {}).items()]
        options += [f"--network={network}"] if network else []
        options += [f"--ip={ip}"] if ip else []
        options += [f"--label={LABEL}={LAB_ID}"]
        options += [f"--label={LABEL}.node={name}", f"--label={LABEL}.release={release}"]
        docker("run", "--detach", f"--name={node.container}", f"--hostname={name}", *options, image)
        node.wait_until_booted(boot_bound)
        return node

    @classmethod
    def find(cls, name: str) -> Node | None:
        """The node of that name if it runs, however it was started."""
        return next((node for node in running() if node.name == name), None)

    @property
    def ip(self) -> str:
        """Its address, which this host reaches directly."""
        text = docker("inspect", "--format", "{{json .NetworkSettings.Networks}}", self.container).stdout
        for network in json.loads(text).values():
            if network.get("IPAddress"):
                return str(network["IPAddress"])
        raise LabError(f"Node {self.name} has no address; it is not connected to a network or does not run.")

    def exec(
        self,
        argv: Sequence[str],
        *,
        user: str | None = None,
        input: str | None = None,  # noqa: A002 - the name subprocess.run uses
        check: bool = True,
        timeout: float | None = None,
    ) -> Completed:
        """Run a program in the node; argv is a list, no shell reads it. Secrets go through `input`."""
        options = ["--interactive"] if input is not None else []
        options += [f"--user={user}"] if user else []
        done = docker("exec", *options, self.container, *argv, input=input, check=False, timeout=timeout)
        if check and done.returncode:
            words = " / ".join((done.stderr.strip() or done.stdout.strip() or "no message").splitlines()[-4:])
            raise LabError(f"{argv[0]} on node {self.name} failed with exit code {done.returncode}: {words}")
        return done

    def write(self, path: str, text: str, *, owner: str = "root:root", mode: str = "0644") -> None:
        """Put a file into the node; it is never readable by more than `mode` allows."""
        user, _, group = owner.partition(":")
        # install creates the file with its owner and mode before there is anything in it.
        self.exec(["install", "-o", user, "-g", group or user, "-m", mode, "/dev/null", path])
        self.exec(["tee", path], input=text)

    def wait_until_booted(self, bound: float = BOOT_BOUND) -> None:
        """Return when systemd is done starting; a failed unit of Debian's own does not matter."""

        def booted() -> bool:
            state = self.exec(["systemctl", "is-system-running"], check=False).stdout.strip()
            return state in ("running", "degraded")

        wait_until(f"node {self.name} booted; see 'docker logs {self.container}'", booted, bound=bound)

    def stop(self) -> None:
        """Remove the node with all it holds; one that is not there is fine."""
        self.remove(self.name)

    @staticmethod
    def remove(name: str) -> bool:
        """Remove the node of that name, whatever its state; tells whether there was one."""
        gone = docker("rm", "--force", "--volumes", container_name(name), check=False)
        return gone.returncode == 0 and bool(gone.stdout.strip())


def running() -> list[Node]:
    """The nodes of this lab that run now."""
    shape = f'{{{{.Label "{LABEL}.node"}}}} {{{{.Label "{LABEL}.release"}}}}'
    lines = docker("ps", "--filter", f"label={LABEL}={LAB_ID}", "--format", shape).stdout.splitlines()
    pairs = [line.split() for line in lines]
    return [Node(pair[0], int(pair[1])) for pair in pairs if len(pair) == 2]
