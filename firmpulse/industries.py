"""Sections and divisions of GB/T 4754-2017, the classification of industries."""

from typing import NamedTuple


class Section(NamedTuple):
    """A section with its letter, its names and its first and last division."""

    letter: str
    official_zh: str
    # Short form for labels.
    zh: str
    en: str
    first: int
    last: int


SECTIONS = (
    Section("A", "农、林、牧、渔业", "农林牧渔", "agriculture, forestry, fishery", 1, 5),
    Section("B", "采矿业", "采矿", "mining", 6, 12),
    Section("C", "制造业", "制造", "manufacturing", 13, 43),
    Section(
        "D", "电力、热力、燃气及水生产和供应业", "电热燃水", "electricity, heat, gas, water", 44, 46
    ),
    Section("E", "建筑业", "建筑", "construction", 47, 50),
    Section("F", "批发和零售业", "批发零售", "wholesale and retail", 51, 52),
    Section("G", "交通运输、仓储和邮政业", "交运仓储邮政", "transport, storage, post", 53, 60),
    Section("H", "住宿和餐饮业", "住宿餐饮", "hotels and catering", 61, 62),
    Section("I", "信息传输、软件和信息技术服务业", "信息软件", "information and software", 63, 65),
    Section("J", "金融业", "金融", "finance", 66, 69),
    Section("K", "房地产业", "房地产", "real estate", 70, 70),
    Section("L", "租赁和商务服务业", "租赁商务服务", "leasing and business services", 71, 72),
    Section("M", "科学研究和技术服务业", "科研技术", "research and technical services", 73, 75),
    Section(
        "N",
        "水利、环境和公共设施管理业",
        "水利环境公共设施",
        "water, environment, public facilities",
        76,
        79,
    ),
    Section("O", "居民服务、修理和其他服务业", "居民服务", "services to households", 80, 82),
    Section("P", "教育", "教育", "education", 83, 83),
    Section("Q", "卫生和社会工作", "卫生社会工作", "health and social work", 84, 85),
    Section("R", "文化、体育和娱乐业", "文体娱", "culture, sports, entertainment", 86, 90),
    Section("S", "公共管理、社会保障和社会组织", "公共管理", "public administration", 91, 96),
    Section("T", "国际组织", "国际组织", "international organisations", 97, 97),
)
BY_LETTER = {section.letter: section for section in SECTIONS}
BY_DIVISION = {
    f"{number:02}": section
    for section in SECTIONS
    for number in range(section.first, section.last + 1)
}


def section_of(code: str) -> Section | None:
    """Return the section of a division, group or class (two to four digits), None if unknown."""
    return BY_DIVISION.get(code[:2])


def medium_revenue_cny() -> dict[str, float]:
    """Return division → annual revenue from which a firm is medium-sized, where there is a bound.

    A firm must exceed the bounds of staff, revenue and assets, so a firm below the revenue bound
    is small regardless of the others. Industries sized only by staff or assets are absent.
    Source: 工信部联企业〔2011〕300号.
    """
    bounds = {
        (1, 5): 5e6, (6, 46): 20e6, (47, 50): 60e6, (51, 51): 50e6, (52, 52): 5e6,
        (54, 58): 30e6, (59, 59): 10e6, (60, 62): 20e6, (63, 65): 10e6, (70, 70): 10e6,
    }  # fmt: skip
    return {
        f"{division:02}": bound
        for (first, last), bound in bounds.items()
        for division in range(first, last + 1)
    }
