//! The tests that need a whole provider.
