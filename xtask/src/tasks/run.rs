//! `cargo xtask run`

use anyhow::bail;
use camino::Utf8PathBuf;

use super::build::Build;
use crate::context::Context;
use crate::host::is_executable;
use crate::report::Report;

/// Build a package and run its program
///
/// The program is `meta.mainProgram`, or has the package's name. Exit code and signals are the program's own.
#[derive(Debug, Clone, clap::Args)]
pub struct Run {
    /// The package
    #[arg(value_name = "NAME")]
    pub name: String,
    /// Build from a local checkout of the source, instead of the one that the lock names
    #[arg(long, value_name = "DIR")]
    pub src: Option<Utf8PathBuf>,
    /// Arguments of the program
    #[arg(last = true, value_name = "ARGS")]
    pub args: Vec<String>,
}

impl Run {
    pub(crate) fn run(self, cx: &mut Context) -> anyhow::Result<Report> {
        let mut build = Build { names: vec![self.name.clone()], src: self.src.clone(), ..Build::default() };
        build.use_source(cx)?;
        let selected = build.select(cx)?;
        if cx.globals.dry_run {
            build.plan(cx, &selected)?;
            return Ok(Report::done());
        }
        let outcome = build.build(cx, selected)?;
        if !outcome.ok() {
            return Ok(outcome.report(cx));
        }
        let [product] = outcome.products.as_slice() else { bail!("`{}` is not one package", self.name) };
        let package = product.selected.package.as_ref().map_err(|it| anyhow::anyhow!("{it}"))?;
        // Nix looks for programs in `bin` first, where a package has it.
        let output = if package.outs.contains_key("bin") { "bin" } else { &package.first };
        let (Some(path), Some(real)) = (package.outs.get(output), product.real.get(output)) else {
            bail!("`{}` has no output `{output}`", self.name);
        };
        let program = format!("bin/{}", package.main);
        if !is_executable(&real.join(&program)) && !real.join(&program).is_symlink() {
            bail!("`{}` has no program `{program}`{}", self.name, programs_in(&real.join("bin")));
        }
        let program = format!("{path}/{program}");
        let env = cx.host.env.clone();
        match cx.replace(&program, &self.args, &env)? {}
    }
}

/// What there is to run instead.
fn programs_in(bin: &camino::Utf8Path) -> String {
    let names = bin.read_dir_utf8().into_iter().flatten().flatten();
    let mut names: Vec<String> = names.map(|it| it.file_name().to_owned()).collect();
    names.sort();
    match names.as_slice() {
        [] => "; it has no programs at all".to_owned(),
        names => format!("; it has {}: set meta.mainProgram to one of them", names.join(", ")),
    }
}
