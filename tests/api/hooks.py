"""Tells schemathesis how a bundle is sent, which the HTTP API's document cannot express."""

import schemathesis


@schemathesis.serializer("application/zstd")
def as_it_is(context, value):
    """Sends a bundle as raw bytes."""
    return value if isinstance(value, bytes) else str(value).encode()
