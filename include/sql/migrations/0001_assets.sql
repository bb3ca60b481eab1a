-- why: what is followed, under which names, and who watches it.
-- grain: one row an asset, a former name, a list, a list's member, a place in the market overview.

create table asset (
    asset_id bigint generated always as identity primary key,
    symbol text not null unique check (symbol ~ '^[A-Za-z0-9][A-Za-z0-9.:-]{0,31}$'),
    asset_class text not null check (asset_class in ('stock', 'etf', 'crypto')),
    vendor_symbol text not null check (vendor_symbol <> ''),
    name text not null default '',
    listed_on date,
    delisted_on date,
    inactive_since date,
    created_at timestamptz not null default now(),
    check (delisted_on >= listed_on)
);
comment on table asset is 'Something followed; the identity that bars hang on. Tickers change hands, asset_id does not.';
comment on column asset.asset_id is 'Identity of the asset.';
comment on column asset.symbol is 'House name: a ticker as the vendor spells it, case kept (AAPL, BRK.B), or X:BTCUSD.';
comment on column asset.asset_class is 'stock, etf or crypto; decides vendor and calendar.';
comment on column asset.vendor_symbol is 'What the vendor wants to hear: the ticker, or the coin id.';
comment on column asset.name is 'Full name for people; empty if unknown.';
comment on column asset.listed_on is 'First session there can be a bar for, inclusive; null: unknown, as early as the window.';
comment on column asset.delisted_on is 'Last session there can be a bar for, inclusive; null: still traded.';
comment on column asset.inactive_since is 'Date since which nobody follows it any more; null: followed.';
comment on column asset.created_at is 'Instant of the first load.';
create index asset_vendor_symbol on asset (vendor_symbol);

create table asset_alias (
    asset_id bigint not null references asset,
    symbol text not null,
    valid daterange not null check (not isempty(valid)),
    primary key (asset_id, symbol, valid)
);
comment on table asset_alias is 'Which symbol meant which asset, and when.';
comment on column asset_alias.asset_id is 'The asset that the symbol meant.';
comment on column asset_alias.symbol is 'House symbol.';
comment on column asset_alias.valid is 'Dates on which the symbol meant this asset.';
create index asset_alias_symbol on asset_alias (symbol);

create table watchlist (
    watchlist_id bigint generated always as identity primary key,
    name text not null unique check (name <> '')
);
comment on table watchlist is 'A named list of assets that somebody watches.';
comment on column watchlist.watchlist_id is 'Identity of the list.';
comment on column watchlist.name is 'Name of the list.';

create table watchlist_member (
    watchlist_id bigint not null references watchlist on delete cascade,
    asset_id bigint not null references asset,
    primary key (watchlist_id, asset_id)
);
comment on table watchlist_member is 'An asset on a watchlist; it makes the asset active.';
comment on column watchlist_member.watchlist_id is 'The list.';
comment on column watchlist_member.asset_id is 'The asset on it.';
create index watchlist_member_asset on watchlist_member (asset_id);

create table market_overview (
    asset_id bigint primary key references asset,
    position integer not null check (position > 0)
);
comment on table market_overview is 'An asset of the market overview; it makes the asset active.';
comment on column market_overview.asset_id is 'The asset shown.';
comment on column market_overview.position is 'Place in the overview, from 1; ties are ordered by symbol.';
