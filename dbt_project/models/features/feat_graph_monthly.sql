-- A firm's position in the trade of all firms. News of one firm rebuilds a date for all firms; rows
-- that are only missing are built alone, so that no other firm's past changes.
with {{ snapshots_of_all_firms() }},

-- What each firm reports to have sold to and bought from each other one in the last year.
stated as (

    select
        snapshots.as_of,
        case when facts.direction = 'OUT' then facts.firm_id else facts.counterparty_id end
            as seller_id,
        case when facts.direction = 'OUT' then facts.counterparty_id else facts.firm_id end
            as buyer_id,
        sum(facts.net_cny) as net_cny
    from snapshots
    {{ join_known(ref('fct_tax_counterparty_monthly'), months=12) }}
    where facts.counterparty_id <> facts.firm_id
    group by snapshots.as_of, facts.direction, facts.firm_id, facts.counterparty_id

),

-- Both seller and buyer may have reported it.
edges as (

    select
        as_of,
        seller_id,
        buyer_id,
        max(net_cny) as net_cny
    from stated
    where net_cny > 0
    group by as_of, seller_id, buyer_id

),

nodes as (

    select
        node_id,
        row_number() over (order by node_id) as node
    from (
        select seller_id as node_id
        from edges
        union
        select buyer_id
        from edges
    ) as both_sides

),

measured as (

    select
        edges.as_of,
        unnest(
            trade_graph(
                list(sellers.node), list(buyers.node), list(cast(edges.net_cny as double))
            )
        ) as place
    from edges
    inner join nodes as sellers on edges.seller_id = sellers.node_id
    inner join nodes as buyers on edges.buyer_id = buyers.node_id
    group by edges.as_of

),

purchases as (

    select
        as_of,
        buyer_id,
        percent_rank() over (
            partition by as_of
            order by sum(net_cny)
        ) as place
    from edges
    group by as_of, buyer_id

),

sales as (

    select
        edges.as_of,
        edges.seller_id as firm_id,
        sum(edges.net_cny) as net_cny,
        sum(edges.net_cny) filter (where purchases.place >= 0.9) as to_large_buyers_cny
    from edges
    inner join purchases
        on
            edges.as_of = purchases.as_of
            and edges.buyer_id = purchases.buyer_id
    group by edges.as_of, edges.seller_id

),

divisions as (

    select
        snapshots.firm_id,
        snapshots.as_of,
        left(
            max_by(registered.industry_code, (registered.updated_on, registered.record_version)), 2
        ) as division
    from snapshots
    inner join {{ ref('stg_tax__registration') }} as registered
        on
            snapshots.firm_id = registered.firm_id
            and snapshots.as_of >= registered.available_at
    group by snapshots.firm_id, snapshots.as_of

),

-- What firms of a division sold. Made by itself: joining snapshots and divisions at once, a planner
-- may pair each firm of a date with all others.
sold as materialized (

    select
        edges.as_of,
        edges.seller_id,
        edges.buyer_id,
        divisions.division
    from edges
    inner join divisions
        on
            edges.as_of = divisions.as_of
            and edges.seller_id = divisions.firm_id
    where divisions.division is not null

),

-- Customers whose purchases are known, and how many sellers of a division each has.
supplied as (

    select
        sold.as_of,
        sold.seller_id as firm_id,
        sold.buyer_id,
        count(*) over (partition by sold.as_of, sold.buyer_id, sold.division) as suppliers
    from sold
    inner join snapshots
        on
            sold.as_of = snapshots.as_of
            and sold.buyer_id = snapshots.firm_id

),

sole as (

    select
        as_of,
        firm_id,
        avg(cast(suppliers = 1 as integer)) as share
    from supplied
    group by as_of, firm_id

),

final as (

    select
        snapshots.firm_id,
        snapshots.as_of,
        snapshots.through_seq,
        struct_extract(measured.place, 'cycle_share') as graph_ring_share_12m,
        struct_extract(measured.place, 'supplier_rank') as graph_supplier_rank_12m,
        cast(
            case
                when sales.net_cny > 0
                    then cast(coalesce(sales.to_large_buyers_cny, 0) as double)
                        / cast(sales.net_cny as double)
            end as double
        ) as graph_large_buyer_share_12m,
        sole.share as graph_sole_supplier_share_12m
    from snapshots
    left join nodes on snapshots.firm_id = nodes.node_id
    left join measured
        on
            snapshots.as_of = measured.as_of
            and nodes.node = struct_extract(measured.place, 'node')
    left join sales
        on
            snapshots.firm_id = sales.firm_id
            and snapshots.as_of = sales.as_of
    left join sole
        on
            snapshots.firm_id = sole.firm_id
            and snapshots.as_of = sole.as_of
    left join wanted
        on
            snapshots.firm_id = wanted.firm_id
            and snapshots.as_of = wanted.as_of
    where
        wanted.firm_id is not null
        or snapshots.as_of in (select moved.as_of from moved)

)

select * from final
