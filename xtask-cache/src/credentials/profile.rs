//! Profiles of `~/.aws`: keys that stand there are read by us, everything else by the AWS command line.

use std::collections::BTreeMap;
use std::process::{Command, Stdio};

use camino::{Utf8Path, Utf8PathBuf};

use super::{Credentials, Printed};
use crate::machine::Machine;

/// What of a profile the AWS command line can turn into credentials.
const INDIRECT: [&str; 6] = [
    "role_arn",
    "sso_session",
    "sso_start_url",
    "credential_process",
    "login_session",
    "web_identity_token_file",
];

pub(super) fn find(machine: &Machine, name: &str, tried: &mut Vec<String>) -> Option<Credentials> {
    let mut settings = BTreeMap::new();
    let mut looked = Vec::new();
    for (variable, default, prefix) in [
        ("AWS_CONFIG_FILE", ".aws/config", "profile "),
        ("AWS_SHARED_CREDENTIALS_FILE", ".aws/credentials", ""),
    ] {
        let Some(file) = file(machine, variable, default) else { continue };
        match std::fs::read_to_string(&file) {
            Ok(text) => {
                let title = if name == "default" { name.to_owned() } else { format!("{prefix}{name}") };
                settings.extend(section(&text, &title));
                looked.push(file.to_string());
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => tried.push(format!("`{file}`: {error}")),
        }
    }
    let get = |it: &str| settings.get(it).cloned();
    let indirect = INDIRECT.iter().find(|it| settings.contains_key(**it));
    if let (None, Some(id), Some(secret)) = (indirect, get("aws_access_key_id"), get("aws_secret_access_key"))
    {
        return Some(Credentials {
            access_key_id: id,
            secret_key: secret,
            session_token: get("aws_session_token"),
            expires: None,
            source: format!("profile `{name}`"),
        });
    }
    let token_file = machine.env("AWS_WEB_IDENTITY_TOKEN_FILE").is_some();
    let why = match indirect {
        Some(it) => format!("profile `{name}` has `{it}`"),
        None if token_file => "AWS_WEB_IDENTITY_TOKEN_FILE is set".to_owned(),
        None => {
            tried.push(match looked.as_slice() {
                [] => format!("profile `{name}`: there is no ~/.aws/config and no ~/.aws/credentials"),
                looked => format!("profile `{name}`: no keys in {}", looked.join(" and ")),
            });
            return None;
        }
    };
    match export(machine, (indirect.is_some()).then_some(name)) {
        Ok(printed) => Some(printed.from(format!("profile `{name}` by the AWS command line"))),
        Err(error) => {
            tried.push(format!("{why}, which the AWS command line knows how to use; {error}"));
            None
        }
    }
}

fn file(machine: &Machine, variable: &str, default: &str) -> Option<Utf8PathBuf> {
    match machine.env(variable) {
        Some(file) => Some(Utf8PathBuf::from(file)),
        None => Some(machine.home()?.join(default)),
    }
}

/// The settings below `[TITLE]`. Those that are indented belong to another setting.
fn section(text: &str, title: &str) -> BTreeMap<String, String> {
    let mut res = BTreeMap::new();
    let mut inside = false;
    for line in text.lines() {
        let trimmed = line.trim();
        if let Some(found) = trimmed.strip_prefix('[').and_then(|it| it.split_once(']')) {
            let words: Vec<&str> = found.0.split_ascii_whitespace().collect();
            inside = words.join(" ").replace(['"', '\''], "") == title;
        } else if inside && !line.starts_with([' ', '\t', '#', ';']) {
            let Some((key, value)) = line.split_once('=') else { continue };
            res.insert(key.trim().to_lowercase(), value.trim().to_owned());
        }
    }
    res.retain(|_, value| !value.is_empty());
    res
}

#[expect(clippy::disallowed_methods, reason = "a short command whose output is read; there is no shell here")]
fn export(machine: &Machine, profile: Option<&str>) -> Result<Printed, String> {
    let path = machine.env("PATH").unwrap_or_default();
    let program = path.split(':').map(|it| Utf8Path::new(it).join("aws")).find(|it| it.is_file());
    let program = program.ok_or("it (`aws`) is not on PATH")?;
    let mut command = Command::new(program.as_std_path());
    command.args(["configure", "export-credentials", "--format", "process"]);
    command.args(profile.iter().flat_map(|it| ["--profile", it]));
    let output = command.env_clear().envs(&machine.env).stdin(Stdio::null()).output();
    let output = output.map_err(|it| format!("`{program}` cannot be run: {it}"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let last = said.lines().rev().find(|it| !it.trim().is_empty()).unwrap_or("it said nothing");
        return Err(format!("`aws configure export-credentials` failed: {}", last.trim()));
    }
    // What it printed is not repeated: it is the secret.
    serde_json::from_slice(&output.stdout)
        .map_err(|_| "it printed something else than credentials".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections() {
        let text = "[default]\naws_access_key_id=A\n[profile ci]\nrole_arn = x\n  nested = y\n# z = 1\nregion =\n[ profile  \"b c\" ]\nk = v = w\n";
        assert_eq!(section(text, "default")["aws_access_key_id"], "A");
        assert_eq!(section(text, "profile ci"), BTreeMap::from([("role_arn".to_owned(), "x".to_owned())]));
        assert_eq!(section(text, "profile b c")["k"], "v = w");
        assert!(section(text, "ci").is_empty());
    }
}
