# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Bring an instance to its settings: look, plan, and write so that a server never loads what it would not take."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ansible_collections.runbook.postgres.plugins.module_utils._debian import settings_file
from ansible_collections.runbook.postgres.plugins.module_utils._errors import Refused
from ansible_collections.runbook.postgres.plugins.module_utils._files import File, changed, put
from ansible_collections.runbook.postgres.plugins.module_utils._files import observe as observe_file
from ansible_collections.runbook.postgres.plugins.module_utils._instance import live
from ansible_collections.runbook.postgres.plugins.module_utils._instance import observe as instances
from ansible_collections.runbook.postgres.plugins.module_utils._instance import settings as planning
from ansible_collections.runbook.postgres.plugins.module_utils._instance.checker import Checker
from ansible_collections.runbook.postgres.plugins.module_utils._instance.configuration import (
    last_values,
    rendered,
    without,
)

# Files that the server opens by name when it loads or starts.
_CERTIFICATES = ("ssl_cert_file", "ssl_key_file", "ssl_ca_file", "ssl_crl_file")


@dataclass(frozen=True)
class Scene:
    """What there is before anything is done."""

    instance: instances.Instance
    settings: Mapping[str, str]
    path: Path
    found: File | None
    auto: File | None
    checker: Checker
    running: planning.Running | None

    @property
    def names(self) -> set[str]:
        """Every setting that this may be about."""
        old = last_values(self.found.content.decode("utf-8", "surrogateescape")) if self.found else {}
        return {*self.settings, *old}


def observe(version: int, name: str, file: str, settings: Mapping[str, str], *, check_mode: bool) -> Scene:
    if not file.replace("_", "a").replace("-", "a").isalnum():
        raise Refused(f"file is '{file}': give a name of letters, digits, - and _, without directory and ending.")
    instance = instances.observe(version, name)
    path = settings_file(version, name, file)
    checker = Checker(version)
    if instance.configuration is None:
        if not check_mode:
            raise Refused(
                f"There is no instance {instance.title} on this host (no {instance.directory}/postgresql.conf): "
                "make it first with pg_instance."
            )
    elif not instance.includes():
        raise Refused(
            f"{instance.directory}/postgresql.conf does not read conf.d, so that {path} would not count: "
            "add the line include_dir = 'conf.d' at its end."
        )
    auto = observe_file(instance.data_directory / planning.AUTO_FILE) if instance.configuration is not None else None
    scene = Scene(instance, settings, path, observe_file(path), auto, checker, None)
    if instance.server is None:
        return scene
    return replace(scene, running=live.ask(instance.server.socket(read_only=check_mode), scene.names, path))


def prepare(scene: Scene, *, check_mode: bool) -> planning.SettingsPlan:
    """The plan; what the server would not take is refused here, with nothing changed."""
    reading = scene.checker.reading if scene.checker.installed else None
    if reading is not None:
        scene.checker.validate(rendered(scene.settings))
    planning.refuse_what_cannot_start(scene.settings, reading)
    if not check_mode:
        _refuse_missing_certificates(scene)
    wanted = planning.wanted_file(scene.path, scene.settings)
    overrides = last_values(scene.auto.content.decode("utf-8", "surrogateescape")) if scene.auto else {}
    return planning.plan(wanted, scene.settings, scene.found, overrides, scene.running, reading)


def apply(scene: Scene, plan: planning.SettingsPlan) -> tuple[str, ...]:
    """Do it; returns what waits for a restart as the server tells it."""
    if scene.instance.server is None:
        put(plan.wanted, plan.wanted.path)
        _reset_in_file(scene, plan)
        return ()
    socket = scene.instance.server.socket()
    # Also when only overrides go: until it is loaded, a file newer than the load tells the next run to go on.
    put(plan.wanted, plan.wanted.path)
    _refuse_rejected(scene, plan, live.ask(socket, scene.names, scene.path), loaded=False)
    live.reset(socket, plan.resets)
    live.reload(socket, scene.path)
    after = live.ask(socket, scene.names, scene.path)
    _refuse_rejected(scene, plan, after, loaded=True)
    return after.pending


def warnings(scene: Scene) -> list[str]:
    """What is odd about files that are not ours."""
    if scene.running is None:
        return []
    _ours, others = planning.rejected(scene.running, scene.path)
    told = [f"The server does not take {each}; correct that file." for each in others]
    # Beside the data it is Patroni's, which includes the instance's own and has its reasons.
    keepers = str(scene.instance.data_directory / "postgresql.conf")
    files = [entry for entry in scene.running.files if entry.file != keepers]
    return told + planning.overridden(replace(scene.running, files=files), scene.settings, scene.path)


def result(scene: Scene, plan: planning.SettingsPlan, pending: tuple[str, ...]) -> dict[str, Any]:
    told = warnings(scene)
    if pending:
        told.append(
            f"A restart of {scene.instance.title} is pending for {', '.join(pending)}: "
            "run the playbook runbook.postgres.restart when it suits."
        )
    return {
        "changed": plan.changed,
        "diff": plan.diff(),
        "settings_file": str(scene.path),
        "touched": list(plan.touched),
        "reset": sorted(plan.resets),
        "pending_restart": list(pending),
        "running": scene.instance.server is not None,
        "warnings": told,
    }


def _refuse_rejected(scene: Scene, plan: planning.SettingsPlan, running: planning.Running, *, loaded: bool) -> None:
    """If the server complains about our file: the old one back, and its words to the operator."""
    ours, _others = planning.rejected(running, scene.path)
    if not ours:
        return
    plan.change.undo()
    if loaded and scene.instance.server is not None:
        live.reload(scene.instance.server.socket(), scene.path)
    back = "is back as it was" if plan.before is not None else "is gone again"
    raise Refused(f"The server does not take the settings ({'; '.join(ours)}): correct them; {scene.path} {back}.")


def _reset_in_file(scene: Scene, plan: planning.SettingsPlan) -> None:
    """While the server is stopped nobody else writes its file of overrides."""
    if scene.auto is None or not plan.resets:
        return
    text = without(scene.auto.content.decode("utf-8", "surrogateescape"), set(plan.resets))
    change = changed(replace(scene.auto, content=text.encode("utf-8", "surrogateescape")), scene.auto)
    if change is not None:
        change.apply()


def _refuse_missing_certificates(scene: Scene) -> None:
    if scene.settings.get("ssl", "off").lower() not in ("on", "true", "yes", "1"):
        return
    for name in _CERTIFICATES:
        value = scene.settings.get(name)
        if value and not (scene.instance.data_directory / value).exists():
            raise Refused(
                f"{name} names {value}, which is not there, so that the server would not start again: "
                "put the certificates there first (role tls does), or do without ssl; nothing was changed."
            )
