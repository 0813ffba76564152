"""pg_health_facts against the tools that ask the same questions, and against a module that asks nothing."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any

from lab.errors import LabError
from lab.nodes import Node

from . import tasks
from .measure import Pair, timed
from .peers import CHECK_PGACTIVITY, CHECK_POSTGRES, ROLE, SOCKET, Peer, put_script
from .registry import Aim, Benchmark, Group, Say
from .server import CONDITIONS, DATABASE, Servers, servers

CALL_BOUND = 300.0  # seconds for one call of either side
ENVIRONMENT = ["env", "HOME=/var/lib/postgresql", "LANG=C.UTF-8"]
LOGIN = {"login_unix_socket": SOCKET, "login_user": ROLE}

HEALTH = tasks.Task("runbook.postgres.pg_health_facts", {**LOGIN, "login_db": DATABASE})
SELECT = tasks.Task("community.postgresql.postgresql_query", {**LOGIN, "login_db": DATABASE, "query": "SELECT 1"})
SELECT_NAME = "postgresql_query with SELECT 1"


def asked(peer: Peer) -> str:
    return (
        f"{CONDITIONS}; ours: the packed module with all checks, theirs: {len(peer.questions)} questions both answer, "
        f"a call each ({', '.join(each.theirs for each in peer.questions)})"
    )


TASK = "one task in an Ansible of its own, packing and transfer included"
BENCHMARKS = (
    Benchmark("health_check_postgres", CHECK_POSTGRES.name, "s", asked(CHECK_POSTGRES), Aim("ratio", 0.33)),
    Benchmark("health_check_pgactivity", CHECK_PGACTIVITY.name, "s", asked(CHECK_PGACTIVITY), Aim("ratio", 0.33)),
    Benchmark("health_select_1", SELECT_NAME, "s", f"{CONDITIONS}; {TASK}"),
    Benchmark("health_select_1_empty_server", SELECT_NAME, "s", f"a cluster without databases of its own; {TASK}"),
    Benchmark(
        "health_memory",
        SELECT_NAME,
        "MB",
        f"{CONDITIONS}; largest resident set of the module's process, as the kernel counts it",
        Aim("ours", 100),
        rounds=3,
    ),
)


@contextlib.contextmanager
def opened(names: Collection[str], say: Say) -> Iterator[Mapping[str, Pair]]:
    with servers(say) as built:
        makers: dict[str, Callable[[Servers], Pair]] = {
            "health_check_postgres": lambda each: against(each, CHECK_POSTGRES),
            "health_check_pgactivity": lambda each: against(each, CHECK_PGACTIVITY),
            "health_select_1": lambda each: whole_tasks(each.node, {}),
            "health_select_1_empty_server": lambda each: whole_tasks(
                each.node, {"login_db": "postgres", "login_port": each.empty.port}
            ),
            "health_memory": memory,
        }
        yield {name: makers[name](built) for name in names}


GROUP = Group(BENCHMARKS, opened)


def against(built: Servers, peer: Peer) -> Pair:
    """Both by `docker exec`, which costs either side the same."""
    script = put_script(built.node, peer)
    module = ["/usr/bin/python3", tasks.pack(built.node, HEALTH)]
    return Pair(
        ours=lambda: timed(lambda: examine(built.node, module)),
        theirs=lambda: timed(lambda: call(built.node, script)),
    )


def examine(node: Node, argv: Sequence[str]) -> None:
    refuse_gaps(json.loads(call(node, argv)[0]))


def refuse_gaps(result: Mapping[str, Any]) -> None:
    """A question that was not answered must not make our side look fast."""
    health = result["ansible_facts"]["pg_health"]
    for gap in health["unavailable"]:
        raise LabError(f"Our side did not answer {gap['probe']}, so there is nothing to compare: {gap['reason']}.")
    if health["status"] == "down":
        raise LabError(f"Our side found the server down: {health['findings'][0]['message']}")


def whole_tasks(node: Node, differing: Mapping[str, object]) -> Pair:
    def seconds(task: tasks.Task) -> float:
        return tasks.run(node, tasks.Task(task.module, {**task.arguments, **differing})).seconds

    return Pair(ours=lambda: seconds(HEALTH), theirs=lambda: seconds(SELECT))


def memory(built: Servers) -> Pair:
    def peak(path: str) -> float:
        # GNU time asks the kernel when the process has ended; its line is the last.
        said = call(built.node, ["/usr/bin/time", "-f", "%M", "/usr/bin/python3", path])[1]
        return int(said.split()[-1]) * 1024 / 1e6

    ours, theirs = (tasks.pack(built.node, task) for task in (HEALTH, SELECT))
    return Pair(ours=lambda: peak(ours), theirs=lambda: peak(theirs))


def call(node: Node, argv: Sequence[str]) -> tuple[str, str]:
    """Run one side as the system user postgres; what it prints and what it complains of."""
    done = node.exec([*ENVIRONMENT, *argv], user="postgres", check=False, timeout=CALL_BOUND)
    if done.returncode:
        words = (done.stderr.strip() or done.stdout.strip() or "no message").splitlines()
        raise LabError(f"{argv[0]} on the bench node did not answer, so there is nothing to compare: {words[-1]}")
    return done.stdout, done.stderr
