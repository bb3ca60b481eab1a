"""The one-machine stack: database, cache, vendor simulator and Airflow, each started and stopped by us and only us."""
