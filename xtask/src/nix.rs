pub mod event;
pub mod process;
pub mod store_path;
