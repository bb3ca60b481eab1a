"""``python -m tests.bench.read_server PORT``: the read API with Airflow's login and nothing else of Airflow."""

from __future__ import annotations

import sys

import uvicorn
from airflow.api_fastapi.app import init_auth_manager
from fastapi import FastAPI

from marketdata.web.app import create_app
from marketdata.web.lazy import MOUNTED_AT

if __name__ == "__main__":
    app = FastAPI()
    init_auth_manager(app)
    app.mount(MOUNTED_AT, create_app())
    uvicorn.run(app, port=int(sys.argv[1]), log_level="warning", access_log=False)
