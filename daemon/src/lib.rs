//! One site's running parts: wires all, owns sockets, clock, tasks, config.
