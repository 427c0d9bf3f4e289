//! What is concluded from single events; `recorded.rs` has whole streams.

use super::*;

#[test]
fn what_a_dry_run_says_is_no_error() {
    let mut monitor = Monitor::default();
    for text in [
        "these 2 derivations will be built:",
        "  /nix/store/a-x.drv",
        "  /nix/store/b-y.drv",
        "these 9 paths will be fetched (1.9 KiB download, 4.1 KiB unpacked):",
        "  /nix/store/c-z",
        "error: something else",
    ] {
        monitor.message(0, text, None);
    }
    assert_eq!(monitor.planned, ["/nix/store/a-x.drv", "/nix/store/b-y.drv"]);
    assert_eq!((monitor.download, monitor.errors), (4198, vec!["something else".to_owned()]));
}

#[test]
fn sizes_in_both_versions() {
    for (text, want) in [
        ("this path will be fetched (0.00 MiB download, 12.50 MiB unpacked):", Some(13_107_200)),
        ("these 2 paths will be fetched (1 B download, 17 B unpacked):", Some(17)),
        ("these 2 paths will be fetched (1.0 GiB download, 2.5 GiB unpacked):", Some(2_684_354_560)),
        ("these paths will be fetched (? download, many unpacked):", None),
    ] {
        assert_eq!(unpacked(text), want, "{text}");
    }
}
