"""``python -m marketdata.cli``."""

from marketdata.cli import app

app()
