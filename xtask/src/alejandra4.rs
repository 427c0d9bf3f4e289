//! Hands the files that only Alejandra 4 can lay out to the flake's own formatter, where Nix has it already or can
//! build it. Never fetches a Nix for that: formatting needs none.

use std::fs;

use anyhow::Context as _;
use camino::{Utf8Path, Utf8PathBuf};
use xshell::cmd;

use crate::context::Context;
use crate::files::write_atomic;
use crate::format::{self, Cache, FileReport, Outcome};
use crate::inventory;
use crate::plan::{Build, Settings, Step};

/// The flake's formatter, as built.
struct Formatter {
    /// Its store path, as Nix spells it.
    path: String,
    /// The program's file, as Nix spells it.
    program: String,
    private: bool,
}

/// Formats what is reported to need Alejandra 4, and corrects the reports. Without a formatter they stay as they are.
///
/// # Errors
/// When the formatter cannot be run, or a file cannot be written.
pub fn format(
    cx: &mut Context,
    reports: &mut [FileReport],
    check: bool,
    cache: &mut Cache,
) -> anyhow::Result<()> {
    let needy = |it: &FileReport| matches!(it.outcome, Outcome::NeedsAlejandra4(_));
    if !reports.iter().any(needy) {
        return Ok(());
    }
    let Some(formatter) = find(cx)? else { return Ok(()) };
    for report in reports.iter_mut().filter(|it| needy(it)) {
        let file =
            report.path.canonicalize_utf8().with_context(|| format!("cannot read `{}`", report.path))?;
        let old = fs::read_to_string(&file).with_context(|| format!("cannot read `{file}`"))?;
        let new = formatter.format(cx, &file, &old)?;
        if let Err(problem) = format::same_meaning(&old, &new) {
            report.outcome = Outcome::Refused(problem);
            continue;
        }
        cache.record_clean(new.as_bytes());
        report.outcome = if new == old { Outcome::Clean } else { Outcome::Changed { new: new.clone() } };
        if new != old && !check {
            write_atomic(&file, new.as_bytes())?;
        }
        report.old = old;
    }
    Ok(())
}

/// Alejandra 4, from the root's flake. Another formatter would lay out these files unlike all others.
fn find(cx: &mut Context) -> anyhow::Result<Option<Formatter>> {
    if cx.nix_at_hand().is_none() || cx.workspace.flakes.is_empty() {
        return Ok(None);
    }
    let settings = cx.settings(&[0], &[])?;
    let attr = format!(".formatter.{}", cx.system());
    let Ok(package) = inventory::package(cx, 0, &attr, &settings) else { return Ok(None) };
    if !package.drv.name().starts_with("alejandra-4.") {
        return Ok(None);
    }
    let path = &package.outs[&package.first];
    let nix = cx.nix()?;
    let (real, private) = (nix.real(path.as_str()), nix.store_root.is_some());
    if !real.exists() {
        let installables = vec![format!("{}#{attr}", cx.flake_ref(0))];
        let call = cx.call(&Step::Build(Build { installables, ..Build::default() }), &settings)?;
        if !call.exit.success() {
            cx.ui.warning(&format!("cannot build the flake's formatter: {}", call.why(cx).told(cx)));
            return Ok(None);
        }
    }
    let program = format!("{path}/bin/{}", package.main);
    Ok(Some(Formatter { path: path.to_string(), program, private }))
}

impl Formatter {
    /// What it makes of a text; the file itself is not touched.
    fn format(&self, cx: &mut Context, file: &Utf8Path, old: &str) -> anyhow::Result<String> {
        let copy: Utf8PathBuf = cx.state().join(format!("fmt-{}.nix", std::process::id()));
        write_atomic(&copy, old.as_bytes())?;
        let result = self.run(cx, &copy).with_context(|| format!("cannot format `{file}` by Alejandra 4"));
        let new = fs::read_to_string(&copy);
        fs::remove_file(&copy).with_context(|| format!("cannot remove `{copy}`"))?;
        result?;
        new.with_context(|| format!("cannot read `{copy}`"))
    }

    /// Only Nix knows the way into a private store; another one needs no Nix in between.
    fn run(&self, cx: &mut Context, file: &Utf8Path) -> anyhow::Result<()> {
        let program = &self.program;
        if !self.private {
            let sh = &cx.sh;
            cmd!(sh, "{program} --quiet {file}").quiet().ignore_stdout().run()?;
            return Ok(());
        }
        let command = vec![program.clone(), "--quiet".to_owned(), file.to_string()];
        let call = cx.call(&Step::Exec { path: self.path.clone(), command }, &Settings::default())?;
        if !call.exit.success() {
            return Err(call.why(cx).into());
        }
        Ok(())
    }
}
