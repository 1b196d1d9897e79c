with snapshots as (

    {{ snapshots_to_build() }}

),

known as (

    select
        snapshots.firm_id,
        snapshots.as_of,
        milestones.contract_id,
        milestones.client_id,
        milestones.planned_on,
        milestones.accepted_on,
        milestones.invoiced_cny,
        milestones.received_cny,
        milestones.penalty_cny,
        milestones.is_terminated,
        milestones.planned_on <= snapshots.as_of
        and milestones.planned_on > snapshots.as_of - interval 12 month as was_due_12m
    from snapshots
    inner join {{ ref('stg_projects__milestone') }} as milestones
        on
            snapshots.firm_id = milestones.firm_id
            and snapshots.as_of >= milestones.available_at
    qualify
        row_number() over (
            partition by snapshots.firm_id, snapshots.as_of, milestones.row_id
            order by milestones.record_version desc
        ) = 1

),

projects as (

    select
        firm_id,
        as_of,
        count(*) filter (where was_due_12m) as due_count,
        count(*) filter (where was_due_12m and accepted_on <= planned_on) as on_time_count,
        cast(sum(invoiced_cny) filter (where was_due_12m) as double) as invoiced_cny,
        cast(sum(received_cny) filter (where was_due_12m) as double) as received_cny,
        cast(sum(penalty_cny) filter (where was_due_12m) as double) as penalty_cny,
        count(distinct contract_id) filter (where was_due_12m) as contract_count,
        count(distinct contract_id) filter (where was_due_12m and is_terminated)
            as terminated_count,
        count(distinct client_id) filter (where was_due_12m) as client_count,
        count(distinct contract_id) filter (where accepted_on is null and not is_terminated)
            as running_count
    from known
    group by firm_id, as_of

),

final as (

    select
        snapshots.firm_id,
        snapshots.as_of,
        snapshots.through_seq,
        projects.on_time_count / nullif(projects.due_count, 0) as project_on_time_share_12m,
        case
            when projects.invoiced_cny > 0
                then {{ within('projects.received_cny / projects.invoiced_cny', 0, 10) }}
        end as project_collected_share_12m,
        case
            when projects.invoiced_cny > 0
                then {{ within('projects.penalty_cny / projects.invoiced_cny', 0, 10) }}
        end as project_penalty_share_12m,
        projects.terminated_count / nullif(projects.contract_count, 0)
            as project_terminated_share_12m,
        cast(case when projects.due_count > 0 then projects.client_count end as double)
            as project_client_count_12m,
        cast(projects.running_count as double) as project_running_count
    from snapshots
    left join projects using (firm_id, as_of)

)

select * from final
