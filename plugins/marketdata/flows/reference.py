"""The reference flow: who our assets are today, what their companies did to their shares, and whether we adjust right.

``reference_sync`` wires it before the daily history, so that bars are asked for under the right tickers.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from time import monotonic

from marketdata.domain.sessions import new_york_date
from marketdata.domain.tickers import Periods
from marketdata.errors import KeyRejected
from marketdata.flows.corporate_actions import Subject, Subjects, sync_dividends, sync_splits
from marketdata.flows.inquiry import Inquiry, named
from marketdata.flows.listings import identify_assets
from marketdata.flows.services import Services
from marketdata.flows.split_proof import prove_splits
from marketdata.flows.stale_charts import drop_left_behind
from marketdata.storage import runs
from marketdata.storage.aliases import find_followed, find_histories, revive_coins
from marketdata.storage.assets import find_assets

log = logging.getLogger(__name__)

# A coin that the vendor did not know is tried again after so long: there is no list that would tell that it is back.
_COINS_AGAIN_AFTER = timedelta(days=7)


def sync_reference(
    services: Services, *, symbols: Sequence[str] = (), dag_id: str, airflow_run_id: str, now: datetime
) -> dict[str, int]:
    """Bring listings, ticker histories, splits and dividends of stocks and ETFs up to date; returns what was found.

    ``symbols``: house symbols whose splits and dividends are read anew from the beginning; none: all assets, since
    their last sync. One company's failure, or an endpoint that the plan lacks, stops nothing else; every call stands
    in the run's record. Safe to repeat. Raises InvalidRequest for unknown symbols, StorageError, and RateLimited for a
    pause that is too long to wait for.
    """
    started = monotonic()
    warehouse = services.warehouse
    wanted = list(dict.fromkeys(symbols)) or None
    if wanted:
        warehouse.transact(find_assets, wanted)
    today = new_york_date(now)
    run_id = warehouse.transact(runs.open_run, dag_id, airflow_run_id, "MAX", wanted, today)
    assets = warehouse.transact(find_followed, wanted)
    warehouse.transact(runs.save_plan, run_id, [], assets=len(assets))
    drop_left_behind(services, run_id)
    inquiry = Inquiry(services, run_id, now, today)
    try:
        identify_assets(inquiry, assets)
        histories = warehouse.transact(find_histories)
        subjects = _subjects(services, [asset.asset_id for asset in assets], histories)
        sync_splits(inquiry, subjects, in_full=wanted is not None)
        sync_dividends(inquiry, subjects, in_full=wanted is not None)
        prove_splits(inquiry, subjects, histories)
    except KeyRejected:
        log.warning("the key is rejected: nothing more is asked run_id=%d", run_id)
    revived = warehouse.transact(revive_coins, today - _COINS_AGAIN_AFTER)
    if revived:
        inquiry.warn(f"coins that the vendor did not know are tried again: {named(revived)}")
    figures = " ".join(f"{name}={count}" for name, count in sorted(inquiry.counts.items()))
    log.info("synced run_id=%d %s seconds=%.2f", run_id, figures, monotonic() - started)
    return inquiry.counts


def _subjects(services: Services, asset_ids: Sequence[int], histories: Mapping[int, Periods]) -> Subjects:
    """The assets as they are called now, with every ticker that they had, the present one last."""
    subjects = {}
    for asset in services.warehouse.transact(find_followed, None, asset_ids=asset_ids):
        names = [period.symbol for period in histories.get(asset.asset_id, ()) if period.symbol is not None]
        former = [name for name in dict.fromkeys(names) if name != asset.vendor_symbol]
        subjects[asset.asset_id] = Subject(asset.symbol, (*former, asset.vendor_symbol))
    return subjects
