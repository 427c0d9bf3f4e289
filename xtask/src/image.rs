//! A container image in an archive: what it is, and whether it is sound.
//!
//! Docker's archives (`manifest.json`) and those of OCI (`index.json`), plain or compressed by gzip. Their layers are
//! read as they pass, never unpacked.

mod archive;
mod layer;
mod manifest;

use std::fmt;
use std::str::FromStr;

use anyhow::{Context as _, bail};
use camino::Utf8Path;
use serde::Deserialize;

use archive::Archive;
use manifest::Parts;

/// The processors that images are made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Architecture {
    X86_64,
    Aarch64,
}

impl Architecture {
    /// As Nix spells it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Architecture::X86_64 => "x86_64",
            Architecture::Aarch64 => "aarch64",
        }
    }

    /// As container images spell it.
    fn oci(self) -> &'static str {
        match self {
            Architecture::X86_64 => "amd64",
            Architecture::Aarch64 => "arm64",
        }
    }

    fn machine(self) -> u16 {
        match self {
            Architecture::X86_64 => 62,
            Architecture::Aarch64 => 183,
        }
    }
}

impl fmt::Display for Architecture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Architecture {
    type Err = String;

    fn from_str(text: &str) -> Result<Architecture, String> {
        let all = [Architecture::X86_64, Architecture::Aarch64];
        let found = all.into_iter().find(|it| it.name() == text || it.oci() == text);
        found.ok_or_else(|| "write x86_64 or aarch64".to_owned())
    }
}

/// How an archive is made up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    Docker,
    Oci,
}

impl Format {
    /// What skopeo calls it.
    #[must_use]
    pub fn transport(self) -> &'static str {
        match self {
            Format::Docker => "docker-archive",
            Format::Oci => "oci-archive",
        }
    }
}

/// An image that was found to be sound.
#[derive(Debug, Clone)]
pub struct Image {
    pub format: Format,
    pub architecture: Architecture,
    /// Bytes of the archive.
    pub size: u64,
    /// By gzip, as a whole.
    pub compressed: bool,
    /// The digests of the layers' content, the lowest first.
    pub layers: Vec<String>,
    /// Of the configuration: what engines call the image's ID.
    pub digest: String,
    /// The names that the image gives itself, such as `elodin/docs:1.0`; an OCI archive may know only the tag.
    pub tags: Vec<String>,
}

/// Of an image's configuration, what matters here.
#[derive(Debug, Deserialize)]
struct Config {
    #[serde(default)]
    architecture: String,
    #[serde(default)]
    os: String,
    rootfs: RootFs,
}

#[derive(Debug, Deserialize)]
struct RootFs {
    diff_ids: Vec<String>,
}

impl Image {
    /// Reads the archive once, from one end to the other. `stop` is asked now and then.
    ///
    /// # Errors
    /// When it is not an image, is damaged, or has anything that is not for Linux on this architecture.
    pub fn read(path: &Utf8Path, wanted: Architecture, stop: &dyn Fn() -> bool) -> anyhow::Result<Image> {
        let archive = archive::read(path, stop)?;
        let parts = manifest::parts(&archive)?;
        let digest = layer::sha256(parts.config.1);
        if let Some(named) = manifest::digest_in(&parts.config.0)
            && named != digest
        {
            bail!("it is damaged: its configuration `{}` has the digest {digest}", parts.config.0);
        }
        let config: Config = serde_json::from_slice(parts.config.1)
            .with_context(|| format!("cannot read its configuration `{}`", parts.config.0))?;
        platform(&config, wanted)?;
        layers(&archive, &parts, &config, wanted)?;
        Ok(Image {
            format: parts.format,
            architecture: wanted,
            size: archive.size,
            compressed: archive.compressed,
            layers: config.rootfs.diff_ids,
            digest,
            tags: parts.tags,
        })
    }

    /// Writes the archive at `path` without the compression around it.
    ///
    /// # Errors
    /// When it cannot be read or written, or was stopped.
    pub fn decompress(path: &Utf8Path, to: &Utf8Path, stop: &dyn Fn() -> bool) -> anyhow::Result<()> {
        archive::decompress(path, to, stop).with_context(|| format!("cannot decompress `{path}` to `{to}`"))
    }

    /// The last part of the name that the image gives itself: `docs` of `elodin/docs:1.0`.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        let (name, _) = split_tag(self.tags.first()?);
        name?.rsplit('/').next().filter(|it| !it.is_empty())
    }

    /// The version that the image gives itself as its tag; `latest` is none.
    #[must_use]
    pub fn version(&self) -> Option<&str> {
        let (_, tag) = split_tag(self.tags.first()?);
        tag.filter(|it| *it != "latest")
    }
}

/// The name and the tag of `host:5000/name:tag`; a text without a colon or slash is a tag.
fn split_tag(text: &str) -> (Option<&str>, Option<&str>) {
    match text.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => (Some(name), Some(tag)),
        _ if text.contains('/') => (Some(text), None),
        _ => (None, Some(text)),
    }
}

fn platform(config: &Config, wanted: Architecture) -> anyhow::Result<()> {
    let Config { os, architecture, .. } = config;
    if os != "linux" {
        bail!(
            "it is an image for `{os}`, and containers run on Linux; `os` in its configuration must be `linux`"
        );
    }
    if architecture != wanted.oci() {
        let other: Option<Architecture> = architecture.parse().ok();
        let cure = other.map_or(String::new(), |it| format!("; to have that one, say `--arch {it}`"));
        bail!("it is an image for {architecture}, and one for {} ({wanted}) is wanted{cure}", wanted.oci());
    }
    Ok(())
}

fn layers(archive: &Archive, parts: &Parts<'_>, config: &Config, wanted: Architecture) -> anyhow::Result<()> {
    let ids = &config.rootfs.diff_ids;
    if ids.len() != parts.layers.len() {
        bail!("its manifest names {} layers, its configuration {}", parts.layers.len(), ids.len());
    }
    let mut foreign = Vec::new();
    for (n, (name, id)) in parts.layers.iter().zip(ids).enumerate() {
        let title = format!("layer {} of {} (`{name}`)", n + 1, ids.len());
        let Some(blob) = archive.blob(name) else { bail!("{title} is not in the archive") };
        if let (Format::Oci, Some(named)) = (parts.format, manifest::digest_in(name))
            && named != blob.digest
        {
            bail!("{title} is damaged: its digest is {}", blob.digest);
        }
        let layer = blob.layer.as_ref().map_err(|it| anyhow::anyhow!("{title} cannot be read: {it}"))?;
        if layer.diff_id != *id {
            bail!(
                "{title} is damaged: its content has the digest {}, and the configuration wants {id}",
                layer.diff_id
            );
        }
        for (machine, file) in layer.machines.iter().filter(|it| *it.0 != wanted.machine()) {
            foreign.push(format!("{title}: `{file}` is for {}", layer::machine_name(*machine)));
        }
    }
    if !foreign.is_empty() {
        bail!(
            "it is an image for {wanted} with programs that cannot run there\n  {}\n\
             take what is in the image from the packages of {wanted}-linux, not from those of the machine that builds it",
            foreign.join("\n  ")
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_tags() {
        for (text, name, tag) in [
            ("elodin/docs:1.0", Some("elodin/docs"), Some("1.0")),
            ("host:5000/a", Some("host:5000/a"), None),
            ("host:5000/a:b", Some("host:5000/a"), Some("b")),
            ("1.0", None, Some("1.0")),
        ] {
            assert_eq!(split_tag(text), (name, tag), "{text}");
        }
        assert_eq!("arm64".parse(), Ok(Architecture::Aarch64));
        assert!("mips".parse::<Architecture>().is_err());
    }
}
