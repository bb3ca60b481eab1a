-- why: what a vendor is known to allow a key.
-- params: vendor, key_digest. grain: one row a capability. reads: entitlement.
-- used by: storage.entitlements
select
    capability,
    allowed,
    earliest,
    learnt_on,
    note
from entitlement
where vendor = %(vendor)s and key_digest = %(key_digest)s
order by capability
