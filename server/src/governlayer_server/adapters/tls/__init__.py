"""TLS 1.2 and newer for every hop: contexts for clients and servers, and a private certificate authority."""
