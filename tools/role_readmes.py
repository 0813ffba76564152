"""The README of each role, written from its argument specs; `--check` only compares."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parent.parent
ROLES = ROOT / "roles"


def roles() -> list[Path]:
    return sorted(path.parent.parent for path in ROLES.glob("*/meta/argument_specs.yml"))


def specs(role: Path) -> dict[str, Any]:
    text = (role / "meta" / "argument_specs.yml").read_text(encoding="utf-8")
    loaded: dict[str, Any] = yaml.safe_load(text)["argument_specs"]
    return loaded


def paragraphs(text: Any) -> list[str]:
    """A description is a sentence or several."""
    words = text if isinstance(text, list) else [text or ""]
    return [" ".join(str(each).split()) for each in words if str(each).strip()]


def page(role: Path) -> str:
    return "\n".join(lines(role)).rstrip("\n") + "\n"


def lines(role: Path) -> Iterator[str]:
    points = specs(role)
    main = points.get("main", {})
    yield f"# runbook.postgres.{role.name}"
    yield ""
    yield f"{main.get('short_description', role.name).rstrip('.')}."
    yield ""
    for paragraph in paragraphs(main.get("description")):
        yield paragraph
        yield ""
    example = role / "meta" / "example.yml"
    if example.exists():
        yield "```yaml"
        yield example.read_text(encoding="utf-8").removeprefix("---\n").rstrip("\n")
        yield "```"
        yield ""
    for name, point in points.items():
        yield from entry_point(name, point)
    yield "This page is written from `meta/argument_specs.yml` by `make docs-table`."


def entry_point(name: str, point: Mapping[str, Any]) -> Iterator[str]:
    options = point.get("options") or {}
    if name != "main":
        yield f"## tasks_from: {name}"
        yield ""
        yield f"{point.get('short_description', name).rstrip('.')}."
        yield ""
    if not options:
        return
    if name == "main":
        yield "## Variables"
        yield ""
    yield "| variable | type | default | what it says |"
    yield "|---|---|---|---|"
    for option, spec in sorted(options.items()):
        yield from row(option, spec)
    yield ""


def row(name: str, spec: Mapping[str, Any], depth: int = 0) -> Iterator[str]:
    indent = "&nbsp;&nbsp;" * depth
    kind = spec.get("type", "str")
    if kind == "list" and "elements" in spec:
        kind = f"list of {spec['elements']}"
    told = " ".join(paragraphs(spec.get("description")))
    if spec.get("choices"):
        told += " One of " + ", ".join(f"`{each}`" for each in spec["choices"]) + "."
    needed = "required" if spec.get("required") else default(spec)
    yield f"| {indent}`{name}` | {kind} | {needed} | {cell(told)} |"
    for inner, inner_spec in sorted((spec.get("options") or {}).items()):
        yield from row(inner, inner_spec, depth + 1)


def default(spec: Mapping[str, Any]) -> str:
    if "default" not in spec or spec["default"] is None:
        return ""
    value = spec["default"]
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return f"`{cell(text)}`" if text else "empty"


def cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def main(arguments: list[str]) -> int:
    stale = []
    for role in roles():
        readme = role / "README.md"
        wanted = page(role)
        if not readme.exists() or readme.read_text(encoding="utf-8") != wanted:
            stale.append(str(readme.relative_to(ROOT)))
            if "--check" not in arguments:
                readme.write_text(wanted, encoding="utf-8")
                print(f"Wrote {stale[-1]}")
    if stale and "--check" in arguments:
        print(f"Not as their specs say: {', '.join(stale)}; run 'make docs-table'.")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
