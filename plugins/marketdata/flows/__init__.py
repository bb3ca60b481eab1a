"""One verb a job, callable without Airflow."""
