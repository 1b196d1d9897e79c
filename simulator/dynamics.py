"""The simulation: one pass over the months, all firms at once."""

import numpy as np

from simulator.cash import Books
from simulator.demand import Demand
from simulator.economy import Economy
from simulator.network import Network, network
from simulator.paths import Paths, empty_paths
from simulator.population import Firms, population


def simulate(economy: Economy, months: int) -> tuple[Firms, Network, Paths]:
    """Return firms, network and paths of months [-burn_in, months).

    A longer simulation starts with the same rows: every month draws from its own streams, and
    nothing looks ahead.
    """
    firms = population(economy)
    net = network(economy, firms)
    rows = economy.burn_in + months + 1  # the last one has what is due after the simulation
    paths = empty_paths(economy.burn_in, rows, len(firms), len(net.supplier))
    paths.activity[0] = 1.0
    _open_bills(firms, net, paths)
    demand = Demand.begin(economy, firms, net)
    books = Books.begin(economy, firms)
    for month in range(-economy.burn_in, months):
        demand.step(economy, firms, net, paths, month)
        books.step(economy, firms, net, paths, month)
    return firms, net, paths


def _open_bills(firms: Firms, net: Network, paths: Paths) -> None:
    """Bills from before the first month, so that firms do not start without receipts."""
    usual = firms.sales * (1 + firms.vat_rate) * (firms.born < -paths.burn_in)
    bills = np.rint(usual[net.supplier] * net.share * 80).astype(np.int64)
    for row in range(min(int(net.terms.max()), paths.rows)):
        paths.relation_paid[row] += np.where(net.terms > row, bills, 0)
