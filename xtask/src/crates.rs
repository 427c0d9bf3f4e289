//! The crates of a Cargo workspace, and which of them contain which: read from their manifests.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context as _;
use camino::{Utf8Path, Utf8PathBuf};
use serde::Deserialize;

/// One crate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Crate {
    pub name: String,
    /// Relative to the root of the workspace.
    pub dir: Utf8PathBuf,
    /// The crates that contain it, itself among them, by name.
    pub users: BTreeSet<String>,
}

#[derive(Default, Deserialize)]
struct Root {
    #[serde(default)]
    workspace: Members,
    package: Option<Package>,
}

#[derive(Default, Deserialize)]
struct Members {
    #[serde(default)]
    members: Vec<String>,
    #[serde(default)]
    exclude: Vec<String>,
    #[serde(default)]
    dependencies: BTreeMap<String, toml::Value>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Manifest {
    package: Option<Package>,
    #[serde(default)]
    dependencies: BTreeMap<String, toml::Value>,
    #[serde(default)]
    build_dependencies: BTreeMap<String, toml::Value>,
}

/// The crates of the Cargo workspace whose root this is; none where there is no `Cargo.toml`.
///
/// # Errors
/// When a manifest cannot be read.
pub fn of_workspace(root: &Utf8Path) -> anyhow::Result<Vec<Crate>> {
    if !root.join("Cargo.toml").is_file() {
        return Ok(Vec::new());
    }
    let top: Root = read(&root.join("Cargo.toml"))?;
    let mut dirs: Vec<Utf8PathBuf> = Vec::new();
    if top.package.is_some() {
        dirs.push(Utf8PathBuf::new());
    }
    for member in &top.workspace.members {
        let pattern = glob::Pattern::escape(root.as_str()) + "/" + member;
        for path in
            glob::glob(&pattern).with_context(|| format!("Cargo.toml: members: `{member}`"))?.flatten()
        {
            let inside = Utf8PathBuf::from_path_buf(path).ok();
            let inside = inside.and_then(|it| it.strip_prefix(root).ok().map(Utf8Path::to_owned));
            let left_out = |it: &Utf8PathBuf| top.workspace.exclude.iter().any(|out| it.starts_with(out));
            dirs.extend(inside.filter(|it| !left_out(it) && root.join(it).join("Cargo.toml").is_file()));
        }
    }
    let mut needs: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut res = Vec::new();
    for dir in dirs {
        let manifest: Manifest = read(&root.join(&dir).join("Cargo.toml"))?;
        let Some(package) = manifest.package else { continue };
        let all = manifest.dependencies.iter().chain(&manifest.build_dependencies);
        let local = all.filter(|it| is_local(it.0, it.1, &top.workspace.dependencies));
        // A dependency may be called otherwise than its crate.
        let name = |(key, value): (&String, &toml::Value)| {
            value.get("package").and_then(|it| it.as_str()).unwrap_or(key).to_owned()
        };
        needs.insert(package.name.clone(), local.map(name).collect());
        res.push(Crate { name: package.name, dir, users: BTreeSet::new() });
    }
    for it in &mut res {
        it.users.insert(it.name.clone());
        loop {
            let more = needs
                .iter()
                .filter(|(name, needs)| !it.users.contains(*name) && !needs.is_disjoint(&it.users));
            let more: Vec<String> = more.map(|it| it.0.clone()).collect();
            if more.is_empty() {
                break;
            }
            it.users.extend(more);
        }
    }
    Ok(res)
}

fn is_local(name: &str, value: &toml::Value, shared: &BTreeMap<String, toml::Value>) -> bool {
    let inherits = value.get("workspace").and_then(toml::Value::as_bool) == Some(true);
    value.get("path").is_some() || (inherits && shared.get(name).is_some_and(|it| it.get("path").is_some()))
}

fn read<T: serde::de::DeserializeOwned>(file: &Utf8Path) -> anyhow::Result<T> {
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read `{file}`"))?;
    toml::from_str(&text).with_context(|| format!("cannot read `{file}`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_contains_whom() {
        let temp = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(temp.path()).unwrap();
        let files = [
            (
                "Cargo.toml",
                "[workspace]\nmembers = [\"libs/*\", \"app\"]\nexclude = [\"libs/out\"]\n[workspace.dependencies]\nbase = { path = \"libs/base\" }",
            ),
            ("libs/base/Cargo.toml", "[package]\nname = \"base\""),
            (
                "libs/mid/Cargo.toml",
                "[package]\nname = \"mid\"\n[dependencies]\nbase.workspace = true\nserde = \"1\"",
            ),
            ("libs/out/Cargo.toml", "[package]\nname = \"out\""),
            (
                "app/Cargo.toml",
                "[package]\nname = \"app\"\n[build-dependencies]\nrenamed = { path = \"../libs/mid\", package = \"mid\" }",
            ),
        ];
        for (file, text) in files {
            std::fs::create_dir_all(root.join(file).parent().unwrap()).unwrap();
            std::fs::write(root.join(file), text).unwrap();
        }
        let crates = of_workspace(root).unwrap();
        let told: Vec<String> = crates
            .iter()
            .map(|it| {
                format!("{} {}: {}", it.name, it.dir, it.users.iter().cloned().collect::<Vec<_>>().join(" "))
            })
            .collect();
        assert_eq!(told, ["base libs/base: app base mid", "mid libs/mid: app mid", "app app: app"]);
        assert_eq!(of_workspace(&root.join("libs")).unwrap(), []);
    }
}
