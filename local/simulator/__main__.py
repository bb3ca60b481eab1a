"""``python -m local.simulator``: run the simulator until it is told to stop."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import sys
from datetime import datetime
from pathlib import Path

from local.simulator.engine import Options
from local.simulator.listings import UNIVERSE
from local.simulator.server import Addresses, Server


def read_arguments(arguments: list[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m local.simulator", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="port on 127.0.0.1; 0 takes a free one")
    parser.add_argument("--seed", type=int, default=1, help="another seed is another world")
    parser.add_argument("--universe", type=Path, default=UNIVERSE, help="the assets that exist, as CSV")
    parser.add_argument("--extra-stocks", type=int, default=0, help="so many synthetic tickers besides")
    parser.add_argument("--extra-coins", type=int, default=0, help="so many synthetic coins besides")
    parser.add_argument("--replay", type=Path, action="append", default=[], help="folder of recorded answers")
    parser.add_argument("--now", type=datetime.fromisoformat, help="freeze the vendors' clock at this ISO instant")
    parser.add_argument("--state-file", type=Path, help="where to write the addresses as JSON once it listens")
    return parser.parse_args(arguments)


async def serve(arguments: argparse.Namespace) -> None:
    """Listen, say where, and go on until SIGTERM or SIGINT."""
    options = Options(
        seed=arguments.seed,
        universe=arguments.universe,
        extra_stocks=arguments.extra_stocks,
        extra_coins=arguments.extra_coins,
        now=arguments.now,
        replay=tuple(arguments.replay),
    )
    server = Server(options)
    await server.start(arguments.port)
    addresses = Addresses(f"http://{server.address}")
    if arguments.state_file:
        _write_state(arguments.state_file, addresses)
    sys.stdout.write(f"simulator listening on {addresses.base_url}\n")
    sys.stdout.flush()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await stop.wait()
    await server.close()


def _write_state(path: Path, addresses: Addresses) -> None:
    """All at once, so that a waiting reader never sees half a file."""
    state = {
        "pid": os.getpid(),
        "base_url": addresses.base_url,
        "polygon_url": addresses.polygon_url,
        "coingecko_url": addresses.coingecko_url,
        "coingecko_pro_url": addresses.coingecko_pro_url,
    }
    draft = path.with_suffix(".part")
    draft.write_text(json.dumps(state, indent=1) + "\n", encoding="utf-8")
    draft.replace(path)


if __name__ == "__main__":
    asyncio.run(serve(read_arguments(sys.argv[1:])))
