"""Which pools are held back, and which of those are let go."""

from __future__ import annotations

from ansible_collections.runbook.postgres.plugins.module_utils._pgbouncer.pausing import (
    Held,
    Pause,
    Pool,
    plan_pause,
    plan_resume,
    read,
    still_held,
    with_paused,
    written,
)

SHOP = Pool(0, "shop", ("10.0.0.1",))
READ = Pool(0, "shop_ro", ("10.0.0.2", "10.0.0.3"))
OTHER = Pool(0, "other", ("10.9.9.9",))
LOCAL = Pool(0, "local", ())
ALL = (SHOP, READ, OTHER, LOCAL)
CLUSTER = ("10.0.0.1", "10.0.0.3", "db1")


def paused(pool: Pool) -> Pool:
    return Pool(pool.process, pool.name, pool.hosts, paused=True)


def held(*pools: Pool) -> tuple[Held, ...]:
    return with_paused((), [Pause(each) for each in pools])


def test_what_leads_to_the_cluster_is_paused_and_nothing_else() -> None:
    plan = plan_pause(ALL, CLUSTER)
    assert [step.sentence for step in plan.changes] == ["pause shop", "pause shop_ro"]
    assert plan.before[2:] == plan.after[2:]
    assert plan.after[:2] == ["shop, to 10.0.0.1: paused", "shop_ro, to 10.0.0.2, 10.0.0.3: paused"]


def test_each_process_has_its_own() -> None:
    plan = plan_pause([Pool(1, "shop", ("db1",)), Pool(2, "shop", ("db1",), paused=True)], CLUSTER)
    assert [step.sentence for step in plan.changes] == ["pause shop of process 1"]


def test_what_is_paused_stays_so() -> None:
    assert not plan_pause([paused(SHOP), OTHER], CLUSTER).changed


def test_only_what_we_paused_goes_on() -> None:
    plan = plan_resume([paused(SHOP), paused(READ), OTHER], CLUSTER, held(SHOP))
    assert [step.sentence for step in plan.changes] == ["resume shop"]
    assert plan.after[0] == "shop, to 10.0.0.1: open"


def test_what_leads_elsewhere_by_now_goes_on_all_the_same() -> None:
    moved = Pool(0, "shop", ("10.0.0.7",), paused=True)
    assert plan_resume([moved], CLUSTER, held(SHOP)).changed


def test_what_was_paused_for_another_cluster_still_waits() -> None:
    mine = held(SHOP, OTHER)
    plan = plan_resume([paused(SHOP), paused(OTHER)], ["10.9.9.9"], mine)
    assert [step.sentence for step in plan.changes] == ["resume other"]
    assert still_held(mine, ["10.9.9.9"]) == held(SHOP)


def test_what_was_resumed_meanwhile_is_left() -> None:
    assert not plan_resume(ALL, CLUSTER, held(SHOP)).changed


def test_what_hangs_where_a_pool_leads_no_more_is_ended_before_it_goes_on_where_that_is_wanted() -> None:
    moved = Pool(0, "shop", ("10.0.0.7",), paused=True, stuck=3)
    dropped = plan_resume([moved, paused(READ)], CLUSTER, held(SHOP, READ), drop_stuck=True)
    assert [step.sentence for step in dropped.changes] == [
        "end 3 transactions of shop at a server to which it leads no more",
        "resume shop",
        "resume shop_ro",
    ]
    assert [step.sentence for step in plan_resume([moved], CLUSTER, held(SHOP)).changes] == ["resume shop"]
    # One that somebody else paused is theirs.
    assert not plan_resume([moved], CLUSTER, (), drop_stuck=True).changed


def test_the_note_is_read_as_it_was_written() -> None:
    mine = held(SHOP, Pool(2, 'it\'s "odd" ü', ("a", "b")))
    assert read(written(mine)) == mine
    # Paused once more, it is there once.
    assert with_paused(mine, [Pause(SHOP)]) == (mine[1], mine[0])
