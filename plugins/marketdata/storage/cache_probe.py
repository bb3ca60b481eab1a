"""Whether the cache takes values: a ping does not tell of a server that is full or only read."""

from __future__ import annotations

import redis
from redis.backoff import ConstantBackoff
from redis.retry import Retry

from marketdata.storage import cache_keys as keys
from marketdata.storage.cache_connection import redis_client

_SECONDS = 1.0
_TRIES_AGAIN = 2


def find_refusal(url: str | None) -> str:
    """Why the cache takes no values, without its address; empty where it does, and where there is none.

    It has about 5 s, so that a restart or a moment's load is no refusal. Raises ConfigurationError for what is no Redis
    URL.
    """
    if url is None:
        return ""
    with redis_client(url, _SECONDS, Retry(ConstantBackoff(_SECONDS), _TRIES_AGAIN)) as client:
        try:
            client.set(keys.lock_key("watch"), b"", ex=keys.LOCK.seconds)
        except (redis.ConnectionError, redis.TimeoutError) as error:
            return f"it does not answer: {type(error).__name__}"
        except redis.RedisError as error:
            return f"it answers and refuses to write: {type(error).__name__}"
    return ""
