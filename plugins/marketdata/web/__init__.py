"""The read API: prices, charts and freshness over HTTP, behind Airflow's login, mounted at ``/marketdata``."""
