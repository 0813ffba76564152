import importlib, inspect, time, contextlib
import pytest
from tests.integration.faults import sessions, databases, configuration, tables, replication, wal, pooler, storage

SKIP={"schema","database","held","running","lock_chain","keep_size","without_wal_keep_size","subscription","through_pooler", "closing"}
ALL=[]
for m in (sessions, databases, configuration, tables, replication, wal, pooler, storage):
    for n,f in vars(m).items():
        if inspect.isfunction(f) and hasattr(f,"__wrapped__") and f.__module__==m.__name__ and n not in SKIP:
            ALL.append(pytest.param(f,id=n))

@pytest.mark.parametrize("fault", ALL)
def test_fault(server, fault):
    if fault.__name__ in ("detach_pending",) and server.version<14: pytest.skip("v")
    if fault.__name__ in ("conflicting_subscription","other_database_collation_version") and server.version<15: pytest.skip("v")
    with fault(server) as mark:
        print(mark)
