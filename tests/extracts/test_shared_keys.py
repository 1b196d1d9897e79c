"""Numbers that are not keys: bookings that share one are all kept, in any delivery."""

import tempfile
from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from extracts import contracts, key_trust
from extracts.reading import chunks
from extracts.vault import nightly
from extracts.vault.landing import Counts
from extracts.vault.purge import purge
from features.build import build
from firmpulse.settings import Settings
from tests.extracts.inbox import FIRM, csv, deliver, grant, permit, query
from tests.sizes import sized

FIRST = date(2024, 3, 1)
HEADER = "客户证件号,流水号,账号,交易时间,借贷标志,发生额,余额,摘要"

# Amount, balance and day of a booking; the number distinguishes none of them.
Booking = tuple[int, int, int]


def line(booking: Booking, number: str = "1", summary: str = "货款") -> str:
    amount, balance, day = booking
    return f"{FIRM},{number},621,2024-02-0{day} 10:00:00,贷,{amount},{balance},{summary}"


def hand_over(settings: Settings, night: int, *files: Sequence[str]) -> Counts:
    day = FIRST + timedelta(days=night)
    contents = {f"{n}.csv": csv(lines, HEADER) for n, lines in enumerate(files) if lines}
    deliver(
        settings, contents, table="bank_txn", source="bank", delivery_id=f"bank-{night}",
        delivered=day, kind="increment",
    )  # fmt: skip
    report = nightly.land(settings, "bank", day)
    assert report.problems == ()
    totals = report.totals
    assert totals.read == totals.landed + totals.duplicate
    return totals


def current(settings: Settings) -> list[tuple[int, int, int]]:
    return query(
        settings,
        "select amount::int, balance::int, day(booked_at) from vault.raw.bank_txn "
        "qualify record_version = max(record_version) over (partition by row_id) order by all",
    )


@pytest.fixture(autouse=True)
def _small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunks, "CHUNK_ROWS", 2)


@pytest.fixture
def bank(settings: Settings) -> Settings:
    permit(settings, grant(source="bank"))
    return settings


def test_bookings_of_one_delivery_under_one_number_are_all_kept(bank: Settings) -> None:
    rows = [line((100, 100, 1)), line((200, 300, 1)), line((50, 350, 1)), line((200, 300, 1))]
    assert hand_over(bank, 1, rows[:3], rows[3:]) == Counts(read=4, landed=3, duplicate=1)
    assert current(bank) == [(50, 350, 1), (100, 100, 1), (200, 300, 1)]
    # If one or all are sent again, nothing is new.
    assert hand_over(bank, 2, rows[1:2]) == Counts(read=1, duplicate=1)
    assert hand_over(bank, 3, rows) == Counts(read=4, duplicate=4)
    # And another one under that number is another booking, even alone.
    assert hand_over(bank, 4, [line((70, 420, 1))]) == Counts(read=1, landed=1)
    assert sum(amount for amount, *_ in current(bank)) == 420


def test_a_number_that_starts_anew_every_day_loses_no_booking(bank: Settings) -> None:
    for night, day in enumerate((1, 2, 3), 1):
        assert hand_over(bank, night, [line((100, 100 * day, day))]).landed == 1
    assert current(bank) == [(100, 100, 1), (100, 200, 2), (100, 300, 3)]


def test_a_corrected_booking_is_still_a_version(bank: Settings) -> None:
    hand_over(bank, 1, [line((100, 100, 1)), line((30, 130, 1), "2")])
    corrected = hand_over(bank, 2, [line((110, 110, 1)), line((30, 130, 1), "2", "运费")])
    assert corrected == Counts(read=2, landed=2, restated=2)
    assert current(bank) == [(30, 130, 1), (110, 110, 1)]


def test_the_text_of_a_booking_under_a_shared_number_can_be_corrected(bank: Settings) -> None:
    rows = [line((100, 100, 1)), line((200, 300, 1))]
    hand_over(bank, 1, rows)
    again = hand_over(bank, 2, [line((200, 300, 1), summary="退货款")])
    assert again == Counts(read=1, landed=1, restated=1)
    assert hand_over(bank, 3, rows[:1]) == Counts(read=1, duplicate=1)
    assert current(bank) == [(100, 100, 1), (200, 300, 1)]


@pytest.mark.parametrize("purged", [True, False])
def test_a_number_that_proves_shared_later_keeps_what_landed_before(
    bank: Settings, purged: bool
) -> None:
    hand_over(bank, 1, [line((100, 100, 1))])
    if purged:
        build(bank, FIRST + timedelta(days=1), "mask")
        assert purge(bank, FIRST + timedelta(days=31)).raw_rows == {"bank_txn": 1}
    both = [line((100, 100, 1)), line((200, 300, 1))]
    assert hand_over(bank, 2, both) == Counts(read=2, landed=1, duplicate=1)
    assert hand_over(bank, 3, both) == Counts(read=2, duplicate=2)
    assert hand_over(bank, 4, both[:1]) == Counts(read=1, duplicate=1)
    counted = "select count(distinct row_id), max(record_version) from vault.raw.bank_txn"
    found = query(bank, counted)
    assert found == [(1 if purged else 2, 1)]


def test_a_delivery_that_was_cut_short_leaves_no_shared_number(bank: Settings) -> None:
    hand_over(bank, 1, [line((100, 100, 1)), line((200, 300, 1))])
    assert query(bank, "select count(*) from vault.ops.shared_keys") == [(1,)]
    query(bank, "update vault.ops.landed set delivery_seq = 0")
    nightly.land(bank, "bank", FIRST)
    assert query(bank, "select count(*) from vault.ops.shared_keys") == [(0,)]


def test_a_delivery_says_when_too_many_rows_share_their_number(bank: Settings) -> None:
    rows = [line((n, n, 1), str(n)) for n in range(1, 99)]
    hand_over(bank, 1, [*rows, line((500, 598, 1), "98")])
    hand_over(bank, 2, [line((500 + n, n, 2), "5") for n in range(3)])
    found = query(
        bank,
        "select delivery_id, rows_sharing_key, warning from warehouse.ops.deliveries order by all",
    )
    assert [row[:2] for row in found] == [("bank-1", 2), ("bank-2", 3)]
    assert found[1][2] == (
        "3 of 3 rows share their key (account_no + txn_no) with another row that differs; each is "
        "kept as a separate booking; ask the provider which number distinguishes its rows"
    )
    few = key_trust.warning(contracts.load()["bank_txn"].key_trust, "txn_no", 2, 200)
    assert few is None
    assert found[0][2] is not None


BOOKINGS = st.lists(
    st.tuples(st.integers(1, 4), st.integers(1, 3), st.integers(1, 2)),
    min_size=1, max_size=7, unique=True,
)  # fmt: skip


@hypothesis_settings(max_examples=sized(3, 8), deadline=None)
@given(bookings=BOOKINGS, draw=st.data())
def test_however_bookings_are_split_and_sent_again_they_are_the_same(
    bookings: list[Booking], draw: st.DataObject
) -> None:
    """Any parts in any order, then all of them: the last delivery has every booking once."""
    parts = draw.draw(st.lists(st.lists(st.sampled_from(bookings), min_size=1), max_size=3))
    cut = draw.draw(st.integers(0, len(bookings)))
    with tempfile.TemporaryDirectory() as folder:
        home = Settings(home=Path(folder), memory_limit="1GB")
        permit(home, grant(source="bank"))
        for night, part in enumerate(parts, 1):
            hand_over(home, night, [line(booking) for booking in part])
        for night in (10, 11):
            lines = [line(booking) for booking in bookings]
            last = hand_over(home, night, lines[cut:], lines[:cut])
        assert current(home) == sorted(bookings)
        assert last == Counts(read=len(bookings), duplicate=len(bookings))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"are": "rows"}, "'rows' must be bookings, versions or states"),
        ({"are": "bookings", "apart": []}, "only bookings, and always bookings"),
        ({"are": "versions"}, "only bookings, and always bookings"),
        ({"apart": ["amuont"]}, "names no column: 'amuont'"),
        ({"warnAbove": 2}, "a share from 0 to 1, not 2"),
    ],
)
def test_a_contract_that_contradicts_itself_on_its_key_is_refused(
    change: dict[str, object], message: str
) -> None:
    value = {"are": "bookings", "apart": ["amount"], "why": {"en": "because", "zh": "因"}}
    with pytest.raises(ValueError, match=message):
        key_trust.read(value | change, ["amount"])


def test_every_contract_says_why_its_key_can_be_trusted_or_not() -> None:
    trusts = {name: contract.key_trust for name, contract in contracts.load().items()}
    assert {name for name, trust in trusts.items() if trust.apart} == {"bank_txn", "tax_payment"}
    assert all(trust.why_en and trust.why_zh for trust in trusts.values())


SENT_BEFORE = "sent_before_without_a_number"
PAYMENT_HEADER = "纳税人识别号,征收项目,征收品目,税票号码,所属期起,缴款期限,入库日期,已缴,税款种类"


def _payment(subitem: str, voucher: str, amount: str) -> str:
    return f"{FIRM},增值税,{subitem},{voucher},2024-01-01,2024-02-15,2024-02-10,{amount},正税"


def test_a_provider_that_begins_to_send_a_number_is_told_of_what_it_sent_before(
    settings: Settings,
) -> None:
    """Under a longer key the old payments are others: their money counts twice."""
    permit(settings)
    old = [
        f"{FIRM},增值税,2024-01-01,2024-02-15,2024-02-10,70,正税",
        f"{FIRM},增值税,2024-02-01,2024-03-15,2024-03-10,80,正税",
    ]
    day = FIRST + timedelta(days=1)
    deliver(settings, {"a.csv": csv(old)}, delivery_id="tax-old", delivered=day)
    assert nightly.land(settings, "tax", day).deliveries[0].tables[0].warnings[SENT_BEFORE] == 0
    # The first one again, once with a voucher and once with a sub-item too; a new one.
    new = [
        _payment("", "344001", "70"), _payment("商业", "344002", "70"),
        _payment("", "344003", "90").replace("2024-01-01", "2024-05-01"),
    ]  # fmt: skip
    day += timedelta(days=1)
    deliver(settings, {"a.csv": csv(new, PAYMENT_HEADER)}, delivery_id="tax-new", delivered=day)
    report = nightly.land(settings, "tax", day)
    assert report.totals.landed == 3
    assert report.deliveries[0].tables[0].warnings[SENT_BEFORE] == 2
    assert query(
        settings, f"select row_count from vault.ops.delivery_problems where rule = '{SENT_BEFORE}'"
    ) == [(2,)]
    # The same export goes on: nothing is doubled any more.
    day += timedelta(days=1)
    deliver(settings, {"a.csv": csv(new[:1], PAYMENT_HEADER)}, delivery_id="tax-3", delivered=day)
    third = nightly.land(settings, "tax", day).deliveries[0].tables[0]
    assert (third.counts.duplicate, third.warnings[SENT_BEFORE]) == (1, 0)


def test_payments_are_told_apart_by_sub_item_and_voucher(settings: Settings) -> None:
    """Two rows of one tax, period and day, and even of one amount, are two payments."""
    permit(settings)

    def land(night: int, *lines: str) -> Counts:
        day = FIRST + timedelta(days=night)
        deliver(
            settings, {"a.csv": csv(lines, PAYMENT_HEADER)}, delivery_id=f"tax-{night}",
            delivered=day,
        )  # fmt: skip
        return nightly.land(settings, "tax", day).totals

    first = land(
        1, _payment("商业", "344001", "70"), _payment("服务业", "344001", "70"),
        _payment("服务业", "344002", "70"),
    )  # fmt: skip
    assert (first.read, first.landed, first.restated) == (3, 3, 0)
    # A corrected amount on one voucher is a version of that payment alone.
    again = land(2, _payment("服务业", "344002", "75"), _payment("商业", "344001", "70"))
    assert (again.landed, again.restated, again.duplicate) == (1, 1, 1)
    found = query(settings, "select rows_sharing_key, warning from warehouse.ops.deliveries")
    assert found == [(0, None), (0, None)]
