"""Which tests are part of every run, and which only of the long one."""

from __future__ import annotations

import re

import pytest

RELEASES = "11,12,13"

# Sweeps of kills, traffic and faults take longer than all the rest together.
LONG = (
    "test_archive_faults",
    "test_archive_here",
    "test_archive_refusals",
    "test_backup_faults",
    "test_backup_playbook",
    "test_backup_sftp",
    "test_backup_store",
    "test_convert_interrupted",
    "test_convert_waits",
    "test_copy",
    "test_partition_default",
    "test_partition_interrupted",
    "test_partition_many",
    "test_partition_playbook",
    "test_partition_traits",
    "test_partition_waits",
    "test_partition_walkthrough",
    "test_recovery_playbooks",
    "test_restore_faults",
    "test_restore_playbook",
    "test_row_expiry_faults",
    "test_row_expiry_playbook",
    "test_schedule_tells",
    "test_standby_killed",
)

# Of other files, those that would make the usual run long and are about corners of what the rest shows.
LONG_TESTS = {
    "test_backup_physical": (
        "test_a_backup_that_was_killed_is_no_backup",
        "test_a_cluster_that_was_made_anew_is_another_one",
        "test_a_disk_that_is_full_is_told_and_leaves_no_backup",
        "test_a_night_without_a_backup_is_not_silent",
        "test_a_promotion_is_no_damage_of_the_cluster",
        "test_a_retention_by_time_is_kept_and_told_beforehand",
        "test_a_retention_of_one_is_kept_without_a_proof_as_well",
        "test_a_store_that_goes_away_is_told_and_leaves_no_backup",
        "test_an_edited_manifest_whose_copy_stands_for_it_is_told",
        "test_an_expiry_that_was_killed_is_finished_by_the_next_run",
        "test_backups_of_each_repository_are_listed",
        "test_damage_of_an_older_one_is_held_against_that_one",
        "test_damaged_wal_is_no_fault_of_a_later_backup",
        "test_killed_at_any_moment_it_leaves_nothing_half_that_counts",
        "test_so_many_processes_are_at_work_as_are_wished",
        "test_the_archive_is_listed_once_and_its_silence_is_no_failure",
        "test_two_at_once_are_one",
        "test_what_goes_for_a_differential_one_is_told_beforehand",
        "test_what_was_done_to_files_of_the_repository_is_found",
    ),
    "test_backup_role": (
        "test_a_heartbeat_of_an_instance_that_is_gone_fails_nothing_and_goes",
        "test_a_stanza_that_a_killed_run_left_half_made_is_made_whole",
        "test_after_a_restart_of_the_host_the_heartbeat_goes_on",
        "test_another_key_is_told_before_anything_is_written",
        "test_servers_know_nothing_of_a_repository_hosts_keys",
        "test_who_keeps_the_repositories_restores_them_and_reads_the_heartbeat",
    ),
    "test_drill": (
        "test_a_broken_page_in_the_backup_fails_it",
        "test_a_drill_that_is_asked_to_end_leaves_nothing",
        "test_a_drill_that_was_killed_is_cleaned_up_by_the_next",
        "test_a_server_that_runs_and_reads_nothing_is_no_recovery",
        "test_a_tablespace_gets_its_directory_which_is_empty_afterwards",
        "test_logical_backups_are_restored_on_servers_of_their_own",
        "test_nothing_is_removed_that_a_drill_may_be_reading",
        "test_nothing_is_removed_that_another_host_may_be_reading",
        "test_the_timeline_that_is_named_is_followed_and_told",
        "test_what_arrives_while_it_is_restored_is_as_old_as_it_is",
    ),
    "test_fence": (
        "test_a_block_that_was_killed_is_finished_by_the_next",
        "test_a_playbook_fences_proves_and_lets_back",
        "test_a_server_beside_systemd_is_found_by_its_own_port_and_stopped",
        "test_a_server_that_hangs_is_ended_all_the_same",
        "test_a_stop_that_was_killed_is_finished_by_the_next",
    ),
    "test_hba": (
        "test_a_killed_run_is_finished_by_the_next",
        "test_a_run_killed_after_locking_out_is_rescued_by_the_next",
        "test_a_run_killed_with_an_unreadable_file_leaves_none_to_the_next",
    ),
    "test_instance": (
        "test_a_disk_that_is_not_mounted_is_waited_for",
        "test_a_setting_that_is_no_longer_named_leaves",
        "test_data_that_nobody_claims_are_left",
        "test_every_tuning_is_accepted",
        "test_overrides_of_a_stopped_server_are_taken_out_of_their_file",
        "test_settings_of_a_stopped_server_wait_for_its_start",
        "test_the_role_brings_a_bare_host_up_as_foretold",
        "test_what_differs_and_cannot_be_changed_is_told",
        "test_what_only_the_running_server_refuses_is_put_back",
    ),
    "test_objects": (
        "test_what_was_altered_by_hand_is_mended_and_nothing_else_called",
        "test_a_bare_host_is_told_what_it_will_have",
        "test_a_mistake_fails_in_the_check_run_as_well",
        "test_a_role_and_a_database_are_dropped_when_asked",
        "test_tenants_see_their_own_rows",
        "test_the_guide_does_what_it_says",
        "test_what_was_made_by_hand_and_is_not_listed_stays",
    ),
    "test_pgbouncer": (
        "test_a_bare_host",
        "test_a_certificate_of_role_tls_is_taken_up",
        "test_a_database_whose_name_is_odd",
        "test_a_lookup_that_was_altered_is_made_right",
        "test_a_pooler_that_somebody_paused_as_a_whole_is_paused_enough",
        "test_a_reload_that_is_not_taken_is_taken_back",
        "test_another_number_of_processes_waits_and_the_primary_does_not",
        "test_figures_for_a_monitoring_agent",
        "test_limits_of_users",
        "test_one_database_for_all_lookups",
        "test_only_what_was_paused_by_us_goes_on",
        "test_several_processes",
        "test_what_only_runs_otherwise_is_reloaded",
        "test_what_pgbouncer_refuses_changes_nothing",
        "test_what_takes_a_restart_waits_for_clients_to_go",
        "test_where_no_pgbouncer_runs_nobody_is_held_back",
    ),
    "test_progress": (
        "test_a_logical_restore",
        "test_a_physical_backup_that_is_not_ours_tells_what_its_release_can",
        "test_a_recovery_and_its_replay",
        "test_a_restore_of_single_tables",
        "test_what_a_killed_run_left_is_nothing_that_runs_and_goes_with_the_next",
    ),
    "test_promote": (
        "test_a_paused_replay_goes_on_only_when_asked",
        "test_one_that_followed_a_promotion_is_on_its_timeline_at_once",
        "test_one_that_replays_late_has_all_of_it_afterwards",
        "test_room_and_slots_are_counted_beforehand",
    ),
    "test_recover": (
        "test_a_point_before_the_newest_backup_is_reached_from_an_older_one",
        "test_a_missing_file_of_wal_is_not_taken_for_the_end",
        "test_a_run_that_ends_anywhere_is_finished_by_the_next",
        "test_a_second_one_is_told_at_once_what_the_first_is_at",
        "test_a_target_that_is_missed_leaves_everything_as_it_was",
        "test_a_target_that_needs_wal_known_to_be_damaged_is_refused_by_its_name",
        "test_a_timeline_that_was_thrown_away_is_not_followed_into_the_past",
        "test_another_cluster_is_not_written_over_and_room_is_counted",
        "test_one_that_does_not_start_says_where_the_old_data_is_and_how_to_go_back",
        "test_one_that_is_asked_to_end_says_how_things_are",
        "test_paused_to_be_looked_at_and_then_let_go",
        "test_positions_transactions_and_names_are_met_exactly",
        "test_tablespaces_go_where_they_are_to_go",
        "test_tablespaces_of_the_old_data_stay_where_they_are",
        "test_wal_of_the_old_directory_counts_as_far_as_it_can_be_read",
        "test_what_is_recovered_beside_production_archives_nothing",
        "test_what_never_reached_the_archive_is_taken_from_the_old_directory",
        "test_what_was_written_after_the_proof_is_part_of_the_end_of_the_archive",
        "test_who_starts_servers_by_himself_is_refused_by_name",
    ),
    "test_rejoin": (
        "test_a_run_that_ends_anywhere_is_finished_by_the_next",
        "test_a_standby_that_went_another_way_comes_back",
        "test_one_killed_in_the_middle_of_it_does_not_start_and_is_finished",
        "test_wal_that_is_gone_comes_from_an_archive_or_a_copy_is_asked_for",
    ),
    "test_replica_lag": (
        "test_a_delay_that_somebody_asked_for",
        "test_readers_leave_a_standby_that_is_behind_and_come_back",
    ),
    "test_restart": (
        "test_a_server_that_does_not_come_back_ends_it",
        "test_restarts_follow_what_waits",
        "test_who_copies_once_is_neither_broken_off_nor_waited_for",
    ),
    "test_restore": (
        "test_a_backup_is_restored_from_where_it_was_carried_to",
        "test_an_empty_database_is_filled_without_asking",
        "test_an_older_one_is_not_restored_for_the_latest",
        "test_backups_of_what_was_replaced_have_a_retention_of_their_own",
        "test_it_is_restored_under_another_name",
        "test_of_several_clusters_in_one_directory_the_own_latest_is_restored",
        "test_the_backup_that_is_restored_from_stays_until_it_was",
        "test_what_was_unfinished_in_the_backup_is_told_and_an_index_that_is_not_valid_fails",
    ),
    "test_restore_tables": (
        "test_a_backup_of_one_table_brings_it_back",
        "test_a_schema_comes_back_beside_and_in_place",
        "test_a_table_beside_itself_under_another_name",
        "test_a_table_of_an_encrypted_backup_in_another_encoding",
        "test_a_wrong_answer_changes_nothing",
        "test_rows_alone_come_back_into_the_definitions_that_are_there",
        "test_rows_that_others_refer_to_are_missing_and_nothing_happens",
    ),
    "test_server_recover": (
        "test_a_server_that_is_frozen_is_left_to_a_person",
        "test_again_and_again",
        "test_recovery_that_waits_for_wal_says_so_and_is_waited_for_again",
        "test_who_is_named_is_started_although_it_was_kept_stopped",
    ),
    "test_standby": (
        "test_one_that_is_only_connected_does_not_stream",
        "test_why_it_does_not_stream_is_told_from_its_log",
    ),
    "test_standby_promoted": (
        "test_a_slot_of_a_living_member_is_left",
        "test_any_one_of_two_is_waited_for",
    ),
    "test_tls": (
        "test_a_pooler_without_the_owner_gets_it_where_that_is_wanted",
        "test_an_authority_is_replaced_in_two_runs",
        "test_another_name_is_another_certificate",
        "test_files_brought_along_are_installed",
    ),
    "test_vacuum": (
        "test_a_run_whose_session_is_ended_tells_what_it_did_and_is_gone_on_with",
        "test_names_are_taken_as_they_are",
        "test_tables_of_others_are_named_and_left",
        "test_the_playbook_on_a_cluster",
        "test_when_the_time_is_over_the_rest_is_for_the_next_run",
    ),
}

# Of these the first set of values is enough for the usual run.
FIRST_OF_MANY = {
    "test_instance": (
        "test_a_half_made_instance_is_made_again",
        "test_a_killed_run_is_finished_by_the_next",
        "test_what_waits_for_a_restart_is_foretold_and_told",
    ),
    "test_restore": ("test_two_into_one_target_are_one",),
}

# What these show differs little between releases, and Molecule builds a cluster on each: one release each time, all
# of them with --long or by --releases.
ON_ONE_RELEASE = (
    "test_archive_round",
    "test_backup",
    "test_backup_physical",
    "test_backup_role",
    "test_convert_basics",
    "test_convert_halfway",
    "test_convert_refusals",
    "test_corruption",
    "test_custom_checks",
    "test_drill",
    "test_fence",
    "test_figures",
    "test_findings",
    "test_hba",
    "test_instance",
    "test_names",
    "test_node_facts",
    "test_objects",
    "test_objects_pending",
    "test_partition_basics",
    "test_partition_expiry",
    "test_partition_function",
    "test_partition_names",
    "test_partition_refusals",
    "test_pgbouncer",
    "test_policies",
    "test_progress",
    "test_promote",
    "test_recover",
    "test_rejoin",
    "test_restart",
    "test_restore",
    "test_restore_round",
    "test_restore_tables",
    "test_row_expiry",
    "test_standby",
    "test_standby_promoted",
    "test_tls",
    "test_unreachable",
    "test_vacuum",
)
ONE_RELEASE = re.compile(r"\[(debian)?12\b")


def elsewhere(item: pytest.Item) -> bool:
    return item.path.stem in ON_ONE_RELEASE and "[" in item.name and not ONE_RELEASE.search(item.name)


def of_the_long_run(items: list[pytest.Item], releases: str) -> list[pytest.Item]:
    """What the usual run leaves out of these."""
    left: list[pytest.Item] = []
    seen: set[tuple[str, str]] = set()
    for item in items:
        file, name = item.path.stem, getattr(item, "originalname", "")
        if name in LONG_TESTS.get(file, ()) or (releases == RELEASES and elsewhere(item)):
            left.append(item)
        elif name in FIRST_OF_MANY.get(file, ()):
            if (file, name) in seen:
                left.append(item)
            seen.add((file, name))
    return left
