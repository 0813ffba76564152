"""How Sphinx builds the documentation site (`make docs`, into build/docs/html)."""

from __future__ import annotations

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

default_role = "any"
nitpicky = True

pygments_style = "ansible"
highlight_language = "YAML+Jinja"
html_theme = "sphinx_ansible_theme"
html_show_sphinx = False
html_use_index = False
html_copy_source = False
