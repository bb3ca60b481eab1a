-- why: Airflow's own metadata, beside the market data on one server. Run once, by the first start of the container.
create database airflow;
