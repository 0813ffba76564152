# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What was seen of an instance that may be down, as values; what it means is diagnose.py's to say."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Unit:
    """What systemd says of the instance."""

    name: str
    masked: bool = False
    active: str = "inactive"
    # success, exit-code, signal, oom-kill, start-limit-hit ...
    result: str = "success"
    # How often systemd itself has started it anew; 0 where its unit does not say so.
    restarts: int = 0
    main_signal: int | None = None


@dataclass(frozen=True)
class Volume:
    """A file system that the server writes to, and what is left of it for a user who is not root."""

    purpose: str
    place: str
    free_bytes: int
    size_bytes: int
    free_files: int | None = None
    read_only: bool = False


@dataclass(frozen=True)
class Place:
    """The data directory, from outside of its server."""

    path: str
    exists: bool = True
    # A sentence about a file system that is to be mounted there and is not.
    unmounted: str | None = None
    version: str | None = None
    owner: str = "postgres"
    mode: int = 0o700
    # Directory above that the server's user may not pass.
    shut: str | None = None
    # Links that lead nowhere: of the WAL and of tablespaces.
    dangling: tuple[str, ...] = ()
    standby: bool = False
    # A recovery to a point in time, which ends as a primary.
    recovering: bool = False
    # What pg_controldata complains about.
    control_problem: str | None = None
    control_state: str | None = None


@dataclass(frozen=True)
class Lock:
    """postmaster.pid of a server that does not run."""

    path: str
    pid: int
    # The program that has this number by now, and whether it is of the server's user; then the server believes it.
    program: str | None = None
    own_user: bool = False


@dataclass(frozen=True)
class Crash:
    """One that the log tells of."""

    at: str
    process: str
    pid: int
    how: str
    # Seconds since some moment, to compare those of one log; None where its lines have no time.
    seconds: float | None = None

    @property
    def killed(self) -> bool:
        return "signal 9" in self.how


@dataclass(frozen=True)
class Story:
    """What the end of the log tells."""

    file: str
    # The server's own words about why it ended or did not start.
    words: tuple[str, ...] = ()
    crashes: tuple[Crash, ...] = ()
    # When it was stopped in an orderly way, if that was the last that happened.
    stopped: str | None = None
    # When its last line was written, and that in seconds as of crashes.
    last: str | None = None
    ended: float | None = None


@dataclass(frozen=True)
class Server:
    """A server that runs; `answer` is what it said, `silence` why it said nothing."""

    pid: int
    port: int
    in_recovery: bool | None = None
    silence: str | None = None
    starting: bool = False
    # Somebody sent it SIGSTOP, or a freezer holds it.
    frozen: bool = False
    # What its startup process is at.
    replaying: str | None = None
    awaits: str | None = None

    @property
    def answers(self) -> bool:
        return self.in_recovery is not None


@dataclass(frozen=True)
class Found:
    title: str
    config_directory: str
    port: int
    place: Place
    unit: Unit
    installed: bool = True
    configured: bool = True
    start: str = "auto"
    # Programs here that start and promote servers by themselves.
    promoters: tuple[str, ...] = ()
    server: Server | None = None
    volumes: tuple[Volume, ...] = ()
    # The server's words about a configuration that it does not take.
    configuration: str | None = None
    port_taken_by: str | None = None
    lock: Lock | None = None
    # Processes of a server that is gone which still use the data.
    leftovers: tuple[int, ...] = ()
    story: Story = field(default_factory=lambda: Story(""))
    # What the kernel's log has about processes that it killed for memory, by their number; None where it is not to
    # be read.
    out_of_memory: dict[int, str] | None = None
