"""A delivery that arrives by day: which firms are assessed again, and which are not."""

import hashlib
import json
import shutil
from datetime import timedelta

import pytest

from firmpulse import warehouse
from firmpulse.keys import keyring, tokens
from firmpulse.settings import Settings
from simulator.truth import truth
from tests.integration.conftest import Assessed, command

TOUCHED = 5


@pytest.fixture(scope="module")
def home(assessed: Assessed, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Copy the assessed home folder: what follows changes it."""
    folder = tmp_path_factory.mktemp("arrivals") / "home"
    shutil.copytree(assessed.settings.root, folder, symlinks=True)
    return Settings(home=folder, memory_limit="2GB")


def _sound(assessed: Assessed, home: Settings) -> dict[str, str]:
    """Return token → code of some scored firms without any arrears."""
    key = keyring.load(home, "token_key")
    codes = truth(assessed.economy, assessed.as_of)["uscc"].to_list()
    known = {str(tokens.firm_token(key, f"uscc:{code}")): code for code in codes}
    with warehouse.connect_published(home) as connection:
        rows = connection.execute(
            "select firm_id from latest_scores where grade <> 'D' order by firm_id limit ?",
            [TOUCHED],
        ).fetchall()
    return {firm: known[firm] for (firm,) in rows}


def _deliver(home: Settings, assessed: Assessed, codes: list[str]) -> None:
    month = (assessed.as_of.replace(day=1) - timedelta(days=1)).strftime("%Y-%m")
    lines = ["统一社会信用代码,借据编号,月份,贷款余额(元),逾期天数"]
    lines += [f"{code},L-{place},{month},100000.00,35" for place, code in enumerate(codes)]
    content = ("\n".join(lines) + "\n").encode("gb18030")
    day = assessed.as_of + timedelta(days=1)
    manifest = {
        "manifest_version": 1, "delivery_id": "lender-by-day", "source": "lender",
        "provider": "sim-lender", "kind": "increment",
        "period_start": assessed.as_of.replace(day=1).isoformat(), "period_end": day.isoformat(),
        "delivered_at": f"{day}T08:00:00+08:00",
        "files": [{
            "name": "loans.csv", "table": "loan_performance", "format": "csv",
            "sha256": hashlib.sha256(content).hexdigest(), "rows": len(codes),
        }],
    }  # fmt: skip
    folder = home.inbox / "lender" / "lender-by-day"
    folder.mkdir(parents=True)
    (folder / "loans.csv").write_bytes(content)
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")


def test_the_firms_of_a_delivery_are_assessed_and_no_others(
    assessed: Assessed, home: Settings
) -> None:
    chosen = _sound(assessed, home)
    _deliver(home, assessed, list(chosen.values()))
    day = assessed.as_of + timedelta(days=1)
    said = command(home, "arrivals", "--as-of", day.isoformat())
    assert f"{TOUCHED} firms" in said
    with warehouse.connect_published(home) as connection:
        scored = connection.execute("select firm_id from scores where as_of = ?", [day]).fetchall()
        red = connection.execute(
            "select firm_id from open_warnings where as_of = ? and rule_id = 'LOAN_30_DPD'", [day]
        ).fetchall()
        nights = connection.execute(
            "select as_of, count(*) from latest_scores group by as_of order by as_of"
        ).fetchall()
    assert {firm for (firm,) in scored} == set(chosen)
    assert {firm for (firm,) in red} == set(chosen)
    assert [night for night, _ in nights] == [assessed.as_of, day]
    assert nights[1][1] == TOUCHED
    assert nights[0][1] > 100
    assert "no firm has new data" in command(home, "arrivals", "--as-of", day.isoformat())
