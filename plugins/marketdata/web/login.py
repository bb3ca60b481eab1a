"""Who may read: whoever may see Airflow's pages, by role. Every route asks this, and a test walks all of them."""

from __future__ import annotations

from airflow.api_fastapi.auth.managers.models.resource_details import AccessView
from airflow.api_fastapi.core_api.security import requires_access_view

requires_reader = requires_access_view(AccessView.WEBSITE)
"""401 without a valid login, by cookie or ``Authorization: Bearer``; 403 for a role that may not read (viewers may)."""
