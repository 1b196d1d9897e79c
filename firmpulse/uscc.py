"""Unified social credit code (GB 32100-2015): normalise and check."""

import unicodedata

_ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"
_VALUE = {character: value for value, character in enumerate(_ALPHABET)}
_WEIGHTS = tuple(pow(3, position, 31) for position in range(17))
_LENGTH = 18
_SUGGESTION = {"O": "0", "I": "1", "Z": "2", "S": "5", "V": "U"}


def normalise(value: str) -> str:
    """Return the code in half-width upper case without spaces, hyphens and zero-width marks."""
    folded = unicodedata.normalize("NFKC", value).upper()
    return "".join(c for c in folded if c not in "-\u200b\u200c\u200d\ufeff'" and not c.isspace())


def check_character(body: str) -> str:
    """Return the 18th character for the first 17; source: GB 32100-2015, mod 31."""
    total = sum(_VALUE[c] * w for c, w in zip(body, _WEIGHTS, strict=True))
    return _ALPHABET[(31 - total % 31) % 31]


def problem(value: str) -> str | None:
    """Return the first thing wrong with a normalised code, None when it is valid.

    Checked in this order: length, characters, check character. The expected check character
    is never told, so that a typing error is not turned into somebody else's code.
    """
    if len(value) != _LENGTH:
        return f"has {len(value)} characters instead of {_LENGTH}"
    for position, character in enumerate(value, 1):
        if character not in _VALUE:
            hint = _SUGGESTION.get(character)
            meant = f"; is it {hint}?" if hint else ""
            return f"has {character!r} at position {position}, which no code uses{meant}"
    if check_character(value[:17]) != value[17]:
        return "does not match its check character: one of the characters is mistyped"
    return None
