"""What PgBouncer says when it refuses, as part of a sentence."""

from __future__ import annotations

import pytest

from ansible_collections.runbook.postgres.plugins.module_utils._pgbouncer.trial import reason

STAMP = "2026-11-21 03:47:18.310 UTC [498]"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (
            (
                f'{STAMP} ERROR invalid value "scram" for parameter auth_type in configuration (/tmp/x/ini:10) / '
                f"{STAMP} FATAL cannot load config file"
            ),
            'invalid value "scram" for parameter auth_type',
        ),
        (f"{STAMP} ERROR syntax error in configuration (/tmp/x/ini:4), stopping loading", "syntax error"),
        (f"{STAMP} ERROR client_tls_sslmode requires a file / {STAMP} FATAL TLS setup failed",
         "client_tls_sslmode requires a file"),
        (f"{STAMP} ERROR unknown parameter: pgbouncer/bogus", "unknown parameter: pgbouncer/bogus"),
        ("", "it gave no reason"),
    ],
)  # fmt: skip
def test_reasons(words: str, told: str) -> None:
    assert reason(words) == told
