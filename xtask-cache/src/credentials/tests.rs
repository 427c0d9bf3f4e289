//! Where credentials are found, and what is said when they are not.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::time::UNIX_EPOCH;

use camino::Utf8Path;
use expect_test::expect;

use super::*;

/// 2026-11-22 22:29:18 UTC
fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_795_386_558)
}

fn machine(env: &[(&str, &str)]) -> Machine {
    let env = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let mut env: BTreeMap<String, String> = env.collect();
    env.entry("AWS_EC2_METADATA_DISABLED".to_owned()).or_insert("true".to_owned());
    Machine { env, now, random: || 0 }
}

struct Home(tempfile::TempDir);

impl Home {
    fn new(files: &[(&str, &str)]) -> Home {
        let res = Home(tempfile::tempdir().unwrap());
        for (name, text) in files {
            let path = res.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, text).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        }
        res
    }

    fn path(&self) -> &Utf8Path {
        Utf8Path::from_path(self.0.path()).unwrap()
    }
}

const SECRET: &str = "hunter2hunter2";

#[test]
fn the_environment_is_first() {
    let env = [
        ("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE"),
        ("AWS_SECRET_ACCESS_KEY", SECRET),
        ("AWS_SESSION_TOKEN", "t0k3n"),
    ];
    let found = find(&machine(&env), None).unwrap();
    assert_eq!(found.who(), "access key …MPLE from the environment");
    let found = found.fresh().unwrap();
    assert_eq!(found.session_token.as_deref(), Some("t0k3n"));
    let shown = format!("{found:?}");
    assert!(!shown.contains(SECRET) && !shown.contains("t0k3n"), "{shown}");
}

#[test]
fn profiles() {
    let home = Home::new(&[(
        ".aws/credentials",
        "[default]\naws_access_key_id=AKIADEFAULT\naws_secret_access_key=x\n[ci]\naws_access_key_id=AKIACI00CI00\naws_secret_access_key=y\n",
    )]);
    let home = home.path().as_str();
    assert_eq!(
        find(&machine(&[("HOME", home)]), None).unwrap().who(),
        "access key …AULT from profile `default`"
    );
    for machine in [
        machine(&[("HOME", home), ("AWS_PROFILE", "ci")]),
        machine(&[("HOME", home), ("AWS_ACCESS_KEY_ID", "A"), ("AWS_SECRET_ACCESS_KEY", "B")]),
    ] {
        let named = machine.env("AWS_PROFILE").is_none().then_some("ci");
        assert_eq!(find(&machine, named).unwrap().who(), "access key …CI00 from profile `ci`");
    }
}

#[test]
fn the_aws_command_line_does_the_rest() {
    let script = "#!/bin/sh\n[ \"$*\" = 'configure export-credentials --format process --profile sso' ] || exit 9\necho '{\"Version\": 1, \"AccessKeyId\": \"ASIAEXAMPLE\", \"SecretAccessKey\": \"x\", \"SessionToken\": \"y\", \"Expiration\": \"2026-11-22T23:29:18Z\"}'\n";
    let home = Home::new(&[(".aws/config", "[profile sso]\nsso_session = lab\n"), ("bin/aws", script)]);
    let path = home.path().join("bin").into_string();
    let found = find(&machine(&[("HOME", home.path().as_str()), ("PATH", &path)]), Some("sso")).unwrap();
    assert_eq!(found.who(), "access key …MPLE from profile `sso` by the AWS command line");
    assert_eq!(found.expires(), Some(now() + Duration::from_hours(1)));
}

#[test]
fn what_has_expired_is_refused() {
    let env = [
        ("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE"),
        ("AWS_SECRET_ACCESS_KEY", SECRET),
        ("AWS_CREDENTIAL_EXPIRATION", "2026-11-22T22:29:00Z"),
    ];
    let error = find(&machine(&env), None).unwrap_err();
    assert_eq!(error.kind, Kind::Expired);
    expect!["the credentials have expired: access key …MPLE from the environment was good until 2026-11-22 22:29 UTC; sign in again (`aws sso login`), or name others"].assert_eq(&error.text);
}

#[test]
fn where_there_are_none_all_that_was_tried_is_told() {
    let failing = "#!/bin/sh\necho 'Error loading SSO Token: Token for lab does not exist' >&2; exit 255\n";
    let home = Home::new(&[(".aws/config", "[default]\nsso_session = lab\n"), ("bin/aws", failing)]);
    let path = home.path().join("bin").into_string();
    let home = home.path().as_str();
    let said = |env: &[(&str, &str)]| find(&machine(env), None).unwrap_err().text.replace(home, "~");
    expect![[r#"
        there are no credentials for S3; tried:
          - the environment: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not set
          - profile `default` has `sso_session`, which the AWS command line knows how to use; `aws configure export-credentials` failed: Error loading SSO Token: Token for lab does not exist
          - the machine: AWS_EC2_METADATA_DISABLED is set
        set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, or run `aws configure`"#]].assert_eq(&said(&[("HOME", home), ("PATH", &path)]));
    expect![[r#"
        there are no credentials for S3; tried:
          - the environment: AWS_SECRET_ACCESS_KEY is not set
          - profile `default`: there is no ~/.aws/config and no ~/.aws/credentials
          - the container: `http://elsewhere.example/x` is neither https nor the container's own
          - the machine: AWS_EC2_METADATA_DISABLED is set
        set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, or run `aws configure`"#]]
    .assert_eq(&said(&[
        ("HOME", "/nonexistent"),
        ("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE"),
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://elsewhere.example/x"),
    ]));
    expect![[r#"
        there are no credentials for S3; tried:
          - the environment: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not set
          - profile `default` has `sso_session`, which the AWS command line knows how to use; it (`aws`) is not on PATH
          - the machine's role (http://127.0.0.1:1): io: Connection refused (os error 111)
        set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, or run `aws configure`"#]].assert_eq(&said(&[
        ("HOME", home),
        ("PATH", "/nonexistent"),
        ("AWS_EC2_METADATA_DISABLED", ""),
        ("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://127.0.0.1:1"),
    ]));
}
