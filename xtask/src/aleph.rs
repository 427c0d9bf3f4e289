//! The flight computer's images: which output of which configuration, where it can be built, and what came of it.

pub mod configuration;
pub mod device;
pub mod emulation;
pub mod output;
pub mod place;
pub mod probe;
pub mod product;
pub mod public_key;
pub mod room;
pub mod template;
pub mod this_machine;
pub mod work;

/// What an Aleph is, whatever machine this is.
pub const SYSTEM: &str = "aarch64-linux";
