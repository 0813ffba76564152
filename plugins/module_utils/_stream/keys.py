# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Public keys to encrypt for, as age knows them; a secret one that was pasted by mistake is caught here."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ansible_collections.runbook.postgres.plugins.module_utils._command import ProgramFailed, find, run
from ansible_collections.runbook.postgres.plugins.module_utils._errors import Refused

AGE_SECONDS = 30.0

# Native keys in Bech32, and the SSH keys that age takes as well.
_RECIPIENT = re.compile(r"age1[02-9ac-hj-np-z]{58,}|ssh-(ed25519|rsa) [A-Za-z0-9+/=]+( .*)?")


def refuse_unfit_recipient(option: str, key: str) -> None:
    """`option` is how the sentence names where the key was given, without showing the key."""
    if "SECRET-KEY" in key.upper():
        raise Refused(
            f"{option} holds a secret key: give the public one (age1...), keep the secret one "
            "off this host, and take this pair out of use, since it was in a playbook."
        )
    if not _RECIPIENT.fullmatch(key):
        subject = option.replace(": ", ": one of the ", 1) if ": " in option else f"One of the {option}"
        raise Refused(f"{subject} is not an age public key (age1... or ssh-ed25519 ...).")


def try_recipients(option: str, recipients: Sequence[str]) -> None:
    """age itself says whether it takes the keys: nothing is encrypted to them and thrown away."""
    keys = [word for key in recipients for word in ("--recipient", key)]
    try:
        run([find("age", "age"), "--encrypt", *keys], AGE_SECONDS)
    except ProgramFailed as error:
        raise Refused(
            f"age does not take the {option}: one of these public keys is not whole, copy them again."
        ) from error
