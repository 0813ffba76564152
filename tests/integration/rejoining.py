"""Two nodes that take turns at being the primary, and ways for them to part."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from lab.clusters import Cluster
from lab.waiting import wait_until
from tests.integration import inside
from tests.integration.standbys import FRESH_SLOT, NAMES, TLS, Trio, made

FUNCTIONS = """
GRANT EXECUTE ON FUNCTION pg_ls_dir(text, boolean, boolean), pg_stat_file(text, boolean),
  pg_read_binary_file(text), pg_read_binary_file(text, bigint, bigint, boolean) TO replicator
"""


@dataclass
class Pair:
    """Who is the primary now, and who was or will be again."""

    trio: Trio
    primary: Cluster
    other: Cluster

    def promote(self, *, how: str = "fast") -> None:
        """By hand, as an operator would at night: the primary ends, its standby takes over."""
        self.in_step()
        self.primary.stop(how)
        self.other.promote()
        # Without it pg_rewind of 13 and 15 takes the new primary for one of the old timeline.
        self.other.psql("CHECKPOINT; INSERT INTO kept VALUES (100)")
        self.primary, self.other = self.other, self.primary

    def take_over(self, **more: Any) -> dict[str, Any]:
        """The primary is gone, and its standby is promoted as a failover does it."""
        self.other.psql("ALTER SYSTEM SET max_slot_wal_keep_size = '512MB'")
        self.other.reload()
        self.in_step()
        self.primary.stop("immediate")
        given = {"version": self.other.version, "fenced": True, "allow_data_loss": True, **more}
        done = made(inside.run(self.other.node, "pg_promote", given, user="root"))
        self.primary, self.other = self.other, self.primary
        return done

    def go_on(self, segments: int = 6) -> None:
        """The primary writes and removes what nobody keeps."""
        for _segment in range(segments):
            self.primary.psql("INSERT INTO kept VALUES (200); SELECT pg_switch_wal(); CHECKPOINT")

    def in_step(self) -> None:
        told = self.primary.psql("SELECT pg_current_wal_lsn()")
        sql = f"SELECT pg_last_wal_replay_lsn() >= '{told}'"
        wait_until("the standby has everything", lambda: self.other.psql(sql, check=False) == "t", bound=60)

    def part(self, *, how: str = "fast", rows: int = 3) -> None:
        """The old primary comes back by itself, takes writes that nobody else has, and goes again."""
        self.other.start()
        for number in range(rows):
            self.other.psql(f"INSERT INTO kept SELECT {1000 + number}")
        self.other.stop(how)

    def options(self, **more: Any) -> dict[str, Any]:
        return {
            "version": self.primary.version,
            "upstream_hosts": [self.primary.node.ip],
            "sslrootcert": f"{TLS}/ca.crt",
            "sslcert": f"{TLS}/node.crt",
            "sslkey": f"{TLS}/node.key",
            "timeout": 100,
            **more,
        }

    def rejoin(self, *, check: bool = False, die: inside.Interrupt | None = None, **more: Any) -> inside.Ended:
        return inside.run(self.other.node, "pg_rejoin", self.options(**more), check=check, die=die, user="root")

    def stream(self) -> None:
        """It is started as it would be afterwards, and follows."""
        made(
            inside.run(
                self.other.node,
                "pg_standby",
                {"state": "streaming", "version": self.primary.version, "timeout": 60},
                user="root",
            )
        )
        self.in_step()
        # As role replication does it: a rewinding leaves no slots.
        self.other.psql(FRESH_SLOT.replace("NAME", NAMES[self.trio.nodes.index(self.primary.node)]))

    @property
    def rows(self) -> str:
        return self.other.psql("SELECT string_agg(n::text, ' ' ORDER BY n) FROM kept WHERE n >= 1000")

    def last_wal(self) -> str:
        """The file with the last checkpoint of the one that is stopped."""
        program = f"/usr/lib/postgresql/{self.other.version}/bin/pg_controldata"
        told = self.other.node.exec([program, self.other.data_directory]).stdout
        return next(line.split()[-1] for line in told.splitlines() if "REDO WAL file" in line)

    @property
    def beside(self) -> list[str]:
        listed = self.other.node.exec(["ls", "-A", f"/var/lib/postgresql/{self.primary.version}"]).stdout
        return listed.split()

    def facts(self) -> dict[str, Any]:
        ended = inside.run(self.other.node, "pg_node_facts", {"version": self.primary.version}, user="root")
        return dict(ended.result["ansible_facts"]["pg_node"]["instance"])

    @property
    def start(self) -> str:
        told = self.other.node.exec(["grep", "-v", "^#", f"{self.other.config_directory}/start.conf"])
        return told.stdout.strip()


def build(trio: Trio) -> Pair:
    """The second follows the first, and each can follow the other."""
    made(trio.clone("second"))
    second = trio.follow("second")
    first = trio.primary
    conninfo = second.node.exec(["grep", "primary_conninfo", f"{second.config_directory}/conf.d/lab.conf"]).stdout
    own = "\nprimary_slot_name = 'first'\n"
    path = f"{first.config_directory}/conf.d/own.conf"
    first.node.write(path, conninfo + own, owner="postgres:postgres")
    first.psql(FUNCTIONS)
    first.restart()
    pair = Pair(trio, first, second)
    pair.stream()
    return pair
