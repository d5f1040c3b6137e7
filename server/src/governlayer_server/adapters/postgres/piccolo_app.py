"""The Piccolo app: where its tables and migrations are."""

from pathlib import Path

from piccolo.conf.apps import AppConfig

from governlayer_server.adapters.postgres import tables

APP_NAME = "governlayer"
APP_CONFIG = AppConfig(
    app_name=APP_NAME,
    migrations_folder_path=str(Path(__file__).parent / "migrations"),
    table_classes=list(tables.TABLES),
)
