//! `cargo xtask`: everything is in the library, so that tests and other repositories can use it.

fn main() -> std::process::ExitCode {
    xtask::main()
}
