#!/bin/sh
# Runs once before Airflow's services: both schemas, the pools, and the login of user admin. Safe to run again.
set -eu

airflow db migrate
airflow pools import "$(dirname "$0")/pools.json"
marketdata migrate

umask 077
python - <<'EOF'
import json
import os
from pathlib import Path

passwords = Path(os.environ["AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE"])
passwords.write_text(json.dumps({"admin": os.environ["AIRFLOW_ADMIN_PASSWORD"]}), encoding="utf-8")
EOF
