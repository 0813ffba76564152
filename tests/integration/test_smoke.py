def test_up(server):
    print(server.value("SELECT version()"), server.value("SELECT pg_is_in_recovery()", standby=True))
