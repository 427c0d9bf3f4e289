//! Which parts of an archive make up the image: by Docker's `manifest.json` or OCI's `index.json`.

use std::collections::BTreeMap;

use anyhow::{Context as _, bail};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::Format;
use super::archive::Archive;
use super::layer::sha256;

/// The parts of the one image in an archive, by their names in it.
#[derive(Debug)]
pub(super) struct Parts<'a> {
    pub(super) format: Format,
    pub(super) config: (String, &'a [u8]),
    /// The lowest first.
    pub(super) layers: Vec<String>,
    pub(super) tags: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Docker {
    config: String,
    repo_tags: Option<Vec<String>>,
    layers: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct Index {
    manifests: Vec<Descriptor>,
}

#[derive(Debug, Deserialize)]
struct Manifest {
    config: Descriptor,
    layers: Vec<Descriptor>,
}

#[derive(Debug, Deserialize)]
struct Descriptor {
    digest: String,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
}

pub(super) fn parts(archive: &Archive) -> anyhow::Result<Parts<'_>> {
    if let Some(text) = archive.text("manifest.json") {
        return docker(archive, text);
    }
    match archive.text("index.json") {
        Some(text) => oci(archive, text),
        None => bail!(
            "it is not the archive of an image: it has neither manifest.json (Docker) nor index.json (OCI)"
        ),
    }
}

fn docker<'a>(archive: &'a Archive, text: &[u8]) -> anyhow::Result<Parts<'a>> {
    let images: Vec<Docker> = json("manifest.json", text)?;
    let image = single(images)?;
    let config = archive.text(&image.config);
    let config =
        config.with_context(|| format!("its configuration `{}` is not in the archive", image.config))?;
    Ok(Parts {
        format: Format::Docker,
        config: (image.config, config),
        layers: image.layers,
        tags: image.repo_tags.unwrap_or_default(),
    })
}

fn oci<'a>(archive: &'a Archive, text: &[u8]) -> anyhow::Result<Parts<'a>> {
    let index: Index = json("index.json", text)?;
    let found = single(index.manifests)?;
    let (name, text) = blob(archive, &found.digest)?;
    let manifest: Manifest =
        json(&name, text).context("an index of several images is not what is wanted here")?;
    let tag = found.annotations.get("org.opencontainers.image.ref.name");
    Ok(Parts {
        format: Format::Oci,
        config: blob(archive, &manifest.config.digest)?,
        layers: manifest.layers.iter().map(|it| blob_name(&it.digest)).collect(),
        tags: tag.into_iter().cloned().collect(),
    })
}

fn single<T>(mut images: Vec<T>) -> anyhow::Result<T> {
    match (images.pop(), images.len()) {
        (Some(image), 0) => Ok(image),
        (_, others) => bail!("it has {} images, and one is wanted", if others == 0 { 0 } else { others + 1 }),
    }
}

fn json<T: DeserializeOwned>(name: &str, text: &[u8]) -> anyhow::Result<T> {
    serde_json::from_slice(text).with_context(|| format!("cannot read `{name}`"))
}

/// A text of an OCI archive, whose digest is its name.
fn blob<'a>(archive: &'a Archive, digest: &str) -> anyhow::Result<(String, &'a [u8])> {
    let name = blob_name(digest);
    let text = archive.text(&name).with_context(|| format!("`{name}` is not in the archive"))?;
    if sha256(text) != digest {
        bail!("it is damaged: `{name}` has the digest {}", sha256(text));
    }
    Ok((name, text))
}

fn blob_name(digest: &str) -> String {
    format!("blobs/{}", digest.replace(':', "/"))
}

/// The digest that an entry is named by: `blobs/sha256/HEX` and Docker's `HEX.json`.
pub(super) fn digest_in(name: &str) -> Option<String> {
    let stem = name.rsplit('/').next()?.trim_end_matches(".json");
    let is_digest = stem.len() == 64 && stem.bytes().all(|it| it.is_ascii_hexdigit());
    is_digest.then(|| format!("sha256:{stem}"))
}
