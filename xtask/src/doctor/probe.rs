//! Questions to other programs and other machines. None of them waits longer than a moment.

use std::time::{Duration, Instant};

use camino::Utf8Path;
use serde_json::Value;

use crate::host::{Host, Os};
use crate::nix::process::{self, Answer, Command};
use crate::nix::trust;

/// Longer than this nobody waits for the page.
const PATIENCE: Duration = Duration::from_millis(1900);
/// The same for curl, which wants to say itself what was slow.
const CURL_SECONDS: &str = "1.8";
/// So long `--deep` waits for a builder.
pub(super) const DEEP: Duration = Duration::from_secs(20);

/// How long one may take for an answer: on a machine that is slow, or busy, `XTASK_DOCTOR_PATIENCE` has the seconds.
pub(super) fn patience(host: &Host) -> Duration {
    let wanted = host.env("XTASK_DOCTOR_PATIENCE").and_then(|it| it.parse().ok());
    wanted.map_or(PATIENCE, Duration::from_secs)
}

/// Runs a short command of the machine.
///
/// # Errors
/// When it cannot be run, or does not answer in time.
pub(super) fn ask(host: &Host, program: &Utf8Path, args: &[String]) -> Result<Answer, String> {
    let command = Command { program, args, dir: &host.cwd, env: &host.env, input: &[] };
    process::ask(&command, patience(host)).map_err(|it| format!("{it:#}"))
}

fn tool(host: &Host, name: &str, args: &[&str]) -> Result<Answer, String> {
    let program = host.which(name).ok_or_else(|| format!("there is no `{name}` on PATH"))?;
    let args: Vec<String> = args.iter().map(|it| (*it).to_owned()).collect();
    ask(host, &program, &args)
}

pub(super) fn last_line(text: &str) -> &str {
    text.lines().rfind(|it| !it.trim().is_empty()).unwrap_or("it said nothing").trim()
}

/// What `nix store info` said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreAnswer {
    /// `daemon` or `local`.
    pub url: String,
    pub version: Option<String>,
    /// Whether the daemon does what the user's settings say.
    pub trusted: Option<bool>,
    /// Caches that it does not use for this user, and of which Nix would not say so in its exit code.
    pub ignored: Vec<String>,
    /// Settings of the user's that it does not take from him.
    pub refused: Vec<String>,
}

impl StoreAnswer {
    pub(super) fn parse(answer: &Answer) -> Result<StoreAnswer, String> {
        let value: Value = serde_json::from_str(answer.stdout.trim()).unwrap_or_default();
        if !answer.success() || value.get("url").is_none() {
            return Err(last_line(&answer.stderr).trim_start_matches("error: ").to_owned());
        }
        let text = |name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
        let trusted = trust::of_store(&value);
        let quoted = |before: &str| -> Vec<String> {
            let named = |it: &str| Some(it.split_once(before)?.1.split_once('\'')?.0.to_owned());
            answer.stderr.lines().filter_map(named).collect()
        };
        Ok(StoreAnswer {
            url: text("url").unwrap_or_default(),
            version: text("version"),
            trusted,
            ignored: quoted("ignoring untrusted substituter '"),
            refused: quoted("ignoring the client-specified setting '"),
        })
    }
}

/// What a binary cache answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CacheAnswer {
    /// The HTTP status.
    pub status: u32,
    /// `StoreDir` of its `nix-cache-info`; nothing when that is none.
    pub store_dir: Option<String>,
    /// Its clock, seconds since 1970.
    pub date: Option<i64>,
    pub took: Duration,
}

pub(super) fn cache(host: &Host, url: &str) -> Result<CacheAnswer, String> {
    let info = format!("{}/nix-cache-info", url.split('?').next().unwrap_or(url).trim_end_matches('/'));
    let since = Instant::now();
    let answer = tool(
        host,
        "curl",
        &["--silent", "--show-error", "--include", "--location", "--max-time", CURL_SECONDS, &info],
    )?;
    if !answer.success() {
        return Err(last_line(&answer.stderr).trim_start_matches("curl: ").to_owned());
    }
    let mut res = parse_cache(&answer.stdout).ok_or("it does not speak HTTP")?;
    res.took = since.elapsed();
    Ok(res)
}

/// Headers, an empty line, the body; after a redirection once more.
fn parse_cache(text: &str) -> Option<CacheAnswer> {
    let text = text.replace('\r', "");
    let mut rest = text.as_str();
    let mut head = "";
    while rest.starts_with("HTTP/") {
        (head, rest) = rest.split_once("\n\n").unwrap_or((rest, ""));
    }
    let status = head.lines().next()?.split(' ').nth(1)?.parse().ok()?;
    let header = |it: &str| {
        let (name, value) = it.split_once(':')?;
        name.eq_ignore_ascii_case("date").then(|| value.trim().to_owned())
    };
    let date = head.lines().find_map(header).and_then(|it| http_date(&it));
    let store_dir = rest.lines().find_map(|it| it.strip_prefix("StoreDir:")).map(|it| it.trim().to_owned());
    Some(CacheAnswer { status, store_dir, date, took: Duration::ZERO })
}

/// `Sun, 22 Nov 2026 22:40:53 GMT` as seconds since 1970.
fn http_date(text: &str) -> Option<i64> {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let words: Vec<&str> = text.split(' ').collect();
    let [_, day, month, year, time, "GMT"] = words.as_slice() else { return None };
    let (day, year): (i64, i64) = (day.parse().ok()?, year.parse().ok()?);
    let month = i64::try_from(MONTHS.iter().position(|it| it == month)?).ok()? + 1;
    let parts: Vec<i64> = time.split(':').filter_map(|it| it.parse().ok()).collect();
    let [hour, minute, second] = parts.as_slice() else { return None };
    Some(
        crate::locks::calendar::days_since_1970(year, month, day) * 86_400
            + hour * 3600
            + minute * 60
            + second,
    )
}

/// What git says of the work tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Git {
    /// Files that git does not know and does not ignore, or why git does not say.
    pub untracked: Result<Vec<String>, String>,
    pub tracked: Vec<String>,
    /// Files that are kept by Git LFS.
    pub lfs: Vec<String>,
    /// `git-lfs` is there.
    pub has_lfs: bool,
}

pub(super) fn git(host: &Host, root: &Utf8Path) -> Option<Git> {
    crate::revision::work_tree(root)?;
    let list = |more: &[&str]| -> Result<Vec<String>, String> {
        let answer = tool(host, "git", &[&["-C", root.as_str(), "ls-files", "-z"], more].concat())?;
        if answer.success() {
            Ok(answer.stdout.split_terminator('\0').map(str::to_owned).collect())
        } else {
            // What is behind it is only advice.
            let reason = answer.stderr.lines().find_map(|it| it.strip_prefix("fatal: "));
            Err(reason.unwrap_or_else(|| last_line(&answer.stderr)).to_owned())
        }
    };
    let lists = std::thread::scope(|scope| {
        let untracked = scope.spawn(|| list(&["--others", "--exclude-standard"]));
        let lfs = scope.spawn(|| list(&["--", ":(attr:filter=lfs)"]));
        let tracked = list(&[]).unwrap_or_default();
        (untracked.join().ok(), tracked, lfs.join().ok())
    });
    Some(Git {
        untracked: lists.0.unwrap_or_else(|| Err("the check itself failed".to_owned())),
        tracked: lists.1,
        lfs: lists.2.and_then(Result::ok).unwrap_or_default(),
        has_lfs: host.which("git-lfs").is_some(),
    })
}

pub(super) fn orbstack(host: &Host) -> Option<Result<String, String>> {
    if host.os != Os::MacOs || host.which("orbctl").is_none() {
        return None;
    }
    let answer = tool(host, "orbctl", &["list"]);
    Some(
        answer
            .and_then(|it| if it.success() { Ok(it.stdout) } else { Err(last_line(&it.stderr).to_owned()) }),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_store_says_in_either_version() {
        let warning = "warning: ignoring untrusted substituter 'https://bad.example/', you are not a trusted user.\n\
                       Run `man nix.conf` for more information on the `substituters` configuration option.\n";
        for (said, trusted) in
            [("0", Some(false)), ("1", Some(true)), ("false", Some(false)), ("true", Some(true))]
        {
            let stdout = format!("{{\"trusted\":{said},\"url\":\"daemon\",\"version\":\"2.26.3\"}}\n");
            let answer = Answer { stdout, stderr: warning.to_owned(), code: Some(0) };
            let store = StoreAnswer::parse(&answer).unwrap();
            assert_eq!(
                (store.trusted, store.ignored.as_slice()),
                (trusted, &["https://bad.example/".to_owned()][..])
            );
        }
        let down = Answer {
            stdout: "{\"url\":\"daemon\"}\n".to_owned(),
            stderr: "error: cannot connect to socket at '/s': Connection refused\n".to_owned(),
            code: Some(1),
        };
        assert_eq!(
            StoreAnswer::parse(&down).unwrap_err(),
            "cannot connect to socket at '/s': Connection refused"
        );
    }

    #[test]
    fn what_a_cache_answers() {
        let moved = "HTTP/1.1 301 Moved\r\nLocation: x\r\n\r\n";
        let good =
            "HTTP/2 200 \r\ndate: Sun, 22 Nov 2026 22:40:53 GMT\r\n\r\nStoreDir: /nix/store\nPriority: 40\n";
        let answer = parse_cache(&format!("{moved}{good}")).unwrap();
        assert_eq!((answer.status, answer.store_dir.as_deref()), (200, Some("/nix/store")));
        assert_eq!(answer.date, Some(1_795_387_253));
        assert_eq!(parse_cache("HTTP/1.0 404 No\r\n\r\n<html>").unwrap().store_dir, None);
        assert_eq!(parse_cache("SSH-2.0-OpenSSH"), None);
    }
}
