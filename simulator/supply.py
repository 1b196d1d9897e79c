"""Supply-chain extracts: relations, orders, deliveries and receivables on the platform."""

import numpy as np
import polars as pl

from simulator.columns import dates, money, numbered, split_cents, texts
from simulator.economy import Stage
from simulator.founding import first_seen
from simulator.network import NOBODY
from simulator.population import Bools, Ints
from simulator.world import World

_CANCELLED = 0.03


def on_platform(world: World) -> Bools:
    """Relations that the platform sees, (relations,)."""
    net = world.net
    company = (net.buyer != NOBODY) & (net.buyer < net.parties.first_person)
    known = net.is_core | net.internal | (np.arange(len(net.buyer)) % 3 == 0)
    seen: Bools = world.firms.has_supply_chain[net.supplier] & company & known
    return seen


def sc_relation(world: World, month: int) -> pl.DataFrame:
    """Return the relations that began in one month, in month 0 also all older ones."""
    net = world.net
    first = int(net.since.min(initial=0))
    starts = np.array([world.day(m) for m in range(first, int(net.since.max(initial=0)) + 1)])
    since = starts[net.since - first]
    seen = on_platform(world) & first_seen(world, month, since)
    # A party may be a firm's customer twice: only the older relation is reported.
    (some,) = np.nonzero(seen & _first_of_pair(world))
    return pl.DataFrame({
        "supplier_uscc": texts(world.uscc, net.supplier[some]),
        "buyer_uscc": texts(world.uscc, net.buyer[some]),
        "is_core": pl.Series(net.is_core[some]),
        "tier": pl.Series(np.where(net.is_core[some], 1, 2)),
        "since": dates(since[some]),
        "_firm": net.supplier[some],
        "_event": since[some],
        "_available": since[some] + 1,
    })  # fmt: skip


def _first_of_pair(world: World) -> Bools:
    net = world.net
    pair = net.supplier * (len(net.parties.uscc) + 1) + net.buyer
    order = np.lexsort((net.since, pair))
    first = np.ones(len(pair), dtype=np.bool_)
    first[1:] = pair[order][1:] != pair[order][:-1]
    kept = np.empty(len(pair), dtype=np.bool_)
    kept[order] = first
    return kept


def _orders(world: World, month: int) -> tuple[np.random.Generator, Ints, Ints, Ints, Ints, Bools]:
    """Return the stream, and relation, cents, day ordered, day due, cancelled per order."""
    rng = world.economy.rng(Stage.ORDERS, month)
    billed = world.paths.relation_billed[world.paths.row(month)]
    (some,) = np.nonzero(on_platform(world) & (billed > 0))
    pieces = np.minimum(1 + rng.poisson(0.7, len(some)), 4)
    owner, cents = split_cents(rng, billed[some], pieces, 0.4)
    extra = np.flatnonzero(rng.random(len(owner)) < _CANCELLED)
    cancelled = np.arange(len(owner) + len(extra)) >= len(owner)
    owner, cents = np.concatenate((owner, owner[extra])), np.concatenate((cents, cents[extra]))
    ordered = world.day(month) + rng.integers(0, 14, len(owner))
    due = ordered + rng.integers(8, 30, len(owner))
    return rng, some[owner], cents, ordered, due, cancelled


def sc_order(world: World, month: int) -> pl.DataFrame:
    """Return the orders of one month."""
    net = world.net
    _, relation, cents, ordered, due, cancelled = _orders(world, month)
    return pl.DataFrame({
        "order_no": _order_numbers(world, month, len(relation)),
        "supplier_uscc": texts(world.uscc, net.supplier[relation]),
        "buyer_uscc": texts(world.uscc, net.buyer[relation]),
        "order_date": dates(ordered),
        "amount": money(cents),
        "qty": money(_quantity(cents, relation) * 100),
        "due_date": dates(due),
        "status": texts(("生效", "取消"), cancelled.astype(np.int64)),
        "_firm": net.supplier[relation],
        "_event": ordered,
        "_available": ordered + 1,
    })  # fmt: skip


def sc_delivery(world: World, month: int) -> pl.DataFrame:
    """Return the deliveries of the orders of one month; strained suppliers ship late."""
    net, row = world.net, world.paths.row(month)
    rng, relation, cents, ordered, due, cancelled = _orders(world, month)
    supplier = net.supplier[relation]
    strain = 3.0 * world.paths.stress[row - 1] - 0.8 * world.paths.health[row]
    strain -= 0.8 * world.firms.quality
    late = np.rint(strain[supplier] - 2 + 3.0 * rng.standard_normal(len(relation)))
    shipped = np.maximum(due + late.astype(np.int64), ordered + 1)
    accepted = shipped + rng.integers(1, 5, len(relation))
    quantity = _quantity(cents, relation)
    bad = rng.random(len(relation)) < np.clip(0.02 + 0.012 * strain[supplier], 0.004, 0.15)
    returned = np.where(bad, np.maximum(1, quantity // 20), 0)
    known = rng.random(len(relation)) < 0.97
    kept = np.flatnonzero(~cancelled)
    available = np.where(known, accepted, shipped) + 2
    return pl.DataFrame({
        "delivery_no": numbered(f"D{month + 1000}", 1_000_000 + kept),
        "order_no": _order_numbers(world, month, len(relation)).gather(pl.Series(kept)),
        "supplier_uscc": texts(world.uscc, supplier[kept]),
        "buyer_uscc": texts(world.uscc, net.buyer[relation][kept]),
        "shipped_at": dates(shipped[kept]),
        "accepted_at": dates(accepted[kept], known[kept]),
        "due_date": dates(due[kept]),
        "qty": money(quantity[kept] * 100),
        "returned_qty": money(returned[kept] * 100),
        "_firm": supplier[kept],
        "_event": shipped[kept],
        "_available": available[kept],
    })  # fmt: skip


def _order_numbers(world: World, month: int, count: int) -> pl.Series:
    return numbered(f"S{world.economy.month(month):%y%m}", 1_000_000 + np.arange(count))


def _quantity(cents: Ints, relation: Ints) -> Ints:
    price = 2_000 + relation * 7_919 % 50_000  # cents
    quantity: Ints = np.maximum(1, cents // price)
    return quantity


def sc_receivable(world: World, month: int) -> pl.DataFrame:
    """Return the receivables from core firms issued in one month: as issued, then as paid."""
    rng = world.economy.rng(Stage.RECEIVABLES, month)
    net, paths = world.net, world.paths
    row = paths.row(month)
    billed = paths.relation_billed[row]
    draw = rng.random((4, len(billed)))
    (some,) = np.nonzero(on_platform(world) & net.is_core & (billed > 0))
    issued = world.day(month) + 22 + np.floor(draw[0, some] * 5).astype(np.int64)
    due = issued + 30 * np.maximum(net.terms[some], 1)
    paid_row = paths.relation_pay_row[row][some]
    paid_day = _paid_days(world, some, paid_row)
    settled = np.flatnonzero(paid_row > 0)
    index = np.concatenate((np.arange(len(some)), settled))
    paid = np.arange(len(index)) >= len(some)
    relation = some[index]
    disputed = draw[1, relation] < np.where((paid_row[index] > 0) & paid, 0.002, 0.012)
    updated = np.where(paid, paid_day[index] + (draw[2, relation] * 3).astype(np.int64),
                       issued[index])  # fmt: skip
    return pl.DataFrame({
        "ar_no": numbered(f"AR{world.economy.month(month):%y%m}", 1_000_000 + relation),
        "supplier_uscc": texts(world.uscc, net.supplier[relation]),
        "buyer_uscc": texts(world.uscc, net.buyer[relation]),
        "amount": money(billed[relation]),
        "issued_at": dates(issued[index]),
        "due_date": dates(due[index]),
        "confirmed": pl.Series(draw[3, relation] < 0.85),
        "paid_amount": money(np.where(paid, billed[relation], 0)),
        "paid_at": dates(paid_day[index], paid),
        "disputed": pl.Series(disputed),
        "updated_at": dates(updated),
        "_firm": net.supplier[relation],
        "_event": issued[index],
        "_available": updated + 1,
    })  # fmt: skip


def _paid_days(world: World, relation: Ints, paid_row: Ints) -> Ints:
    """Return the day of the bank receipt; beyond the simulation, the first of its month.

    Rows of months beyond the simulation exist, so that a longer one has the same rows; they
    become available too late to be delivered.
    """
    day = np.full(len(relation), -1)
    for row in np.unique(paid_row[paid_row > 0]).tolist():
        month = row - world.paths.burn_in
        here = paid_row == row
        day[here] = world.day(month)
        if row < world.paths.rows - 1:
            day[here] += world.days_of(month).received[relation[here]]
    return day
