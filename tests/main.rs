//! The tests that need the whole plugin: its binary, spoken to as the engine does. What AWS does to each resource is
//! tested with the real `pulumi`, in `lifecycle/`.

mod properties;
mod protocol;
mod support;
