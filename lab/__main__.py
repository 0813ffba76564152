"""`python -m lab`: images and nodes by hand."""

from __future__ import annotations

import argparse
import os
import sys
import time

from . import images, networks
from .checkout import LAB_ID, subnet_of
from .errors import LabError
from .nodes import Node, running


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(prog="python -m lab", description=__doc__)
    verbs = top.add_subparsers(dest="verb", required=True, metavar="VERB")
    image = verbs.add_parser("image", help="build what is missing of the images (11 12 13)")
    image.add_argument("release", nargs="+", type=int)
    up = verbs.add_parser("up", help="boot a node")
    up.add_argument("name")
    up.add_argument("--release", type=int, default=12)
    up.add_argument("--address", type=int, help="the last number of its address in the lab's own network")
    up.add_argument("--bare", action="store_true", help="without a database, as a provider hands it out")
    verbs.add_parser("down", help="remove a node").add_argument("name")
    verbs.add_parser("shell", help="a root shell on a node").add_argument("name")
    verbs.add_parser("list", help="the nodes that run")
    verbs.add_parser("env", help="KEY=VALUE lines for Molecule")
    return top


def say(text: str) -> None:
    print(text, flush=True)


def image(releases: list[int]) -> None:
    began = time.monotonic()
    missing = images.missing(releases)
    images.ensure_all(releases, say)
    if missing:
        say(f"Images are ready after {time.monotonic() - began:.0f} s")


def shell(name: str) -> None:
    node = found(name)
    os.execvp("docker", ["docker", "exec", "-it", node.container, "bash", "-l"])


def found(name: str) -> Node:
    node = Node.find(name)
    if node is None:
        raise LabError(f"No node {name} runs; 'python -m lab list' shows those that do.")
    return node


def environment() -> dict[str, str]:
    """What Molecule's configuration reads: this lab's id, its network and its images."""
    tags = {f"LAB_IMAGE_{number}": images.tag(number) for number in images.RELEASES}
    return {"LAB_ID": LAB_ID, "LAB_SUBNET": subnet_of(LAB_ID), **tags}


def main() -> None:
    options = parser().parse_args()
    if options.verb == "image":
        image(options.release)
    elif options.verb == "up":
        network = networks.ensure() if options.address else None
        ip = networks.address(options.address) if options.address else None
        node = Node.start(options.name, options.release, bare=options.bare, network=network, ip=ip)
        say(f"{node.name} runs Debian {node.release} at {node.ip}")
    elif options.verb == "down":
        say(f"{options.name} {'removed' if Node.remove(options.name) else 'is not there'}")
    elif options.verb == "shell":
        shell(options.name)
    elif options.verb == "list":
        for node in running():
            say(f"{node.name}  Debian {node.release}  PostgreSQL {node.postgresql}  {node.ip}")
    else:
        for key, value in environment().items():
            say(f"{key}={value}")


if __name__ == "__main__":
    try:
        main()
    except LabError as error:
        sys.exit(f"lab: {error}")
    except KeyboardInterrupt:
        sys.exit("lab: interrupted; what was begun is finished by the same command.")
