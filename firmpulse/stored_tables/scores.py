"""Scores of firms, their reasons, and the grades that people gave instead."""

from firmpulse.stored_tables.table import Column, Table

FIRM_AND_DATE = {
    "firm_id": Column("varchar", "Token of the firm; only the vault can resolve it"),
    "as_of": Column("date", "Date of the row: only what was known then is used"),
}

_DIMENSIONS = {
    "scale": "Scale: sales, purchases, energy, assets",
    "growth": "Growth: sales, orders, energy against earlier months",
    "stability": "Stability: how regular sales, receipts and orders are",
    "concentration": "Concentration: dependence on few customers or suppliers",
    "liquidity": "Liquidity: balances, receipts against payments, receivables",
    "compliance": "Compliance: returns, payments and bills on time, void invoices",
    "supply_chain": "Supply chain: orders, deliveries, position in the trade graph",
    "activity": "Activity: active days and months, production, payroll",
    "consistency": "Consistency: whether the sources agree",
    "profile": "Profile: age, industry, how much is known",
}
_PILLARS = {
    "operations": "Operations 经营: scale, growth, liquidity and profile",
    "tax": "Tax 税务: compliance",
    "supply_chain": "Supply chain 供应链: concentration and supply chain",
    "activity": "Activity 活跃度: stability and activity",
    "consistency": "Consistency 一致性: consistency",
}

SCORES = Table(
    "scoring",
    "scores",
    "One row per scored firm and as_of: default probability, score, grade and sub-scores.",
    {
        **FIRM_AND_DATE,
        "default_prob": Column(
            "double",
            "Calibrated probability of default within 12 months, 0 to 1; 1 for a firm in default",
        ),
        "score": Column("integer", "Score, 300 to 900; 40 points more halve the odds of default"),
        "grade": Column(
            "varchar",
            "Grade AAA (best) to C, decided from default_prob; D for a firm in default",
        ),
        **{
            f"dimension_{name}": Column("double", f"{meaning}; 0 to 100, 50 is neutral")
            for name, meaning in _DIMENSIONS.items()
        },
        **{
            f"pillar_{name}": Column("double", f"{meaning}; 0 to 100, 50 is neutral")
            for name, meaning in _PILLARS.items()
        },
        "coverage": Column(
            "varchar",
            "full: 4 sources; partial: 2 or 3; thin: 1, or under 6 months; light_asset: a services "
            "firm with project contracts",
        ),
        "supplements": Column(
            "varchar[]",
            "Supplements that were used: founder_credit, project_contracts",
        ),
        "observed_months": Column("integer", "Months since the first known fact of any source"),
        "source_count": Column("integer", "Sources with a recent fact"),
        "needs_review": Column("boolean", "A person must review this score before a decision"),
        "review_reasons": Column(
            "varchar[]",
            "Why: individual_business, founder_credit_used, thin_file, in_default",
        ),
        "grants": Column("varchar[]", "Authorisations under which this score was made"),
        "model_name": Column("varchar", "Registered model that scored"),
        "model_version": Column("varchar", "Version of that model; see model_versions"),
        "code_version": Column("varchar", "Release and digest of the code that scored"),
        "feature_digest": Column("varchar", "SHA-256 of the firm's features used for the score"),
    },
    owner="scoring",
    key=("firm_id", "as_of"),
    published_name="scores",
)

REASONS = Table(
    "scoring",
    "reasons",
    "Up to four rows per scored firm and as_of: the reasons that raised the risk most.",
    {
        **FIRM_AND_DATE,
        "rank": Column("integer", "1 is the strongest reason"),
        "code": Column(
            "varchar", "Reason group: source and dimension, the same in all model versions"
        ),
        "dimension": Column("varchar", "Dimension of the reason group"),
        "feature": Column("varchar", "Strongest feature of the group"),
        "log_odds": Column(
            "double",
            "What the group's observed features add to the log odds of default (exact SHAP); "
            "null for a default",
        ),
        "text_zh": Column("varchar", "Reason in Chinese"),
        "text_en": Column("varchar", "Reason in English"),
    },
    owner="scoring",
    key=("firm_id", "as_of", "rank"),
    published_name="reasons",
)

UNSCORED = Table(
    "scoring",
    "unscored",
    "One row per firm and as_of that has a live grant or rows, but no score: why, and what helps.",
    {
        **FIRM_AND_DATE,
        "reason": Column("varchar", "Code: insufficient_history, no_rows or quarantined"),
        "reason_zh": Column("varchar", "Why there is no score, in Chinese"),
        "reason_en": Column("varchar", "Why there is no score, in English"),
        "help_zh": Column("varchar", "What would help, in Chinese"),
        "help_en": Column("varchar", "What would help, in English"),
    },
    owner="scoring",
    key=("firm_id", "as_of"),
    published_name="unscored_history",
)

QUARANTINED_FIRMS = Table(
    "scoring",
    "quarantined_firms",
    "One row per firm, as_of, rule and column: what a check found impossible, so it has no score.",
    {
        **FIRM_AND_DATE,
        "suite": Column("varchar", "Suite of the check: delivery, features or scores"),
        "rule": Column("varchar", "Rule of the suite that the firm broke"),
        "column_name": Column(
            "varchar",
            "Feature or column of the score; delivery and table if its rows were not readable",
        ),
        "text_zh": Column("varchar", "What was found and expected, in Chinese"),
        "text_en": Column("varchar", "What was found and expected, in English"),
    },
    owner="expectations",
    key=("firm_id", "as_of", "suite", "rule", "column_name"),
    published_name="quarantined_firms",
)

HIDDEN_CHAMPIONS = Table(
    "scoring",
    "hidden_champions",
    "One row per firm and as_of: a small firm with a strong position in the trade graph.",
    {
        **FIRM_AND_DATE,
        "strength": Column(
            "double",
            "Mean of the percentiles of large buyers, core buyers and deliveries on time, 0 to 1",
        ),
        "large_buyer_percentile": Column(
            "double",
            "Share of its sales that goes to large buyers, percentile in its industry",
        ),
        "core_buyer_percentile": Column(
            "double",
            "Share of its orders from core enterprises, percentile in its industry",
        ),
        "on_time_percentile": Column(
            "double",
            "Share of its deliveries accepted on time, percentile in its industry",
        ),
        "supplier_rank_percentile": Column(
            "double",
            "Rank as a supplier in the trade graph, percentile; for information only",
        ),
        "sole_supplier_percentile": Column(
            "double",
            "Customers without another source, percentile; for information only",
        ),
        "customer_retention": Column(
            "double", "Share of the previous year's customers that stayed"
        ),
        "industry": Column("varchar", "GB/T 4754 division, two digits"),
        "warning_level": Column("varchar", "Warning level in force; never orange or red here"),
        "evidence_zh": Column("varchar", "Evidence, in Chinese"),
        "evidence_en": Column("varchar", "Evidence, in English"),
    },
    owner="scoring",
    key=("firm_id", "as_of"),
    published_name="hidden_champions_history",
)

# Kept in the warehouse, for replays; not published.
MARKS = Table(
    "scoring",
    "marks",
    "One row per scored firm and as_of: marks of the features used, without their values.",
    {**FIRM_AND_DATE, "marks": Column("blob", "2 bytes per feature, in the order of the model")},
    owner="scoring",
    key=("firm_id", "as_of"),
)

OVERRIDES = Table(
    "scoring",
    "overrides",
    "One row per override: a person proposes another grade for a scored firm, a second decides.",
    {
        **FIRM_AND_DATE,
        "override_id": Column("varchar", "Number of the override"),
        "model_grade": Column("varchar", "Grade that the model gave"),
        "grade": Column("varchar", "New grade; at most two notches away"),
        "reason_code": Column("varchar", "Why; see scoring/overrides.py"),
        "status": Column("varchar", "proposed, approved, rejected"),
        "maker": Column("varchar", "Who proposed it"),
        "checker": Column("varchar", "Who decided; never the maker"),
        "proposed_at": Column("timestamptz", "When it was proposed"),
        "decided_at": Column("timestamptz", "When it was decided"),
    },
    owner="scoring",
    key=("override_id",),
    published_name="overrides",
)
