"""Nouns and arithmetic of the appliance: pure, without clock, randomness, files, sockets or framework."""
