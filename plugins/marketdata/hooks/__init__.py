"""The vendors' edge: one guarded HTTP layer, one shared quota per key, one hook per vendor."""
