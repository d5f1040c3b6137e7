"""Where published checkpoints go outside of the appliance: witnesses, a directory, the system's log, a time stamp."""
