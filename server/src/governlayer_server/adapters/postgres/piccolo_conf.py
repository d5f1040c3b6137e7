"""What Piccolo finds through ``PICCOLO_CONF``: the engine, set by ``database.connect``, and the one app."""

from piccolo.conf.apps import AppRegistry
from piccolo.engine.postgres import PostgresEngine

DB: PostgresEngine | None = None
APP_REGISTRY = AppRegistry(apps=["governlayer_server.adapters.postgres.piccolo_app"])
