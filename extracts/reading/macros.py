"""SQL macros that turn the text of a cell into a clean text or a typed value.

A macro that cannot parse its text returns null; the reading compares that with the text to
distinguish an unreadable value from a missing one. Arguments are column names: a macro body
repeats its argument, and an expression would be computed each time.
"""

from functools import partial

import duckdb

from extracts.reading import nobody
from firmpulse import identifiers

_WIDE = "".join(map(chr, range(0xFF01, 0xFF5F))) + "\u3000"
_NARROW = "".join(map(chr, range(0x21, 0x7F))) + " "

# Characters of a text that needs no tidying: printable half-width ones and Chinese. It neither
# starts nor ends with a space, nor starts with a guard.
_INNER = r" -~\x{2e80}-\x{2fff}\x{3001}-\x{9fff}"
_FIRST = r"!-&(-<>-~\x{2e80}-\x{2fff}\x{3001}-\x{9fff}"
_LAST = r"!-~\x{2e80}-\x{2fff}\x{3001}-\x{9fff}"
_CLEAN = f"(?:[{_FIRST}](?:[{_INNER}]*[{_LAST}])?)?"
# The same, but full-width brackets pass: half of all firms have them in their name.
_B = r"\x{ff08}\x{ff09}"
_CLEAN_BESIDE_BRACKETS = f"(?:[{_FIRST}{_B}](?:[{_INNER}{_B}]*[{_LAST}{_B}])?)?"
_EDGES = r"^[\s\p{Z}\p{Cc}]+|[\s\p{Z}\p{Cc}]+$|\p{Cf}"
_GUARD = r"^(?:=\s*\"([^\"]*)\"|''(.*))$"

_YEAR = "(?:19|20|21)[0-9]{2}"
_DAY = rf"({_YEAR})[-/.年]([0-9]{{1,2}})[-/.月]([0-9]{{1,2}})日?"
# Midnight at the end of a day, 24:00, would be read as the next day and perhaps the next month.
_HOUR = "(?:[01]?[0-9]|2[0-3])"
_CLOCK = rf"{_HOUR}[:时][0-9]{{1,2}}"
# The same with groups, for a text that is known to match.
_PARTS = "([0-9]{1,2})[:时]([0-9]{1,2})"
_SECONDS = r"[:分]([0-9]{1,2}(?:\.[0-9]+)?)秒?"
_ZONE = r"(?:\+08(?::?00)?)?"
# Excel's day numbers of the years 1954 to 2119; smaller ones could be counts.
_SERIAL = r"[2-7][0-9]{4}"
_NUMBER = r"(?:[0-9]+|[0-9]{1,3}(?:,[0-9]{3})+)(?:\.[0-9]*)?|\.[0-9]+"
_PLAIN_NUMBER = r"[+-]?[0-9]+(?:\.[0-9]+)?"

_TRUE = ("是", "true", "1", "y", "yes", "t")
_FALSE = ("否", "false", "0", "n", "no", "f")

# Kind of a column to the usual spelling of its values. Such a text is tidy, and reading it is a
# cast of it; the macros give the same.
PLAIN = {
    "code": "[0-9A-Za-z]+",
    "tax_no": "[0-9A-Z]+",
    "decimal": _PLAIN_NUMBER,
    "integer": "[+-]?[0-9]+",
    "date": f"{_YEAR}-[0-9]{{2}}-[0-9]{{2}}",
    "timestamp": f"{_YEAR}-[0-9]{{2}}-[0-9]{{2}}(?: {_HOUR}:[0-9:]{{5}})?",
}

_MACROS = {
    # Strips spaces, then an Excel guard, then the spaces that it guarded.
    "tidy_ends(v)": rf"""
        regexp_replace(regexp_replace(regexp_replace(
            v, '{_EDGES}', '', 'g'), '{_GUARD}', '\1\2'), '{_EDGES}', '', 'g')""",
    # `translate` takes 4 µs per value, so only values that need it go through it.
    "tidy_dirty(v)": rf"""
        case
            when regexp_matches(v, '[\x{{ff01}}-\x{{ff5e}}\x{{3000}}]') then tidy_ends(
                translate(v, '{_WIDE}', '{_NARROW.replace("'", "''")}'))
            else tidy_ends(v)
        end""",
    # The first condition and its result are plain functions of the cell: DuckDB computes those once
    # per entry of a dictionary, and texts that repeat come from Parquet as one. `regexp_matches`
    # is not such a function, `regexp_full_match` is.
    "tidy(v)": rf"""
        case
            when regexp_full_match(v, '{_CLEAN}') then v
            when v is not null then tidy_dirty(v)
        end""",
    "tidy_text(v)": rf"""
        case
            when regexp_full_match(v, '{_CLEAN_BESIDE_BRACKETS}') then case
                when contains(v, '（') or contains(v, '）')
                    then replace(replace(v, '（', '('), '）', ')')
                else v
            end
            when v is not null then tidy_dirty(v)
        end""",
    # Excel turned the code into a number: digits are lost for good.
    "is_excel_number(v)": r"""
        regexp_full_match(v, '-?([0-9]+(\.[0-9]+)?[eE]\+[0-9]+|[0-9]+\.[0-9]+[eE]-?[0-9]+)')
        or regexp_full_match(v, '-?[0-9]+\.0+')""",
    "read_text(v)": "v",
    "read_code(v)": r"""
        case when regexp_full_match(v, '[0-9A-Za-z]+') then v
            when is_excel_number(v) then null
            when regexp_matches(v, '\s') then regexp_replace(v, '\s', '', 'g')
            else v
        end""",
    # The number of a firm under `uscc`, and under any other scheme. The rules are in
    # `firmpulse.identifiers`; what they do to the usual texts is done here without Python.
    "read_tax_no(v)": r"""
        case when regexp_full_match(v, '[0-9A-Z]+') then v
            when regexp_full_match(v, '0+\.0+') then '0'
            when is_excel_number(v) then null
            when regexp_full_match(v, '[ !#-&(-<>-~·\x{4e00}-\x{9fff}]+')
                then upper(regexp_replace(v, '[ -]', '', 'g'))
            else normal_code(v)
        end""",
    "read_own_no(v)": r"""
        case when regexp_full_match(v, '[0-9A-Z]+') then v
            when regexp_full_match(v, '0+\.0+') then '0'
            when is_excel_number(v) then null
            when regexp_full_match(v, '[!-&(-<>-~·\x{4e00}-\x{9fff}]+') then v
            else normal_number(v)
        end""",
    "read_decimal_text(v)": rf"""
        case when regexp_full_match(v, '{_PLAIN_NUMBER}') then v
            when regexp_full_match(v, '[+-]?(?:{_NUMBER})|\((?:{_NUMBER})\)|(?:{_NUMBER})-')
                then regexp_replace(replace(v, ',', ''), '^\((.*)\)$|^(.*)-$', '-\1\2')
        end""",
    "read_integer_text(v)": r"""
        case when regexp_full_match(v, '[+-]?[0-9]+') then v
            when regexp_full_match(v, '[+-]?[0-9]+\.0*') then split_part(v, '.', 1)
            when regexp_full_match(v, '[+-]?[0-9]{1,3}(,[0-9]{3})+') then replace(v, ',', '')
        end""",
    # A long `in` list would become a join, which loses the order of the rows.
    "read_boolean(v)": f"""
        case lower(v)
            {" ".join(f"when '{text}' then true" for text in _TRUE)}
            {" ".join(f"when '{text}' then false" for text in _FALSE)}
        end""",
    "read_timestamp(v)": rf"""
        case
            when regexp_full_match(v, '{_YEAR}-[0-9]{{2}}-[0-9]{{2}} {_HOUR}:[0-9:]{{5}}')
                then try_cast(v as timestamp)
            when regexp_full_match(v, '{_DAY}')
                then try_cast(regexp_replace(v, '^{_DAY}$', '\1-\2-\3') as timestamp)
            when regexp_full_match(v, '{_DAY}(?: +|T){_CLOCK}{_SECONDS}{_ZONE}')
                then try_cast(regexp_replace(
                    v, '^{_DAY}(?: +|T){_PARTS}{_SECONDS}{_ZONE}$', '\1-\2-\3 \4:\5:\6'
                ) as timestamp)
            when regexp_full_match(v, '{_DAY}(?: +|T){_CLOCK}分?{_ZONE}')
                then try_cast(regexp_replace(
                    v, '^{_DAY}(?: +|T){_PARTS}分?{_ZONE}$', '\1-\2-\3 \4:\5:00'
                ) as timestamp)
            when regexp_full_match(v, '{_YEAR}[0-9]{{4}}(?: ?[0-9]{{2}}:?[0-9]{{2}}:?[0-9]{{2}})?')
                then try_strptime(
                    rpad(replace(replace(v, ':', ''), ' ', ''), 14, '0'), '%Y%m%d%H%M%S')
            when regexp_full_match(v, '{_SERIAL}(?:\.[0-9]+)?')
                then timestamp '1899-12-30' + to_seconds(
                    cast(round(cast(v as decimal(38, 10)) * 86400) as bigint))
        end""",
    # A time of day; with five digits, one that lost the zero before its hour.
    "read_clock(v)": rf"""
        case
            when regexp_full_match(v, '{_HOUR}[0-5][0-9][0-5][0-9]')
                then try_cast(regexp_replace(v, '^(.+)(..)(..)$', '\1:\2:\3') as time)
            when regexp_full_match(v, '{_CLOCK}{_SECONDS}')
                then try_cast(regexp_replace(v, '^{_PARTS}{_SECONDS}$', '\1:\2:\3') as time)
            when regexp_full_match(v, '{_CLOCK}分?')
                then try_cast(regexp_replace(v, '^{_PARTS}分?$', '\1:\2:00') as time)
            when regexp_full_match(v, '0?\.[0-9]+|0(?:\.0+)?')
                then time '00:00:00' + to_seconds(
                    least(86399, cast(round(cast(v as decimal(38, 10)) * 86400) as bigint)))
        end""",
    "read_date(v)": rf"""
        case when regexp_full_match(v, '{_YEAR}-[0-9]{{2}}-[0-9]{{2}}') then try_cast(v as date)
            else cast(read_timestamp(v) as date)
        end""",
    "read_month(v)": rf"""
        case
            when regexp_full_match(v, '{_YEAR}(?:[0-9]{{2}}|[-/.年][0-9]{{1,2}}月?)')
                then try_cast(regexp_replace(
                    v, '^({_YEAR})[-/.年]?([0-9]{{1,2}})月?$', '\1-\2-1') as date)
            else cast(date_trunc('month', read_date(v)) as date)
        end""",
    "value_class(v)": r"""
        case
            when v is null then 'empty'
            when regexp_full_match(v, '-?[0-9.]+[eE][+-]?[0-9]+') then 'scientific'
            when regexp_full_match(v, '[+-]?[0-9]+') then 'digits'
            when regexp_full_match(v, '[(+-]?[0-9.,]+[)-]?') then 'number'
            when regexp_full_match(v, '[0-9]{2,4}[-/.年].*') then 'date'
            when regexp_full_match(v, '[ -~]+') then 'text'
            else 'chinese'
        end""",
}


# Scheme of a rule that others share; no provider can name it so.
_OTHER_SCHEME = ""


def install(connection: duckdb.DuckDBPyConnection) -> None:
    """Create the macros on this connection, once."""
    for name, scheme in (("normal_code", identifiers.USCC), ("normal_number", _OTHER_SCHEME)):
        rule = partial(identifiers.normalise, scheme)
        connection.create_function(name, rule, ["varchar"], "varchar")
    for signature, body in (_MACROS | nobody.macros()).items():
        connection.execute(f"create or replace temp macro {signature} as ({body})")
