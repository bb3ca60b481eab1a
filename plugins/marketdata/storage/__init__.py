"""Our side of the wire: the database. ``warehouse.Warehouse`` is what flows and pages use."""
