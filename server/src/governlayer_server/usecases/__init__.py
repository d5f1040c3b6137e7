"""What the appliance does: one file per verb, one public callable each. No framework, no I/O but through ports."""
