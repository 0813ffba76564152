"""The one exception of the lab."""

from __future__ import annotations


class LabError(Exception):
    """Something the operator must act on, said in one sentence."""
