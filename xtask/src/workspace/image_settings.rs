//! `[image]` of the manifest.

use serde::Deserialize;

use super::checked_text::registry;

/// Container images.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema, serde::Serialize))]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct ImageSettings {
    /// Where `image push` pushes to, such as `ghcr.io/elodin-sys`. Credentials are not written here: see `skopeo login`.
    #[serde(deserialize_with = "registry")]
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub registry: Option<String>,
}
