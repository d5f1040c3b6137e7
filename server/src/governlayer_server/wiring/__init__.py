"""Builds the adapters, hands them to the use cases, returns the application. The only place that knows everything."""

from governlayer_server.wiring.appliance import VERSION, Appliance, open_appliance

__all__ = ["VERSION", "Appliance", "open_appliance"]
