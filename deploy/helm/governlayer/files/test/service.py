"""Ask the server through its Service, as a client would: the certificate and its name are verified."""

import ssl
import sys
import urllib.error
import urllib.request
from pathlib import Path

url, ca, *own = sys.argv[1:]
context = ssl.create_default_context(cafile=ca if Path(ca).exists() else None)
if own:
    context.load_cert_chain(*own)
try:
    with urllib.request.urlopen(url, context=context, timeout=10) as answer:
        print(url, answer.status, answer.read().decode())
except urllib.error.HTTPError as refused:
    sys.exit(f"{url} {refused.code} {refused.read().decode()}")
