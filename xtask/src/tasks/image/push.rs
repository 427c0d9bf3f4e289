//! `cargo xtask image push`

use std::fs;

use anyhow::{Context as _, bail};
use camino::{Utf8Path, Utf8PathBuf};
use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::super::build::Build;
use super::{Made, Source};
use crate::context::Context;
use crate::files::{create_dir, write_atomic};
use crate::image::{Format, Image};
use crate::plan::{CommandLine, quoted};
use crate::report::{Report, Table, bytes};
use crate::revision::{self, hex};
use crate::selection::{Selected, Selection};
use crate::tool::{Done, Tool};
use crate::workspace::Registry;

/// Build an image and push it to a registry, by skopeo
///
/// It is pushed as REGISTRY/NAME:TAG, with the last part of the name that the image gives itself (`docs` of
/// `elodin/docs:1.0`), else NAME. A tag holds one architecture: give the second one a tag of its own. Credentials are
/// those of `skopeo login` (the file that REGISTRY_AUTH_FILE names, or the usual ones), never options.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct Push {
    #[command(flatten)]
    source: Source,
    // Not parsed by clap, which would repeat what somebody wrote with a password in it.
    /// Where to, such as ghcr.io/elodin-sys; by default `image.registry` of xtask.toml
    #[arg(long, value_name = "REGISTRY")]
    registry: Option<String>,
    /// The tag; by default the version that the image gives itself, else the git revision
    #[arg(long, value_name = "TAG", value_parser = tag)]
    tag: Option<String>,
}

/// What skopeo says when credentials are missing or wrong, in lower case. Not the numbers: digests have those too.
const REFUSED: [&str; 7] = [
    "unauthorized",
    "authentication required",
    "forbidden",
    "resource is denied",
    "denied: ",
    "invalid username",
    "no basic auth credentials",
];

/// What is pushed where.
#[derive(Debug)]
struct Target {
    registry: Registry,
    /// `docker://REGISTRY/NAME:TAG`
    url: String,
}

impl Push {
    pub(super) fn run(self, cx: &mut Context) -> anyhow::Result<Report> {
        let registry = self.registry(cx)?;
        if cx.globals.dry_run {
            return self.plan(cx, &registry);
        }
        let Some(skopeo) = skopeo(cx)? else { bail!("{}", no_skopeo()) };
        let made = match self.source.make(cx, false)? {
            Ok(made) => made,
            Err(failed) => return Ok(failed),
        };
        let tag = self.tag(cx, &made)?;
        let target = Target::new(registry, &repository(&made)?, &tag);
        let reference = target.reference();
        let title = made.image.tags.first().unwrap_or(&made.name);
        cx.ui.status(&format!("pushing {title} ({}) to {reference}", bytes(made.image.size)));
        let digest = target.push(cx, &skopeo, &made)?;
        target.verify(cx, &skopeo, &digest)?;
        let mut table = Table::new(&["name", "reference", "digest"]);
        table.rows.push(vec![made.name.clone(), reference.to_owned(), digest.clone()]);
        let json = made.json_with(json!({"reference": reference, "tag": tag, "manifest_digest": digest}));
        let pinned = reference.rsplit_once(':').map_or(reference, |it| it.0);
        let lines = vec![reference.to_owned(), format!("{pinned}@{digest}")];
        Ok(Report { ok: true, lines, table, json, ..Report::default() })
    }

    fn registry(&self, cx: &Context) -> anyhow::Result<Registry> {
        let Some(text) = self.registry.as_ref().or(cx.workspace.manifest.image.registry.as_ref()) else {
            bail!(
                "no registry to push to: say `--registry R`, or write `registry = \"R\"` under `[image]` in xtask.toml"
            );
        };
        text.parse().map_err(|it: String| anyhow::anyhow!(it))
    }

    /// Prints the commands. What the image calls itself is known only when it is there.
    fn plan(&self, cx: &mut Context, registry: &Registry) -> anyhow::Result<Report> {
        let (name, file) = self.source.plan(cx)?;
        let image = Image::read(&file, self.source.architecture(cx)?, &|| false).ok();
        let made = image.map(|image| Made { name: name.clone(), file: file.clone(), image, link: None });
        let tag = match (&made, &self.tag) {
            (_, Some(tag)) => tag.clone(),
            (Some(made), None) => self.tag(cx, made)?,
            (None, None) => "<tag of the image>".to_owned(),
        };
        let name = made.as_ref().map_or_else(|| repository_of(None, &name), repository)?;
        let format = made.as_ref().map_or(Format::Docker, |it| it.image.format);
        let target = Target::new(registry.clone(), &name, &tag);
        let skopeo = match Tool::on_path(cx, "skopeo") {
            Some(it) => it,
            None => match skopeo_of_flake(cx)? {
                Some((build, selected)) => {
                    build.plan(cx, std::slice::from_ref(&selected))?;
                    let package = selected.package.map_err(|it| anyhow::anyhow!("{it}"))?;
                    Tool::in_store("skopeo", package.outs[&package.first].as_str())
                }
                None => bail!("{}", no_skopeo()),
            },
        };
        let archive = if made.is_some_and(|it| it.image.compressed) {
            let plain = temporary(cx, "tar");
            let script = format!("gzip -dc {} > {}", quoted(file.as_str()), quoted(plain.as_str()));
            cx.ui.planned(&CommandLine("sh", &["-c".to_owned(), script]));
            plain
        } else {
            file
        };
        skopeo.planned(cx, &[policy_args(cx), target.copy_args(cx, format, &archive)].concat())?;
        skopeo.planned(cx, &target.inspect_args())?;
        Ok(Report::done())
    }

    fn tag(&self, cx: &Context, made: &Made) -> anyhow::Result<String> {
        if let Some(tag) = self.tag.as_deref().or(made.image.version()) {
            return tag_of(tag);
        }
        match revision::commit(&cx.sh, &cx.workspace.root) {
            Some((commit, false)) => Ok(commit),
            Some((commit, true)) => bail!(
                "`{}` names no version, and {commit}-dirty is none either: commit your changes, or say `--tag T`",
                made.name
            ),
            None => bail!("`{}` names no version, and there is no git commit: say `--tag T`", made.name),
        }
    }
}

impl Target {
    fn new(registry: Registry, name: &str, tag: &str) -> Target {
        let url = format!("docker://{registry}/{name}:{tag}");
        Target { registry, url }
    }

    fn reference(&self) -> &str {
        self.url.trim_start_matches("docker://")
    }

    /// Nothing of credentials: those are skopeo's own business.
    fn copy_args(&self, cx: &Context, format: Format, file: &Utf8Path) -> Vec<String> {
        let mut args = vec!["copy".to_owned(), "--retry-times".to_owned(), "3".to_owned()];
        if self.registry.is_loopback() {
            args.push("--dest-tls-verify=false".to_owned());
        }
        args.extend(["--digestfile".to_owned(), temporary(cx, "digest").to_string()]);
        args.extend([format!("{}:{file}", format.transport()), self.url.clone()]);
        args
    }

    fn inspect_args(&self) -> Vec<String> {
        let mut args = ["inspect", "--raw", "--retry-times", "3"].map(str::to_owned).to_vec();
        if self.registry.is_loopback() {
            args.push("--tls-verify=false".to_owned());
        }
        args.push(self.url.clone());
        args
    }

    /// The digest of the manifest that was pushed. A registry takes that last, so before nothing is to be seen.
    fn push(&self, cx: &mut Context, skopeo: &Tool, made: &Made) -> anyhow::Result<String> {
        let stop = cx.interrupt.clone();
        let file = Temporary(temporary(cx, "digest"));
        let plain = Temporary(temporary(cx, "tar"));
        create_dir(&cx.state())?;
        write_policy(cx)?;
        let mut archive = &made.file;
        // Debian's skopeo 1.9 cannot read what is compressed, and others would do the same in /var/tmp.
        if made.image.compressed {
            Image::decompress(&made.file, &plain.0, &|| stop.signal().is_some())?;
            archive = &plain.0;
        }
        let args = [policy_args(cx), self.copy_args(cx, made.image.format, archive)].concat();
        let done = skopeo.run(cx, &args)?;
        if done.exit.interrupted {
            bail!("interrupted; `{}` is what it was before", self.reference());
        }
        if !done.exit.success() {
            bail!("cannot push to `{}`: {}{}", self.reference(), done.why(), self.cure(cx, skopeo, &done));
        }
        let digest = fs::read_to_string(&file.0);
        Ok(digest.with_context(|| format!("skopeo wrote no digest to `{}`", file.0))?.trim().to_owned())
    }

    /// Asks the registry for the manifest under the tag, and hashes what it says.
    fn verify(&self, cx: &mut Context, skopeo: &Tool, digest: &str) -> anyhow::Result<()> {
        let done = skopeo.run(cx, &self.inspect_args())?;
        let reference = self.reference();
        if !done.exit.success() {
            bail!(
                "`{reference}` was pushed ({digest}), but cannot be read back: {}{}",
                done.why(),
                self.cure(cx, skopeo, &done)
            );
        }
        let found = format!("sha256:{}", hex(&Sha256::digest(&done.exit.stdout)));
        if found != digest {
            bail!(
                "the registry answers for `{reference}` with {found}, and {digest} was pushed: perhaps somebody else \
                 pushed to the same tag at the same time"
            );
        }
        Ok(())
    }

    /// Where credentials come from, when they are missing or not good enough.
    fn cure(&self, cx: &Context, skopeo: &Tool, done: &Done) -> String {
        let said = done.talk.join("\n").to_lowercase();
        let hint = if REFUSED.iter().any(|it| said.contains(it)) {
            let program = if skopeo.is_on_path() { "skopeo" } else { "cargo xtask run skopeo --" };
            let looked = match cx.host.env("REGISTRY_AUTH_FILE") {
                Some(file) => format!("`{file}`, which REGISTRY_AUTH_FILE names"),
                None => "${XDG_RUNTIME_DIR}/containers/auth.json and ~/.docker/config.json".to_owned(),
            };
            format!(
                "the registry wants credentials that may push there; skopeo takes them from {looked}: run `{program} login {}`",
                self.registry.login()
            )
        } else if said.contains("server gave http response to https client") {
            "the registry has no TLS; without it, images are pushed to this very machine only".to_owned()
        } else {
            return String::new();
        };
        format!("\n{} {hint}", cx.ui.paint("36", "hint:"))
    }
}

/// A file that is gone when this is.
struct Temporary(Utf8PathBuf);

impl Drop for Temporary {
    fn drop(&mut self) {
        // Most often it was never written.
        drop(fs::remove_file(&self.0));
    }
}

fn temporary(cx: &Context, ending: &str) -> Utf8PathBuf {
    cx.state().join(format!("push-{}.{ending}", std::process::id()))
}

/// The name below the registry.
fn repository(made: &Made) -> anyhow::Result<String> {
    repository_of(made.image.name(), &made.name)
}

/// An image that gives itself no name has that of its package.
fn repository_of(own: Option<&str>, package: &str) -> anyhow::Result<String> {
    let package = package.rsplit(['#', '.']).next().unwrap_or(package);
    let name = own.unwrap_or_else(|| package.strip_prefix("image-").unwrap_or(package));
    let good = |it: char| it.is_ascii_lowercase() || it.is_ascii_digit() || "._-".contains(it);
    if !name.chars().all(good) {
        bail!(
            "`{name}` cannot be the name of an image in a registry: that has lower-case letters, digits and `._-`"
        );
    }
    Ok(name.to_owned())
}

fn tag_of(text: &str) -> anyhow::Result<String> {
    tag(text).map_err(|it| anyhow::anyhow!(it))
}

fn tag(text: &str) -> Result<String, String> {
    let good = |it: char| it.is_ascii_alphanumeric() || "._-".contains(it);
    if text.is_empty() || text.len() > 128 || text.starts_with(['.', '-']) || !text.chars().all(good) {
        return Err(format!("`{text}` is not a tag: those have letters, digits and `._-`, 128 at most"));
    }
    Ok(text.to_owned())
}

fn no_skopeo() -> &'static str {
    "there is no skopeo: neither on PATH, nor as a package `skopeo` of the root flake; \
     install it (`sudo apt-get install skopeo`, `brew install skopeo`, `nix profile install nixpkgs#skopeo`)"
}

/// The one on `PATH`, else the flake's.
fn skopeo(cx: &mut Context) -> anyhow::Result<Option<Tool>> {
    if let Some(tool) = Tool::on_path(cx, "skopeo") {
        return Ok(Some(tool));
    }
    let Some((build, selected)) = skopeo_of_flake(cx)? else { return Ok(None) };
    let outcome = build.build(cx, vec![selected])?;
    if !outcome.ok() {
        cx.tell(&outcome.report(cx));
        bail!("skopeo is not on PATH, and the flake's cannot be built");
    }
    let package = outcome.products.first().and_then(|it| it.selected.package.as_ref().ok());
    Ok(package.map(|it| Tool::in_store("skopeo", it.outs[&it.first].as_str())))
}

fn skopeo_of_flake(cx: &mut Context) -> anyhow::Result<Option<(Build, Selected)>> {
    if cx.workspace.flakes.is_empty() {
        return Ok(None);
    }
    let system = cx.system();
    let selection = Selection { names: &[], all: false, system, extra: &[] };
    Ok(selection.package(cx, 0, "skopeo")?.map(|it| (Build::default(), it)))
}

/// Skopeo wants to be told which images may be copied. Where the machine has no such policy, ours allows archives.
fn own_policy(cx: &Context) -> Option<Utf8PathBuf> {
    let users = cx.host.env("HOME").map(|it| Utf8Path::new(it).join(".config/containers/policy.json"));
    let there = cx.host.path("/etc/containers/policy.json").exists() || users.is_some_and(|it| it.exists());
    (!there).then(|| cx.state().join("policy.json"))
}

fn policy_args(cx: &Context) -> Vec<String> {
    own_policy(cx).map_or_else(Vec::new, |it| vec!["--policy".to_owned(), it.to_string()])
}

fn write_policy(cx: &Context) -> anyhow::Result<()> {
    let Some(file) = own_policy(cx) else { return Ok(()) };
    let any = json!({"": [{"type": "insecureAcceptAnything"}]});
    let policy = json!({
        "default": [{"type": "reject"}],
        "transports": {"docker-archive": any, "oci-archive": any},
    });
    write_atomic(&file, policy.to_string().as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_a_registry() {
        for (own, package, want) in [
            (Some("tool.x"), "image-a", "tool.x"),
            (None, "image-docs", "docs"),
            (None, "aleph#image", "image"),
            (None, ".#packages.x86_64-linux.image-docs", "docs"),
        ] {
            assert_eq!(repository_of(own, package).unwrap(), want);
        }
        assert!(repository_of(Some("Tool"), "image-a").is_err());
    }

    #[test]
    fn tags() {
        assert!(["1.0", "v1_2-x", "A"].iter().all(|it| tag(it).is_ok()));
        assert!(["", "-a", ".a", "a b", "a/b", "ä", &"a".repeat(129)].iter().all(|it| tag(it).is_err()));
    }
}
