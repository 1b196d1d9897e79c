"""Who trades with whom: parties, customer relations, outside suppliers."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simulator.codes import digit_strings, uscc_codes
from simulator.economy import Economy, Stage
from simulator.industries import REGIONS, Kind, company_names, person_names
from simulator.population import Bools, Firms, Floats, Ints

_PERSONS = 400
NOBODY = -1  # buyer of a relation with walk-in customers


@dataclass(frozen=True)
class Parties:
    """All parties that can be on an invoice or a transfer.

    The firms come first, then core firms, outside customers, outside suppliers, shell
    companies, natural persons (with a name, without a code).
    """

    uscc: NDArray[np.str_]  # "" for natural persons
    name: NDArray[np.str_]
    account: NDArray[np.str_]
    first_core: int
    first_customer: int
    first_supplier: int
    first_shell: int
    first_person: int


@dataclass(frozen=True)
class Network:
    """Customer relations, sorted by supplier, and the outside suppliers of each firm."""

    parties: Parties
    supplier: Ints  # firm index, shape (relations,)
    buyer: Ints  # party index or NOBODY
    share: Floats  # of the supplier's sales when all relations are alive
    terms: Ints  # months until payment falls due
    slow: Floats  # probability that the buyer pays a month late, in a normal month
    is_core: Bools
    since: Ints  # month index when the relation began
    first: Ints  # first relation of each firm, shape (firms + 1,)
    purchase_firm: Ints  # firm index, shape (supplier slots,), sorted
    purchase_party: Ints
    purchase_share: Floats
    purchase_first: Ints  # shape (firms + 1,)

    @property
    def internal(self) -> Bools:
        """Relations whose buyer is one of the simulated firms."""
        inside: Bools = (self.buyer >= 0) & (self.buyer < self.parties.first_core)
        return inside


def network(economy: Economy, firms: Firms) -> Network:
    """Return the trade network; a function of seed and firms only."""
    rng = economy.rng(Stage.NETWORK)
    parties = _parties(economy, rng, firms)
    relations = np.clip(np.rint(np.exp(
        np.log(6.0) + 0.3 * np.log(firms.invoices / 12.5) + 0.1 * firms.quality
        + 0.4 * rng.standard_normal(len(firms))
    )), 2, 24).astype(np.int64)  # fmt: skip
    supplier = np.repeat(np.arange(len(firms)), relations)
    first = np.concatenate(([0], np.cumsum(relations)))
    evenness = np.clip(1.1 + 0.25 * firms.quality, 0.35, 2.5)[supplier]
    weight = rng.gamma(evenness) + 0.02
    place = np.arange(len(supplier)) - first[:-1][supplier]
    walk_in = (place == 0) & (firms.kind[supplier] == Kind.RETAIL)
    weight = np.where(walk_in, weight + 6.0, weight)
    share = weight / np.add.reduceat(weight, first[:-1])[supplier]
    buyer = _buyers(rng, firms, parties, supplier, share, walk_in)
    is_core = (buyer >= parties.first_core) & (buyer < parties.first_customer)
    long_terms = np.where(is_core, 2, 1) + (firms.kind[supplier] == Kind.BUILD)
    terms = np.clip(long_terms + rng.integers(-1, 2, len(supplier)), 0, 4)
    slots = np.repeat(np.arange(len(firms)), firms.suppliers)
    slot_first = np.concatenate(([0], np.cumsum(firms.suppliers)))
    slot_weight = rng.gamma(1.2, size=len(slots)) + 0.05
    pool = parties.first_shell - parties.first_supplier
    return Network(
        parties=parties,
        supplier=supplier,
        buyer=buyer,
        share=share,
        terms=np.where(walk_in, 0, np.where(is_core, np.maximum(terms, 1), terms)),
        slow=np.where(walk_in, 0.0, rng.beta(1.4, 7.0, len(supplier))),
        is_core=is_core,
        since=np.maximum(firms.born[supplier], -rng.integers(1, 72, len(supplier))),
        first=first,
        purchase_firm=slots,
        purchase_party=parties.first_supplier + rng.integers(0, pool, len(slots)),
        purchase_share=slot_weight / np.add.reduceat(slot_weight, slot_first[:-1])[slots],
        purchase_first=slot_first,
    )


def _parties(economy: Economy, rng: np.random.Generator, firms: Firms) -> Parties:
    count = len(firms)
    sizes = (count, max(6, count // 40), 3 * count, 2 * count, max(4, count // 50))
    bounds = np.cumsum(sizes)
    companies = int(bounds[-1])
    region = rng.integers(0, len(REGIONS), companies)
    region[:count] = firms.region
    words = rng.choice(firms.industry, companies)
    words[:count] = firms.industry
    authority = np.array([code for code, _ in REGIONS])[region]
    offset = economy.seed * 7_654_321 + 123_456
    persons = np.full(_PERSONS, "", dtype="U18")
    numbers = np.arange(companies + _PERSONS, dtype=np.int64)
    return Parties(
        uscc=np.concatenate((uscc_codes(authority, offset=offset), persons)),
        name=np.concatenate((company_names(rng, region, words), person_names(rng, _PERSONS))),
        account=digit_strings(numbers * 1_000_003 + 20_011, 15, "3310"),
        first_core=int(bounds[0]),
        first_customer=int(bounds[1]),
        first_supplier=int(bounds[2]),
        first_shell=int(bounds[3]),
        first_person=companies,
    )


def _buyers(
    rng: np.random.Generator,
    firms: Firms,
    parties: Parties,
    supplier: Ints,
    share: Floats,
    walk_in: Bools,
) -> Ints:
    count = len(supplier)
    draw = rng.random(count)
    core_chance = np.where(
        firms.champion, 0.6, np.where(firms.has_supply_chain, 0.3, 0.06)
    )[supplier]  # fmt: skip
    customer = rng.integers(parties.first_customer, parties.first_supplier, count)
    core = rng.integers(parties.first_core, parties.first_customer, count)
    person = parties.first_person + rng.integers(0, _PERSONS, count)
    inside = _inside_buyers(rng, firms, supplier, share)
    buyer = np.where((draw < 0.35) & (inside >= 0), inside, customer)
    buyer = np.where(draw > 1 - core_chance, core, buyer)
    private = (firms.kind[supplier] != Kind.MAKE) & (draw > 0.35) & (draw < 0.39)
    buyer = np.where(private, person, buyer)
    return np.where(walk_in, NOBODY, buyer)


def _inside_buyers(rng: np.random.Generator, firms: Firms, supplier: Ints, share: Floats) -> Ints:
    """Return a larger firm as buyer of each relation, -1 if none needs that much."""
    by_size = np.argsort(firms.sales, kind="stable")
    rank = np.empty_like(by_size)
    rank[by_size] = np.arange(len(by_size))
    own = rank[supplier]
    chosen = by_size[
        own + np.floor((len(firms) - own) * rng.random(len(supplier))).astype(np.int64)
    ]
    need = (firms.sales * firms.purchase_share)[chosen]
    amount = firms.sales[supplier] * share
    fits = (amount < 0.3 * need) & (chosen != supplier) & (firms.born[chosen] < 0)
    # A buyer takes relations in random order until half of its need is met.
    order = np.lexsort((rng.random(len(supplier)), chosen))
    running = np.cumsum(np.where(fits, amount, 0.0)[order])
    starts = np.searchsorted(chosen[order], chosen[order], side="left")
    before = np.concatenate(([0.0], running))[starts]
    within = np.empty(len(supplier), dtype=np.bool_)
    within[order] = running - before <= 0.5 * need[order]
    return np.where(fits & within, chosen, -1)
