"""What schemathesis cannot know of the HTTP API: how a bundle is sent."""

import schemathesis


@schemathesis.serializer("application/zstd")
def as_it_is(context, value):
    """Sends a bundle as the bytes that it is."""
    return value if isinstance(value, bytes) else str(value).encode()
