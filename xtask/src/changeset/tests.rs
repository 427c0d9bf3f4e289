//! Changesets on real files, done by the script that users see.

use std::os::unix::fs::PermissionsExt as _;

use expect_test::expect;
use xshell::{Shell, cmd};

use super::receipt::Receipt;
use super::*;

struct Machine {
    dir: tempfile::TempDir,
    host: Host,
}

impl Machine {
    fn new(files: &[(&str, &str)]) -> Machine {
        let dir = tempfile::tempdir().unwrap();
        let mut host = Host::current().unwrap();
        host.root = Utf8PathBuf::from_path_buf(dir.path().to_owned()).unwrap();
        for (file, text) in files {
            let file = host.path(file);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, text).unwrap();
        }
        Machine { dir, host }
    }

    fn apply(&self, set: &Changeset) -> Result<(), String> {
        let texts = self.host.path("/texts");
        set.stage(&texts).unwrap();
        let script = set.script(&self.host, &texts);
        let sh = Shell::new().unwrap();
        let output = cmd!(sh, "sh -c {script}").quiet().ignore_status().output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        if output.status.success() { Ok(()) } else { Err(said) }
    }

    fn read(&self, path: &str) -> String {
        fs::read_to_string(self.host.path(path)).unwrap()
    }
}

#[test]
fn a_file_is_replaced_with_its_mode_and_a_link_stays_a_link() {
    let machine = Machine::new(&[("/etc/nix/nix.conf", "a = b\n")]);
    let file = machine.host.path("/etc/nix/nix.conf");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
    std::os::unix::fs::symlink("nix.conf", machine.host.path("/etc/nix/link")).unwrap();
    let mut set = Changeset::new("test");
    set.edit(&machine.host, "/etc/nix/link", |it| format!("{it}c = d\n")).unwrap();
    set.edit(&machine.host, "/etc/nix/link", |it| format!("{it}e = 'f'\n")).unwrap();
    set.edit(&machine.host, "/etc/it's new/x", |_| "new\n".to_owned()).unwrap();
    set.edit(&machine.host, "/etc/nix/none", str::to_owned).unwrap();
    assert_eq!(set.changes.len(), 2);
    assert!(!set.needs_root(&machine.host));
    set.run(&["touch", machine.host.path("/done").as_str()]);
    let shown = set.script(&machine.host, Utf8Path::new("/t"));
    let root = machine.dir.path().canonicalize().unwrap();
    expect![[r#"
        set -eu
        trap 'exit 1' HUP INT TERM
        cmp -s /t/0.old /m/etc/nix/nix.conf || { echo '/etc/nix/link has changed' >&2; exit 1; }
        draft=/m/etc/nix/nix.conf.xtask-new
        trap 'rm -f "$draft"' EXIT
        cp -p /m/etc/nix/nix.conf "$draft"
        cat /t/0.new > "$draft"
        mv -f "$draft" /m/etc/nix/nix.conf
        test ! -e '/m/etc/it'\''s new/x' || { echo '/etc/it'\''s new/x is there now' >&2; exit 1; }
        mkdir -p '/m/etc/it'\''s new'
        draft='/m/etc/it'\''s new/x.xtask-new'
        trap 'rm -f "$draft"' EXIT
        install -m 644 /t/1.new "$draft"
        mv -f "$draft" '/m/etc/it'\''s new/x'
        touch /m/done
    "#]]
    .assert_eq(&shown.replace(root.to_str().unwrap(), "/m"));
    machine.apply(&set).unwrap();
    set.verify(&machine.host).unwrap();
    assert_eq!(machine.read("/etc/nix/nix.conf"), "a = b\nc = d\ne = 'f'\n");
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o640);
    assert!(machine.host.path("/etc/nix/link").is_symlink() && machine.host.path("/done").exists());
    assert_eq!(machine.host.path("/etc/nix").read_dir().unwrap().count(), 2);
}

#[test]
fn who_was_faster_wins() {
    let machine = Machine::new(&[("/etc/f", "old\n")]);
    let mut set = Changeset::new("test");
    set.edit(&machine.host, "/etc/f", |_| "new\n".to_owned()).unwrap();
    fs::write(machine.host.path("/etc/f"), "somebody else's\n").unwrap();
    assert_eq!(machine.apply(&set), Err("/etc/f has changed\n".to_owned()));
    assert_eq!(machine.read("/etc/f"), "somebody else's\n");
    assert!(set.verify(&machine.host).is_err());
}

#[test]
fn what_was_done_is_undone() {
    let machine = Machine::new(&[("/etc/f", "old\n")]);
    let mut set = Changeset::new("test");
    set.edit(&machine.host, "/etc/f", |_| "new\n".to_owned()).unwrap();
    set.edit(&machine.host, "/etc/dir/g", |_| "made\n".to_owned()).unwrap();
    machine.apply(&set).unwrap();
    let state = machine.host.path("/state");
    let dir = receipt::next(&state).unwrap();
    // A directory without a receipt: the changes in it were never made.
    let unused = receipt::next(&state).unwrap();
    Receipt::of(&set).write(&dir).unwrap();
    let (found, mut receipt) = receipt::latest(&state).unwrap();
    assert_eq!(found, dir);
    assert_ne!(unused, dir);
    machine.apply(&receipt.reverse()).unwrap();
    assert_eq!(machine.read("/etc/f"), "old\n");
    assert!(!machine.host.path("/etc/dir/g").exists());
    assert!(receipt.reverse().is_undo);
    receipt.undone = true;
    receipt.write(&dir).unwrap();
    assert!(receipt::latest(&state).is_err());
}

/// The second file cannot be written: only the first can be taken back.
#[test]
fn of_what_failed_in_the_middle_only_what_was_done_is_undone() {
    let machine = Machine::new(&[("/etc/f", "old\n"), ("/etc/file", "no directory\n")]);
    let mut set = Changeset::new("test");
    set.edit(&machine.host, "/etc/f", |_| "new\n".to_owned()).unwrap();
    set.changes.push(Change::File { path: "/etc/file/g".to_owned(), old: None, new: Some("x".to_owned()) });
    assert!(machine.apply(&set).is_err());
    let done = set.done(&machine.host);
    assert_eq!(done.changes.len(), 1);
    machine.apply(&Receipt::of(&done).reverse()).unwrap();
    assert_eq!(machine.read("/etc/f"), "old\n");
    assert!(!set.done(&machine.host).has_files());
}

#[test]
fn a_token_is_not_shown() {
    let machine = Machine::new(&[("/etc/nix.conf", "access-tokens = github.com=SECRET\n")]);
    let mut set = Changeset::new("test");
    set.edit(&machine.host, "/etc/nix.conf", |it| format!("{it}a = b\n")).unwrap();
    let shown = set.diffs().concat();
    assert!(shown.contains(" access-tokens = …\n+a = b") && !shown.contains("SECRET"), "{shown}");
}
