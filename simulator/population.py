"""The firms: their fixed traits for the whole simulation."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simulator.economy import Economy, Stage
from simulator.industries import INDUSTRIES, OVERHEAD_SHARE, POWER_PRICES, REGIONS, Kind, vector

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

_STARTUP_MONTHS = 30  # firms that are founded later than `start` appear within these months


@dataclass(frozen=True)
class Firms:
    """Fixed traits, one entry per firm in every array; money in yuan, shares of net sales."""

    industry: Ints
    kind: Ints
    region: Ints  # index into REGIONS
    quality: Floats  # latent, standard normal: never delivered
    born: Ints  # month index of the first sales; negative before start
    sales: Floats  # long-run net sales per month
    growth: Floats  # long-run annual growth before mean reversion
    volatility: Floats  # monthly standard deviation of log demand
    purchase_share: Floats
    payroll_share: Floats
    power_share: Floats
    overhead_share: Floats
    vat_rate: Floats
    small_scale: Bools
    cash_months: Floats  # cash that the owners leave in the firm, in months of cost
    owner_months: Floats  # what the owners can put back once, in months of cost
    leverage: Floats  # loan limit in months of net sales
    loan_term: Ints
    loan_rate: Floats
    loan_day: Ints
    loan_before_bills: Bools  # pays the bank before tax and power when cash is short
    supplier_terms: Ints  # months
    invoices: Floats  # sales invoices per month
    purchase_invoices: Floats
    suppliers: Ints  # outside suppliers
    cancel_rate: Floats  # share of invoices written wrong at first
    kwh_per_yuan: Floats
    staff: Ints
    second_account: Bools
    cheats: Bools
    champion: Bools
    has_tax: Bools
    has_bank: Bools
    has_supply_chain: Bools
    has_power: Bools

    def __len__(self) -> int:
        """Return the number of firms."""
        return len(self.industry)

    @property
    def margin(self) -> Floats:
        """Long-run operating margin, a share of net sales."""
        return 1 - (
            self.purchase_share + self.payroll_share + self.power_share + self.overhead_share
        )


def population(economy: Economy) -> Firms:
    """Return the firms of an economy; a function of seed and firms only."""
    rng = economy.rng(Stage.POPULATION)
    count = economy.firms
    frequency = vector("frequency")
    industry = rng.choice(len(INDUSTRIES), size=count, p=frequency / frequency.sum())
    kind = vector("kind").astype(np.int64)[industry]
    champion = (rng.random(count) < 0.025) & (kind != Kind.RETAIL)
    quality = rng.standard_normal(count)
    quality = np.where(champion, np.abs(quality) * 0.6 + 1.1, quality)
    born = _births(rng, count)
    size = rng.standard_normal(count) - np.where(champion, 0.8, 0.0)
    sales = np.clip(np.exp(np.log(330_000) + 1.35 * size), 12_000, 12_000_000)
    small = (sales * 12 < 4_500_000) & (rng.random(count) < 0.6)
    vat_rate = np.where(small, 0.01, vector("vat")[industry])
    return Firms(
        industry=industry,
        kind=kind,
        region=rng.integers(0, len(REGIONS), count),
        quality=quality,
        born=born,
        sales=sales,
        growth=0.03 + 0.03 * quality + 0.04 * rng.standard_normal(count),
        volatility=np.exp(np.log(0.055) - 0.15 * quality + 0.3 * rng.standard_normal(count))
        * np.where(born > -12, 1.5, 1.0),
        vat_rate=vat_rate,
        small_scale=small,
        champion=champion,
        cheats=(rng.random(count) < 0.05) & ~small,
        **_costs(rng, industry, kind, quality, sales),
        **_money(rng, quality),
        **_documents(rng, quality, size, kind),
        **_coverage(rng, kind, champion),
    )


def _births(rng: np.random.Generator, count: int) -> Ints:
    age = np.clip(np.rint(rng.gamma(1.5, 50.0, count)), 4, 330).astype(np.int64)
    founded_later = rng.random(count) < 0.06
    return np.where(founded_later, rng.integers(1, _STARTUP_MONTHS + 1, count), -age)


def _costs(
    rng: np.random.Generator, industry: Ints, kind: Ints, quality: Floats, sales: Floats
) -> dict[str, Any]:
    count = len(industry)
    margin = 0.149 + 0.015 * quality + 0.012 * rng.standard_normal(count)
    shares = [vector(name)[industry] for name in ("purchases", "payroll", "power")]
    shares = [s * np.exp(0.08 * rng.standard_normal(count)) for s in shares]
    overhead = np.full(count, OVERHEAD_SHARE) * np.exp(0.3 * rng.standard_normal(count))
    scale = (1 - margin) / (shares[0] + shares[1] + shares[2] + overhead)
    power = shares[2] * scale
    staff_cost = np.exp(np.log(6_500) + 0.2 * rng.standard_normal(count))
    staff = np.maximum(1, np.rint(sales * shares[1] * scale / staff_cost)).astype(np.int64)
    price = np.array(POWER_PRICES)[kind]
    return {
        "purchase_share": shares[0] * scale,
        "payroll_share": shares[1] * scale,
        "power_share": power,
        "overhead_share": overhead * scale,
        "kwh_per_yuan": power / price,
        "staff": staff,
    }


def _money(rng: np.random.Generator, quality: Floats) -> dict[str, Any]:
    count = len(quality)
    return {
        "cash_months": np.exp(np.log(0.8) + 0.2 * quality + 0.45 * rng.standard_normal(count)),
        "owner_months": np.exp(np.log(0.5) + 0.9 * rng.standard_normal(count)),
        "leverage": np.clip(np.exp(np.log(1.1) + 0.5 * rng.standard_normal(count)), 0.2, 3.5),
        "loan_term": rng.choice(np.array([18, 24, 36]), count, p=[0.2, 0.5, 0.3]),
        "loan_rate": 0.042 + 0.02 * rng.random(count),
        "loan_day": rng.choice(np.array([20, 21, 25]), count),
        "loan_before_bills": rng.random(count) < 0.5,
        "supplier_terms": rng.choice(np.array([0, 1, 2]), count, p=[0.3, 0.5, 0.2]),
        "second_account": rng.random(count) < 0.3,
    }


def _documents(
    rng: np.random.Generator, quality: Floats, size: Floats, kind: Ints
) -> dict[str, Any]:
    count = len(quality)
    # Correlated with size; median and spread from the public invoice set, tail cut off.
    common = 0.65 * size + 0.76 * rng.standard_normal(count)
    invoices = np.clip(np.exp(np.log(11.0) + 1.35 * common), 0.4, 62)
    bought = np.clip(np.exp(np.log(7.5) + 0.9 * common + 0.5 * rng.standard_normal(count)), 0.4, 42)
    suppliers = np.clip(np.rint(np.exp(np.log(4.5) + 0.35 * common)), 2, 12).astype(np.int64)
    cancel = np.exp(np.log(0.06) - 0.12 * quality + 0.7 * rng.standard_normal(count))
    return {
        "invoices": invoices,
        "purchase_invoices": np.where(kind == Kind.LIGHT, bought * 0.5, bought),
        "suppliers": suppliers,
        "cancel_rate": np.clip(cancel, 0.004, 0.35),
    }


def _coverage(rng: np.random.Generator, kind: Ints, champion: Bools) -> dict[str, Any]:
    """Which sources have the firm: power and platforms hardly have the light-asset trades."""
    count = len(kind)
    power = np.array([0.92, 0.65, 0.8, 0.5, 0.5, 0.08])[kind]
    chain = np.array([0.6, 0.45, 0.12, 0.35, 0.4, 0.05])[kind]
    return {
        "has_tax": rng.random(count) < 0.97,
        "has_bank": rng.random(count) < 0.94,
        "has_supply_chain": (rng.random(count) < chain) | champion,
        "has_power": rng.random(count) < power,
    }
