-- why: under which ticker the bars of a session are asked for, for the few assets whose present ticker does not tell: it was
--      another one before, or it was another company's of ours, whose bars nobody else may inherit.
-- params: none. grain: one row an asset and period; symbol null: nobody is to be asked; first null: since ever, last null: until
--         now. Days that an asset shares with a row without symbol belong to that row. reads: asset_alias.
-- used by: storage.aliases
with several as (
    select asset_id
    from asset_alias
    group by asset_id
    having count(*) > 1
),

unowned as (
    select
        asset_id,
        daterange(null, min(lower(valid))) as days
    from asset_alias
    where asset_id in (select asset_id from several)
    group by asset_id
    having bool_and(not lower_inf(valid))
    union all
    select
        n.asset_id,
        n.valid * ended.valid as days
    from asset_alias as n
    inner join asset_alias as ended on n.symbol = ended.symbol and n.asset_id <> ended.asset_id
    where upper_inf(n.valid) and not upper_inf(ended.valid) and n.valid && ended.valid
)

select
    asset_id,
    null as symbol,
    lower(days) as first,
    upper(days) - 1 as last
from unowned
union all
select
    asset_id,
    symbol,
    lower(valid) as first,
    upper(valid) - 1 as last
from asset_alias
where asset_id in (select asset_id from several)
order by asset_id, symbol nulls first, first nulls first
