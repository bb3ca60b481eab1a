-- why: dividends as the vendor reports them now; what stands so already is not written.
-- params: asset_ids, vendor_ids, ex_dates, cash_amounts, currencies, declared_on, record_dates, pay_dates, frequencies, kinds
--         (arrays of one length, each key once), at (instant of the answer).
-- grain: one row a dividend written, true if it is new. reads and writes: dividend.
-- used by: storage.corporate_actions
insert into dividend as d (
    asset_id, vendor_id, ex_date, cash_amount, currency, declared_on, record_date, pay_date, frequency, kind, fetched_at
)
select
    g.asset_id,
    g.vendor_id,
    g.ex_date,
    g.cash_amount,
    g.currency,
    g.declared_on,
    g.record_date,
    g.pay_date,
    g.frequency,
    g.kind,
    %(at)s::timestamptz
from unnest(
    %(asset_ids)s::bigint [], %(vendor_ids)s::text [], %(ex_dates)s::date [], %(cash_amounts)s::double precision [],
    %(currencies)s::text [], %(declared_on)s::date [], %(record_dates)s::date [], %(pay_dates)s::date [],
    %(frequencies)s::integer [], %(kinds)s::text []
) as g (
    asset_id, vendor_id, ex_date, cash_amount, currency, declared_on, record_date, pay_date, frequency, kind
)
order by g.asset_id, g.vendor_id
on conflict (asset_id, vendor_id) do update
set
    ex_date = excluded.ex_date,
    cash_amount = excluded.cash_amount,
    currency = excluded.currency,
    declared_on = excluded.declared_on,
    record_date = excluded.record_date,
    pay_date = excluded.pay_date,
    frequency = excluded.frequency,
    kind = excluded.kind,
    withdrawn_at = null,
    fetched_at = excluded.fetched_at
where
    (
        d.ex_date, d.cash_amount, d.currency, d.declared_on, d.record_date, d.pay_date, d.frequency, d.kind,
        d.withdrawn_at
    )
    is distinct from
    (
        excluded.ex_date, excluded.cash_amount, excluded.currency, excluded.declared_on, excluded.record_date,
        excluded.pay_date, excluded.frequency, excluded.kind, null
    )
returning d.xmax = 0 as is_new
