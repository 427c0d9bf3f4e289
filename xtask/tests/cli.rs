//! The binary as users run it, on real workspaces with a real Nix.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![expect(clippy::disallowed_methods, reason = "the tests start the binary, and read their own environment")]

#[path = "support/mod.rs"]
mod support;

#[path = "cli/build.rs"]
mod build;
#[path = "cli/build_aleph.rs"]
mod build_aleph;
#[path = "cli/build_aleph_elsewhere.rs"]
mod build_aleph_elsewhere;
#[path = "cli/build_failures.rs"]
mod build_failures;
#[path = "cli/build_links.rs"]
mod build_links;
#[path = "cli/build_names.rs"]
mod build_names;
#[path = "cli/build_scripted.rs"]
mod build_scripted;
#[path = "cli/builder.rs"]
mod builder;
#[path = "cli/bump.rs"]
mod bump;
#[path = "cli/cache.rs"]
mod cache;
#[path = "cli/cache_upkeep.rs"]
mod cache_upkeep;
#[path = "cli/check.rs"]
mod check;
#[path = "cli/ci.rs"]
mod ci;
#[path = "cli/ci_generate.rs"]
mod ci_generate;
#[path = "cli/ci_matrix.rs"]
mod ci_matrix;
#[path = "cli/ci_why.rs"]
mod ci_why;
#[path = "cli/complete.rs"]
mod complete;
#[path = "cli/deploy.rs"]
mod deploy;
#[path = "cli/docs.rs"]
mod docs;
#[path = "cli/doctor.rs"]
mod doctor;
#[path = "cli/explain.rs"]
mod explain;
#[path = "cli/flash.rs"]
mod flash;
#[path = "cli/fmt.rs"]
mod fmt;
#[path = "cli/fmt_alejandra4.rs"]
mod fmt_alejandra4;
#[path = "cli/image.rs"]
mod image;
#[path = "cli/image_push.rs"]
mod image_push;
#[path = "cli/interrupt.rs"]
mod interrupt;
#[path = "cli/lock.rs"]
mod lock;
#[path = "cli/new.rs"]
mod new;
#[path = "cli/nix_2_8.rs"]
mod nix_2_8;
#[path = "cli/no_nix.rs"]
mod no_nix;
#[path = "cli/output.rs"]
mod output;
#[path = "cli/places.rs"]
mod places;
#[path = "cli/rollback.rs"]
mod rollback;
#[path = "cli/run.rs"]
mod run;
#[path = "cli/screen.rs"]
mod screen;
#[path = "cli/setup.rs"]
mod setup;
#[path = "cli/setup_builder.rs"]
mod setup_builder;
#[path = "cli/shell.rs"]
mod shell;
#[path = "cli/shell_interactive.rs"]
mod shell_interactive;
#[path = "cli/size.rs"]
mod size;
#[path = "cli/source.rs"]
mod source;
#[path = "cli/timings.rs"]
mod timings;
#[path = "cli/timings_lanes.rs"]
mod timings_lanes;
#[path = "cli/unprivileged.rs"]
mod unprivileged;
#[path = "cli/update.rs"]
mod update;
#[path = "cli/workspace.rs"]
mod workspace;
