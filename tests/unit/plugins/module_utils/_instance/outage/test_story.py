"""What the end of a log tells, from logs as servers write them."""

from __future__ import annotations

import pytest

from ansible_collections.runbook.postgres.plugins.module_utils._instance.outage import kernel, story, systemd
from ansible_collections.runbook.postgres.plugins.module_utils._instance.outage.found import Unit

LOG = "/var/log/postgresql/postgresql-15-main.log"


def log(*lines: str, minute: int = 0) -> str:
    """Lines as Debian has them, a second apart: 'pid LEVEL: words'."""
    told = []
    for second, line in enumerate(lines):
        pid, _, rest = line.partition(" ")
        told.append(f"2026-11-30 01:{minute:02}:{second:02}.120 UTC [{pid}] {rest}")
    return "\n".join(told) + "\n"


READY = "10 LOG:  database system is ready to accept connections"
STOPPED = ("10 LOG:  received fast shutdown request", "12 LOG:  shutting down", "10 LOG:  database system is shut down")
KILLED = "10 LOG:  server process (PID 33) was terminated by signal 9: Killed"
SEGMENT = "10 LOG:  server process (PID 44) was terminated by signal 11: Segmentation fault"

WORDS = [
    ("orderly", log(READY, *STOPPED), ()),
    (
        "the port of another",
        log(
            "20 LOG:  starting PostgreSQL 15.8 on x86_64-pc-linux-gnu",
            '20 LOG:  could not bind IPv4 address "0.0.0.0": Address already in use',
            "20 HINT:  Is another postmaster already running on port 5432?",
            '20 WARNING:  could not create listen socket for "*"',
            "20 FATAL:  could not create any TCP/IP sockets",
            "20 LOG:  database system is shut down",
        ),
        (
            'could not bind IPv4 address "0.0.0.0": Address already in use',
            'could not create listen socket for "*"',
            "could not create any TCP/IP sockets",
        ),
    ),
    (
        "a library that is not there",
        log(READY, *STOPPED, '21 FATAL:  could not access file "nope": No such file or directory'),
        ('could not access file "nope": No such file or directory',),
    ),
    ("what was before it was last ready", log("9 FATAL:  could not write lock file", READY, KILLED), ()),
    ("a session's", log(READY, '77 app@shop FATAL:  password authentication failed for user "app"', *STOPPED), ()),
    (
        "a standby that came while it stopped",
        log(READY, STOPPED[0], "78 replicator@[unknown] FATAL:  the database system is shutting down", *STOPPED[1:]),
        (),
    ),
    ("who came too early", log(READY, KILLED, "79 FATAL:  the database system is in recovery mode"), ()),
    ("a standby without a slot", log(READY, '78 replicator@[unknown] FATAL:  slot "x" is not there', *STOPPED), ()),
    ("an orderly end of a session", log(READY, "77 FATAL:  terminating due to administrator command", *STOPPED), ()),
    ("an upstream that is away", log(READY, "88 FATAL:  could not connect to the primary server: no", *STOPPED), ()),
    ("an upstream that went", log(READY, "88 FATAL:  could not receive data from WAL stream: ERROR", *STOPPED), ()),
    (
        "a password",
        log("20 FATAL:  invalid connection string \"host=a password='secret words' port=x\""),
        ('invalid connection string "host=a password=******** port=x"',),
    ),
    ("a prefix of one's own", "myhost 20 FATAL:  no room\n", ("no room",)),
    ("nothing", "", ()),
    ("no log at all", "\0\0\nwhat is this\n", ()),
]


@pytest.mark.parametrize(("text", "words"), [case[1:] for case in WORDS], ids=[case[0] for case in WORDS])
def test_the_servers_own_words(text: str, words: tuple[str, ...]) -> None:
    assert story.read(LOG, text).words == words


def test_statements_are_not_told() -> None:
    detail = "10 DETAIL:  Failed process was running: ALTER ROLE app PASSWORD 'secret words'"
    told = story.read(LOG, log(READY, KILLED, detail, "10 PANIC:  it is over"))
    assert "secret" not in repr(told)
    assert told.words == ("it is over",)


STOPS = [
    ("orderly", log(READY, *STOPPED), True),
    ("it runs again", log(READY, *STOPPED, READY), False),
    ("killed while it ran", log(READY), False),
    ("a crash that it recovered from, then an orderly end", log(READY, KILLED, READY, *STOPPED), True),
    ("a crash, and it ended of that", log(READY, KILLED, "10 LOG:  database system is shut down"), False),
    ("it did not start", log(READY, *STOPPED, "21 FATAL:  no", "21 LOG:  database system is shut down"), False),
]


@pytest.mark.parametrize(("text", "orderly"), [case[1:] for case in STOPS], ids=[case[0] for case in STOPS])
def test_an_orderly_end(text: str, orderly: bool) -> None:
    assert (story.read(LOG, text).stopped is not None) is orderly


def test_crashes_are_told_with_who_and_how() -> None:
    [crash] = story.read(LOG, log(READY, KILLED)).crashes
    assert (crash.process, crash.pid, crash.killed) == ("server process", 33, True)
    assert crash.how == "was terminated by signal 9: Killed"
    worker = '10 LOG:  background worker "logical replication launcher" (PID 5) exited with exit code 1'
    startup = "10 LOG:  startup process (PID 6) exited with exit code 1"
    assert [each.pid for each in story.read(LOG, log(READY, worker, startup)).crashes] == [6]


LOOPS = [
    ("never", "", 0),
    ("twice", log(READY, SEGMENT, READY, SEGMENT), 0),
    ("three times", log(SEGMENT, SEGMENT, SEGMENT), 3),
    ("three times in an hour", log(SEGMENT) + log(SEGMENT, minute=30) + log(SEGMENT, minute=59), 0),
    ("three times, long ago", log(SEGMENT, SEGMENT, SEGMENT) + log(READY, minute=30), 0),
    ("three times until it was stopped", log(SEGMENT, SEGMENT, SEGMENT, *STOPPED, READY), 0),
    ("the last three of four", log(SEGMENT) + log(SEGMENT, SEGMENT, SEGMENT, minute=50), 3),
    ("without a time", "LOG:  server process (PID 1) was terminated by signal 6: Aborted\n" * 3, 0),
]


@pytest.mark.parametrize(("text", "number"), [case[1:] for case in LOOPS], ids=[case[0] for case in LOOPS])
def test_again_and_again(text: str, number: int) -> None:
    assert len(story.loop(story.read(LOG, text), 3, 600)) == number


def test_the_kernel_names_whom_it_killed() -> None:
    printed = (
        "oom-kill:constraint=CONSTRAINT_NONE,nodemask=(null),task=postgres,pid=33,uid=104\n"
        "Out of memory: Killed process 33 (postgres) total-vm:412340kB, anon-rss:98304kB, file-rss:0kB, uid:104\n"
        "Memory cgroup out of memory: Killed process 34 (postgres) total-vm:1kB, anon-rss:2kB, file-rss:3kB\n"
        "Out of memory: Killed process 35 (java) total-vm:1kB\n"
    )
    assert kernel.parsed(printed) == {
        33: "Out of memory: Killed process 33 (postgres) total-vm:412340kB, anon-rss:98304kB, file-rss:0kB",
        34: "out of memory: Killed process 34 (postgres) total-vm:1kB, anon-rss:2kB, file-rss:3kB",
    }


UNITS = [
    ("ActiveState=active\nResult=success\nNRestarts=0\n", Unit("u", active="active")),
    ("LoadState=masked\nActiveState=inactive\nResult=success\n", Unit("u", masked=True)),
    (
        "ActiveState=failed\nResult=signal\nNRestarts=5\nExecMainCode=2\nExecMainStatus=9\n",
        Unit("u", active="failed", result="signal", restarts=5, main_signal=9),
    ),
    ("ExecMainCode=1\nExecMainStatus=1\nNRestarts=[not set]\n", Unit("u")),
]


@pytest.mark.parametrize(("printed", "unit"), UNITS)
def test_what_systemd_says(printed: str, unit: Unit) -> None:
    assert systemd.parsed("u", printed) == unit
