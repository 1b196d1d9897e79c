"""How a page is made: its language, its number formats, its template."""

from collections.abc import Callable, Mapping
from datetime import date, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from markupsafe import Markup

if TYPE_CHECKING:
    from jinja2 import Environment

Language = Literal["zh", "en"]
LANGUAGES: tuple[Language, ...] = ("zh", "en")
# Not collected; an observed zero is shown as 0.
DASH = "—"

_TEMPLATES = Path(__file__).with_name("templates")
WAN = 10_000


def translator(language: Language) -> Callable[[str, str], str]:
    """Return the function that picks one of two texts, Chinese first."""
    return lambda zh, en: zh if language == "zh" else en


def render(folder: Path, template: str, language: Language, values: Mapping[str, Any]) -> str:
    """Return a page; the same values give the same bytes.

    Args:
        folder: folder of the template; it extends `base.html.j2` in this folder.
        template: its file name.
        language: language of all texts.
        values: the values that it shows.
    """
    css = (_TEMPLATES / "page.css").read_text(encoding="utf-8")
    page = _environment(folder).get_template(template)
    return page.render(
        **values, t=translator(language), language=language, css=Markup(css)  # noqa: S704 - ours
    )  # fmt: skip


def wan(value: float | None, decimals: int = 2) -> Markup | str:
    """Return CNY in units of 10,000 (万元); negative ones are red."""
    return signed(None if value is None else value / WAN, decimals)


def signed(value: float | None, decimals: int = 2) -> Markup | str:
    """Return a number with separators; negative ones are red, None is a dash."""
    if value is None:
        return DASH
    text = f"{value:,.{decimals}f}"
    if value < 0 and text.strip("-0.,"):
        return Markup('<span class="neg">{}</span>').format(text)
    return text.removeprefix("-")


def percent(value: float | None, decimals: int = 1) -> Markup | str:
    """Return a share in per cent; negative ones are red, None is a dash."""
    if value is None:
        return DASH
    shown = signed(100 * value, decimals)
    return shown + "%" if isinstance(shown, str) else shown + Markup("%")


def plain(value: object) -> str:
    """Return a text, a date or a whole number unchanged; None is a dash."""
    if value is None or value == "":
        return DASH
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M}"
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, float):
        return f"{value:,.0f}"
    return str(value)


@cache
def _environment(folder: Path) -> "Environment":
    from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

    environment = Environment(
        loader=FileSystemLoader([folder, _TEMPLATES]),
        autoescape=select_autoescape(("html.j2",)),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"wan": wan, "signed": signed, "percent": percent, "plain": plain}
    return environment
