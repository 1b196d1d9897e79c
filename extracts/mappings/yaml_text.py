"""A proposal as the YAML that a person edits, with the reasons beside each line."""

import json
from collections.abc import Iterator

import yaml

from extracts import contracts
from extracts.mappings.checks import TO_SAY
from extracts.mappings.guessing import Guess
from extracts.mappings.included import Included
from extracts.mappings.proposal import Block, Proposal


def write(proposal: Proposal, provider: str) -> str:
    """Return the text of a mapping; what a person must fill in is '?'."""
    return "\n".join(_lines(proposal, provider)) + "\n"


def _lines(proposal: Proposal, provider: str) -> Iterator[str]:
    yield "# yaml-language-server: $schema=mapping.schema.json"
    yield "# Correct what is wrong, fill in every '?', then: firmpulse onboard FOLDER --check"
    yield "version: 1"
    yield f"provider: {_quoted(provider)}"
    yield "id_scheme: uscc  # or a name of your own, if firms are not identified by their codes"
    yield "files:"
    for block in proposal.blocks:
        if block.table is None:
            yield from _unknown(block)
        else:
            yield from _block(block, block.table)
    for name, why in proposal.unreadable:
        yield f"# not readable: {_on_a_line(name)}: {_on_a_line(why)}"


def _unknown(block: Block) -> Iterator[str]:
    nearest = ", ".join(block.tables) or "none"
    yield f"  # no table fits {block.pattern} ({len(block.sights)} files); nearest: {nearest}."
    yield "  # Headers: " + ", ".join(map(_quoted, block.sights[0].header))


def _block(block: Block, table: str) -> Iterator[str]:
    first = block.sights[0]
    likely = ", ".join(f"{name} {share:.2f}" for name, share in block.tables.items())
    yield f"  - pattern: {_quoted(block.pattern)}  # {len(block.sights)} files"
    yield f"    table: {table}  # how well tables fit: {likely}"
    if first.format != "csv" or first.delimiter != ",":
        yield f"    format: {first.format}"
    if first.delimiter != ",":
        yield f"    delimiter: {_quoted(first.delimiter)}"
    if first.sheet is not None:
        yield f"    sheet: {_quoted(first.sheet)}"
    if first.header_lines > 1:
        yield f"    header_lines: {first.header_lines}"
    yield "    # Later files must have this header; remove it if it may change."
    yield f"    header: [{', '.join(_quoted(text) for text in first.header)}]"
    if block.like is not None:
        yield from _as_included(block.like)
    else:
        yield "    columns:" + ("" if any(g.needs_entry for g in block.guesses) else " {}")
        for guess in block.guesses:
            yield from _guess(guess)
    yield from _others(block, table)


def _as_included(like: Included) -> Iterator[str]:
    """Yield what the included mapping says, but for what depends on the files."""
    yield f"    # The header is that of the included mapping {like.name}, which says:"
    told = like.block.model_dump(
        exclude_defaults=True, include={"columns", "one_of", "not_rows", "encoding"}
    )
    if told:
        text = yaml.safe_dump(told, allow_unicode=True, sort_keys=False, width=100)
        yield from (f"    {line}" for line in text.splitlines())


def _others(block: Block, table: str) -> Iterator[str]:
    """Yield what does not come from a header."""
    constants = dict(block.like.block.constants) if block.like else {}
    if block.missing or constants:
        yield "    constants:"
    for name, value in constants.items():
        yield f"      {name}: {_quoted(value)}"
    for name in block.missing:
        column = contracts.load()[table].column(name)
        values = list(dict.fromkeys(column.values.values()))
        told = f"one of {', '.join(values)}" if values else column.description
        yield f"      {name}: {_quoted(TO_SAY)}  # {told}"
    if block.above:
        yield "    above_header:"
        for label, name in block.above.items():
            yield f"      {_quoted(label)}: {name}"
    if block.not_rows:
        yield "    not_rows:  # lines with these texts are carried over or added up; remove others"
        for header, texts in block.not_rows.items():
            yield f"      {_quoted(header)}: [{', '.join(map(_quoted, texts))}]"


def _on_a_line(text: str) -> str:
    return "".join(c if c.isprintable() else " " for c in text)


def _guess(guess: Guess) -> Iterator[str]:
    header = _quoted(guess.header)
    why = f"{guess.confidence:.2f} {guess.reason}"
    if guess.to is None:
        if guess.header.strip():
            yield f"      # {header}: null  # {guess.reason}; not read"
        return
    if not guess.needs_entry:
        yield f"      # {header} is {guess.to}: {guess.reason}"
        return
    if not (guess.unknown_texts or guess.formats or guess.unit or guess.decimal != "."):
        yield f"      {header}: {guess.to}  # {why}"
        return
    yield f"      {header}:  # {why}"
    yield f"        to: {guess.to}"
    if guess.unit:
        yield f"        unit: {guess.unit}"
    if guess.decimal != ".":
        yield f"        decimal: {_quoted(guess.decimal)}"
    if len(guess.formats) == 1:
        yield f"        format: {_quoted(guess.formats[0])}"
    elif guess.formats:
        yield f"        format: {_quoted(TO_SAY)}  # {' or '.join(guess.formats)}"
    if guess.unknown_texts:
        yield "        values:  # null for a text that means nothing"
        for text in guess.unknown_texts:
            yield f"          {_quoted(text)}: {_quoted(TO_SAY)}"


def _quoted(text: str) -> str:
    """Return a text as YAML reads it back; plain where that is safe."""
    if text and all(c.isalpha() or c in "_" for c in text) and text.lower() not in _RESERVED:
        return text
    return json.dumps(text, ensure_ascii=False)


_RESERVED = {"null", "true", "false", "yes", "no", "on", "off", "y", "n"}
