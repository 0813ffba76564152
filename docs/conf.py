"""How Sphinx builds the documentation site (`make docs`, into build/docs/html)."""

from __future__ import annotations

from typing import Any

from docutils import nodes

project = "runbook.postgres"
copyright = "runbook.postgres maintainers"  # noqa: A001 -- Sphinx reads it by this name
title = "runbook.postgres"
html_short_title = "runbook.postgres"

extensions = ["sphinx.ext.intersphinx", "sphinx_antsibull_ext"]
# Other projects' indexes are fetched while building; the build needs no network.
intersphinx_mapping: dict[str, tuple[str, None]] = {}

# The page of environment variables that plugins read: ours read none, and it
# refers to a page of Ansible's own, which the empty mapping cannot resolve.
exclude_patterns = ["environment_variables.rst"]

# Labels of Ansible's own documentation that the modules' pages refer to.
ANSIBLE_PAGES = {
    "common_return_values": "https://docs.ansible.com/ansible/latest/reference_appendices/common_return_values.html",
}

default_role = "any"
nitpicky = True

pygments_style = "ansible"
highlight_language = "YAML+Jinja"
html_theme = "sphinx_ansible_theme"
html_show_sphinx = False
html_use_index = False
html_copy_source = False


def page_of_ansible(_app: Any, _environment: Any, node: Any, content: Any) -> nodes.reference | None:
    """A link where the empty mapping above leaves a label without a target."""
    address = ANSIBLE_PAGES.get(node.get("reftarget"))
    return None if address is None else nodes.reference("", "", content, internal=False, refuri=address)


def setup(app: Any) -> None:
    app.connect("missing-reference", page_of_ansible)
