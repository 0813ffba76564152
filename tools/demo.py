"""`make demo`: a cluster from an inventory, load, a switchover under it, the health report, and a drill."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from lab import images, networks  # noqa: E402 - found by the line above
from lab.errors import LabError  # noqa: E402
from lab.nodes import Node  # noqa: E402

RELEASE = 12
SERVERS = {"demo-pg1": 11, "demo-pg2": 12, "demo-pg3": 13}
POOLER, KEEPER = "demo-pool1", "demo-backup1"
NODES = {**SERVERS, POOLER: 14, KEEPER: 15}  # as in inventories/demo
CLIENT = "demo-pg3"  # has pgbench, which comes with the server; here it plays an application
REPORTS = ROOT / "build" / "health"
DRILLS = ROOT / "build" / "drills"
SECRETS = ROOT / ".lab" / "demo"
LOAD_SECONDS, LOAD_CLIENTS = 20, 8
HAND_OVER_BOUND = 600
WRITING, COMMITS = "demo-writing", "/var/tmp/demo-commits"


def say(text: str) -> None:
    print(text, flush=True)


def boot() -> None:
    """Bare hosts, as a provider hands them out; those that run stay as they are."""
    absent = [name for name in NODES if Node.find(name) is None]
    if not absent:
        return
    say(f"Booting {', '.join(absent)}: Debian {RELEASE}, no database on them")
    images.ensure(RELEASE, say, bare=True)
    network = networks.ensure()

    def start(name: str) -> Node:
        return Node.start(name, RELEASE, bare=True, network=network, ip=networks.address(NODES[name]))

    with ThreadPoolExecutor(max_workers=len(absent)) as pool:
        nodes = list(pool.map(start, absent))
    # Their names are known to each other, as a provider's DNS has it.
    known = "".join(f"{networks.address(number)} {name}\n" for name, number in NODES.items())
    for node in nodes:
        node.exec(["tee", "--append", "/etc/hosts"], input=known)


def play(playbook: str, *words: str) -> Iterator[str]:
    """What the playbook says, line by line, run as an operator would."""
    argv = ["-i", "inventories/demo", f"runbook.postgres.{playbook}", *words]
    say(f"\n$ .venv/bin/ansible-playbook {' '.join(argv)}")
    beside = Path(sys.executable).parent / "ansible-playbook"  # the virtualenv's own, whatever PATH says
    process = subprocess.Popen(
        [str(beside), *argv],
        cwd=ROOT,
        env={**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg")},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield from process.stdout or ()
    finally:
        if process.poll() is None:
            process.terminate()
        process.wait()
    yield f"exit code {process.returncode}"


def done(playbook: str, *words: str) -> list[str]:
    """What it said; shown whole only when it failed."""
    said = list(play(playbook, *words))
    if said[-1] != "exit code 0":
        say("".join(said[:-1]))
        raise LabError(f"Playbook {playbook} failed; what it said is above.")
    return said[:-1]


def build() -> None:
    """Site, told by its recap."""
    began = time.monotonic()
    said = done("site")
    recap = next(place for place, line in enumerate(said) if line.startswith("PLAY RECAP"))
    say("".join(said[recap:]).rstrip())
    say(f"Done after {time.monotonic() - began:.0f} s")


def application() -> tuple[Node, str]:
    """A client of the pooler that verifies its certificate, and what it connects to."""
    client = Node.find(CLIENT)
    if client is None:
        raise LabError(f"Node {CLIENT} does not run; 'make demo' boots it.")
    # A password that was made by chance may hold what means something in that file.
    password = (SECRETS / "app.password").read_text().strip().replace("\\", "\\\\").replace(":", "\\:")
    secret = f"{networks.address(NODES[POOLER])}:6432:*:shop:{password}\n"
    client.write("/root/.pgpass", secret, mode="0600")
    options = "sslmode=verify-full sslrootcert=/etc/ssl/postgres/ca.crt"
    return client, f"host={networks.address(NODES[POOLER])} port=6432 user=shop dbname=shop {options}"


def load() -> None:
    """pgbench through the pooler, as an application would connect."""
    client, target = application()
    say(f"\nRunning pgbench through PgBouncer: {LOAD_CLIENTS} clients for {LOAD_SECONDS} s")
    client.exec(["pgbench", "--initialize", "--quiet", "--scale=2", target], timeout=120)
    run = ["pgbench", f"--client={LOAD_CLIENTS}", f"--time={LOAD_SECONDS}", "--no-vacuum", target]
    done = client.exec(run, timeout=LOAD_SECONDS + 60)
    for line in done.stdout.splitlines():
        if line.startswith(("number of failed", "latency", "tps", "number of transactions")):
            say(f"  {line}")


def hand_over() -> None:
    """A standby becomes primary while clients write, and how long they waited as they saw it themselves."""
    client, target = application()
    say(f"\nThe same {LOAD_CLIENTS} clients write while a standby takes over")
    client.exec(["sh", "-c", f"rm -f {COMMITS}*"])
    run = ["pgbench", f"--client={LOAD_CLIENTS}", f"--time={HAND_OVER_BOUND}", "--no-vacuum", "--log"]
    # Ended as soon as it is over: the bound is for a run that nobody is left to end.
    begin = ["systemd-run", "--quiet", f"--unit={WRITING}", "--setenv=HOME=/root"]
    client.exec([*begin, *run, f"--log-prefix={COMMITS}", target])
    try:
        said = done("switchover")
        active = client.exec(["systemctl", "is-active", WRITING], check=False).stdout.strip()
    finally:
        client.exec(["systemctl", "stop", WRITING], check=False)
    told = client.exec(["journalctl", "--quiet", "--output=cat", f"--unit={WRITING}"]).stdout
    if active != "active" or "aborted" in told:
        raise LabError(f"Clients did not go on after the switchover: {told.strip()}")
    for line in said:
        if "is primary." in line or "Clients waited" in line:
            say("  " + line.strip("- '\"\n,"))
    commits = client.exec(["sh", "-c", f"cat {COMMITS}*"]).stdout
    say(f"  No client failed; nobody was told of a commit for {longest_pause_ms(commits)} ms")


def longest_pause_ms(log: str) -> int:
    """Between two commits of whomever; pgbench writes the time of each in seconds and microseconds."""
    words = (line.split() for line in log.splitlines())
    # Its last line may be cut off where it was ended.
    times = sorted(int(each[4]) * 1_000_000 + int(each[5]) for each in words if len(each) >= 6)
    return max((later - earlier for earlier, later in itertools.pairwise(times)), default=0) // 1000


def report() -> None:
    """Run the health playbook, and print what it wrote of each node."""
    pages = [REPORTS / f"{name}.txt" for name in SERVERS]
    for page in pages:
        page.unlink(missing_ok=True)
    said = "".join(play("health", "-e", f"health_report_dir={REPORTS}"))
    if not all(page.exists() for page in pages):
        say(said)
        raise LabError("The health playbook wrote no report of some node; what it said is above.")
    for page in pages:
        say(page.read_text())


def drill() -> None:
    """A backup, restored where it was never taken, and what that took."""
    words = [f"drill_host={KEEPER}", "drill_packages=true", f"drill_report_dir={DRILLS}"]
    DRILLS.mkdir(parents=True, exist_ok=True)
    before = set(DRILLS.glob("*.json"))
    done("drill", *(word for each in words for word in ("-e", each)))
    [path] = set(DRILLS.glob("*.json")) - before
    held = json.loads(path.read_text(encoding="utf-8"))
    promised = {name: each / 60 for name, each in held["objectives"].items()}
    say(f"Backup {held['backup']['label']}, restored on {held['host']} and replayed to {held['stopped_at_lsn']}:")
    say(f"  RTO {held['rto_seconds']:.1f} s until it answered (objective {promised['rto_seconds']:.0f} min)")
    say(f"  RPO {held['rpo_seconds']:.1f} s would have been lost (objective {promised['rpo_seconds']:.0f} min)")
    for check in held["checks"]:
        say(f"  {'passed' if check['passed'] else 'FAILED'}: {check['name']}")
    say(f"  The page: {path.with_suffix('.html').relative_to(ROOT)}")


def main() -> None:
    boot()
    build()
    load()
    hand_over()
    # A cluster without a backup is not well, and its report would say so.
    done("backup_physical")
    report()
    drill()
    say("\nRead what another run would change:")
    say("  .venv/bin/ansible-playbook -i inventories/demo runbook.postgres.site --check --diff")
    say("Connect as the application does, through PgBouncer, with the certificate verified:")
    say(f"  .venv/bin/python -m lab shell {CLIENT}")
    address = networks.address(NODES[POOLER])
    say(f'  psql "host={address} port=6432 dbname=shop user=shop sslmode=verify-full')
    say('        sslrootcert=/etc/ssl/postgres/ca.crt"')
    say("Remove it:")
    say("  make clean")


if __name__ == "__main__":
    try:
        main()
    except LabError as error:
        sys.exit(f"demo: {error}")
    except KeyboardInterrupt:
        sys.exit("demo: interrupted; 'make demo' goes on where it can, 'make clean' removes it.")
