"""providers.yml defines the providers; a wrong one is refused with the place."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from extracts.connectors import providers
from extracts.connectors.pull import pull
from extracts.connectors.requests import request
from firmpulse.errors import ConfigurationError
from firmpulse.settings import PROJECT_ROOT, Settings
from tests.extracts.inbox import AS_OF

ONE = {"name": "test", "source": "tax", "uri": "file:///drop/tax"}


def _write(settings: Settings, document: Any) -> None:
    settings.root.mkdir(parents=True, exist_ok=True)
    settings.providers_path.write_text(yaml.safe_dump(document), encoding="utf-8")


def test_without_a_file_there_are_no_providers(settings: Settings) -> None:
    assert providers.load(settings) == ()
    assert pull(settings, "tax", AS_OF).summary()["providers"] == 0
    assert request(settings, "tax", AS_OF).summary()["providers"] == 0
    assert not settings.root.exists()


def test_a_named_file_must_exist(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, providers=tmp_path / "mine.yml")
    with pytest.raises(ConfigurationError, match="FIRMPULSE_PROVIDERS names"):
        providers.load(settings)


def test_every_form_of_uri_is_understood(settings: Settings) -> None:
    uris = {
        "file:///drop/tax/": ("file", "", None, "/drop/tax"),
        "s3://bucket/a/b": ("s3", "bucket", None, "/a/b"),
        "s3://bucket": ("s3", "bucket", None, ""),
        "sftp://host.example:2022/out": ("sftp", "host.example", 2022, "/out"),
        "sftp://host.example/out": ("sftp", "host.example", None, "/out"),
    }
    for uri, expected in uris.items():
        found = providers.place(uri)
        assert (found.scheme, found.host, found.port, found.path) == expected


def test_providers_are_chosen_by_source(settings: Settings) -> None:
    bank = {"name": "sim-bank", "source": "bank", "uri": "s3://b/x", "connection": "bank_s3"}
    _write(settings, {"version": 1, "providers": [ONE, bank]})
    assert [one.name for one in providers.load(settings)] == ["test", "sim-bank"]
    assert [one.name for one in providers.load(settings, "bank")] == ["sim-bank"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"uri": "sftp://me:geheim123@host/x", "connection": "c"}, "put them into an Airflow"),
        ({"uri": "s3://key@bucket/x"}, "contains a user or password"),
        ({"request_uri": "file://u:geheim123@/x"}, "contains a user or password"),
        ({"uri": "sftp://host/x"}, "needs `connection`"),
        ({"uri": "https://geheim123/x"}, "must be file:///folder, s3://bucket/prefix or sftp://"),
        ({"uri": "file://host/x"}, "must be file:///folder"),
        ({"uri": "file:///drop/../geheim123"}, "must not have .."),
        ({"uri": "s3://bucket/x?token=geheim123"}, "neither ? nor #"),
        ({"uri": "sftp://host:geheim123/x", "connection": "c"}, "check host and port"),
        ({"connection": "c"}, "has no credentials; remove `connection`"),
        ({"request_uri": "s3://bucket/in"}, "must have the scheme, host and port of uri"),
        ({"source": "geheim123"}, "must be one of"),
        ({"name": ""}, "providers.0.name"),
        ({"password": "geheim123"}, "providers.0.password: Extra inputs are not permitted"),
        ({"attempts": "5"}, "providers.0.attempts: Input should be a valid integer"),
        ({"attempts": 0}, "providers.0.attempts"),
    ],
)
def test_a_wrong_entry_is_refused_without_its_value(
    settings: Settings, change: dict[str, Any], words: str
) -> None:
    _write(settings, {"version": 1, "providers": [ONE | change]})
    with pytest.raises(ConfigurationError) as caught:
        providers.load(settings)
    assert words in str(caught.value)
    assert "geheim123" not in str(caught.value)
    assert "docs/connectors.md" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("version: 1\nproviders: [\n", "is not YAML in UTF-8 at line 3"),
        ("just text", "Input should be"),
        ("version: 2\nproviders: []\n", "version"),
        ("version: 1\n", "providers: Field required"),
    ],
)
def test_a_wrong_file_is_refused(settings: Settings, text: str, words: str) -> None:
    settings.root.mkdir(parents=True)
    settings.providers_path.write_text(text)
    with pytest.raises(ConfigurationError, match=words):
        providers.load(settings)


def test_a_name_is_used_once_for_a_source(settings: Settings) -> None:
    _write(settings, {"version": 1, "providers": [ONE, ONE | {"uri": "file:///elsewhere"}]})
    with pytest.raises(ConfigurationError, match="provider 2 has the name and source"):
        providers.load(settings)


def test_the_documented_file_and_fields_are_the_real_ones(settings: Settings) -> None:
    page = (PROJECT_ROOT / "docs" / "connectors.md").read_text(encoding="utf-8")
    example = page.partition("```yaml\n")[2].partition("```")[0]
    settings.root.mkdir(parents=True)
    settings.providers_path.write_text(example, encoding="utf-8")
    assert [one.source for one in providers.load(settings)] == ["tax", "bank", "power"]
    for name in providers.Provider.model_fields:
        assert f"| `{name}` |" in page
