//! Source connectors: foreign bytes to records plus warnings.
