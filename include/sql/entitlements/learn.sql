-- why: remember what an answer told about a key; newer knowledge wins.
-- params: vendor, key_digest, capability, allowed, earliest, learnt_on, note. grain: one row. writes: entitlement.
-- used by: storage.entitlements
insert into entitlement as e (vendor, key_digest, capability, allowed, earliest, learnt_on, note)
values (
    %(vendor)s, %(key_digest)s, %(capability)s, %(allowed)s, %(earliest)s::date, %(learnt_on)s, %(note)s
)
on conflict (vendor, key_digest, capability) do update
set
    allowed = excluded.allowed,
    earliest = excluded.earliest,
    learnt_on = excluded.learnt_on,
    note = excluded.note
where excluded.learnt_on >= e.learnt_on
