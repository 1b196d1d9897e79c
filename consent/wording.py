"""The authorisation texts: two files per version, never edited after first use.

The Chinese file is the text that is signed and hashed; the English one is its translation.
"""

import hashlib
from functools import cache
from pathlib import Path
from typing import Literal

from firmpulse.errors import GrantError
from firmpulse.sources import GRANTED_SOURCES, NAMES

CURRENT = "2026-11"
FOLDER = Path(__file__).resolve().parent / "texts"


def versions() -> tuple[str, ...]:
    """Return the versions that come with this package, oldest first."""
    return tuple(path.name.removesuffix(".zh.md") for path in sorted(FOLDER.glob("*.zh.md")))


def text(version: str, language: Literal["zh", "en"] = "zh") -> str:
    """Return the wording of a version.

    Raises:
        GrantError: this package has no such version.
    """
    if version not in versions():
        raise GrantError(
            f"there is no authorisation text {version}; use one of {', '.join(versions())}"
        )
    return (FOLDER / f"{version}.{language}.md").read_text(encoding="utf-8")


@cache
def sha256(version: str) -> str | None:
    """Return the hash of the signed text, None for a text that is not in this package."""
    if version not in versions():
        return None
    return hashlib.sha256((FOLDER / f"{version}.zh.md").read_bytes()).hexdigest()


def names(version: str, source: str) -> bool:
    """Return whether a text names a source; one that names none is of no particular source."""
    signed = text(version)
    named = {known for known in GRANTED_SOURCES if NAMES[known].zh in signed}
    return not named or source in named


ZH = {
    **{source: NAMES[source].zh for source in GRANTED_SOURCES},
    "CREDIT_EVAL": "一次信用评估",
    "POST_LOAN_MONITOR": "贷后持续监测",
    "MODEL_TRAINING": "模型训练",
    "DRAFT": "待签署",
    "GRANTED": "尚未生效",
    "ACTIVE": "生效中",
    "EXPIRED": "已到期",
    "REVOKED": "已撤回",
    "CONSUMED": "已使用完毕",
    "PURGED": "数据已删除",
    "GRANT": "授权",
    "SIGN": "签署",
    "REVOKE": "撤回",
    "CONSUME": "使用完毕",
    "PURGE": "删除数据",
}


def bilingual(word: str, between: str = " ") -> str:
    """Return a term of the ledger with its Chinese name."""
    return f"{word}{between}{ZH[word]}" if word in ZH else word
