-- why: who a ticker belongs to and since when; what companies did to their shares, with the verdict on what the vendor says.
-- grain: one row a reported split, a reported dividend, an asset's progress through the vendor's reference data.

alter table asset
add column figi text check (figi <> ''),
add column gone_on date;
comment on column asset.figi is 'Composite FIGI, the identity of a listing whatever its ticker; null: unknown.';
comment on column asset.gone_on is 'Date on which the vendor did not know the symbol (404); it is the reason for an inactive_since of the same date.';
create unique index asset_figi on asset (figi);

comment on column asset_alias.symbol is 'The ticker, or the coin id, as the vendor spells it.';
comment on column asset_alias.valid is 'Dates on which it meant this asset; bars of these sessions are asked for under it.';
update asset_alias as n
set symbol = a.vendor_symbol
from asset as a
where n.asset_id = a.asset_id and n.symbol <> a.vendor_symbol;

create table reference_progress (
    asset_id bigint primary key references asset,
    identified_on date,
    splits_through date,
    dividends_through date
);
comment on table reference_progress is 'How far the vendor''s reference data of an asset have been read without a gap.';
comment on column reference_progress.asset_id is 'The asset.';
comment on column reference_progress.identified_on is 'Date on which its ticker history was read; null: not yet.';
comment on column reference_progress.splits_through is 'Date of the newest sync that brought its splits; null: none of them was read yet.';
comment on column reference_progress.dividends_through is 'Date of the newest sync that brought its dividends; null: none of them was read yet.';

alter table split drop constraint split_pkey;
alter table split
add column vendor_id text not null default '',
add column kind text not null default 'forward_split'
check (kind in ('forward_split', 'reverse_split', 'stock_dividend')),
add column state text not null default 'applied' check (state in ('applied', 'held')),
add column reason text not null default '',
add column withdrawn_at timestamptz,
add column proof text not null default 'pending' check (proof in ('pending', 'proven', 'differs')),
add column proof_note text not null default '',
add column proved_at timestamptz,
add primary key (asset_id, executed_on, split_from, split_to),
add check (state = 'applied' or reason <> ''),
add check (split_from <> split_to);
create unique index split_applied on split (asset_id, executed_on) where state = 'applied';
comment on table split is 'Splits as the vendor reports them. Bars stay raw; views adjust them by the applied ones.';
comment on column split.executed_on is 'First session at the new share count.';
comment on column split.vendor_id is 'The vendor''s own key; empty: not given.';
comment on column split.kind is 'forward_split, reverse_split or stock_dividend.';
comment on column split.state is 'applied: adjusted series count it from its day on. held: they do not, for the reason given.';
comment on column split.reason is 'Why it is held, or applied against a doubt; empty: no doubt.';
comment on column split.withdrawn_at is 'Instant at which the vendor no longer reported it; null: reported.';
comment on column split.proof is 'Whether our adjusted bars around it equal the vendor''s: pending, proven or differs.';
comment on column split.proof_note is 'What was compared; for a difference the session and both values.';
comment on column split.proved_at is 'Instant of the vendor''s answer that was compared; null: none yet.';
comment on column split.fetched_at is 'Instant at which the vendor first reported it.';

create table dividend (
    asset_id bigint not null references asset,
    vendor_id text not null,
    ex_date date not null,
    cash_amount double precision not null check (cash_amount > 0 and cash_amount < 'infinity'),
    currency text not null,
    declared_on date,
    record_date date,
    pay_date date,
    frequency integer,
    kind text not null default '',
    withdrawn_at timestamptz,
    fetched_at timestamptz not null,
    primary key (asset_id, vendor_id)
);
create index dividend_ex_date on dividend (asset_id, ex_date);
comment on table dividend is 'Cash dividends as the vendor reports them.';
comment on column dividend.asset_id is 'The asset.';
comment on column dividend.vendor_id is 'The vendor''s own key, or date, amount and kind where it gives none.';
comment on column dividend.ex_date is 'First session at which a buyer no longer gets it.';
comment on column dividend.cash_amount is 'Amount a share, in currency, on the share count of that time.';
comment on column dividend.currency is 'ISO code, capital letters; empty: not given. Only USD counts in total-return series.';
comment on column dividend.declared_on is 'Date of the announcement; null: not given.';
comment on column dividend.record_date is 'Date on which a holder is entitled to it; null: not given.';
comment on column dividend.pay_date is 'Date of the payment; null: not given.';
comment on column dividend.frequency is 'Payments a year, 0 for one of its own; null: not given.';
comment on column dividend.kind is 'The vendor''s word: recurring, special ...; empty: not given.';
comment on column dividend.withdrawn_at is 'Instant at which the vendor no longer reported it; null: reported.';
comment on column dividend.fetched_at is 'Instant at which the vendor first reported this version.';

comment on column ingest_call.kind is 'What was asked for: a call kind of the glossary, ticker_range, market_day, coin_chart, coin_ohlc, splits ...';
comment on column ingest_call.inserted is 'Number of bars, splits or dividends stored for the first time.';
comment on column ingest_call.changed is 'Number of bars replaced, or dividends altered, because the vendor changed them.';
comment on column ingest_call.unchanged is 'Number of bars, splits or dividends that were stored already, or are stored in a newer version.';
