"""One network per lab, with addresses that are known before a node boots: inventories name them."""

from __future__ import annotations

from .checkout import LAB_ID, LABEL, locked, subnet_of
from .docker import docker

NAME = f"runbook-{LAB_ID}-lab"


def address(number: int) -> str:
    """The lab's address of that number; the demo takes 11 and up, Molecule 21, the tests 41 and 71, the bench 61."""
    return f"{subnet_of(LAB_ID)}.{number}"


def ensure() -> str:
    """The network's name, once it is there."""
    with locked("network"):
        if docker("network", "inspect", NAME, check=False).returncode:
            docker("network", "create", f"--subnet={subnet_of(LAB_ID)}.0/24", f"--label={LABEL}={LAB_ID}", NAME)
    return NAME
