"""Cells without a counterparty: placeholders and natural persons; they are null in the vault.

The words and patterns are in `nobody.yml`. The column of the firm that a row belongs to is never
checked here: a placeholder in it is not a firm's code, and the row goes to quarantine.
"""

import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from extracts.contracts import Column, Contract
from extracts.reading.sql import ident, literal
from firmpulse import identifiers, uscc, yaml_files

LIST = Path(__file__).with_name("nobody.yml")

# What a number says about the party: a firm, nobody, a natural person.
_FIRM, _NOBODY, _PERSON = 0, 1, 2
# Start of a long number that repeats a digit, is a digit and zeros, or counts up.
_SUSPECT_STARTS = ("1234", *(f"{n}000" for n in range(1, 10)), *(f"{n}" * 4 for n in range(1, 10)))
# Signs, blanks and marks; Unicode classes would cost DuckDB some ms of setup per statement.
_AROUND = (
    r"[\x00-/:-@\[-`{-\x{a9}\x{ab}-\x{b4}\x{b6}-\x{b8}\x{bb}\x{bf}\x{d7}\x{f7}\x{2000}-\x{206f}"
    r"\x{20a0}-\x{20cf}\x{2190}-\x{2bff}\x{3000}-\x{3004}\x{3008}-\x{3020}\x{303d}-\x{303f}"
    r"\x{fe30}-\x{fe6f}\x{ff01}-\x{ff0f}\x{ff1a}-\x{ff20}\x{ff3b}-\x{ff40}\x{ff5b}-\x{ff65}"
    r"\x{fffd}]*"
)
_RESIDENT_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_RESIDENT_CHECKS = "10X98765432"
# Values of a cell's digest, for the key of a row without another: enough to distinguish two wages
# of one day, and far too few to identify a person.
_SHADES = 65_536


def macros() -> dict[str, str]:
    """Return SQL macros by signature; the first conditions accept the usual values of firms."""
    listed = _listed()
    # Without any of the texts: only signs.
    texts = (
        f"(?i){_AROUND}(?:{'|'.join(re.escape(str(text)) for text in listed['texts'])}|){_AROUND}"
    )
    anywhere = "|".join([texts, *listed["patterns"]])
    coded = "|".join([anywhere, *listed["code_patterns"]])
    names = "|".join([texts, _person_names(listed)])
    # `prefix`, `contains` and a comparison take 3 to 7 ns per row, a slice 60, an expression 100.
    suspect = f"(?:{'|'.join(_SUSPECT_STARTS)}).*"
    return {
        **_of_residents(listed),
        **_of_numbers(anywhere, coded, "|".join(listed["person_patterns"])),
        "is_nobodys_account(v)": f"""
            case
                when strlen(v) < 12 or contains(v, '*') or contains(v, 'X') or contains(v, '#')
                    then regexp_full_match(v, {literal(coded)})
                -- Cards, and most accounts of firms.
                when v >= '62' and v < '63' then false
                when v >= '1' and not regexp_full_match(v, '{suspect}') then false
                else regexp_full_match(v, {literal(coded)})
            end""",
        "is_nobodys_name(v)": f"""
            case
                when strlen(v) > 36 or suffix(v, '公司') then false
                else regexp_full_match(v, {literal(names)})
            end""",
    }


def _of_residents(listed: Mapping[str, Any]) -> dict[str, str]:
    return {
        # A long `in` list would become a join over all rows.
        "is_resident(v)": f"""
            case
                when regexp_full_match(v, {literal(listed["resident"])})
                    then strlen(v) > 18 or {_resident_check("v")} = right(v, 1)
                        or {_code_check("v")} <> right(v, 1)
                        or not regexp_full_match(v[3:4], {literal("|".join(uscc.PROVINCES))})
                else false
            end""",
        "is_old_resident(v)": f"""
            case
                when regexp_full_match(v, {literal(listed["old_resident"])})
                    then strlen(v) > 15 or {_organisation_check("v")} <> right(v, 1)
                else false
            end""",
    }


def _of_numbers(anywhere: str, coded: str, persons: str) -> dict[str, str]:
    """Return the macro for a number in a row of `firm`, scheme:number; `scheme` ends in a colon."""
    return {
        # Codes of enterprises are accepted by their first characters; 99… and masked ones are not.
        # Where all rows of a vector pass the first condition, the others cost nothing.
        "party_of_code(v, firm, scheme)": f"""
            case
                when strlen(v) = 18 and v >= '91' and v < '94' and not contains(v, 'XXXX')
                    and not contains(v, '*') and not contains(v, '#') then {_FIRM}
                when firm = scheme || v then {_FIRM}
                when regexp_full_match(v, {literal(coded)}) then {_NOBODY}
                when is_resident(v) or is_old_resident(v)
                    or regexp_full_match(v, {literal(persons)}) then {_PERSON}
                when v is not null then {_FIRM}
            end""",
        "party_of_number(v, firm, scheme)": f"""
            case
                when firm = scheme || v then {_FIRM}
                when regexp_full_match(v, {literal(anywhere)}) then {_NOBODY}
                -- Such numbers keep their case and hyphens; a person's is one without them.
                when is_resident(upper(regexp_replace(v, '\\p{{Pd}}', '', 'g'))) then {_PERSON}
                when v is not null then {_FIRM}
            end""",
    }


def parties(contract: Contract, id_scheme: str) -> str:
    """Return SQL of one column per party of a row, null without a number; '' without parties."""
    judge = "party_of_code" if id_scheme == identifiers.USCC else "party_of_number"
    return "".join(
        f", {judge}({ident(number.name)}, firm, {literal(id_scheme + ':')}) as {_kind(number)}"
        for number in _numbers(contract)
    )


def kept(column: Column) -> str:
    """Return SQL of the part of a cell that the vault keeps, over the columns of `parties`."""
    if (is_nobodys := _condition(column)) is None:
        return ident(column.name)
    return f"case when {is_nobodys} then null else {ident(column.name)} end"


def key_part(column: Column) -> str:
    """Return SQL of a cell's part in the key of a row; a cell that is not kept gives a shade.

    Two rows that differ only in such cells are still two rows.
    """
    name = ident(column.name)
    if (is_nobodys := _condition(column)) is None:
        return name
    shade = f"'nobody ' || cast(md5_number_lower({name}) % {_SHADES} as varchar)"
    return f"case when {is_nobodys} then {shade} else {name} end"


def _numbers(contract: Contract) -> Iterator[Column]:
    return (column for column in contract.columns if column.party and column.kind == "tax_no")


def _condition(column: Column) -> str | None:
    """Return SQL of whether a cell names nobody; None for a column of no party."""
    if column.party is None:
        return None
    name, kind = ident(column.name), _kind(column)
    if column.kind == "tax_no":
        return f"{kind} > {_FIRM}"
    if column.kind == "code":
        return f"is_nobodys_account({name})"
    # An individual business has the name of a person and its own number.
    return (
        f"case when {kind} = {_FIRM} then false when {kind} = {_PERSON} then true "
        f"else is_nobodys_name({name}) end"
    )


def _kind(column: Column) -> str:
    return ident(f"party_{column.party}")


@cache
def _listed() -> Mapping[str, Any]:
    listed: Mapping[str, Any] = yaml_files.read(LIST)
    return listed


def _person_names(listed: Mapping[str, Any]) -> str:
    single = "".join(listed["surnames"].split())
    compound = "|".join(listed["compound_surnames"].split())
    return rf"[{single}]\p{{Han}}{{1,2}}|(?:{compound})\p{{Han}}{{1,2}}|\p{{Han}}+[·•・]\p{{Han}}+"


def _resident_check(v: str) -> str:
    """Return SQL of the 18th character for the first 17; source: GB 11643-1999, mod 11."""
    return _checked(_weighted(v, 1, _RESIDENT_WEIGHTS), _RESIDENT_CHECKS)


def _organisation_check(v: str) -> str:
    return _checked(_weighted(v, 7, uscc.ORGANISATION_WEIGHTS), uscc.ORGANISATION_CHECKS)


def _code_check(v: str) -> str:
    total = _weighted(v, 1, uscc.WEIGHTS, f"strpos('{uscc.ALPHABET}', c) - 1")
    return f"substr('{uscc.ALPHABET}', (31 - {total} % 31) % 31 + 1, 1)"


def _weighted(v: str, first: int, weights: tuple[int, ...], value: str = "ascii(c) - 48") -> str:
    """Return SQL of the sum of weighted characters, starting at `first`.

    With few parts: DuckDB sets up every part of an expression for each vector, reached or not.
    """
    return (
        f"cast(list_dot_product(list_transform("
        f"string_split(substr({v}, {first}, {len(weights)}), ''), "
        f"lambda c: cast({value} as double)), "
        f"[{', '.join(map(str, weights))}]::double[]) as bigint)"
    )


def _checked(total: str, checks: str) -> str:
    return f"substr('{checks}', {total} % {len(checks)} + 1, 1)"
