//! Recorded streams of both versions, and what was concluded from them.

use expect_test::{Expect, expect};

use super::*;
use crate::nix::event;

/// Plays a recorded stream and says what was concluded.
#[expect(clippy::needless_pass_by_value, reason = "the snapshot is written at the call")]
fn check(recorded: &str, expect: Expect) {
    let path = format!("{}/tests/fixtures/logs/{recorded}.err", env!("CARGO_MANIFEST_DIR"));
    let mut monitor = Monitor::default();
    for line in std::fs::read(path).unwrap().split(|it| *it == b'\n') {
        monitor.event(&event::parse(line), Instant::now());
    }
    monitor.end();
    let short = |drv: &str| drv[44..].to_owned();
    let mut res = format!("planned {}\n", monitor.planned.len());
    for drv in monitor.built.keys() {
        res.push_str(&format!("built {}\n", short(drv)));
    }
    for path in &monitor.copied {
        res.push_str(&format!("copied {}\n", short(path)));
    }
    for it in &monitor.failures {
        res.push_str(&format!(
            "failed {}: {} ({} lines, last {:?})\n",
            short(&it.drv),
            it.reason,
            it.lines,
            it.tail.last()
        ));
    }
    for it in &monitor.errors {
        res.push_str(&format!("error {it}\n"));
    }
    res.push_str(&format!("running {}", monitor.builds.len()));
    expect.assert_eq(&res);
}

#[test]
fn success() {
    check(
        "success-trixie",
        expect![[r#"
        planned 12
        built leaf-3.drv
        built mid-1.drv
        built mid-2.drv
        built leaf-2.drv
        built top-2.drv
        built leaf-5.drv
        built leaf-6.drv
        built all.drv
        built mid-3.drv
        built leaf-4.drv
        built leaf-1.drv
        built top-1.drv
        running 0"#]],
    );
    check(
        "success-sid",
        expect![[r#"
        planned 12
        built leaf-1.drv
        built all.drv
        built mid-2.drv
        built leaf-5.drv
        built leaf-2.drv
        built leaf-3.drv
        built top-2.drv
        built mid-1.drv
        built leaf-6.drv
        built mid-3.drv
        built top-1.drv
        built leaf-4.drv
        running 0"#]],
    );
    check(
        "uptodate-trixie",
        expect![[r#"
        planned 0
        running 0"#]],
    );
    check(
        "substitute-http-sid",
        expect![[r#"
        planned 0
        copied top-1
        copied mid-1
        copied leaf-5
        copied mid-2
        copied two
        copied all
        copied leaf-3
        copied leaf-1
        copied top-2
        copied mid-3
        running 0"#]],
    );
}

#[test]
fn failures() {
    check(
        "fail-trixie",
        expect![[r#"
        planned 1
        failed fail-1.drv: its builder ended with exit code 1 (31 lines, last Some("error: boom 1"))
        running 0"#]],
    );
    check(
        "fail-sid",
        expect![[r#"
        planned 1
        failed fail-1.drv: its builder ended with exit code 1 (31 lines, last Some("error: boom 1"))
        running 0"#]],
    );
}

#[test]
fn failures_that_stop_nothing_else() {
    check(
        "failtop-keepgoing-trixie",
        expect![[r#"
        planned 4
        built leaf-3.drv
        failed fail-1.drv: its builder ended with exit code 1 (31 lines, last Some("error: boom 1"))
        failed fail-2.drv: its builder ended with exit code 2 (31 lines, last Some("error: boom 2"))
        running 0"#]],
    );
    check(
        "failtop-keepgoing-sid",
        expect![[r#"
        planned 4
        built leaf-3.drv
        failed fail-1.drv: its builder ended with exit code 1 (31 lines, last Some("error: boom 1"))
        failed fail-2.drv: its builder ended with exit code 2 (31 lines, last Some("error: boom 2"))
        running 0"#]],
    );
    check(
        "failtop-trixie",
        expect![[r#"
        planned 4
        failed fail-1.drv: its builder ended with exit code 1 (31 lines, last Some("error: boom 1"))
        running 0"#]],
    );
    check(
        "failtop-sid",
        expect![[r#"
        planned 4
        failed fail-1.drv: its builder ended with exit code 1 (31 lines, last Some("error: boom 1"))
        running 0"#]],
    );
}

#[test]
fn failures_under_a_daemon() {
    check(
        "daemon-trixie",
        expect![[r#"
        planned 7
        built leaf-2.drv
        built leaf-1.drv
        built leaf-3.drv
        built mid-1.drv
        failed fail-1.drv: its builder ended with exit code 1 (31 lines, last Some("error: boom 1"))
        failed fail-2.drv: its builder ended with exit code 2 (31 lines, last Some("error: boom 2"))
        running 0"#]],
    );
    check(
        "daemon-sid",
        expect![[r#"
        planned 7
        built leaf-1.drv
        built leaf-2.drv
        built leaf-3.drv
        built mid-1.drv
        failed fail-1.drv: its builder ended with exit code 1 (31 lines, last Some("error: boom 1"))
        failed fail-2.drv: its builder ended with exit code 2 (31 lines, last Some("error: boom 2"))
        running 0"#]],
    );
}

#[test]
fn errors_that_name_no_derivation() {
    check(
        "eval-thrown-trixie",
        expect![[r#"
        planned 0
        error custom message
        second line
        running 0"#]],
    );
    check(
        "eval-thrown-sid",
        expect![[r#"
        planned 0
        error custom message
        second line
        running 0"#]],
    );
    check(
        "sigint-trixie",
        expect![[r#"
        planned 1
        error interrupted by the user
        running 0"#]],
    );
    check(
        "sigint-sid",
        expect![[r#"
        planned 1
        error interrupted by the user
        running 0"#]],
    );
}

#[test]
fn a_remote_build_counts_once() {
    check(
        "remote-build-trixie",
        expect![[r#"
        planned 4
        built phases.drv
        built leaf-1.drv
        built mid-1.drv
        built leaf-2.drv
        error message from builder
        error bad JSON log message from the derivation builder: [json.exception.parse_error.101] parse error at line 1, column 4: syntax error while parsing object key - invalid literal; last read: '{ no'; expected string literal
        running 0"#]],
    );
    check(
        "remote-build-sid",
        expect![[r#"
        planned 4
        built mid-1.drv
        built leaf-2.drv
        built phases.drv
        built leaf-1.drv
        copied leaf-1
        copied mid-1
        copied phases
        copied leaf-2
        error message from builder
        error bad JSON log message from the derivation builder: [json.exception.parse_error.101] parse error at line 1, column 4: syntax error while parsing object key - invalid literal; last read: '{ no'; expected string literal
        running 0"#]],
    );
}
