"""Trades of the simulated firms: cost structure, VAT rate and the words of their names."""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray


class Kind(IntEnum):
    """How a trade works: power use, customers, and payment."""

    MAKE = 0
    TRADE = 1
    RETAIL = 2
    BUILD = 3
    TRANSPORT = 4
    LIGHT = 5


@dataclass(frozen=True)
class Industry:
    """One class of GB/T 4754-2017 with typical shares of net sales."""

    code: str
    words: str  # the trade in a company name
    kind: Kind
    purchases: float
    payroll: float
    power: float
    vat: float
    frequency: float  # relative share of firms


INDUSTRIES = (
    Industry("3484", "机械零部件", Kind.MAKE, 0.52, 0.19, 0.030, 0.13, 7),
    Industry("3311", "金属结构", Kind.MAKE, 0.58, 0.15, 0.025, 0.13, 5),
    Industry("2929", "塑料制品", Kind.MAKE, 0.56, 0.15, 0.045, 0.13, 6),
    Industry("1751", "化纤织造", Kind.MAKE, 0.56, 0.16, 0.050, 0.13, 5),
    Industry("3982", "电子电路", Kind.MAKE, 0.54, 0.18, 0.035, 0.13, 5),
    Industry("1469", "调味食品", Kind.MAKE, 0.59, 0.13, 0.020, 0.13, 4),
    Industry("2110", "木质家具", Kind.MAKE, 0.55, 0.18, 0.018, 0.13, 3),
    Industry("3670", "汽车零部件", Kind.MAKE, 0.58, 0.16, 0.030, 0.13, 6),
    Industry("2669", "专用化学品", Kind.MAKE, 0.60, 0.12, 0.035, 0.13, 4),
    Industry("3360", "表面处理", Kind.MAKE, 0.47, 0.21, 0.065, 0.13, 4),
    Industry("5165", "建材", Kind.TRADE, 0.80, 0.06, 0.003, 0.13, 7),
    Industry("5179", "机械设备", Kind.TRADE, 0.77, 0.08, 0.003, 0.13, 6),
    Industry("5127", "食品", Kind.TRADE, 0.80, 0.06, 0.006, 0.13, 6),
    Industry("5212", "超市", Kind.RETAIL, 0.73, 0.10, 0.014, 0.13, 5),
    Industry("5281", "五金", Kind.RETAIL, 0.70, 0.11, 0.006, 0.13, 4),
    Industry("6210", "餐饮管理", Kind.RETAIL, 0.44, 0.27, 0.025, 0.06, 4),
    Industry("5013", "建筑装饰", Kind.BUILD, 0.55, 0.23, 0.003, 0.09, 5),
    Industry("4891", "建筑工程", Kind.BUILD, 0.58, 0.21, 0.004, 0.09, 3),
    Industry("5431", "道路货运", Kind.TRANSPORT, 0.50, 0.24, 0.003, 0.09, 5),
    Industry("5990", "仓储服务", Kind.TRANSPORT, 0.34, 0.26, 0.030, 0.06, 2),
    Industry("6513", "软件", Kind.LIGHT, 0.16, 0.50, 0.006, 0.06, 4),
    Industry("7249", "管理咨询", Kind.LIGHT, 0.18, 0.47, 0.004, 0.06, 2),
    Industry("7481", "工程技术服务", Kind.LIGHT, 0.24, 0.43, 0.004, 0.06, 2),
    Industry("8710", "文化传媒", Kind.LIGHT, 0.30, 0.36, 0.004, 0.06, 2),
)

OVERHEAD_SHARE = 0.05  # rent, travel, repairs: the same in every trade

POWER_PRICES = (0.72, 0.85, 0.85, 0.85, 0.85, 0.85)  # yuan per kWh, by Kind

# Registering authorities (GB/T 2260) and the place at the start of a company name.
REGIONS = (
    (330106, "杭州"), (330203, "宁波"), (330302, "温州"), (320102, "南京"), (320505, "苏州"),
    (320204, "无锡"), (310115, "上海"), (440306, "深圳"), (440106, "广州"), (441900, "东莞"),
    (370202, "青岛"), (370102, "济南"), (420106, "武汉"), (510107, "成都"), (500103, "重庆"),
    (610113, "西安"), (430102, "长沙"), (410105, "郑州"), (350203, "厦门"), (340104, "合肥"),
)  # fmt: skip

_FIRST = "恒瑞鑫嘉华东盛宏永泰德信博远安正中联海天金元创卓启亿立凯诚科"
_SECOND = "达通源丰润洋成隆维腾展祥和悦拓昌利辉锐跃森明泽舟川帆诺驰"
_SURNAMES = "王李张刘陈杨黄赵周吴徐孙马朱胡林郭何高罗郑梁谢宋唐许邓冯韩曹"
_GIVEN = "伟芳娜敏静磊军洋勇艳杰娟涛超明霞平刚玲华建国志强丽婷波辉文"


def vector(name: str) -> NDArray[np.float64]:
    """Return one number of every industry, in the order of INDUSTRIES."""
    return np.array([float(getattr(industry, name)) for industry in INDUSTRIES])


def company_names(
    rng: np.random.Generator, regions: NDArray[np.int64], words: NDArray[np.int64]
) -> NDArray[np.str_]:
    """Return invented company names, shape (n,).

    Args:
        rng: the stream to draw the two brand characters from.
        regions: index into REGIONS per company.
        words: index into INDUSTRIES per company.
    """
    places = np.array([place for _, place in REGIONS])[regions]
    trades = np.array([industry.words for industry in INDUSTRIES])[words]
    count = len(regions)
    brand = np.char.add(_pick(rng, _FIRST, count), _pick(rng, _SECOND, count))
    brand = np.char.add(brand, np.where(rng.random(count) < 0.4, _pick(rng, _SECOND, count), ""))
    ending = np.where(rng.random(count) < 0.93, "有限公司", "股份有限公司")
    joined = np.char.add(np.char.add(places, brand), np.char.add(trades, ending))
    return np.asarray(joined, dtype=np.str_)


def person_names(rng: np.random.Generator, count: int) -> NDArray[np.str_]:
    """Return invented names of natural persons, shape (count,)."""
    second = np.where(rng.random(count) < 0.6, _pick(rng, _GIVEN, count), "")
    given = np.char.add(_pick(rng, _GIVEN, count), second)
    return np.asarray(np.char.add(_pick(rng, _SURNAMES, count), given), dtype=np.str_)


def _pick(rng: np.random.Generator, characters: str, count: int) -> NDArray[np.str_]:
    return np.array(list(characters))[rng.integers(0, len(characters), count)]
