pub mod discover;
pub mod event;
pub mod namespace;
pub mod process;
pub mod replace;
pub mod store_path;
use camino::Utf8PathBuf;
#[derive(Debug)]
pub struct Nix {
    pub program: Utf8PathBuf,
    pub version: String,
    pub flavour: String,
    pub store_root: Option<Utf8PathBuf>,
}
impl Nix {
    pub fn real(&self, p: &str) -> Utf8PathBuf {
        match &self.store_root {
            Some(r) => r.join(p.trim_start_matches('/')),
            None => p.into(),
        }
    }
}
