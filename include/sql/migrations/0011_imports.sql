-- why: an import that was killed goes on where it was, and one that is repeated stores nothing again.
-- grain: one row a stored part of an import.

create table import_part (
    digest text not null,
    part integer not null check (part >= 0),
    call_id bigint not null references ingest_call,
    held integer not null check (held >= 0),
    conflicting integer not null check (conflicting >= 0),
    primary key (digest, part)
);
comment on table import_part is 'Parts of imports that are stored, each written in the transaction of its bars.';
comment on column import_part.digest is 'SHA-256, hexadecimal, of what is imported (a file, the rows of a legacy part) together with the spec.';
comment on column import_part.part is 'Number of the part in its file, from 0; 0 for a legacy part.';
comment on column import_part.call_id is 'Call that stored it, with its counters.';
comment on column import_part.held is 'Number of bars that a vendor had given already, with the same figures.';
comment on column import_part.conflicting is 'Number of bars left out because a vendor had given other figures, or proven that there is no bar.';
create index import_part_call on import_part (call_id);

comment on column bar_daily.source is 'Vendor that it comes from, or import: and the name of an import.';
comment on column bar_hourly.source is 'Vendor that it comes from, or import: and the name of an import.';
comment on column bar_revision.source is 'Vendor that it came from, or import: and the name of an import.';
comment on column ingest_call.vendor is 'polygon or coingecko; import for a part of an import.';
