//! axum routes over a service trait, and the OpenAPI document.
