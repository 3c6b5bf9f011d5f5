//! Bodies and error codes shared by server and client.
