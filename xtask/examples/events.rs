//! Runs a command through the reader of Nix's event stream and counts what it hands on. For benchmarks:
//! `cargo run --example events -- nix copy --log-format internal-json …`

use std::process::ExitCode;

use camino::Utf8Path;
use xtask::host::Host;
use xtask::nix::event::Event;
use xtask::nix::process::{Command, Interrupt, run};

#[expect(clippy::print_stderr, reason = "this program is not the product")]
fn main() -> anyhow::Result<ExitCode> {
    let mut args: Vec<String> = std::env::args().skip(1).collect();
    let host = Host::current()?;
    let program = args.remove(0);
    let command =
        Command { program: Utf8Path::new(&program), args: &args, dir: &host.cwd, env: &host.env, input: &[] };
    let mut events = 0;
    let exit = run(&command, &Interrupt::install()?, &mut |event| {
        events += usize::from(!matches!(event, Event::Tick));
    })?;
    eprintln!("{events} events were handed on");
    Ok(if exit.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
