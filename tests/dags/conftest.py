from datetime import date

import pytest

from firmpulse.settings import Settings
from simulator import Economy, deliver
from tests.homes import know_tokens


@pytest.fixture(scope="session")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> tuple[Settings, date]:
    """Return a home folder with the first deliveries of a small economy, and their night.

    So few firms train a weak model; tokens and firms are the same each time, and with these its
    gates hold. One more delivery cannot be read; it must not stop the others.
    """
    settings = Settings(home=tmp_path_factory.mktemp("dags"), memory_limit="2GB")
    know_tokens(settings)
    economy = Economy(firms=200, months=36)
    deliver(economy, settings.inbox, through=economy.last_day)
    broken = settings.inbox / "tax" / "tax-broken" / "manifest.json"
    broken.parent.mkdir(parents=True)
    broken.write_text("{}", encoding="utf-8")
    return settings, economy.last_day
