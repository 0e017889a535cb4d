"""What operators see: structured logs, Prometheus metrics and a health endpoint on the loopback interface."""

import logging
from typing import Any

import structlog
from aiohttp import web
from prometheus_client import generate_latest

from fl_node import codes
from fl_node.errors import NodeError
from fl_node.metrics import Health, Metrics


def configure_logs() -> None:
    """Log one JSON object a line on standard output, with an ISO time in UTC; what libraries log comes there too."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.WriteLoggerFactory(),  # to standard output as it is when something is logged
    )
    root = logging.getLogger()
    root.handlers = [*(each for each in root.handlers if not isinstance(each, _Records)), _Records()]
    logging.getLogger("gateway").setLevel(logging.INFO)  # which peer it uses


class _Records(logging.Handler):
    """Logs what libraries tell Python's own logging; `event` and `fields` of a record are taken as such."""

    def emit(self, record: logging.LogRecord) -> None:
        """Log a record."""
        fields: dict[str, Any] = {"logger": record.name, **getattr(record, "fields", {})}
        if record.exc_info:
            fields["exc_info"] = record.exc_info
        event = getattr(record, "event", None) or record.getMessage()
        structlog.get_logger(record.name).log(record.levelno, event, **fields)


async def serve(metrics: Metrics, health: Health, port: int) -> web.AppRunner:
    """Serve /metrics and /health on 127.0.0.1.

    Raises:
        NodeError: FL4008, the port cannot be had.
    """

    async def show_metrics(_: web.Request) -> web.Response:
        return web.Response(body=generate_latest(metrics.registry), content_type="text/plain", charset="utf-8")

    async def show_health(_: web.Request) -> web.Response:
        return web.json_response(health.report(), status=200 if health.healthy else 503)

    application = web.Application()
    application.add_routes([web.get("/metrics", show_metrics), web.get("/health", show_health)])
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", port).start()
    except OSError as error:
        await runner.cleanup()
        hint = "Choose another with --observe-port."
        raise NodeError(
            codes.BLOB_SERVICE_SILENT, f"cannot listen: {error.strerror}", where=f"127.0.0.1:{port}", hint=hint
        ) from None
    return runner
