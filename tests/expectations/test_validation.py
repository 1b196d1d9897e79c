import pandas as pd
import pytest

from expectations import require, suite, validate
from expectations.profiles import Batch
from firmpulse.errors import ConfigurationError, ExpectationFailed
from firmpulse.settings import Settings

SUITES = ["delivery", "drift", "facts", "features", "masked", "scores"]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return Settings(home=tmp_path_factory.mktemp("home"))


def delivery(**changes: object) -> Batch:
    row = {
        "batch_table": "tax-20261031 / tax_invoice",
        "status": "landed",
        "delivery_rows_read": 200,
        "unaccounted_rows": 0,
        "rows_quarantined": 50,
        "quarantined_firms": 3,
        "unreadable_firms": 0,
        "rows_duplicate": 50,
        "rows_restated": 50,
        "rows_refused_by_gate": 50,
        "quarantined_share": 0.05,
        "duplicate_share": 0.2,
        "restated_share": 0.2,
        "refused_by_gate_share": 0.5,
    }
    other = {"batch_table": "tax-20261031 / tax_payment"}
    return Batch(pd.DataFrame([row, row | other | changes]))


def scores(**changes: list[object]) -> Batch:
    columns = {
        "firm_id": ["11111111", "22222222", "33333333"],
        "default_prob": [0.01, 0.02, 0.03],
        "score": [560, 550, 540],
        "grade": ["BBB", "BB", "B"],
    }
    return Batch(pd.DataFrame(columns | changes), 3)


def test_a_delivery_at_its_bounds_passes_without_a_word(home: Settings) -> None:
    outcome = validate(home, "delivery", delivery(), "2026-10-31")

    assert outcome.success
    assert outcome.failed == ()
    assert outcome.warnings == ()


def test_a_broken_delivery_says_what_was_expected_where_and_what_was_seen(home: Settings) -> None:
    frame = delivery(quarantined_share=0.0832, unaccounted_rows=3)

    with pytest.raises(ExpectationFailed) as caught:
        require(home, "delivery", frame, "2026-10-31")

    assert str(caught.value).splitlines()[:3] == [
        "the delivery batch of 2026-10-31 broke 2 of its expectations:",
        "  - expected: every row read is landed, a duplicate, refused by the gate or in quarantine"
        "; seen: tax-20261031 / tax_payment 3",
        "  - expected: at most 5 % of a table's rows go to quarantine, or fewer than 50 rows, or "
        "those of 1 or 2 firms; seen: tax-20261031 / tax_payment 0.0832",
    ]


def test_a_refused_delivery_is_a_warning_and_does_not_stop_the_night(home: Settings) -> None:
    refused = delivery(status="refused", delivery_rows_read=None)
    outcome = require(home, "delivery", refused, "2026-10-31")

    assert outcome.warnings == (
        "no delivery was refused; seen: tax-20261031 / tax_payment refused",
    )


def test_a_share_of_a_few_rows_is_no_news(home: Settings) -> None:
    kinds = ("rows_quarantined", "rows_duplicate", "rows_restated", "rows_refused_by_gate")
    few = dict.fromkeys(kinds, 49)
    shares = {f"{kind.removeprefix('rows_')}_share": 1.0 for kind in kinds}

    outcome = require(home, "delivery", delivery(**few, **shares), "2026-10-31")

    assert outcome.warnings == ()


def test_many_repeated_rows_are_a_warning(home: Settings) -> None:
    outcome = require(home, "delivery", delivery(duplicate_share=0.9), "2026-10-31")

    assert outcome.warnings == (
        "at most 20 % of a table's rows are duplicates, or fewer than 50 rows; "
        "seen: tax-20261031 / tax_payment 0.9",
    )


def test_many_rows_that_replace_others_are_a_warning(home: Settings) -> None:
    outcome = require(home, "delivery", delivery(restated_share=0.3), "2026-10-31")

    assert outcome.warnings == (
        "at most 20 % of a table's rows replace rows that came before, or fewer than 50 rows; "
        "tables of states apart; seen: tax-20261031 / tax_payment 0.3",
    )


def test_an_empty_delivery_is_a_warning(home: Settings) -> None:
    outcome = require(home, "delivery", delivery(delivery_rows_read=0), "2026-10-31")

    assert outcome.warnings == (
        "a landed delivery has at least one row; seen: tax-20261031 / tax_payment 0",
    )


def test_an_empty_night_is_a_warning(home: Settings) -> None:
    nothing = Batch(delivery().frame.iloc[:0])
    outcome = require(home, "delivery", nothing, "2026-10-31")

    assert outcome.warnings == ("the night has at least one delivery; seen: 0",)


@pytest.mark.parametrize(
    ("changes", "rule", "text"),
    [
        ({"default_prob": [0.01, 0.02, 1.1]}, "probabilities_in_range", "default_prob is 1.1"),
        ({"default_prob": [0.01, 0.02, 0.0]}, "probabilities_in_range", "default_prob is 0"),
        ({"default_prob": [0.01, 0.02, None]}, "probabilities_there", "default_prob is null"),
        ({"score": [560, 550, 901]}, "scores_in_range", "score is 901"),
        ({"grade": ["BBB", "BB", "E"]}, "grades_known", "grade is E"),
    ],
)
def test_a_broken_score_quarantines_its_firm(
    home: Settings, changes: dict[str, list[object]], rule: str, text: str
) -> None:
    outcome = require(home, "scores", scores(**changes), "2026-10-31", {"expected_rows": 3})

    ((broken, (found,)),) = outcome.quarantined.items()
    assert (broken, found.firm_id) == (rule, "33333333")
    assert found.text_en == f"{text}, which cannot be"
    (warning,) = [one for one in outcome.warnings if "quarantined" in one]
    assert warning.endswith("; quarantined: 1 of 3 firms")
    assert "33333333" not in str(outcome.warnings)


def test_broken_scores_of_many_firms_are_of_the_batch(home: Settings) -> None:
    def broken(firms: int, of: int) -> Batch:
        return Batch(pd.DataFrame({
            "firm_id": [f"{n:08d}" for n in range(of)], "default_prob": 0.02, "grade": "BB",
            "score": [901] * firms + [550] * (of - firms),
        }), of)  # fmt: skip

    # As many as 10, or more than 5 % of all, are not enough by themselves.
    for firms, of in ((9, 9), (10, 200)):
        batch = broken(firms, of)
        outcome = require(home, "scores", batch, "2026-10-31", {"expected_rows": of})
        assert len(outcome.quarantined["scores_in_range"]) == firms
    with pytest.raises(ExpectationFailed, match="scores are between 300 and 900; seen: 11 of 200"):
        require(home, "scores", broken(11, 200), "2026-10-31", {"expected_rows": 200})


def test_a_firm_that_is_scored_twice_stops_the_night(home: Settings) -> None:
    twice = scores(firm_id=["11111111"] * 2 + ["33333333"])
    with pytest.raises(ExpectationFailed, match="a firm is scored once; seen: 2 of 3 rows"):
        require(home, "scores", twice, "2026-10-31", {"expected_rows": 3})


def test_what_a_person_accepted_is_a_warning_that_says_who(home: Settings) -> None:
    frame = delivery(unaccounted_rows=3)
    accepted = {"rows_accounted_for": "Li Wei: counted by hand"}
    outcome = validate(home, "delivery", frame, "2026-10-31", accepted=accepted)

    assert outcome.success
    (warning,) = outcome.warnings
    assert warning.endswith("tax_payment 3; accepted by Li Wei: counted by hand")


def test_scores_must_cover_every_firm(home: Settings) -> None:
    assert validate(home, "scores", scores(), "2026-10-31", {"expected_rows": 3}).success
    outcome = validate(home, "scores", scores(), "2026-10-31", {"expected_rows": 4})

    assert outcome.failed == (
        "every firm of the night is either scored or listed as unscored; seen: 3",
    )


def test_pages_are_written_and_need_no_network(settings: Settings) -> None:
    validate(settings, "delivery", delivery(quarantined_share=0.0832), "2026-10-31")
    validate(settings, "scores", scores(), "2026-10-30", {"expected_rows": 3})

    index = (settings.data_docs / "index.html").read_text(encoding="utf-8")
    (page,) = (settings.data_docs / "validations" / "delivery").rglob("*.html")
    content = page.read_text(encoding="utf-8")
    assert "2026-10-31" in index
    assert "2026-10-30" in index
    assert "rows go to quarantine" in content
    assert "tax-20261031 / tax_payment" in content
    for text in (index, content):
        assert "http://" not in text
        assert "https://" not in text
        assert "<script" not in text


@pytest.mark.parametrize("name", SUITES)
def test_every_expectation_exists_in_great_expectations(name: str) -> None:
    import great_expectations as gx

    rules = [expectation.rule for expectation in suite.load(name).expectations]
    assert len(set(rules)) == len(rules)
    for expectation in suite.load(name).expectations:
        kind = getattr(gx.expectations, expectation.gx_class)
        assert kind(**expectation.arguments).expectation_type == f"expect_{expectation.expect}"


def test_an_unknown_suite_names_the_known_ones() -> None:
    with pytest.raises(ConfigurationError, match="delivery, drift, facts, features, masked"):
        suite.load("nothing")
