-- why: an asset whose ticker history was read once is compared with the vendor's lists alone from then on. Where days turned
--      out to be another company's, or under another ticker, its splits and dividends are read anew from the beginning.
-- params: asset_id, today, in_full. grain: one row if it changed. reads and writes: reference_progress.
-- used by: storage.aliases
insert into reference_progress as p (asset_id, identified_on)
values (
    %(asset_id)s, %(today)s
)
on conflict (asset_id) do update
set
    identified_on = coalesce(p.identified_on, excluded.identified_on),
    splits_through = case when not %(in_full)s::boolean then p.splits_through end,
    dividends_through = case when not %(in_full)s::boolean then p.dividends_through end
where p.identified_on is null or %(in_full)s::boolean
