//! What a step is called when something is said about it.

use std::fmt;

use super::Step;

/// What a step is about, in a few words: an expression of ours would only confuse.
impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Step::Build(build) => write!(f, "nix build {}", build.installables.join(" ")),
            Step::Root { path, .. } => write!(f, "nix build {path}"),
            Step::Eval { installable, .. } => write!(f, "nix eval {installable}"),
            Step::PathInfo { .. } | Step::Closure { .. } => f.write_str("nix path-info"),
            Step::Sign { path, .. } => write!(f, "nix store sign {path}"),
            Step::Copy { path, to, .. } => write!(f, "nix copy --to {to} {path}"),
            Step::EvalFlake { flake, .. } => write!(f, "nix eval {flake}#."),
            Step::DevEnv { installable, .. } => write!(f, "nix print-dev-env {installable}"),
            Step::Develop { installable, .. } => write!(f, "nix develop {installable}"),
            Step::Exec { path, .. } => write!(f, "nix shell {path}"),
            Step::Metadata { flake } => write!(f, "nix flake metadata {flake}"),
            Step::EvalFile { file, attr } => write!(f, "nix eval --file {file} {attr}"),
            Step::BuildOn { builder, .. } => write!(f, "nix build --builders {builder}"),
            Step::WouldBuild { installable } => write!(f, "nix build --dry-run {installable}"),
            Step::Derivations { .. } | Step::DerivationGraph { .. } => f.write_str("nix derivation show"),
            Step::Config => f.write_str("nix config show"),
            Step::Trust { .. } => f.write_str("nix store info"),
            Step::StoreInfo { store } => {
                write!(f, "nix store info --store {}", store.as_deref().unwrap_or("auto"))
            }
            Step::FlakeCheck { flake, .. } => write!(f, "nix flake check {flake}"),
            Step::Update { flake, .. } => write!(f, "nix flake update {flake}"),
            Step::Lock { flake, .. } => write!(f, "nix flake lock {flake}"),
        }
    }
}
