"""Demand: order amounts, lost customers, and payment dates."""

from dataclasses import dataclass

import numpy as np

from simulator.economy import Economy, Stage
from simulator.industries import INDUSTRIES
from simulator.network import NOBODY, Network
from simulator.paths import Paths
from simulator.population import Bools, Firms, Floats
from simulator.seasons import season

_PULL = 0.06  # monthly pull of log demand back to its long-run level
_HEALTH_MEMORY = 0.93
_CYCLE_MEMORY = 0.96
_CHEAT_FROM_STRESS = 0.15


@dataclass
class Demand:
    """The moving part of demand; one object per simulation, changed every month."""

    level: Floats  # log deviation from long-run sales, per firm
    health: Floats  # persistent state of management and product, per firm, unit variance
    cycle: Floats  # log deviation per industry
    alive: Bools  # per relation
    cheating: Bools

    @classmethod
    def begin(cls, economy: Economy, firms: Firms, net: Network) -> "Demand":
        """Return the state before the first month."""
        rng = economy.rng(Stage.DEMAND, -999)
        return cls(
            level=0.1 * rng.standard_normal(len(firms)),
            health=rng.standard_normal(len(firms)),
            cycle=0.05 * rng.standard_normal(len(INDUSTRIES)),
            alive=rng.random(len(net.supplier)) < 0.8,
            cheating=np.zeros(len(firms), dtype=np.bool_),
        )

    def step(self, economy: Economy, firms: Firms, net: Network, paths: Paths, month: int) -> None:
        """Bill the relations of one month and set the payment date of each bill."""
        rng = economy.rng(Stage.DEMAND, month)
        row = paths.row(month)
        stress = paths.stress[row - 1] if row else np.zeros(len(firms))
        self._drift(rng, firms)
        paths.health[row] = self.health
        self._turn_over(rng, firms, net, stress)
        scale = firms.sales * np.exp(self.level + self.cycle[firms.industry])
        scale *= season(economy, month) * paths.activity[row] * _ramp(firms, month)
        spread = np.exp(0.28 * rng.standard_normal(len(net.supplier)) - 0.04)
        net_sales = scale[net.supplier] * net.share * self.alive * spread / 0.85
        billed = np.rint(net_sales * (1 + firms.vat_rate)[net.supplier] * 100).astype(np.int64)
        paths.relation_billed[row] = np.where(billed < 20_000, 0, billed)
        self._fake(rng, firms, paths, row, stress)
        _schedule(rng, net, paths, row, stress)

    def _drift(self, rng: np.random.Generator, firms: Firms) -> None:
        count = len(firms)
        innovation = np.sqrt(1 - _HEALTH_MEMORY**2)
        self.health = _HEALTH_MEMORY * self.health + innovation * rng.standard_normal(count)
        trend = firms.growth / 12 + 0.008 * self.health
        self.level += trend - _PULL * self.level + firms.volatility * rng.standard_normal(count)
        slump = rng.random(count) < 0.006 * np.exp(-0.25 * firms.quality)
        self.level -= np.where(slump, rng.uniform(0.3, 0.9, count), 0.0)
        self.cycle = _CYCLE_MEMORY * self.cycle + 0.014 * rng.standard_normal(len(self.cycle))

    def _turn_over(
        self, rng: np.random.Generator, firms: Firms, net: Network, stress: Floats
    ) -> None:
        mood = 0.22 * firms.quality + 0.35 * self.health
        lose = 0.020 * np.exp(-mood) * (1 + 1.0 * stress)
        win = 0.080 * np.exp(0.6 * mood) * (1 - 0.5 * stress)
        walk_in = net.buyer == NOBODY
        draw = rng.random(len(net.supplier))
        stays = (draw >= lose[net.supplier]) | walk_in
        self.alive = np.where(self.alive, stays, (draw < win[net.supplier]) | walk_in)

    def _fake(
        self, rng: np.random.Generator, firms: Firms, paths: Paths, row: int, stress: Floats
    ) -> None:
        """Cheats start to trade invoices with shells at some time, earlier when cash is short."""
        begins = rng.random(len(firms)) < np.where(stress > _CHEAT_FROM_STRESS, 0.35, 0.015)
        self.cheating |= firms.cheats & begins
        share = rng.uniform(0.25, 0.7, len(firms)) * self.cheating * paths.activity[row]
        yuan = np.rint(firms.sales * (1 + firms.vat_rate) * share / 1_000) * 1_000
        paths.fake[row] = (yuan * 100).astype(np.int64)


def _ramp(firms: Firms, month: int) -> Floats:
    age = np.clip(month - firms.born + 1, 0, 9) / 9
    ramp: Floats = age**0.6
    return ramp


def _schedule(
    rng: np.random.Generator, net: Network, paths: Paths, row: int, stress: Floats
) -> None:
    """Write each bill into the row in which its buyer will pay it."""
    inside = net.internal
    late = net.slow.copy()
    late[inside] = 0.6 * late[inside] + 0.5 * stress[net.buyer[inside]]
    draw = rng.random(len(late))
    lag = net.terms + (draw < late) + (draw < 0.35 * late) + (draw < 0.1 * late)
    never = rng.random(len(late)) < 0.0015
    never &= net.buyer != NOBODY
    pay_row = np.where(never, 0, row + lag)
    paths.relation_pay_row[row] = pay_row
    payable = (pay_row > 0) | (net.buyer == NOBODY)  # walk-in customers of row 0 pay in row 0
    (known,) = np.nonzero(payable & (pay_row < paths.rows) & (paths.relation_billed[row] > 0))
    paths.relation_paid[pay_row[known], known] += paths.relation_billed[row, known]
