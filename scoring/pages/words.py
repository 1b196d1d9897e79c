"""Words for codes on the pages, in both languages."""

from firmpulse.pages.page import Language
from firmpulse.sources import NAMES

Pair = tuple[str, str]

PILLARS: dict[str, Pair] = {
    "operations": ("经营", "Operations"),
    "tax": ("税务", "Tax"),
    "supply_chain": ("供应链", "Supply chain"),
    "activity": ("活跃度", "Activity"),
    "consistency": ("一致性", "Consistency"),
}
DIMENSIONS: dict[str, Pair] = {
    "scale": ("规模", "Scale"),
    "growth": ("成长", "Growth"),
    "liquidity": ("流动性", "Liquidity"),
    "profile": ("主体概况", "Profile"),
    "compliance": ("合规", "Compliance"),
    "concentration": ("集中度", "Concentration"),
    "supply_chain": ("供应链", "Supply chain"),
    "stability": ("稳定性", "Stability"),
    "activity": ("活跃", "Activity"),
    "consistency": ("一致性", "Consistency"),
}
SOURCES: dict[str, Pair] = {
    **NAMES,
    "model": ("模型", "Model"),
}
LEVELS: dict[str, Pair] = {
    "none": ("无预警", "none"),
    "blue": ("蓝色", "blue"),
    "yellow": ("黄色", "yellow"),
    "orange": ("橙色", "orange"),
    "red": ("红色", "red"),
}
COVERAGE: dict[str, Pair] = {
    "full": ("完整", "full"),
    "partial": ("部分", "partial"),
    "thin": ("薄档案", "thin file"),
    "light_asset": ("轻资产", "light-asset"),
    "insufficient": ("不足", "insufficient"),
}
REVIEW: dict[str, Pair] = {
    "individual_business": ("个体经营，须人工复核", "individual business: manual review required"),
    "founder_credit_used": (
        f"使用了{NAMES['founder_credit'].zh}",
        "the founder's credit was used",
    ),
    "thin_file": ("数据积累不足", "little data"),
    "in_default": ("已违约", "in default"),
}
PURPOSES: dict[str, Pair] = {
    "CREDIT_EVAL": ("授信评估（一次）", "one credit assessment"),
    "POST_LOAN_MONITOR": ("贷后监测", "monitoring of a loan"),
    "MODEL_TRAINING": ("模型训练", "training of models"),
}
STATUS: dict[str, Pair] = {
    "NORMAL": ("正常", "normal"),
    "SUSPENDED": ("停业", "suspended"),
    "ABNORMAL": ("非正常", "irregular"),
    "DEREGISTERED": ("注销", "deregistered"),
    "GENERAL": ("一般纳税人", "general VAT payer"),
    "SMALL_SCALE": ("小规模纳税人", "small-scale VAT payer"),
}
DELIVERY: dict[str, Pair] = {"landed": ("已入库", "landed"), "refused": ("已拒收", "refused")}
TAX_GRADES = {1: "A", 2: "B", 3: "M", 4: "C", 5: "D"}


def word(words: dict[str, Pair], code: str, language: Language) -> str:
    """Return the word of a code, or the code itself."""
    pair = words.get(code)
    return code if pair is None else pair[0 if language == "zh" else 1]
