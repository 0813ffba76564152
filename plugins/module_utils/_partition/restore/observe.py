# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What is asked of the server and of the file before anything is made."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.runbook.postgres.plugins.module_utils._command import ProgramFailed, find
from ansible_collections.runbook.postgres.plugins.module_utils._errors import Refused
from ansible_collections.runbook.postgres.plugins.module_utils._partition.archive import manifest as manifests
from ansible_collections.runbook.postgres.plugins.module_utils._partition.archive.describe import (
    read_columns,
    read_origin,
)
from ansible_collections.runbook.postgres.plugins.module_utils._partition.archive.manifest import Manifest
from ansible_collections.runbook.postgres.plugins.module_utils._partition.archive.store import manifest_of
from ansible_collections.runbook.postgres.plugins.module_utils._partition.axis import parse_bound
from ansible_collections.runbook.postgres.plugins.module_utils._partition.catalog import PLACE, Found, read_table
from ansible_collections.runbook.postgres.plugins.module_utils._partition.names import quoted
from ansible_collections.runbook.postgres.plugins.module_utils._partition.restore.plan import (
    Scene,
    Standing,
    bound_ends,
)
from ansible_collections.runbook.postgres.plugins.module_utils._session import (
    Session,
    compose,
    identifier,
    joined,
    literal,
)
from ansible_collections.runbook.postgres.plugins.module_utils._stream.compression import ZSTD
from ansible_collections.runbook.postgres.plugins.module_utils._stream.reading import (
    Unreadable,
    hash_of,
    opened,
)

STANDING = """
SELECT c.oid::bigint AS oid, i.inhparent::bigint AS parent, obj_description(c.oid, 'pg_class') AS said
  FROM pg_class c LEFT JOIN pg_inherits i ON i.inhrelid = c.oid
 WHERE c.oid = to_regclass(%(name)s)
"""


@dataclass(frozen=True)
class Given:
    """An archive that is what its manifest says, as far as its file goes."""

    file: Path
    manifest: Manifest
    identity: Path | None


def read_given(options: Mapping[str, Any]) -> Given:
    """The archive that was asked for, refused when it is damaged or cannot be decrypted."""
    file = Path(options["file"])
    told = manifests.read(manifest_of(file))
    identity = _identity(options["identity"], told, file)
    if told.compression == ZSTD:
        find("zstd", "zstd")
    try:
        size, digest = hash_of(file)
        if (size, digest) != (told.file_bytes, told.file_sha256):
            raise Refused(
                f"{file} is damaged: it is not what its manifest was written for ({size} bytes of {told.file_bytes}"
                f"{', and another hash' if size == told.file_bytes else ''}); take the offsite copy."
            )
        # The beginning is enough to know whether the key fits.
        with opened(file, told.compression, identity) as content:
            if not content.read(1):
                content.finish()
    except OSError as error:
        raise Refused(f"The archive {file} cannot be read: {error.strerror}.") from error
    except (ProgramFailed, Unreadable) as error:
        raise Refused(f"The archive {file} cannot be read: {error.sentence.rstrip('.')}.") from error
    return Given(file, told, identity)


def _identity(option: str | None, told: Manifest, file: Path) -> Path | None:
    if not told.recipients:
        return None
    find("age", "age")
    if option is None:
        raise Refused(f"{file} is encrypted: give identity, the file with the secret key of one of its recipients.")
    if not os.access(option, os.R_OK) or not Path(option).is_file():
        raise Refused(f"identity {option} cannot be read by user {os.geteuid()}.")
    return Path(option)


def observe(session: Session, given: Given, table: str | None) -> tuple[Found, Scene]:
    told = given.manifest
    if session.fetch(PLACE)[0]["standby"]:
        raise Refused("This server is a standby, which takes no changes: run this on its primary.")
    found = read_table(session, table or f"{quoted(told.table_schema)}.{quoted(told.table)}", session.major)
    with session.transaction():
        # As when it was archived: types are told with the schemas they are in.
        session.fetch("SET LOCAL search_path = pg_catalog")
        columns = read_columns(session.fetch, found.table.oid)
    rows = session.fetch(STANDING, {"name": f"{quoted(told.partition_schema)}.{quoted(told.partition)}"})
    standing = Standing(**rows[0]) if rows else None
    period = parse_bound(told.bound)
    same = next((each for each in found.table.partitions if period is not None and each.range == period), None)
    scene = Scene(
        table=found.table,
        columns=columns,
        standing=standing,
        system_identifier=read_origin(session)[0],
        rows=None if same is None else _count(session, compose("{table}", table=identifier(same.schema, same.name))),
        rows_in_default=0 if same is not None else _count_in_default(session, found, told),
    )
    return found, scene


def _count_in_default(session: Session, found: Found, told: Manifest) -> int:
    default = found.table.default
    if default is None or told.kind != found.table.kind or bound_ends(told.bound) is None:
        return 0
    condition = within(found.key, told.bound)
    return _count(
        session,
        compose("{table} WHERE {condition}", table=identifier(default.schema, default.name), condition=condition),
    )


def _count(session: Session, what: Any) -> int:
    return int(session.fetch(compose("SELECT count(*) AS n FROM {what}", what=what))[0]["n"])


def within(key: Any, bound: str) -> Any:
    """What the server itself checks of a partition's rows, so that it need not look at them when attaching."""
    lower, upper = bound_ends(bound) or (None, None)
    parts = [compose("({key}) IS NOT NULL", key=key)]
    if lower is not None:
        parts.append(compose("({key}) >= {lower}", key=key, lower=literal(lower)))
    if upper is not None:
        parts.append(compose("({key}) < {upper}", key=key, upper=literal(upper)))
    return joined(" AND ", parts)
