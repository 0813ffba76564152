"""The walk-through as it stands in the documentation, with fewer rows: its statements, variables and commands."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from lab.checkout import ROOT
from tests.integration.playing import CONNECTION
from tests.integration.servers import Server

PAGE = (ROOT / "docs/docsite/rst/guide_partition_walkthrough.rst").read_text(encoding="utf-8")
ROWS = 50_000
DATABASE, ARCHIVES = "shop", "/var/lib/postgresql/archive/orders"
# Every row with all its columns, and how many there are.
CONTENT = "SELECT count(*) || ' ' || sum(hashtextextended((id, placed_at, customer, total, note)::text, 0)) FROM orders"
KIND = "SELECT relkind FROM pg_class WHERE oid = 'orders'::regclass"


def blocks(kind: str) -> list[str]:
    """What the page shows of this kind, in its order."""
    found = re.findall(rf"^\.\. code-block:: {kind}\n\n((?:   .*\n|\n)+)", PAGE, re.MULTILINE)
    return [textwrap.dedent(each) for each in found]


@dataclass
class Shop:
    server: Server
    place: Path

    def psql(self, statement: str) -> str:
        return self.server.primary.psql(statement, DATABASE)

    def wants(self, tables: Sequence[dict[str, Any]]) -> None:
        host = {**CONNECTION, "ansible_host": self.server.node.container}
        variables = {
            "partitions": [{"login_db": DATABASE, "tables": list(tables)}],
            "postgres_login": {"login_port": self.server.primary.port},
        }
        inventory = {"postgres": {"hosts": {"shop-db1": host}, "vars": variables}}
        (self.place / "inventory.json").write_text(json.dumps(inventory))

    def plays(self, command: str) -> str:
        """A command of the page, which must succeed; what it said there follows after a blank line."""
        prompt, program, *arguments = shlex.split(command.partition("\n\n")[0].replace("\\\n", " "))
        assert (prompt, program) == ("$", "ansible-playbook")
        given = [str(self.place / "inventory.json") if each == "~/inventory" else each for each in arguments]
        done = subprocess.run(
            [str(ROOT / ".venv/bin" / program), *given],
            env={**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".lab/collections"), "ANSIBLE_NOCOLOR": "1"},
            cwd=self.place,
            text=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )
        assert done.returncode == 0, done.stdout
        return done.stdout

    def archived(self) -> dict[str, int]:
        """The files, and how many rows each has as its manifest says."""
        listed = self.server.node.exec(["find", ARCHIVES, "-name", "*.manifest.json"]).stdout.split()
        told = [json.loads(self.server.node.exec(["cat", each]).stdout) for each in listed]
        return {f"{ARCHIVES}/{each['file']}": each["rows"] for each in told}


@pytest.fixture
def shop(server: Server, tmp_path: Path) -> Iterator[Shop]:
    server.run(f"CREATE DATABASE {DATABASE}", database="postgres")
    yield Shop(server, tmp_path)
    server.run(f"DROP DATABASE {DATABASE} WITH (FORCE)", database="postgres")
    server.node.exec(["rm", "-rf", ARCHIVES])


def test_from_a_plain_table_to_months_and_back(shop: Shop) -> None:
    [table] = blocks("sql")
    wanted, retention = (yaml.safe_load(each) for each in blocks("yaml"))
    check, restore = blocks("console")
    shop.psql(table.replace("5000000", str(ROWS)))
    content = shop.psql(CONTENT)
    assert content.startswith(f"{ROWS} ")

    # Read the plan, convert it, and again.
    [entry] = wanted["partitions"][0]["tables"]
    shop.wants([entry])
    said = shop.plays(check)
    for line in ("-orders not partitioned", "+primary key orders_pkey (id, placed_at)", "+orders_before kept with"):
        assert line in said
    assert shop.psql(KIND) == "r"
    run = check.replace("--check --diff", "-v")
    assert "changed=1 " in shop.plays(run)
    assert shop.psql(KIND) == "p"
    assert shop.psql(CONTENT) == content
    assert "changed=0 " in shop.plays(run)

    # A year at hand.
    kept = {name: value for name, value in entry.items() if not name.startswith("convert")}
    shop.wants([{**kept, **retention}])
    assert f"+{ARCHIVES}/orders_p" in shop.plays(check)
    assert shop.psql(CONTENT) == content
    shop.plays(run)
    files = shop.archived()
    assert len(files) in (12, 13)
    assert int(shop.psql("SELECT count(*) FROM orders")) + sum(files.values()) == ROWS

    # The months come back.
    shop.wants([kept])
    for file, rows in files.items():
        said = shop.plays(re.sub(r"restore_file=\S+", f"restore_file={file}", restore))
        assert f"{rows} rows, attached." in said
    assert shop.psql(CONTENT) == content

    # A plain table again.
    [plainly] = [each for each in blocks("text") if "BEGIN;" in each]
    statements = [each for each in re.findall(r"^shop=> (.*)$", plainly, re.MULTILINE) if not each.startswith("\\")]
    shop.psql("\n".join(statements))
    assert shop.psql(KIND) == "r"
    assert shop.psql(CONTENT) == content
    added = "INSERT INTO orders (placed_at, customer, total) VALUES (now(), 1, 1) RETURNING id"
    assert shop.psql(added) == str(ROWS + 1)
    shop.psql("DROP TABLE orders_of_months, orders_before")
