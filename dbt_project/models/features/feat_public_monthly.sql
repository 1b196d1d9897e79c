with snapshots as (

    {{ snapshots_to_build() }}

),

cases as (

    {{ known_rows('stg_public__case') }}

),

sued as (

    select
        firm_id,
        as_of,
        count(*) as row_count,
        count(*) filter (
            where role = 'DEFENDANT' and filed_on > as_of - interval 24 month
        ) as count_24m,
        count(*) filter (where role = 'DEFENDANT' and closed_on is null) as open_count,
        cast(
            sum(amount_cny) filter (where role = 'DEFENDANT' and closed_on is null) as double
        ) as open_cny
    from cases
    group by firm_id, as_of

),

entries as (

    {{ known_rows('stg_public__enforcement') }}

),

-- A case may be on several lists, with its amount on each.
enforced_cases as (

    select
        firm_id,
        as_of,
        case_id,
        min(filed_on) as first_filed_on,
        bool_or(ended_on is null) as is_open,
        bool_or(kind in ('DISHONEST', 'RESTRICTED') and ended_on is null) as is_dishonest,
        max(amount_cny) filter (where ended_on is null) as open_cny
    from entries
    group by firm_id, as_of, case_id

),

enforced as (

    select
        firm_id,
        as_of,
        count(*) as row_count,
        count(*) filter (where first_filed_on > as_of - interval 24 month) as count_24m,
        count(*) filter (where is_open) as open_count,
        cast(sum(open_cny) as double) as open_cny,
        bool_or(is_dishonest) as is_dishonest
    from enforced_cases
    group by firm_id, as_of

),

states as (

    {{ known_rows('stg_public__capital') }}

),

capital as (

    select
        firm_id,
        as_of,
        cast(max_by(registered_cny, changed_on) as double) as registered_cny,
        max_by(paid_in_cny / nullif(registered_cny, 0), changed_on) as paid_in_share,
        cast(greatest(
            max(registered_cny) filter (where changed_on > as_of - interval 12 month),
            max_by(registered_cny, changed_on) filter (
                where changed_on <= as_of - interval 12 month
            )
        ) as double) as highest_12m_cny
    from states
    group by firm_id, as_of

),

shares as (

    {{ known_rows('stg_public__holding') }}

),

holders as (

    select
        firm_id,
        as_of,
        holder_no,
        min(held_from) as joined_on,
        cast(max(held_share) filter (where held_to is null) as double) as held_share
    from shares
    group by firm_id, as_of, holder_no

),

held as (

    select
        firm_id,
        as_of,
        min(joined_on) as first_joined_on,
        count(held_share) as holder_count,
        max(held_share) as top_share,
        sum(held_share) as known_share,
        coalesce(
            sum(held_share) filter (where joined_on > as_of - interval 12 month), 0
        ) as new_share
    from holders
    group by firm_id, as_of

),

guarantees as (

    {{ known_rows('stg_public__guarantee') }}

),

guaranteed as (

    select
        firm_id,
        as_of,
        count(*) as row_count,
        cast(sum(guaranteed_cny) filter (where released_on is null) as double) as given_cny,
        count(distinct guaranteed_id) filter (where released_on is null)
        + count(*) filter (where guaranteed_id is null and released_on is null) as party_count
    from guarantees
    group by firm_id, as_of

),

collected as (

    select
        snapshots.firm_id,
        snapshots.as_of,
        bool_or(tables.table_name = 'court_case') as has_cases,
        bool_or(tables.table_name = 'court_enforcement') as has_enforcement,
        bool_or(tables.table_name = 'guarantee') as has_guarantees
    from snapshots
    inner join {{ ref('fct_public_collected') }} as tables
        on
            snapshots.firm_id = tables.firm_id
            and snapshots.as_of >= tables.available_at
    group by snapshots.firm_id, snapshots.as_of

),

sales as (

    select
        firm_id,
        as_of,
        case when tax_sales_mean_12m > 0 then tax_sales_mean_12m * 12 else 0 end as sales_12m
    from {{ ref('feat_tax_monthly') }}
    where tax_sales_mean_12m is not null

),

-- A firm without a row of a table has none of it if its provider delivers the table; otherwise it
-- is unknown. A row of the firm proves that the table is delivered.
final as (

    select
        snapshots.firm_id,
        snapshots.as_of,
        snapshots.through_seq,
        sued.row_count is not null or coalesce(collected.has_cases, false) as knows_cases,
        enforced.row_count is not null or coalesce(collected.has_enforcement, false)
            as knows_enforcement,
        guaranteed.row_count is not null or coalesce(collected.has_guarantees, false)
            as knows_guarantees,
        case
            when knows_cases then cast(coalesce(sued.count_24m, 0) as double)
        end as public_defendant_count_24m,
        case
            when not knows_cases or sales.sales_12m is null then null
            when coalesce(sued.open_count, 0) = 0 then 0
            else sued.open_cny / nullif(sued.open_cny + sales.sales_12m, 0)
        end as public_claimed_share_12m,
        case
            when knows_enforcement then cast(coalesce(enforced.count_24m, 0) as double)
        end as public_enforcement_count_24m,
        case
            when not knows_enforcement or sales.sales_12m is null then null
            when coalesce(enforced.open_count, 0) = 0 then 0
            else enforced.open_cny / nullif(enforced.open_cny + sales.sales_12m, 0)
        end as public_enforced_share_12m,
        case
            when knows_enforcement
                then cast(coalesce(enforced.is_dishonest, false) as double)
        end as public_dishonest,
        case
            when capital.registered_cny > 0
                then {{ within('ln(capital.registered_cny)', 0, 40) }}
        end as public_registered_capital_log,
        {{ within('capital.paid_in_share', 0, 1) }} as public_paid_in_share,
        case
            when capital.highest_12m_cny > 0
                then 1 - capital.registered_cny / capital.highest_12m_cny
        end as public_capital_cut_share_12m,
        case
            when held.holder_count > 0 then cast(held.holder_count as double)
        end as public_holder_count,
        held.top_share as public_top_holder_share,
        -- All holders of a firm are new in its first year.
        case
            when held.first_joined_on <= snapshots.as_of - interval 12 month
                then held.new_share / nullif(held.known_share, 0)
        end as public_new_holder_share_12m,
        case
            when not knows_guarantees or sales.sales_12m is null then null
            when coalesce(guaranteed.given_cny, 0) = 0 then 0
            else guaranteed.given_cny / (guaranteed.given_cny + sales.sales_12m)
        end as public_guaranteed_share_12m,
        case
            when knows_guarantees
                then cast(coalesce(guaranteed.party_count, 0) as double)
        end as public_guaranteed_count
    from snapshots
    left join sued using (firm_id, as_of)
    left join enforced using (firm_id, as_of)
    left join capital using (firm_id, as_of)
    left join held using (firm_id, as_of)
    left join guaranteed using (firm_id, as_of)
    left join collected using (firm_id, as_of)
    left join sales using (firm_id, as_of)

)

select * exclude (knows_cases, knows_enforcement, knows_guarantees) from final
