"""Deliveries of all providers: the first history, then one increment per night."""

from collections.abc import Callable, Iterator, Sequence
from datetime import date, timedelta
from pathlib import Path

import polars as pl

from firmpulse.calendar import month_end
from firmpulse.sources import SOURCES
from simulator.dirt import delivered_rows
from simulator.economy import Economy, epoch_day
from simulator.files import Delivery, DeliveryCounts, Tally
from simulator.grants import NEVER, Grants, draw_grants, grant_lines
from simulator.lender import STATEMENT_MONTH
from simulator.tables import TABLES, Table
from simulator.world import World, build_world

Progress = Callable[[str], None]
_STATEMENT_YEAR = 15  # months that an April needs before it: the previous year


def deliver(
    params: Economy,
    inbox: Path,
    *,
    through: date,
    since: date | None = None,
    on_progress: Progress | None = None,
) -> DeliveryCounts:
    """Write what all providers deliver into `inbox` and return what was written.

    Args:
        params: the economy.
        inbox: folder of the deliveries, one sub-folder per source and delivery.
        through: the last night.
        since: None for one history up to `through`; otherwise one increment per source for
            every night in (since, through].
        on_progress: called with short texts.

    Raises:
        ValueError: a night before the economy starts, or an empty span of nights.
    """
    if through < params.start:
        raise ValueError(f"through {through} is before the economy starts ({params.start})")
    if since is not None and since >= through:
        raise ValueError(f"there is no night after {since} up to {through}")
    report = on_progress or _silent
    report(f"simulating {params.firms} firms through {through:%Y-%m}")
    world = build_world(params, params.index(through) + 1)
    grants = draw_grants(world)
    tally = Tally(grants)
    if since is None:
        _history(world, grants, inbox, through, tally, report)
    else:
        for after, last in _spans(since, through):
            report(f"delivering the nights through {last}")
            _nights(world, grants, inbox, after, last, tally)
    _hand_over(grant_lines(world, grants, through, since), inbox / "consent")
    return tally.counts()


def _silent(_: str) -> None:
    return None


def _hand_over(lines: Sequence[str], folder: Path) -> None:
    """Add grants to those that still wait; what was taken is not handed over again."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "grants.jsonl"
    waiting = path.read_text("utf-8").splitlines() if path.exists() else []
    if together := dict.fromkeys([*waiting, *lines]):
        path.write_text("".join(f"{line}\n" for line in together), encoding="utf-8")


def _spans(since: date, through: date) -> Iterator[tuple[date, date]]:
    """Cut (since, through] at month ends."""
    while since < through:
        last = min(month_end(since + timedelta(1)), through)
        yield since, last
        since = last


def _history(
    world: World, grants: Grants, inbox: Path, through: date, tally: Tally, report: Progress
) -> None:
    night = epoch_day(through)
    for source in SOURCES:
        with Delivery(inbox, source, "history", world.economy.start, through) as delivery:
            for table in (t for t in TABLES if t.source == source):
                report(f"writing {table.name}")
                for suffix, frame in _history_files(world, grants, table, night):
                    delivery.write(table, frame, suffix)
                    tally.add(table, frame, night, increment=False)
        tally.deliveries += 1


def _history_files(
    world: World, grants: Grants, table: Table, night: int
) -> Iterator[tuple[str, pl.DataFrame]]:
    parts: list[pl.DataFrame] = []
    for month in _months(world, table, -world.economy.burn_in, world.months - 1):
        frame = _rows(world, grants, table, month, (-NEVER, night))
        if not len(frame):
            continue
        if table.monthly_files:
            yield f"{world.economy.month(month):%Y%m}", frame
        else:
            parts.append(frame)
    if parts:
        yield "history", pl.concat(parts)


def _nights(
    world: World, grants: Grants, inbox: Path, after: date, last: date, tally: Tally
) -> None:
    """Write the increments of nights within one month."""
    news = {table.name: _news(world, grants, table, after, last) for table in TABLES}
    for offset in range(1, (last - after).days + 1):
        night = after + timedelta(offset)
        for source in SOURCES:
            with Delivery(inbox, source, "increment", night, night) as delivery:
                for table in (t for t in TABLES if t.source == source):
                    frame = news[table.name].get(epoch_day(night))
                    if frame is not None:
                        delivery.write(table, frame, f"{night:%Y%m%d}")
                        tally.add(table, frame, epoch_day(night), increment=True)
            tally.deliveries += 1


def _news(
    world: World, grants: Grants, table: Table, after: date, last: date
) -> dict[int, pl.DataFrame]:
    """Return the rows of a table per night in (after, last]."""
    month = world.economy.index(last)
    begin = max(month - table.lookback, -world.economy.burn_in)
    span = (epoch_day(after) + 1, epoch_day(last))
    months = _months(world, table, begin, month)
    frames = [_rows(world, grants, table, m, span) for m in months]
    if not frames:
        return {}
    nights = pl.concat(frames).partition_by("_deliver", as_dict=True, maintain_order=True)
    return {int(key[0]): frame for key, frame in nights.items()}


def _months(world: World, table: Table, begin: int, end: int) -> range | list[int]:
    """Return the months with rows of a table, within [begin, end]."""
    if table.name != "annual_statement":
        return range(max(begin, 0), end + 1)
    first = max(begin, _STATEMENT_YEAR - world.economy.burn_in)
    aprils = [m for m in range(first, end + 1) if world.economy.month(m).month == STATEMENT_MONTH]
    return aprils


def _rows(
    world: World, grants: Grants, table: Table, month: int, nights: tuple[int, int]
) -> pl.DataFrame:
    """Return the rows of one month that the provider hands over in [first, last]."""
    frame = delivered_rows(world, table, month, grants.plain)
    night = frame["_deliver"].to_numpy()
    kept = (night >= nights[0]) & (night <= nights[1])
    sent = grants.handed_over_from.get(table.source)
    if sent is not None:
        first = sent[frame["_firm"].to_numpy()]
        event = frame["_event"].to_numpy()
        # Rows without a window are always sent if anything is.
        kept &= event >= first if table.windowed else first < NEVER
    return frame.filter(pl.Series(kept))
