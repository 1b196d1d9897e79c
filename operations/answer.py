"""The answer to a provider about its delivery: what to fix and how to send it again.

A text (Markdown) in Chinese or English, or the lines as CSV. It contains the provider's file names,
lines, columns and rules, but no values of rows, and nothing from other deliveries.
"""

import csv
import io
import re
from collections.abc import Iterator

from extracts import contracts
from extracts.contract_page import KINDS
from extracts.contracts import Bilingual, Column
from extracts.vault import problem_records
from operations import delivery as verdicts
from operations.delivery import Delivery, Problem

# Lines per rule, column and file in the text; the CSV has more.
_SHOWN = 50

_VERDICTS = {
    verdicts.LANDED: Bilingual("All of it is stored.", "全部入库。"),
    verdicts.IN_PART: Bilingual("It is stored in part; please fix the rest.",
                                  "部分入库，其余请更正。"),
    verdicts.REFUSED: Bilingual("It was refused as a whole; none of it is stored.",
                                  "整批拒收，未入库。"),
    verdicts.BROKEN: Bilingual("It arrived, but is held back: too much of it is wrong.",
                                 "已收到，但问题过多，暂停使用。"),
    verdicts.WAITING: Bilingual("It has arrived and is not read yet.", "已收到，尚未读取。"),
    verdicts.INCOMPLETE: Bilingual("It has not arrived completely.", "尚未收全。"),
}  # fmt: skip
_RULES = {
    "required": Bilingual("is required and empty", "必填，但为空"),
    "bound": Bilingual("is outside the allowed range", "超出允许范围"),
    "structure": Bilingual("the line cannot be split into its columns (separators, quotes, line "
                           "breaks)", "该行无法按列拆分（分隔符、引号或换行有误）"),
    "several_filled": Bilingual("only one of these columns may be filled in a row",
                                "同一行中这些列只能填写一列"),
    "none_filled": Bilingual("one of these columns must be filled in each row",
                             "同一行中这些列须填写一列"),
    "uscc": Bilingual("is not a valid unified social credit code", "不是有效的统一社会信用代码"),
    "identifier": Bilingual("is not the number of a firm", "不是企业的编号"),
}  # fmt: skip
_READ_AS = Bilingual("cannot be read as: {}", "无法识别为：{}")
_CLASSES = {
    "empty": "空", "scientific": "科学计数法", "digits": "纯数字", "number": "数字",
    "date": "日期样式",
    "text": "西文文本", "chinese": "中文文本", "typed": "带类型的值", "code": "编码",
    "several": "多列有值",
}  # fmt: skip
_SEND_ROWS = Bilingual(
    "Please correct these rows and send them in a new delivery (`kind: increment`, a new "
    "delivery_id). The other rows are stored and need not be sent again. If the export itself is "
    "wrong, correct it and send the whole file: stored rows are not counted twice.",
    "请更正上述行，以 `kind: increment` 放入新的交付（新的 delivery_id）重新发送；其他行已入库，"
    "无需重发。若问题来自导出程序，请更正程序后重发整个文件，已入库的行不会重复计入。",
)
_SEND_FILES = Bilingual(
    "Please correct the refused files and send them in a delivery with a new delivery_id.",
    "被拒收的文件请更正后放入新的交付（新的 delivery_id）重新发送。",
)
_SEND_ALL = Bilingual(
    "Please correct it and send the whole delivery again; write manifest.json last.",
    "请更正后重新发送整个交付；manifest.json 最后写入。",
)
# The most frequent reasons for refused files; any other is given in English.
_REASONS = (
    (r"the file that the manifest names is not there", "清单中的文件不存在"),
    (r"the file's sha256 is not the manifest's", "文件的 SHA-256 与清单不符"),
    (r"the file has (\d+) rows and the manifest says (\d+)", r"文件有 \1 行，清单写明 \2 行"),
    (r"the file lacks the required column (\S+) \((.+)\)", r"文件缺少必填列 \1（\2）"),
    (r"two columns of the file are both (\S+)", r"文件中有两列都是 \1"),
    (r"the manifest is not JSON in UTF-8; send it again", "清单不是 UTF-8 编码的 JSON，请重新发送"),
    (r"there is no manifest.json; a delivery counts once it has one", "缺少 manifest.json"),
)
_COLUMNS = (
    "delivery_id", "table", "file", "file_no", "line", "column", "header", "rule", "value_class",
)  # fmt: skip


def text(delivery: Delivery, language: str) -> str:
    """Return the answer as Markdown.

    Args:
        delivery: with file names and lines, see `operations.quarantine`.
        language: zh or en.
    """
    zh = language == "zh"
    lines = [
        f"# {'交付反馈' if zh else 'Your delivery'} {delivery.delivery_id}",
        "",
        _in(_VERDICTS[delivery.verdict], zh),
        "",
        *_counts(delivery, zh),
        *_wrong(delivery, zh),
        *_next(delivery, zh),
    ]
    return "\n".join(lines).rstrip() + "\n"


def table(delivery: Delivery) -> str:
    """Return the lines of quarantined rows as CSV; a refused file is one row without a line."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for one in _faults(delivery):
        rule = one.reason if one.problem == problem_records.REFUSED else one.rule
        for line in one.lines or (None,):
            writer.writerow((
                delivery.delivery_id, one.table, one.file, one.file_no, line, one.column,
                _header(one), rule, one.value_class,
            ))  # fmt: skip
    return out.getvalue()


def _faults(delivery: Delivery) -> Iterator[Problem]:
    return (one for one in delivery.problems if one.problem != problem_records.WARNING)


def _counts(delivery: Delivery, zh: bool) -> Iterator[str]:
    if not delivery.tables:
        return
    heads = (
        ("表", "清单行数", "入库", "重复", "无授权", "待更正", "拒收文件中")
        if zh
        else ("table", "announced", "stored", "repeated", "without grant", "to repair",
              "in refused files")
    )  # fmt: skip
    yield f"| {' | '.join(heads)} |"
    yield "|" + " --- |" * len(heads)
    for one in delivery.tables:
        counts = (one.delivered, one.landed, one.duplicate, one.refused_by_gate, one.quarantined,
                  one.in_refused_files)  # fmt: skip
        yield f"| {one.table} | {' | '.join(f'{count:,}' for count in counts)} |"
    yield ""


def _wrong(delivery: Delivery, zh: bool) -> Iterator[str]:
    for one in _faults(delivery):
        if one.problem == problem_records.REFUSED:
            what = _file(one, zh) or ("整批" if zh else "The delivery")
            yield f"- {what}{'：' if zh else ': '}{_reason(one.reason or '', zh)}"
            continue
        column = f"{one.column} ({header})" if (header := _header(one)) else one.column
        place = " / ".join(part for part in (one.table, _file(one, zh), column) if part)
        yield (
            f"- {place}：{_rule(one, zh)}；{one.rows:,} 行{_class(one, zh)}"
            if zh
            else f"- {place}: {_rule(one, zh)}; {one.rows:,} rows{_class(one, zh)}"
        )
        if one.lines:
            shown = ", ".join(map(str, one.lines[:_SHOWN]))
            rest = one.rows - len(one.lines[:_SHOWN])
            more = (f" 等，另有 {rest:,} 行" if zh else f" and {rest:,} more") if rest > 0 else ""
            yield f"  - {'行号：' if zh else 'lines '}{shown}{more}"
    yield ""


def _next(delivery: Delivery, zh: bool) -> Iterator[str]:
    faults = list(_faults(delivery))
    if any(one.problem == problem_records.QUARANTINED for one in faults):
        yield _in(_SEND_ROWS, zh)
    if any(one.problem == problem_records.REFUSED and one.file_no for one in faults):
        yield _in(_SEND_FILES, zh)
    if delivery.verdict == verdicts.REFUSED:
        yield _in(_SEND_ALL, zh)


def _rule(one: Problem, zh: bool) -> str:
    if one.rule in _RULES:
        return _in(_RULES[one.rule], zh)
    kind = KINDS.get(one.rule or "")
    said = _in(_READ_AS, zh).format(_in(kind, zh) if kind else one.rule)
    column = _column(one)
    if column is not None and column.kind == "enum":
        said += f" ({', '.join(dict.fromkeys(column.values.values()))})"
    return said


def _class(one: Problem, zh: bool) -> str:
    if one.value_class in (None, "empty") or one.rule == "structure":
        return ""
    if zh:
        return f"（内容类型：{_CLASSES.get(one.value_class or '', one.value_class)}）"
    return f" (kind of value: {one.value_class})"


def _reason(reason: str, zh: bool) -> str:
    if not zh:
        return reason
    for pattern, words in _REASONS:
        if re.fullmatch(pattern, reason):
            return re.sub(pattern, words, reason)
    return f"{reason}（系统原文）"


def _file(one: Problem, zh: bool) -> str | None:
    if one.file_no is None:
        return None
    return one.file or (f"第 {one.file_no} 个文件" if zh else f"file {one.file_no}")


def _column(one: Problem) -> Column | None:
    contract = contracts.load().get(one.table or "")
    columns = {column.name: column for column in contract.columns} if contract else {}
    # A column composed of several cells is followed by their headers: amount (借方金额, 贷方金额).
    return columns.get((one.column or "").partition(" (")[0])


def _header(one: Problem) -> str | None:
    column = _column(one)
    return column.headers[0] if column and column.name == one.column else None


def _in(both: Bilingual, zh: bool) -> str:
    return both.zh if zh else both.en
