"""What the control process loads, and what it may hold: it runs all day beside the gateway, on machines that have other work."""

import subprocess
import sys

HEAVY = {"numpy", "pydantic", "genai_prices", "httpx2", "jsonschema", "sqlalchemy", "alembic", "currency_converter"}


def loaded_by(*modules: str) -> set[str]:
    code = f"import sys; import {', '.join(modules)}; print(*{{name.partition('.')[0] for name in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_a_control_process_whose_routes_all_stay_loads_neither_statistics_nor_price_lists_nor_clients():
    loaded = loaded_by("fairlead.edge.control.process", "fairlead.edge.control.admin", "fairlead.edge.control.routes")
    assert not HEAVY & loaded


def test_a_new_ledger_is_made_by_a_process_that_ends_and_leaves_nothing_in_this_one(tmp_path):
    code = (
        "import sys; from fairlead.edge.control.process import OpenLedger; OpenLedger(sys.argv[1])().close();"
        " print(*{name.partition('.')[0] for name in sys.modules})"
    )
    where = tmp_path / "fairlead.db"
    done = subprocess.run([sys.executable, "-c", code, str(where)], capture_output=True, text=True, check=True)
    assert where.exists()
    assert not HEAVY & set(done.stdout.split())
