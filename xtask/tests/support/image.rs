//! Archives of container images, sound ones and others.

use std::io::Write as _;

use sha2::{Digest as _, Sha256};

use super::Sandbox;

/// Files by name; what an archive is made of before it is one.
pub(crate) type Files = Vec<(String, Vec<u8>)>;

const X86: bool = cfg!(target_arch = "x86_64");

/// The architecture of this machine, and another one, as Nix and as images spell them.
pub(crate) const HERE: &str = if X86 { "x86_64" } else { "aarch64" };
pub(crate) const HERE_OCI: &str = if X86 { "amd64" } else { "arm64" };
pub(crate) const OTHER: &str = if X86 { "aarch64" } else { "x86_64" };
pub(crate) const OTHER_OCI: &str = if X86 { "arm64" } else { "amd64" };

pub(crate) fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|it| format!("{it:02x}")).collect()
}

/// The beginning of a program for an architecture as Nix spells it.
pub(crate) fn program(architecture: &str) -> Vec<u8> {
    let machine: u16 = if architecture == "x86_64" { 62 } else { 183 };
    let mut res = b"\x7fELF\x02\x01\x01".to_vec();
    res.resize(16, 0);
    res.extend([2, 0]);
    res.extend(machine.to_le_bytes());
    res.resize(64, 0);
    res
}

pub(crate) fn tar(files: &Files) -> Vec<u8> {
    let mut res = tar::Builder::new(Vec::new());
    for (name, content) in files {
        let mut header = tar::Header::new_ustar();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        res.append_data(&mut header, name, content.as_slice()).unwrap();
    }
    res.into_inner().unwrap()
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut res = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    res.write_all(bytes).unwrap();
    res.finish().unwrap()
}

/// A layer with one file.
pub(crate) fn layer(name: &str, content: &[u8]) -> Vec<u8> {
    tar(&vec![(name.to_owned(), content.to_vec())])
}

pub(crate) fn config(os: &str, architecture: &str, layers: &[Vec<u8>]) -> Vec<u8> {
    let ids: Vec<String> = layers.iter().map(|it| format!("sha256:{}", sha256(it))).collect();
    let history: Vec<_> = ids.iter().map(|_| serde_json::json!({"created_by": "a test"})).collect();
    serde_json::json!({
        "os": os,
        "architecture": architecture,
        "config": {},
        "rootfs": {"type": "layers", "diff_ids": ids},
        "history": history,
    })
    .to_string()
    .into_bytes()
}

/// The files of an archive as Nix's dockerTools makes them: the manifest comes last.
pub(crate) fn docker(os: &str, architecture: &str, tag: &str, layers: &[Vec<u8>]) -> Files {
    let config = config(os, architecture, layers);
    let config_name = format!("{}.json", sha256(&config));
    let names: Vec<String> = layers.iter().map(|it| format!("{}/layer.tar", sha256(it))).collect();
    let tags: Vec<&str> = [tag].into_iter().filter(|it| !it.is_empty()).collect();
    let manifest = serde_json::json!([{"Config": config_name, "RepoTags": tags, "Layers": names}]);
    let mut res: Files = names.into_iter().zip(layers.iter().cloned()).collect();
    res.push((config_name, config));
    res.push(("manifest.json".to_owned(), manifest.to_string().into_bytes()));
    res
}

/// The files of an OCI archive, with compressed layers.
pub(crate) fn oci(architecture: &str, tag: &str, layers: &[Vec<u8>]) -> Files {
    let mut res = vec![("oci-layout".to_owned(), br#"{"imageLayoutVersion": "1.0.0"}"#.to_vec())];
    let mut blob = |kind: &str, content: Vec<u8>| {
        let digest = sha256(&content);
        let descriptor = serde_json::json!({
            "mediaType": format!("application/vnd.oci.image.{kind}"),
            "digest": format!("sha256:{digest}"),
            "size": content.len(),
        });
        res.push((format!("blobs/sha256/{digest}"), content));
        descriptor
    };
    let config = blob("config.v1+json", config("linux", architecture, layers));
    let layers: Vec<_> = layers.iter().map(|it| blob("layer.v1.tar+gzip", gzip(it))).collect();
    let manifest = serde_json::json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": config,
        "layers": layers,
    });
    let mut found = blob("manifest.v1+json", manifest.to_string().into_bytes());
    found["annotations"] = serde_json::json!({"org.opencontainers.image.ref.name": tag});
    let index = serde_json::json!({"schemaVersion": 2, "manifests": [found]});
    res.push(("index.json".to_owned(), index.to_string().into_bytes()));
    res
}

impl Sandbox {
    /// Packages that are files with these contents.
    pub(crate) fn files(self, packages: &[(&str, Vec<u8>)]) -> Sandbox {
        let script = |content: &Vec<u8>| {
            let octets: String = content.iter().map(|it| format!("\\{it:03o}")).collect();
            format!("printf '{octets}' > $out")
        };
        let scripts: Vec<(&str, String)> = packages.iter().map(|it| (it.0, script(&it.1))).collect();
        let packages: Vec<(&str, &str)> = scripts.iter().map(|it| (it.0, it.1.as_str())).collect();
        self.packages(&packages)
    }

    /// A `PATH` with only these of the machine's programs, and those written to `bin` of the temporary directory.
    pub(crate) fn only_programs(self, names: &[&str]) -> Sandbox {
        let bin = self.temp().join("bin");
        std::fs::create_dir_all(&bin).unwrap();
        for name in names {
            let path = std::env::var_os("PATH").unwrap();
            let found = std::env::split_paths(&path).map(|it| it.join(name)).find(|it| it.exists());
            std::os::unix::fs::symlink(found.unwrap(), bin.join(name)).unwrap();
        }
        self.env("PATH", bin.as_str())
    }
}
