"""The container lab: Debian nodes with real PostgreSQL, for the demo, the tests and the bench.

The standard library is all it needs, so that `tools/clean` works without the virtualenv.
"""
