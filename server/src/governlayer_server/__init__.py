"""The GovernLayer appliance."""
