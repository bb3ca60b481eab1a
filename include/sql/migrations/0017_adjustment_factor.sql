-- why: a statement that is told how to adjust reads the factors of that kind in one place, whichever it is.
-- grain: one row a kind of adjustment and a step of an asset's cumulative factor; a session without a row has the factor 1.
-- Ask for one kind and for one asset: as with the views that it reads, factors are then made for that asset alone.

create view adjustment_factor as
select
    asset_id,
    'splits' as adjusted,
    first,
    until,
    factor as price_factor,
    factor as share_factor
from split_factor
union all
select
    asset_id,
    'total-return' as adjusted,
    first,
    until,
    factor as price_factor,
    share_factor
from total_return_factor;
comment on view adjustment_factor is 'Cumulative factors of both kinds of adjusted series; none for raw prices, nor after the last split or dividend.';
comment on column adjustment_factor.asset_id is 'The asset.';
comment on column adjustment_factor.adjusted is 'splits, or total-return: splits and counted dividends.';
comment on column adjustment_factor.first is 'First session that it is for, inclusive.';
comment on column adjustment_factor.until is 'Session that it ends before: the day of a split or dividend.';
comment on column adjustment_factor.price_factor is 'What a raw price is multiplied with.';
comment on column adjustment_factor.share_factor is 'What a volume is divided by: splits alone.';
