-- A firm's place among firms that are linked with each other. News of one firm rebuilds a date for
-- all firms; rows that are only missing are built alone, so that no other firm's past changes.
with {{ snapshots_of_all_firms() }},

collected as (

    select
        snapshots.firm_id,
        snapshots.as_of,
        bool_or(tables.table_name = 'court_enforcement') as has_enforcement,
        bool_or(tables.table_name = 'guarantee') as has_guarantees,
        bool_or(tables.table_name in ('guarantee', 'shareholder')) as has_links
    from snapshots
    inner join {{ ref('fct_public_collected') }} as tables
        on
            snapshots.firm_id = tables.firm_id
            and snapshots.as_of >= tables.available_at
    group by snapshots.firm_id, snapshots.as_of

),

entries as (

    {{ known_rows('stg_public__enforcement') }}

),

enforced as (

    select
        firm_id,
        as_of,
        bool_or(ended_on is null) as is_enforced
    from entries
    group by firm_id, as_of

),

-- Firms of which it is known whether they are under enforcement.
courts as (

    select
        collected.firm_id,
        collected.as_of,
        coalesce(enforced.is_enforced, false) as is_enforced
    from collected
    left join enforced
        on
            collected.firm_id = enforced.firm_id
            and collected.as_of = enforced.as_of
    where collected.has_enforcement

),

shares as (

    {{ known_rows('stg_public__holding') }}

),

guarantees as (

    {{ known_rows('stg_public__guarantee') }}

),

-- Holders of less do not control a firm, and a fund that has a little of many firms would join them
-- all.
links as (

    select
        as_of,
        holder_id as origin_id,
        firm_id as target_id,
        false as is_guarantee
    from shares
    where held_to is null and holder_id is not null and held_share >= 0.25
    union
    select
        as_of,
        firm_id as origin_id,
        guaranteed_id as target_id,
        true as is_guarantee
    from guarantees
    where released_on is null and guaranteed_id is not null

),

nodes as (

    select
        node_id,
        row_number() over (order by node_id) as node
    from (
        select origin_id as node_id
        from links
        union
        select target_id
        from links
    ) as both_ends

),

measured as (

    select
        links.as_of,
        unnest(
            link_graph(list(origins.node), list(targets.node), list(links.is_guarantee))
        ) as place
    from links
    inner join nodes as origins on links.origin_id = origins.node_id
    inner join nodes as targets on links.target_id = targets.node_id
    group by links.as_of

),

places as materialized (

    select
        nodes.node_id as firm_id,
        measured.as_of,
        struct_extract(measured.place, 'cluster') as cluster,
        struct_extract(measured.place, 'cluster_size') as cluster_size,
        struct_extract(measured.place, 'ring_size') as ring_size
    from measured
    inner join nodes on struct_extract(measured.place, 'node') = nodes.node

),

clusters as (

    select
        places.as_of,
        places.cluster,
        count(*) as known_count,
        count(*) filter (where courts.is_enforced) as enforced_count
    from places
    inner join courts
        on
            places.firm_id = courts.firm_id
            and places.as_of = courts.as_of
    group by places.as_of, places.cluster

),

-- The other firms of a firm's cluster.
others as (

    select
        places.firm_id,
        places.as_of,
        (clusters.enforced_count - cast(coalesce(courts.is_enforced, false) as integer))
        / nullif(
            clusters.known_count - cast(courts.is_enforced is not null as integer), 0
        ) as enforced_share
    from places
    inner join clusters
        on
            places.as_of = clusters.as_of
            and places.cluster = clusters.cluster
    left join courts
        on
            places.firm_id = courts.firm_id
            and places.as_of = courts.as_of

),

guaranteed as (

    select
        links.origin_id as firm_id,
        links.as_of,
        avg(cast(courts.is_enforced as integer)) as enforced_share
    from links
    inner join courts
        on
            links.target_id = courts.firm_id
            and links.as_of = courts.as_of
    where links.is_guarantee
    group by links.origin_id, links.as_of

),

relations as (

    select
        firm_id,
        buyer_id,
        min(available_at) as known_from
    from {{ ref('stg_supply__relation') }}
    where buyer_id is not null
    group by firm_id, buyer_id

),

-- A relation is stated by the supplier, and holds for both.
partners as (

    select
        relations.firm_id,
        courts.as_of,
        relations.buyer_id as partner_id,
        courts.is_enforced
    from relations
    inner join courts
        on
            relations.buyer_id = courts.firm_id
            and relations.known_from <= courts.as_of
    union
    select
        relations.buyer_id as firm_id,
        courts.as_of,
        relations.firm_id as partner_id,
        courts.is_enforced
    from relations
    inner join courts
        on
            relations.firm_id = courts.firm_id
            and relations.known_from <= courts.as_of

),

partnered as (

    select
        firm_id,
        as_of,
        avg(cast(is_enforced as integer)) as enforced_share
    from partners
    group by firm_id, as_of

),

linked as (

    select
        snapshots.firm_id,
        snapshots.as_of,
        snapshots.last_month,
        snapshots.since_12m,
        places.cluster
    from snapshots
    inner join places
        on
            snapshots.firm_id = places.firm_id
            and snapshots.as_of = places.as_of

),

sold as (

    select
        snapshots.firm_id,
        snapshots.as_of,
        snapshots.cluster,
        facts.counterparty_id,
        sum(facts.net_cny) as net_cny
    from linked as snapshots
    {{ join_known(ref('fct_tax_counterparty_monthly'), months=12) }}
    where facts.direction = 'OUT'
    group by snapshots.firm_id, snapshots.as_of, snapshots.cluster, facts.counterparty_id

),

related as (

    select
        sold.firm_id,
        sold.as_of,
        cast(sum(sold.net_cny) as double) as sales_cny,
        cast(
            coalesce(sum(sold.net_cny) filter (where sold.cluster = places.cluster), 0) as double
        ) as related_cny
    from sold
    left join places
        on
            sold.counterparty_id = places.firm_id
            and sold.as_of = places.as_of
    group by sold.firm_id, sold.as_of

),

final as (

    select
        snapshots.firm_id,
        snapshots.as_of,
        snapshots.through_seq,
        case
            when collected.has_links then cast(coalesce(places.cluster_size, 1) as double)
        end as link_group_size,
        others.enforced_share as link_group_enforced_share,
        case
            when collected.has_guarantees then cast(coalesce(places.ring_size, 0) as double)
        end as link_guarantee_ring_size,
        guaranteed.enforced_share as link_guaranteed_enforced_share,
        partnered.enforced_share as link_partner_enforced_share,
        case
            when collected.has_links and places.cluster is null and tax.tax_sales_mean_12m > 0
                then 0
            when collected.has_links and related.sales_cny > 0
                then {{ within('related.related_cny / related.sales_cny', 0, 1) }}
        end as link_related_sales_share_12m
    from snapshots
    left join collected using (firm_id, as_of)
    left join places using (firm_id, as_of)
    left join others using (firm_id, as_of)
    left join guaranteed using (firm_id, as_of)
    left join partnered using (firm_id, as_of)
    left join related using (firm_id, as_of)
    left join {{ ref('feat_tax_monthly') }} as tax using (firm_id, as_of)
    left join wanted
        on
            snapshots.firm_id = wanted.firm_id
            and snapshots.as_of = wanted.as_of
    where
        wanted.firm_id is not null
        or snapshots.as_of in (select moved.as_of from moved)

)

select * from final
