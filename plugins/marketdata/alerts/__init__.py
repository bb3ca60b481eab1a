"""Delivers alerts through Airflow's notifiers, and raises one when a run is late.

``delivery`` gives a message to the receivers of ``MARKETDATA_NOTIFIERS``; ``late`` is what DAGs are given as their
deadline. Imported by every DAG file: nothing here may be heavy.
"""

from marketdata.alerts.late import late_after, run_is_late

__all__ = ["late_after", "run_is_late"]
