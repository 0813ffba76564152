"""The walk from nothing to nightly encrypted backups offsite and a monthly drill, as its page has it.

Each file of the page is written, each command typed and each line that it shows looked for in what was said, numbers
aside. A chapter that no test here follows, and a line that is not said any more, fail.
"""

from __future__ import annotations

import json
import re
import shlex
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest
import yaml

from lab import inventory
from lab.checkout import ROOT
from lab.nodes import Node
from lab.recap import changes
from lab.waiting import wait_until
from tests.integration import s3
from tests.site.conftest import booted
from tests.site.newcomers import Newcomer, enterable, installed
from tests.unit.plugins.module_utils._tls.papers import Authority, key, pem, private_pem

PAGE = ROOT / "docs/docsite/rst/guide_backup_walkthrough.rst"
FIRST_ADDRESS = 121
HOSTS = {
    "shop-db1.example.net": "walk-db1",
    "shop-backup1.example.net": "walk-backup1",
    "control.example.net": "walk-control",
}
SERVER, KEEPER, CONTROL = HOSTS
LOGIN, HOOK, HEARD = "dba", "hooks.example.net", "/tmp/heard.json"
# What the reader has otherwise: nothing is fetched from Galaxy here.
NOT_TYPED = "What you need"
BLOCK = re.compile(r"^\.\. code-block:: (\w+)\n\n((?:   .*\n|\n)+)", re.MULTILINE)
PATH = re.compile(r"# ~/(\S+)\n")
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT[\d:]+\+00:00")
LISTENER = f"""
import http.server, ssl
class Hook(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        open("{HEARD}", "ab").write(body + b"\\n")
        self.send_response(200)
        self.end_headers()
server = http.server.HTTPServer(("127.0.0.1", 443), Hook)
context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
context.load_cert_chain("/root/hook.pem")
server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
"""
# Whoever edits the vault is given two lines by the page, and their values by the store.
EDITOR = "#!/bin/sh\ncat >> \"$1\" <<'END'\n{}END\n"
# The reader's own host has it from Debian; here it is that of the server, and what it writes is written here.
KEYGEN = '#!/bin/sh\nexec docker exec {} age-keygen > "$2"\n'


def chapters() -> dict[str, list[tuple[str, str]]]:
    """By title the blocks of the page, each with its kind."""
    text = PAGE.read_text(encoding="utf-8")
    parts = re.split(r"^(.+)\n-{4,}$\n", text, flags=re.MULTILINE)
    return {
        title: [(kind, textwrap.dedent(block).strip("\n") + "\n") for kind, block in BLOCK.findall(body)]
        for title, body in zip(parts[1::2], parts[2::2], strict=True)
    }


def commands(block: str) -> list[str]:
    return [line[2:] for line in block.replace("\\\n", " ").splitlines() if line.startswith("$ ")]


def shape(text: str) -> str:
    """A line without what differs from run to run."""
    return re.sub(r"\d[\dA-F]*(?:[-.:/_TZF+]+[\dA-F]+)*[ZFDI]?", "0", " ".join(text.split()))


@dataclass
class Walk:
    newcomer: Newcomer
    store: s3.Store
    followed: set[str] = field(default_factory=set)
    edits: dict[str, str] = field(default_factory=dict)

    def node(self, host: str) -> Node:
        return self.newcomer.nodes[host]

    def follows(
        self, title: str, before: Callable[[str], str] = str, after: Callable[[str, str], None] = lambda *_: None
    ) -> None:
        """A chapter from its beginning to its end; each line as `before` edits it, and `after` hears what was said."""
        self.followed.add(title)
        said = ""
        for kind, block in chapters()[title]:
            if kind == "console":
                said = ""
                for line in commands(block):
                    told = self.types(before(line))
                    after(line, told)
                    said += told
            elif kind == "text":
                shapes = [shape(line) for line in said.splitlines()]
                for line in block.splitlines():
                    assert any(shape(line) in each for each in shapes), f"{title}: no longer says {line!r}\n{said}"
            elif named := PATH.match(block):
                self.writes(named[1], block)

    def types(self, line: str) -> str:
        # What has to do with timers is done where they are, which is not where tests run.
        if line.startswith(("sudo ", "systemctl ")):
            return self.node(CONTROL).exec(["bash", "-c", line], user=LOGIN).stdout
        return self.newcomer.types(line)

    def writes(self, path: str, text: str) -> None:
        for theirs in [each for each in self.edits if each in text]:
            text = text.replace(theirs, self.edits[theirs])
        place = self.newcomer.home / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text, encoding="utf-8")

    def psql(self, sql: str, database: str = "shop") -> str:
        argv = ["psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-d", database]
        return self.node(SERVER).exec(argv, user="postgres", input=sql).stdout.strip()

    def by_the_clock(self, job: str) -> str:
        """What a timer runs, typed where Ansible is."""
        unit = self.node(CONTROL).exec(["cat", f"/etc/systemd/system/runbook-{job}.service"]).stdout
        (words,) = re.findall(r"^ExecStart=(.*)$", unit, re.MULTILINE)
        _program, *given = shlex.split(words.replace(f"/home/{LOGIN}", str(self.newcomer.home)))
        return self.types(shlex.join(["ansible-playbook", *given]))

    def heard(self) -> list[dict[str, str]]:
        found = self.node(CONTROL).exec(["cat", HEARD], check=False).stdout
        return [json.loads(line) for line in found.splitlines()]


@pytest.fixture(scope="module")
def walk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Walk]:
    home = tmp_path_factory.mktemp("home")
    ansible = installed(home)
    booted_nodes = booted(list(HOSTS.values()), FIRST_ADDRESS, bare=True)
    nodes = {host: booted_nodes[name] for host, name in HOSTS.items()}
    enterable(nodes, LOGIN)
    with s3.store(tmp_path_factory.mktemp("store")) as store:
        store.introduce(*nodes.values())
        for node in nodes.values():
            known = "".join(f"{each.ip} {host}\n" for host, each in nodes.items())
            node.exec(["tee", "-a", "/etc/hosts"], input=known)
            trust(node, "store", store.ca)
        listen(nodes[CONTROL])
        made = Walk(Newcomer(ansible, nodes, {}), store)
        made.edits = {
            "port: 443": f"port: {store.port}",
            f"{s3.HOST}:443": f"{s3.HOST}:{store.port}",
            "192.0.2.11": nodes[SERVER].ip,
            "192.0.2.31": nodes[KEEPER].ip,
        }
        tools(made)
        yield made
    for node in nodes.values():
        node.stop()


def trust(node: Node, name: str, authority: str) -> None:
    node.write(f"/usr/local/share/ca-certificates/{name}.crt", authority)
    node.exec(["update-ca-certificates"])


def listen(control: Node) -> None:
    """A webhook where the page says that it is, which control alone knows."""
    authority, own = Authority("hooks", key()), key()
    trust(control, "hooks", authority.text)
    control.exec(["tee", "-a", "/etc/hosts"], input=f"127.0.0.1 {HOOK}\n")
    control.write("/root/hook.pem", private_pem(own) + pem(authority.sign(HOOK, own, [HOOK])), mode="0600")
    control.write("/root/listener.py", LISTENER)
    control.exec(["systemd-run", "--unit=hook", "python3", "/root/listener.py"])


def tools(walk: Walk) -> None:
    home = walk.newcomer.home
    [lines] = [block for kind, block in chapters()["The vault"] if kind == "yaml"]
    given = dict(zip(yaml.safe_load(lines), ("an-access-key", s3.KEY_SECRET), strict=True))
    container = shlex.quote(walk.node(SERVER).container)
    written = {"editor": EDITOR.format(yaml.safe_dump(given)), "age-keygen": KEYGEN.format(container)}
    (home / "bin").mkdir()
    for name, text in written.items():
        (home / "bin" / name).write_text(text, encoding="utf-8")
        (home / "bin" / name).chmod(0o755)


def test_what_is_edited_stands_in_the_page(walk: Walk) -> None:
    text = PAGE.read_text(encoding="utf-8")
    for theirs in walk.edits:
        assert text.count(theirs) == 1, theirs


def test_an_inventory_and_a_vault(walk: Walk) -> None:
    walk.follows("The inventory")
    walk.follows("The vault")
    # Beside what the reader writes: the way into a container, where others have their ssh.
    reach = {host: {**inventory.connection(name), "ansible_user": LOGIN} for host, name in HOSTS.items()}
    (walk.newcomer.home / "inventory/lab.yml").write_text(json.dumps({"all": {"hosts": reach}}), encoding="utf-8")
    shown = walk.types("PAGER=cat ansible-vault view ~/inventory/group_vars/shop/vault.yml")
    values = yaml.safe_load(shown)
    used = set(re.findall(r"vault_\w+", PAGE.read_text(encoding="utf-8"))) - {"vault_shop_", "vault_password_file"}
    assert set(values) == used
    assert len(set(values.values())) == len(values)


def test_a_cluster_that_archives(walk: Walk) -> None:
    walk.follows("The cluster, which archives from its start")
    walk.node(KEEPER).exec(["pgbackrest", "--stanza=shop", "check"], user="postgres")


def test_backups_in_both_places(walk: Walk) -> None:
    walk.follows("The first backups")
    info = walk.node(KEEPER).exec(["pgbackrest", "--stanza=shop", "info", "--output=json"], user="postgres").stdout
    [told] = json.loads(info)
    assert {each["cipher"] for each in told["repo"]} == {"aes-256-cbc"}
    assert [each["database"]["repo-key"] for each in told["backup"]] == [1, 2]
    # The server has the keys of neither.
    secrets = ["grep", "-r", s3.KEY_SECRET, "/etc/pgbackrest"]
    assert walk.node(SERVER).exec(secrets, check=False).returncode == 1
    again = walk.types("ansible-playbook -i ~/inventory runbook.postgres.backup_physical")
    assert changes(again) == {}


def test_dumps_to_the_bucket_and_back(walk: Walk) -> None:
    def with_its_key(line: str) -> str:
        written = walk.newcomer.home / "shop-dumps.txt"
        if written.exists():
            [public] = re.findall(r"public key: (age1\w+)", written.read_text())
            [example] = re.findall(r"^ +- (age1\w+)$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
            dumps = walk.newcomer.home / "inventory/group_vars/shop/dumps.yml"
            if dumps.exists():
                dumps.write_text(dumps.read_text().replace(example, public))
        return line

    walk.follows("Dumps, to the same bucket", with_its_key)
    assert walk.psql("SELECT count(*) FROM orders", "shop_again") == "100000"
    server = walk.node(SERVER)
    files = server.exec(["rclone", "lsf", "-R", "vault:backups/dumps"], user="postgres", check=False)
    assert "dump.pgdump.zst.age" in files.stdout
    assert server.exec(["ls", "/run/shop-dumps.txt"], check=False).returncode


def test_a_drill_from_offsite_with_its_evidence(walk: Walk) -> None:
    walk.follows("The drill")
    drills = walk.newcomer.home / "drills"
    [told] = [json.loads(each.read_text()) for each in drills.glob("*.json")]
    assert told["passed"]
    assert told["backup"]["repository"] == 2
    assert "Recovery time" in next(drills.glob("*.html")).read_text(encoding="utf-8")


def test_timers_and_who_is_called(walk: Walk) -> None:
    control = walk.node(CONTROL)
    # As a program that fails, where the page has its Ansible.
    program = walk.newcomer.ansible.prefix / "bin/ansible-playbook"
    control.exec(["install", "-d", str(program.parent)])
    control.write(str(program), "#!/bin/sh\necho the store is gone\nexit 1\n", mode="0755")
    control.exec(["usermod", "-aG", "systemd-journal", LOGIN])

    def brought(line: str) -> str:
        # What was written at home is read where the timers are.
        hook = walk.newcomer.home / ".webhook"
        if hook.exists():
            control.write(f"/home/{LOGIN}/.webhook", hook.read_text(), owner=f"{LOGIN}:{LOGIN}", mode="0600")
        return line

    walk.follows("By the clock", brought)
    wait_until("the webhook was called", walk.heard, bound=120)
    [shown] = [json.loads(block) for kind, block in chapters()["By the clock"] if kind == "json"]
    [told] = walk.heard()
    assert {name: told[name] for name in ("unit", "log")} == {name: shown[name] for name in ("unit", "log")}
    control.exec(["systemctl", "start", "runbook-backup-physical.service"], check=False)
    wait_until("a failed job was told", lambda: len(walk.heard()) > 1, bound=120)
    assert walk.heard()[1]["unit"] == "runbook-backup-physical.service"
    assert "the store is gone" in walk.heard()[1]["log"]
    # And what the timers run is what works.
    assert "failed=0" in walk.by_the_clock("backup-physical")
    assert "failed=0" in walk.by_the_clock("health")


def test_the_way_back_from_offsite(walk: Walk) -> None:
    """The other repository is out of reach meanwhile."""
    keeper = walk.node(KEEPER)
    known: list[str] = []

    def at_that_time(line: str) -> str:
        if "DROP TABLE" in line:
            keeper.exec(["mv", "/srv/backup/backup", "/srv/backup/gone"])
        if "backup_physical" in line:
            keeper.exec(["mv", "/srv/backup/gone", "/srv/backup/backup"])
        return re.sub(r"pitr_value=\S+", f"pitr_value={known[0]}", line) if known else line

    def noted(line: str, said: str) -> None:
        if "date -Iseconds" in line:
            known.append(MOMENT.findall(said)[0])

    walk.follows("The way back from offsite", at_that_time, noted)
    assert walk.psql("SELECT count(*) FROM orders") == "100000"


def test_no_chapter_is_left_out(walk: Walk) -> None:
    assert walk.followed == set(chapters()) - {NOT_TYPED}
    # What is not typed here is what installs the collection.
    typed = [line for kind, block in chapters()[NOT_TYPED] if kind == "console" for line in commands(block)]
    assert typed[-1] == "ansible-galaxy collection install runbook.postgres"
