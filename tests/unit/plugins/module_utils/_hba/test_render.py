"""The files, whole."""

from __future__ import annotations

from ansible_collections.runbook.postgres.plugins.module_utils._hba.render import hba_text, ident_text, without_secrets
from tests.unit.plugins.module_utils._hba.server_reading import fields
from tests.unit.plugins.module_utils._hba.wishes import OURS, lines, maps, rule


def test_rules_stand_in_columns_below_titles() -> None:
    found = lines(OURS, {**rule("hostssl app+b app 10.0.0.0/8 cert", map="m"), "comment": "The shop."})
    assert hba_text(found, 15).splitlines()[2:] == [
        "",
        "# TYPE   DATABASE  USER      ADDRESS     METHOD",
        "local    all       postgres              peer",
        "# The shop.",
        "hostssl  app,b     app       10.0.0.0/8  cert map=m",
    ]


def test_maps_stand_in_columns_below_titles() -> None:
    assert ident_text(maps("members pg1 replicator", r"x /^(.*)$ \1"), 15).splitlines()[3:] == [
        "# MAP    SYSTEM-USERNAME  DATABASE-USERNAME",
        "members  pg1              replicator",
        'x        /^(.*)$          "\\1"',
    ]


def test_a_very_long_list_does_not_move_the_others() -> None:
    names = "+".join(f"database_number_{number}" for number in range(20))
    text = hba_text(lines(OURS, f"local {names} app peer"), 15)
    assert text.splitlines()[4] == "local   all       postgres           peer"


def test_values_with_blanks_and_quotes_are_one_option() -> None:
    [line] = lines(rule("hostssl all all 10.0.0.0/8 ldap", ldapprefix='cn=a "b", c', ldapserver="x"))
    options = fields(hba_text([line], 15).splitlines()[-1])[5:]
    assert [[token.text for token in each] for each in options] == [['ldapprefix=cn=a "b", c'], ["ldapserver=x"]]


def test_secrets_are_not_shown_and_their_change_is() -> None:
    old = 'a\nhostssl all all all ldap ldapbindpasswd="o l""d" ldapport=1\n'
    new = "a\nhostssl all all all ldap ldapbindpasswd=new ldapport=1\n"
    before, after = without_secrets(old, new)
    assert before == "a\nhostssl all all all ldap ldapbindpasswd=(not shown) ldapport=1\n"
    assert after == "a\nhostssl all all all ldap ldapbindpasswd=(not shown, another) ldapport=1\n"
    assert without_secrets(old, old) == (before, before)
