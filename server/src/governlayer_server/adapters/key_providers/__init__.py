"""Where key-encryption keys come from: ``ports.key_providers``."""
