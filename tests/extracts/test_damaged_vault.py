"""A damaged page of ours is reported as such, and no delivery is blamed."""

import pytest

from extracts.vault import nightly
from features import build
from firmpulse import warehouse
from firmpulse.errors import DamagedError
from firmpulse.settings import Settings
from tests.extracts.inbox import AS_OF, csv, deliver, payment, permit, query

HEADERS = 12_288


@pytest.fixture
def landed(settings: Settings) -> Settings:
    """Return a home with one delivery in the vault and another in the inbox."""
    permit(settings)
    for night in range(2):
        rows = csv([payment(item=f"i{night}-{n}", amount=f"{n}") for n in range(3000)])
        deliver(settings, {"a.csv": rows}, delivery_id=f"tax-{night}")
        if night == 0:
            nightly.land(settings, "tax", AS_OF)
    return settings


def _damage(settings: Settings, start: int) -> bytes:
    """Flip some bytes of every block from `start` on; return the old content."""
    whole = settings.vault_path.read_bytes()
    changed = bytearray(whole)
    for place in range(start, len(whole) - 64, 1 << 16):
        for offset in range(64):
            changed[place + offset] ^= 0xFF
    settings.vault_path.write_bytes(bytes(changed))
    return whole


@pytest.mark.parametrize("start", [0, 4096 + 100, HEADERS + 5000])
def test_a_landing_stops_and_says_what_to_restore(landed: Settings, start: int) -> None:
    whole = _damage(landed, start)
    with pytest.raises(DamagedError, match="firmpulse backup restore"):
        nightly.land(landed, "tax", AS_OF)
    landed.vault_path.write_bytes(whole)
    report = nightly.land(landed, "tax", AS_OF)
    assert report.problems == ()
    assert query(landed, "select count(*) from vault.raw.tax_payment") == [(6000,)]


def test_dbt_stops_in_the_same_way(landed: Settings) -> None:
    nightly.land(landed, "tax", AS_OF)
    whole = _damage(landed, HEADERS + (1 << 18) + 5000)
    with pytest.raises(DamagedError, match="firmpulse backup restore"):
        build.build(landed, AS_OF, "mask")
    landed.vault_path.write_bytes(whole)
    build.build(landed, AS_OF, "mask")
    assert query(landed, "select count(*) from warehouse.staging.stg_tax__payment") == [(6000,)]


def test_other_errors_of_the_database_stay_what_they_are(settings: Settings) -> None:
    with pytest.raises(Exception, match="Catalog Error"), warehouse.connect(settings) as connection:
        connection.execute("from warehouse.ops.nothing")
