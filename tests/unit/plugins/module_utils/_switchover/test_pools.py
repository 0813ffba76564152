"""Which lines of a pooler's file lead elsewhere after a switchover, and which stay to the letter."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.runbook.postgres.plugins.module_utils._pgbouncer.render import HEADER, render
from ansible_collections.runbook.postgres.plugins.module_utils._switchover.pools import ours, repointed

OLD, NEW, OTHER = "10.0.0.11", "10.0.0.12", "10.0.0.13"


def pool(host: str, database: str = "shop") -> dict[str, str]:
    return {"host": host, "port": "5432", "dbname": database, "auth_user": "pgbouncer"}


def test_pools_of_the_primary_lead_to_the_candidate_as_if_written_for_it() -> None:
    lines = {"shop": OLD, "shop_ro": OTHER, "tea.house-1": OLD}
    before = render({name: pool(host) for name, host in lines.items()}, {}, {}, {"listen_port": 6432})
    after = render(
        {name: pool(NEW if host == OLD else host) for name, host in lines.items()}, {}, {}, {"listen_port": 6432}
    )
    assert repointed(before, OLD, NEW) == (after, ("shop", "tea.house-1"))


def test_an_address_that_only_begins_the_same_is_another() -> None:
    text = render({"shop": pool("10.0.0.110"), "both": pool(f"{OLD},{OTHER}")}, {}, {}, {})
    assert repointed(text, OLD, NEW) == (text, ())


def test_only_databases_are_meant() -> None:
    text = render({"shop": pool(OTHER)}, {}, {"1": {"host": OLD, "port": "6432"}}, {"listen_addr": OLD})
    assert repointed(text, OLD, NEW) == (text, ())


def test_a_file_of_others_is_told() -> None:
    assert ours(f"{HEADER}\n")
    assert not ours("[databases]\nshop = host=10.0.0.11\n")


@given(st.text(alphabet=st.characters(codec="utf-8", exclude_characters="\0\r\n"), min_size=1, max_size=63))
def test_there_and_back_is_the_same_whatever_the_database_is_called(database: str) -> None:
    text = render({"shop": pool(OLD, database)}, {}, {}, {"listen_port": 6432})
    there, _names = repointed(text, OLD, NEW)
    assert repointed(there, NEW, OLD) == (text, ("shop",))
