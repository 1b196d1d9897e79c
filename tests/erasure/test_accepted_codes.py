"""What remains of an accepted code after erasure: a token, and the way to the certificate."""

from datetime import timedelta

from consent import codes
from consent.codes import Codes
from consent.ledger import Ledger
from erasure.honour import honour
from extracts.vault import nightly
from extracts.vault.landing import Counts
from firmpulse.settings import Settings
from tests.consent.test_codes import CODE, accept
from tests.consent.test_commands import done
from tests.extracts.inbox import AS_OF, csv, deliver, grant, payment, permit, query

GONE = AS_OF + timedelta(days=1)


def test_an_erased_firm_keeps_its_exception_by_token_alone(settings: Settings) -> None:
    accept(settings)
    permit(settings, grant(f"uscc:{CODE}"))
    deliver(settings, {"a.csv": csv([payment(CODE)])})
    assert nightly.land(settings, "tax", AS_OF).totals.landed == 1
    token = codes.token_of(settings, CODE)
    Ledger(settings).revoke(token, on=GONE, actor="test")
    assert set(honour(settings, GONE).certificates) == {token}
    assert query(settings, "from vault.raw.tax_payment") == []
    assert query(settings, "from vault.ops.firm_directory") == []
    # A late row is refused like any other firm's, and not stored.
    deliver(settings, {"a.csv": csv([payment(CODE)])}, delivery_id="tax-2", delivered=GONE)
    assert nightly.land(settings, "tax", GONE).totals == Counts(read=1, refused_by_gate=1)
    assert query(settings, "from vault.ops.quarantine") == []
    assert "deletion certificate" in done(settings.root, "consent", "status", CODE)
    codes.withdraw(settings, CODE, because="the firm is gone", actor="test")
    assert "deletion certificate" in done(settings.root, "consent", "status", CODE)
    assert Codes(settings).problem(CODE) is not None
