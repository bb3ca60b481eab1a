"""Market-data ingestion on Apache Airflow: complete, fresh and honest."""
