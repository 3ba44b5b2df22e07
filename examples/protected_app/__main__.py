"""`make sample`: the application at http://localhost:7080, beside the service that `make run` starts."""

import argparse

from aiohttp import web

from examples.protected_app.app import CLIENT_ID, make_app


def main() -> None:
    """Serve until Ctrl-C."""
    parser = argparse.ArgumentParser(prog="python -m examples.protected_app", description=__doc__)
    parser.add_argument(
        "--issuer", default="http://localhost:7071", help="the service (default: %(default)s)"
    )
    parser.add_argument("--port", type=int, default=7080, help="as it is registered (default: %(default)s)")
    given = parser.parse_args()
    origin = f"http://localhost:{given.port}"
    told = f"READY {origin}\nThe sample application, which signs people in as {CLIENT_ID!r} at {given.issuer}. Ctrl-C stops it."
    web.run_app(
        make_app(given.issuer, origin),
        host="127.0.0.1",
        port=given.port,
        print=lambda _: print(told, flush=True),
    )


main()
