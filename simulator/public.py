"""Public records: capital, holders of shares and guarantees; the courts are in `courts`."""

from dataclasses import dataclass

import numpy as np
import polars as pl

from simulator.columns import dates, money, numbered, texts
from simulator.economy import Stage
from simulator.founding import first_seen, opened_day
from simulator.population import Bools, Floats, Ints
from simulator.world import World

# Days from an event to the day on which a register shows it, as in the contracts.
_CAPITAL_DAYS, _HOLDER_DAYS, _GUARANTEE_DAYS = 1, 30, 30
_MOST_HOLDERS = 4
# One firm in so many has many subsidiaries; the first of each so many guarantee in a ring.
_PARENT_CYCLE, _RING_CYCLE, _RING = 40, 25, 3
_UNIT_CNY = 10_000


def capital(world: World, month: int) -> pl.DataFrame:
    """Return the capital of firms first seen in a month, and what changed in it.

    A firm's hidden quality affects how much is paid in and whether capital is cut, with much noise.
    """
    firms, opened = world.firms, opened_day(world)
    rng = world.economy.rng(Stage.CAPITAL)
    size, paid, trouble = rng.standard_normal((3, len(firms)))
    changed_in = rng.integers(0, 150, len(firms))
    first = np.maximum(np.rint(firms.sales * np.exp(1.2 + 0.8 * size) / _UNIT_CNY), 10)
    share = np.clip(0.55 + 0.12 * firms.quality + 0.35 * paid, 0, 1)
    is_cut = trouble - 0.5 * firms.quality > 0.9
    second = np.where(is_cut, np.ceil(first / 2), first * 2)
    (new,) = np.nonzero(first_seen(world, month, opened))
    (moved,) = np.nonzero((changed_in == month) & (firms.born < month))
    firm = np.concatenate((new, moved))
    has_moved = np.arange(len(firm)) >= len(new)
    registered = np.where(has_moved, second[firm], first[firm]) * _UNIT_CNY
    paid_in = np.minimum(np.rint(first * share)[firm] * _UNIT_CNY, registered)
    day = np.where(has_moved, world.day(month) + 10, opened[firm])
    return pl.DataFrame({
        "uscc": texts(world.uscc, firm),
        "changed_at": dates(day),
        "registered": money((registered * 100).astype(np.int64)),
        "paid_in": money((paid_in * 100).astype(np.int64)),
        "_firm": firm,
        "_event": day,
        "_available": day + _CAPITAL_DAYS,
    })  # fmt: skip


@dataclass(frozen=True)
class _Holders:
    """The holders of every firm; arrays (firms,), shares (firms, holders)."""

    count: Ints
    shares: Floats  # 0 for holders that a firm does not have
    parent: Ints  # firm that is the first holder, -1 for a person
    left_in: Ints  # month in which the first holder gives its share to a new one


def shareholder(world: World, month: int) -> pl.DataFrame:
    """Return shares that were taken over or given up in a month; in month 0 also all older ones."""
    firms, opened, holders = world.firms, opened_day(world), _holders(world)
    (new,) = np.nonzero(first_seen(world, month, opened))
    first_firm = np.repeat(new, holders.count[new])
    first_number = np.concatenate([np.arange(n) for n in holders.count[new]] or [new])
    (left,) = np.nonzero((holders.left_in == month) & (firms.born < month))
    firm = np.concatenate((first_firm, left, left))
    old = np.zeros(len(left), dtype=np.int64)
    number = np.concatenate((first_number, old, holders.count[left]))
    kind = np.repeat((0, 1, 2), (len(first_firm), len(left), len(left)))
    change = world.day(month) + 12
    begun = np.where(kind < 2, opened[firm], change)
    known = np.where(kind == 0, begun, change)
    place = np.where(kind == 2, 0, number)
    parent = np.where((number == 0) & (kind < 2), holders.parent[firm], world.blank)
    return pl.DataFrame({
        "uscc": texts(world.uscc, firm),
        "holder_no": pl.Series(number + 1),
        "holder_uscc": texts(world.uscc, np.where(parent < 0, world.blank, parent)),
        "share": pl.Series(holders.shares[firm, place]),
        "held_from": dates(begun),
        "held_to": dates(np.full(len(firm), change), kind == 1),
        "_firm": firm,
        "_event": begun,
        "_available": known + _HOLDER_DAYS,
    })  # fmt: skip


def _holders(world: World) -> _Holders:
    firms = world.firms
    rng = world.economy.rng(Stage.HOLDERS)
    count = 1 + rng.binomial(_MOST_HOLDERS - 1, 0.45, len(firms))
    weight = rng.random((len(firms), _MOST_HOLDERS)) + 0.1
    weight[np.arange(_MOST_HOLDERS) >= count[:, None]] = 0
    shares = np.floor(weight / weight.sum(axis=1, keepdims=True) * 10_000) / 10_000
    shares[:, 0] = np.round(1 - shares[:, 1:].sum(axis=1), 4)
    number = np.arange(len(firms))
    parent = rng.integers(0, len(firms), len(firms)) // _PARENT_CYCLE * _PARENT_CYCLE
    # Half of the parents buy from their subsidiaries.
    net = world.net
    sellers, places = np.unique(net.supplier[net.internal], return_index=True)
    buys = rng.random(len(sellers)) < 0.5
    parent[sellers[buys]] = net.buyer[net.internal][places[buys]]
    has_parent = (rng.random(len(firms)) < 0.15) & (parent != number)
    leaves = rng.standard_normal(len(firms)) - 0.3 * firms.quality > 0.5
    left_in = np.where(leaves, rng.integers(0, 72, len(firms)), -1)
    return _Holders(count, shares, np.where(has_parent, parent, -1), left_in)


def guarantee(world: World, month: int) -> pl.DataFrame:
    """Return guarantees that were given or released in a month; in month 0 also all older ones."""
    firms = world.firms
    rng = world.economy.rng(Stage.GUARANTEES)
    chance, noise = rng.random(len(firms)), rng.standard_normal(len(firms))
    given_in = rng.integers(-20, 60, len(firms))
    released_in = given_in + rng.integers(12, 37, len(firms))
    debtor, in_ring = _debtors(world, rng.integers(1, len(firms), len(firms)))
    gives = in_ring | (chance < 0.1 * np.exp(-0.4 * firms.quality))
    gives &= np.maximum(firms.born, firms.born[debtor]) <= given_in
    days = np.array([world.day(m) for m in range(-20, 97)])
    given, released = days[given_in + 20] + 5, days[released_in + 20] + 20
    (new,) = np.nonzero(gives & first_seen(world, month, given))
    (ended,) = np.nonzero(gives & (released_in == month))
    firm = np.concatenate((new, ended))
    has_ended = np.arange(len(firm)) >= len(new)
    known = np.where(has_ended, released[firm], given[firm])
    amount = np.rint(firms.sales * np.exp(0.4 + 0.6 * noise) / _UNIT_CNY).clip(1) * _UNIT_CNY
    return pl.DataFrame({
        "uscc": texts(world.uscc, firm),
        "guarantee_no": numbered("DB", 1_000_000 + firm),
        # Persons have no code.
        "guaranteed_uscc": texts(
            world.uscc, np.where((firm % 5 == 4) & ~in_ring[firm], world.blank, debtor[firm])
        ),
        "amount": money((amount[firm] * 100).astype(np.int64)),
        "kind": texts(("保证", "抵押", "质押"), np.minimum(firm % 7, 2)),
        "guaranteed_from": dates(given[firm]),
        "released": dates(released[firm], has_ended),
        "_firm": firm,
        "_event": given[firm],
        "_available": known + _GUARANTEE_DAYS,
    })  # fmt: skip


def _debtors(world: World, steps: Ints) -> tuple[Ints, Bools]:
    """Return whose debts each firm may guarantee, and which firms are in a ring, (firms,)."""
    number = np.arange(len(world.firms))
    place = number % _RING_CYCLE
    in_ring = (place < _RING) & (number - place + _RING <= len(number))
    next_in_ring = number - place + (place + 1) % _RING
    other = (number + steps) % len(number)
    return np.where(in_ring, next_in_ring, other), in_ring
