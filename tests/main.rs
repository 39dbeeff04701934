//! The tests that need the whole plugin: its binary, spoken to as the engine does. What AWS does to each resource is
//! tested with the real `pulumi`, in `lifecycle/`.

#![expect(unreachable_pub, reason = "the modules of a test are all its own")]

mod architecture;
mod laws;
mod properties;
mod protocol;
mod support;
