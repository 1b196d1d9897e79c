"""A full disk is not blamed on a delivered file."""

import io
import multiprocessing
import resource
import sys
from datetime import date

import polars as pl
import pytest

from extracts.vault import nightly
from extracts.vault.landing import Counts
from firmpulse.errors import DiskError
from firmpulse.settings import Settings
from tests.extracts.inbox import AS_OF, FIRM, deliver, permit

_ROWS = 200_000
_CONTEXT = multiprocessing.get_context("forkserver")


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_a_full_disk_refuses_no_file(settings: Settings, form: str) -> None:
    permit(settings)
    nightly.land(settings, "tax", AS_OF)
    deliver(settings, {f"a.{form}": _payments(form)}, delivery_id="tax-2", rows=_ROWS)

    process = _CONTEXT.Process(target=_land_on_a_full_disk, args=(settings,))
    process.start()
    process.join()
    assert process.exitcode == 3

    report = nightly.land(settings, "tax", AS_OF)
    assert report.problems == ()
    assert report.totals == Counts(read=_ROWS, landed=_ROWS)


def _payments(form: str) -> bytes:
    rows = pl.DataFrame(
        {
            "uscc": FIRM,
            "tax_item": pl.Series(range(_ROWS)).hash(1).cast(pl.String),
            "period_start": date(2024, 1, 1),
            "due_date": date(2024, 2, 15),
            "paid_at": date(2024, 2, 10),
            "amount": 10.0,
            "kind": "TAX",
        }
    )
    content = io.BytesIO()
    if form == "csv":
        rows.write_csv(content)
    else:
        rows.write_parquet(content)
    return content.getvalue()


def _land_on_a_full_disk(settings: Settings) -> None:
    """Land where no file can grow by more than a mebibyte; exit with 3 if the disk is blamed."""
    limit = settings.vault_path.stat().st_size + (1 << 20)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    try:
        nightly.land(settings, "tax", AS_OF)
    except DiskError:
        sys.exit(3)
