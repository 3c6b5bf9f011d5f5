//! The log from the outside: its exact bytes, and a folder of the file system.

mod folder;
mod golden;
