"""Pure rules: no Airflow, no I/O, no clock. ``now`` is always an argument."""
