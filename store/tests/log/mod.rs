//! The log as others see it: its exact bytes, and a folder of the file system.

mod folder;
mod golden;
