"""The names of the sources against the text that firms sign."""

import pytest

from consent import wording
from firmpulse.sources import GRANTED_SOURCES, NAMES, SOURCES


@pytest.mark.parametrize("source", GRANTED_SOURCES)
def test_names_are_those_of_the_authorisation(source: str) -> None:
    signed, translated = (wording.text(wording.CURRENT, language) for language in ("zh", "en"))
    name = NAMES[source]
    assert name.zh in signed
    assert name.en.lower() in translated.lower()


def test_every_source_has_a_name_and_none_is_shared() -> None:
    assert tuple(NAMES) == SOURCES
    assert len(set(NAMES.values())) == len(SOURCES)
