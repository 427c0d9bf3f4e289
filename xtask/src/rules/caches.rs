//! What is said of binary caches, downloads and signatures.

use super::{ERROR, On, Rule};

const REFUSED: &[&str] = &["no-substituter", "download-failed", "upload-failed", "nar-missing", "http-auth"];

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "rate-limit",
        says: &[
            "unable to download 'https://api.github.com/{path}': HTTP error 403",
            "unable to download 'https://api.github.com/{path}': HTTP error 429",
            "API rate limit exceeded for {path}",
        ],
        source: "GitHub's answer, which Nix prints under `response body:` (src/libstore/filetransfer.cc)",
        cause: "GitHub answers only 60 anonymous questions an hour from one address; an office shares one",
        cure: "give a token for this run only: `NIX_CONFIG=\"access-tokens = github.com=$(gh auth token)\" cargo xtask …`",
        explains: &["builder-exit"],
        ..ERROR
    },
    Rule {
        id: "aws-token-expired",
        on: On::Talk,
        says: &[
            "<Code>ExpiredToken</Code>",
            "ExceptionName: ExpiredToken",
            "The provided token has expired",
            "security token included in the request is expired",
        ],
        source: "S3's error codes and STS; Nix 2.26 says `AWS error fetching …`, 2.34 prints S3's answer (NixOS/nix#13459)",
        cause: "the AWS token for the cache has expired",
        cure: "log in again: `aws sso login`, then repeat the command",
        explains: REFUSED,
        ..ERROR
    },
    Rule {
        id: "aws-clock",
        on: On::Talk,
        says: &["<Code>RequestTimeTooSkewed</Code>", "RequestTimeTooSkewed"],
        seen: "",
        source: "S3's error codes; Nix knows it since 2.35 (src/libstore/filetransfer.cc)",
        cause: "this machine's clock is wrong by more than 15 minutes, so S3 refuses what it signs",
        cure: "set it: `sudo timedatectl set-ntp true` (macOS: `sudo sntp -sS time.apple.com`); `cargo xtask doctor` compares it",
        explains: REFUSED,
        ..ERROR
    },
    Rule {
        id: "aws-credentials",
        on: On::Talk,
        says: &["AWS authentication error: '{why}' ({})"],
        seen: "",
        source: "Nix 2.34, src/libstore/aws-creds.cc",
        cause: "Nix finds no credentials for S3: {why}",
        cure: "log in (`aws sso login`), or set AWS_PROFILE; the daemon has other ones than you: let `cargo xtask cache push` do it, as yourself",
        explains: REFUSED,
        ..ERROR
    },
    Rule {
        id: "tls",
        says: &["unable to download '{url}': SSL peer certificate or SSH remote key was not OK (60)"],
        cause: "nobody that this Nix trusts has signed the certificate of {url}: an own authority, or a proxy that looks inside",
        cure: "give Nix the authority's certificate: `ssl-cert-file = /path/ca-bundle.crt` in nix.conf, then restart the daemon, which reads it",
        facts: "which bundle is in use",
        explains: &["builder-exit"],
        ..ERROR
    },
    Rule {
        id: "http-auth",
        says: &["unable to download '{url}': HTTP error 401", "unable to download '{url}': HTTP error 407"],
        cause: "{url}, or the proxy before it, wants credentials",
        cure: "put them into the file that `netrc-file` of nix.conf names: `machine HOST login USER password TOKEN`",
        explains: &["builder-exit"],
        ..ERROR
    },
    Rule {
        id: "download-failed",
        says: &["unable to download '{url}': {why}"],
        cause: "{url} cannot be fetched: {why}",
        cure: "try it by hand: `curl -fLI {url}`; without network: `--offline`; behind a proxy: the daemon needs `https_proxy`, too",
        explains: &["builder-exit"],
        ..ERROR
    },
    Rule {
        id: "upload-failed",
        says: &["unable to upload '{url}': {why}"],
        seen: "",
        source: "Nix 2.26 and 2.34, src/libstore/filetransfer.cc",
        cause: "{url} does not take what is pushed: {why}",
        cure: "look at your rights to write there; `cargo xtask cache push` says who you are to S3, and goes on where it stopped",
        ..ERROR
    },
    Rule {
        id: "download-retry",
        on: On::Warning,
        says: &["unable to download '{url}': {why}; retrying in {} ms"],
        cause: "{url} did not answer, and Nix tries again up to four times, 5 s for each cache",
        cure: "without network: `--offline`; a cache that is gone for good: take it out of `substituters`",
        ..ERROR
    },
    Rule {
        id: "cache-not-a-cache",
        says: &["'{url}' does not appear to be a binary cache"],
        cause: "{url} has no `nix-cache-info`: it is no binary cache, or the URL lacks its directory",
        cure: "correct the URL in `substituters`; look: `curl {url}/nix-cache-info`",
        facts: "the file and line that names it",
        ..ERROR
    },
    Rule {
        id: "cache-storedir",
        says: &["binary cache '{url}' is for Nix stores with prefix '{theirs}', not '{ours}'"],
        cause: "{url} keeps paths below `{theirs}`, and this store is `{ours}`",
        cure: "take it out of `substituters`; a chroot store keeps `/nix/store` and fits",
        ..ERROR
    },
    Rule {
        id: "substitute-unsigned",
        on: On::Warning,
        says: &[
            "ignoring substitute for '{path}' from '{url}', as it's not signed by any of the keys in 'trusted-public-keys'",
        ],
        cause: "{url} has `{path.short}`, but no signature by a key that this Nix trusts, so it was not used",
        cure: "add the cache's key to `trusted-public-keys` (as administrator, or `[cache]` in xtask.toml); if it is unsigned: `cargo xtask cache repair`",
        explains: &["no-substituter"],
        ..ERROR
    },
    Rule {
        id: "unsigned",
        says: &["cannot add path '{path}' because it lacks a signature by a trusted key"],
        cause: "the receiving store does not trust `{path.short}`: it is unsigned, or signed by a key that is not in its `trusted-public-keys`",
        cure: "sign it (`nix store sign --key-file KEY --recursive {path}`) and have the key trusted there",
        ..ERROR
    },
    Rule {
        id: "bad-key",
        says: &["while decoding key named '{key}'", "^key is corrupt"],
        cause: "a key cannot be read: it must be `NAME:BASE64` in one line",
        cure: "copy it again, with its name; a new one: `nix key generate-secret --key-name NAME`",
        ..ERROR
    },
    Rule {
        id: "nar-decompress",
        says: &["Failed to open archive ({why})"],
        when: Some(|it| !it["why"].contains("unable to download")),
        cause: "an archive that was downloaded is damaged: {why}",
        cure: "if it came from a cache, repair it there: `cargo xtask cache verify`, then `cargo xtask cache repair`; until then build it here: `cargo xtask build NAME -- --option substitute false`",
        explains: &["no-substituter"],
        ..ERROR
    },
    Rule {
        id: "nar-missing",
        on: On::Talk,
        says: &["file '{nar}' does not exist in binary cache"],
        cause: "a cache promises a path and does not have its content, `{nar}`: a push that was cut off, or a file that was deleted",
        cure: "repair the cache: `cargo xtask cache verify`, then `cargo xtask cache repair`",
        explains: &["no-substituter"],
        ..ERROR
    },
    Rule {
        id: "nar-hash",
        says: &["hash mismatch importing path '{path}'; specified: {specified} got: {got}"],
        cause: "the content of `{path.short}` is not what the cache promised",
        cure: "do not use it; take the path out of the cache and push it anew: `cargo xtask cache repair`",
        ..ERROR
    },
    Rule {
        id: "narinfo-corrupt",
        says: &["NAR info file '{file}' is corrupt"],
        cause: "the cache answers for `{file}` with something that is no narinfo: a damaged file, or a login page",
        cure: "look at it: `curl CACHE/{file}`; then `cargo xtask cache repair`",
        ..ERROR
    },
    Rule {
        id: "no-substituter",
        says: &["path '{path}' is required, but there is no substituter that can build it"],
        cause: "`{path.short}` is not here, no cache has it, and Nix does not know how it is built: only its path is known",
        cure: "build it from its flake: `cargo xtask build NAME`; if it was just pushed, Nix remembers for an hour that it was not there: `-- --option narinfo-cache-negative-ttl 0`",
        ..ERROR
    },
    Rule {
        id: "s3-unsupported",
        seen: "2.26",
        says: &["don't know how to open Nix store with scheme '{scheme}'"],
        cause: "this Nix was built without `{scheme}://`, as Debian's 2.26",
        cure: "push with `cargo xtask cache push`, which speaks S3 itself; read over https",
        ..ERROR
    },
];
