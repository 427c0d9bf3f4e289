//! `cargo xtask image load`

use anyhow::bail;
use camino::Utf8Path;
use serde_json::json;

use super::Source;
use crate::context::Context;
use crate::host::Os;
use crate::report::{Report, Table};
use crate::tool::{Done, Tool};

/// Build an image and load it into the container engine of this machine
///
/// The engine is docker or, where there is none, podman.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct Load {
    #[command(flatten)]
    source: Source,
    /// The engine's command, such as podman
    #[arg(long, value_name = "COMMAND")]
    engine: Option<String>,
}

impl Load {
    pub(super) fn run(self, cx: &mut Context) -> anyhow::Result<Report> {
        let engine = self.engine(cx)?;
        if cx.globals.dry_run {
            let (_, file) = self.source.plan(cx)?;
            engine.planned(cx, &args(&file))?;
            return Ok(Report::done());
        }
        let made = match self.source.make(cx, false)? {
            Ok(made) => made,
            Err(failed) => return Ok(failed),
        };
        let done = engine.run(cx, &args(&made.file))?;
        if done.exit.interrupted {
            bail!("interrupted; {} loads an image as a whole or not at all", engine.name);
        }
        if !done.exit.success() {
            bail!("{} cannot load `{}`: {}{}", engine.name, made.name, done.why(), cure(cx, &done));
        }
        let loaded = loaded(&done.exit.stdout);
        let tags = if loaded.is_empty() { made.image.tags.clone() } else { loaded };
        let mut table = Table::new(&["name", "engine", "tag"]);
        for tag in &tags {
            table.rows.push(vec![made.name.clone(), engine.name.clone(), tag.clone()]);
        }
        let json = made.json_with(json!({"engine": engine.name, "loaded": tags}));
        Ok(Report { ok: true, lines: tags, table, json, ..Report::default() })
    }

    fn engine(&self, cx: &Context) -> anyhow::Result<Tool> {
        if let Some(name) = &self.engine {
            return match Tool::on_path(cx, name) {
                Some(tool) => Ok(tool),
                None => bail!("`--engine {name}`: there is no such command on PATH"),
            };
        }
        if let Some(tool) = ["docker", "podman"].iter().find_map(|it| Tool::on_path(cx, it)) {
            return Ok(tool);
        }
        let install = match cx.host.os {
            Os::Linux => "on Debian and its like: `sudo apt-get install podman`",
            Os::MacOs => "OrbStack or Docker Desktop bring docker; or `brew install podman`",
        };
        bail!("there is no container engine: neither docker nor podman is on PATH; install one ({install})")
    }
}

fn args(file: &Utf8Path) -> Vec<String> {
    ["load", "--input", file.as_str()].map(str::to_owned).to_vec()
}

/// What both engines say of each image: `Loaded image: NAME:TAG`, `Loaded image ID: sha256:…`.
fn loaded(stdout: &str) -> Vec<String> {
    let lines = stdout.lines().filter(|it| it.starts_with("Loaded image"));
    lines.filter_map(|it| it.split_once(": ")).map(|it| it.1.trim().to_owned()).collect()
}

/// What to do about what engines say most often.
fn cure(cx: &Context, done: &Done) -> String {
    let said = done.talk.join("\n");
    let command = match cx.host.os {
        Os::Linux => "start it with `sudo systemctl start docker`",
        Os::MacOs => "start OrbStack or Docker Desktop",
    };
    let hint = if said.contains("permission denied") {
        "you may not talk to docker: `sudo usermod -aG docker $USER` and log in again, or use `--engine podman`".to_owned()
    } else if said.contains("Cannot connect to the Docker daemon")
        || said.contains("failed to connect to the docker API")
    {
        format!("docker is installed and does not run: {command}, or use `--engine podman`")
    } else if said.contains("Cannot connect to Podman") {
        "podman's machine does not run: `podman machine init --now`".to_owned()
    } else {
        return String::new();
    };
    format!("\n{} {hint}", cx.ui.paint("36", "hint:"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_loaded() {
        let said =
            "Getting image source signatures\nLoaded image: localhost/a:1\nLoaded image ID: sha256:ab\n";
        assert_eq!(loaded(said), ["localhost/a:1", "sha256:ab"]);
    }
}
