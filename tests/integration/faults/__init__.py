"""Faults, each a context manager: on entry it is there for real, on exit it is undone.

What a fault yields is the object its finding must name, or None.
"""
