"""`make demo`: a PostgreSQL under load, with real problems, and what the health playbook says of it."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from lab import trouble  # noqa: E402 - found by the line above
from lab.clusters import Cluster  # noqa: E402
from lab.errors import LabError  # noqa: E402
from lab.images import recipe_hash  # noqa: E402
from lab.nodes import Node  # noqa: E402

NODE = "demo-pg1"  # also its name in inventories/demo
RELEASE = 12
REPORTS = ROOT / "build" / "health"
READY = "/var/lib/postgresql/demo-is-ready"
SETTLE_SECONDS = 10  # until the load shows in the server's statistics


def say(text: str) -> None:
    print(text, flush=True)


def recipe() -> str:
    """What the server was made from; a node of an older recipe is made anew."""
    return recipe_hash(Path(path).read_text() for path in (__file__, trouble.__file__))


def running_server() -> Cluster | None:
    """The server of an earlier call, if it is whole, of today's recipe, and answers."""
    node = Node.find(NODE)
    if node is None or node.exec(["cat", READY], check=False).stdout != recipe():
        return None
    cluster = Cluster(node, node.postgresql)
    return cluster if cluster.accepts_connections() else None


def new_server() -> Cluster:
    say(f"Booting {NODE}: Debian {RELEASE} with PostgreSQL")
    cluster = Cluster.create(Node.start(NODE, RELEASE), settings=trouble.SETTINGS)
    trouble.prepare(cluster)
    trouble.neglect(cluster)
    create_monitoring_role(cluster)
    cluster.node.write(READY, recipe())  # last: a call that was killed starts anew
    return cluster


def create_monitoring_role(cluster: Cluster) -> None:
    """The role the report is made with: it may look at statistics and at nothing else."""
    password = secrets.token_urlsafe(18)
    cluster.psql(
        f"""
        SET log_statement = 'none';
        SET log_min_error_statement = 'panic';
        CREATE ROLE monitoring LOGIN CONNECTION LIMIT 5 PASSWORD '{password}';
        GRANT pg_monitor TO monitoring;
        GRANT SELECT ON pg_file_settings, pg_hba_file_rules TO monitoring;
        GRANT EXECUTE ON FUNCTION pg_show_all_file_settings(), pg_hba_file_rules() TO monitoring;
        """
    )
    cluster.psql("GRANT SELECT ON ALL SEQUENCES IN SCHEMA public TO monitoring", trouble.DATABASE)
    # The driver finds it there by itself; neither inventory nor arguments hold it.
    passfile = f"*:{cluster.port}:*:monitoring:{password}\n"
    cluster.node.write("/var/lib/postgresql/.pgpass", passfile, owner="postgres:postgres", mode="0600")


def put_under_load(cluster: Cluster) -> None:
    say("Putting it under load: 8 clients for 90 s, and a session that forgot to commit")
    trouble.load(cluster, seconds=90, clients=8)
    trouble.forget_a_transaction(cluster)
    time.sleep(SETTLE_SECONDS)


def print_report() -> None:
    """Run the playbook as an operator would, and print what it wrote."""
    report = REPORTS / f"{NODE}.txt"
    report.unlink(missing_ok=True)
    program, *words = ["ansible-playbook", "-i", "inventories/demo", "runbook.postgres.health"]
    say(f"$ .venv/bin/{program} {' '.join(words)}\n")
    beside = Path(sys.executable).parent / program  # the virtualenv's own, whatever PATH says
    done = subprocess.run(
        [str(beside), *words, "-e", f"health_report_dir={REPORTS}"],
        check=False,
        cwd=ROOT,
        env={**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg")},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if not report.exists():
        say(done.stdout)
        raise LabError("The health playbook wrote no report; what it said is above.")
    say(report.read_text())


def main() -> None:
    cluster = running_server()
    if cluster is None:
        cluster = new_server()
    put_under_load(cluster)
    print_report()
    say(f"Look inside: .venv/bin/python -m lab shell {NODE}, then: sudo -u postgres psql {trouble.DATABASE}")
    say("Remove it:   make clean")


if __name__ == "__main__":
    try:
        main()
    except LabError as error:
        sys.exit(f"demo: {error}")
    except KeyboardInterrupt:
        sys.exit("demo: interrupted; 'make demo' starts where it can, 'make clean' removes it.")
