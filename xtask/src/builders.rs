//! The machines that Nix may build on besides this one.

pub mod address;
pub mod choice;
pub mod client;
pub mod load;
pub mod machines;
pub mod probe;
pub mod registration;
mod remote;

pub use machines::{Machine, Machines, Origin, Problem, Refusal};

use crate::context::Context;
use crate::nix_conf::{Conf, SYSTEM};

/// What Nix reads where nobody says otherwise.
const DEFAULT: &str = "@/etc/nix/machines";

/// The machines that the files of this machine name, without asking Nix.
#[must_use]
pub fn of_files(cx: &Context) -> Machines {
    let conf = Conf::system(&cx.host, SYSTEM).and(Conf::user(&cx.host));
    let setting = conf.last("builders").map_or_else(|| DEFAULT.to_owned(), |it| it.words.join(" "));
    Machines::read(&cx.host, &setting, &cx.system().to_string())
}

fn words(set: &std::collections::BTreeSet<String>) -> String {
    if set.is_empty() {
        return "none".to_owned();
    }
    set.iter().map(String::as_str).collect::<Vec<_>>().join(", ")
}

/// What people call a machine: its address without parameters.
#[must_use]
pub fn short(machine: &Machine) -> &str {
    machine.name.split('?').next().unwrap_or(&machine.name)
}
